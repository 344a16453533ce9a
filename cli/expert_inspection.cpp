#include "cli/expert_inspection.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "harness/dataset_choice.h"
#include "harness/load_divergence.h"
#include "harness/plan.h"
#include "model/model_path.h"
#include "model/runtime.h"
#include "moe/inspect.h"
#include "support/error.h"
#include "support/log.h"

namespace mathtrap {
namespace {

/// The prompts of a data set: the plan of an evaluation without help, and which of its questions belong together.
struct PlannedPrompts {
  DatasetChoice dataset;
  Plan plan;
};

PlannedPrompts plan_prompts(const ExpertInspectionOptions& options) {
  PlannedPrompts planned;
  PlanOptions plan;
  plan.arms = {Arm::original, Arm::trap, Arm::conceptual};
  plan.interventions = {load_intervention("none")};
  plan.form = choose_prompt_form(options.form);
  planned.dataset = choose_dataset(options.dataset, options.limit, options.seed);
  planned.plan = make_plan(planned.dataset.records, plan);
  return planned;
}

/// What the comparison of pairs needs of each prompt.
std::vector<RoutedPrompt> routed_prompts(const ExpertInspection& inspection) {
  std::vector<RoutedPrompt> prompts;
  for (std::size_t i = 0; i < inspection.prompts.size(); ++i) {
    RoutedPrompt& prompt = prompts.emplace_back();
    prompt.tokens = inspection.tokens[i];
    for (const LayerRouting& layer : inspection.prompts[i].layers) {
      prompt.load.emplace_back(layer.chosen.begin(), layer.chosen.end());
      prompt.routes.push_back(layer.routes);
    }
  }
  return prompts;
}

/// Each trap with its original. Questions that stand in several records are asked once, so they are found by their
/// text; equal pairs count once.
std::vector<PairedLoads> pair_loads(const PlannedPrompts& planned, const std::vector<RoutedPrompt>& prompts) {
  std::map<std::pair<Arm, std::string>, std::size_t> places;
  for (std::size_t i = 0; i < planned.plan.questions.size(); ++i) {
    const Reference& reference = planned.plan.questions[i].reference;
    places.emplace(std::pair(reference.arm, reference.problem), i);
  }
  std::set<std::pair<std::size_t, std::size_t>> known;
  std::vector<PairedLoads> pairs;
  for (const Record& record : planned.dataset.records) {
    if (!record.original || !record.trap) continue;
    const auto original = places.find({Arm::original, record.original->problem});
    const auto trap = places.find({Arm::trap, record.trap->problem});
    if (original == places.end() || trap == places.end()) continue;
    if (!known.emplace(original->second, trap->second).second) continue;
    pairs.push_back({record.cluster, record.family.empty() ? "problem " + record.cluster : "family " + record.family,
                     &prompts[original->second], &prompts[trap->second]});
  }
  return pairs;
}

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

/// A share of the largest entropy that E experts can have; null where there is one expert.
Json share_of_most(const std::optional<double>& entropy, std::size_t experts) {
  if (!entropy || experts < 2) return {};
  return *entropy / std::log2(static_cast<double>(experts));
}

Json json_of(const LayerMeasures& layer) {
  return {{"load", layer.load},
          {"importance", layer.importance},
          {"gate_entropy", or_null(layer.gate_entropy)},
          {"gate_entropy_share", share_of_most(layer.gate_entropy, layer.load.size())},
          {"load_entropy", layer.load_entropy},
          {"load_entropy_share", share_of_most(layer.load_entropy, layer.load.size())},
          {"max_over_mean", layer.max_over_mean},
          {"variation", layer.variation},
          {"dead", layer.dead}};
}

/// Mean and largest value of a field over layers; null where no layer has it.
Json over_layers(const Json& layers, const char* field) {
  double sum = 0;
  double most = 0;
  for (const Json& layer : layers) {
    if (layer[field].is_null()) return {};
    sum += layer[field].get<double>();
    most = std::max(most, layer[field].get<double>());
  }
  return {{"mean", sum / static_cast<double>(layers.size())}, {"max", most}};
}

Json json_of_group(const ExpertInspection& inspection, const std::vector<std::size_t>& members, const Json& arm,
                   const Json& trap_type) {
  PromptRouting total;
  for (const std::size_t member : members) add_routing(total, inspection.prompts[member]);
  Json layers = Json::array();
  std::size_t dead = 0;
  for (const LayerRouting& layer : total.layers) {
    const LayerMeasures measures = measure_layer(layer, total.tokens, inspection.select, inspection.has_logits);
    dead += measures.dead.size();
    layers.push_back(json_of(measures));
  }
  Json group = {
      {"arm", arm}, {"trap_type", trap_type}, {"prompts", members.size()}, {"tokens", total.tokens}, {"dead", dead}};
  for (const char* field : {"gate_entropy_share", "load_entropy_share", "max_over_mean", "variation"}) {
    group[field] = over_layers(layers, field);
  }
  group["layers"] = std::move(layers);
  return group;
}

/// All prompts, each arm, and each trap type of the traps; groups without prompts are left out.
Json json_of_groups(const ExpertInspection& inspection, const Plan* plan) {
  Json groups = Json::array();
  const auto add = [&](const Json& arm, const Json& type, const std::function<bool(const Question&)>& belongs) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < inspection.prompts.size(); ++i) {
      if (plan == nullptr || belongs(plan->questions[i])) members.push_back(i);
    }
    if (!members.empty()) groups.push_back(json_of_group(inspection, members, arm, type));
  };
  add({}, {}, [](const Question&) { return true; });
  if (plan == nullptr) return groups;
  for (const Arm arm : {Arm::original, Arm::trap, Arm::conceptual}) {
    add(to_string(arm), {}, [arm](const Question& question) { return question.reference.arm == arm; });
  }
  for (const TrapType type : kTrapTypes) {
    add(to_string(Arm::trap), to_string(type),
        [type](const Question& question) { return question.reference.arm == Arm::trap && question.trap_type == type; });
  }
  return groups;
}

/// [E * E] as rows.
template <typename T>
Json rows_of(const std::vector<T>& table, std::size_t experts) {
  Json rows = Json::array();
  for (std::size_t row = 0; row < experts; ++row) {
    Json& cells = rows.emplace_back(Json::array());
    for (std::size_t column = 0; column < experts; ++column) {
      if constexpr (std::is_same_v<T, std::optional<double>>) {
        cells.push_back(or_null(table[row * experts + column]));
      } else {
        cells.push_back(table[row * experts + column]);
      }
    }
  }
  return rows;
}

Json json_of_co_selection(const ExpertInspection& inspection) {
  if (inspection.together.empty()) return {};
  const auto experts = static_cast<std::size_t>(inspection.experts);
  Json layers = Json::array();
  for (const std::vector<std::int64_t>& together : inspection.together) {
    std::vector<std::int64_t> chosen(experts);
    for (std::size_t expert = 0; expert < experts; ++expert) chosen[expert] = together[expert * experts + expert];
    layers.push_back({{"together", rows_of(together, experts)},
                      {"lift", rows_of(co_selection_lift(together, chosen, inspection.select), experts)}});
  }
  return layers;
}

Json json_of_overlap(const ExpertInspection& inspection) {
  if (inspection.overlap.empty()) return {};
  Json layers = Json::array();
  for (const std::vector<double>& overlap : inspection.overlap) {
    layers.push_back(rows_of(overlap, static_cast<std::size_t>(inspection.experts)));
  }
  return layers;
}

Json json_of(const std::optional<MeanDivergence>& divergence) {
  if (!divergence) return {};
  return {{"mean", divergence->mean},
          {"ci95", divergence->ci95 ? Json{divergence->ci95->low, divergence->ci95->high} : Json()}};
}

Json json_of_divergence(const PlannedPrompts& planned, const ExpertInspection& inspection, std::uint64_t seed) {
  const std::vector<RoutedPrompt> prompts = routed_prompts(inspection);
  const LoadDivergences found = compare_loads(pair_loads(planned, prompts), seed);
  if (found.pairs == 0) return {};
  Json layers = Json::array();
  for (const LoadDivergence& layer : found.layers) {
    layers.push_back({{"trap", json_of(std::optional(layer.trap))},
                      {"siblings", json_of(layer.siblings)},
                      {"strangers", json_of(layer.strangers)},
                      {"trap_less_siblings", json_of(layer.trap_less_siblings)},
                      {"rerouted", json_of(layer.rerouted)},
                      {"rerouted_siblings", json_of(layer.rerouted_siblings)},
                      {"rerouted_less_siblings", json_of(layer.rerouted_less_siblings)},
                      {"original_load", layer.original_load},
                      {"trap_load", layer.trap_load},
                      {"shift", layer.shift},
                      {"shift_p", layer.shift_p},
                      {"shift_holm_p", layer.shift_holm_p}});
  }
  return {{"pairs", found.pairs}, {"units", found.units}, {"ending", found.ending}, {"layers", std::move(layers)}};
}

InspectionInput input_of(const ExpertInspectionOptions& options, const Plan* plan) {
  InspectionInput input;
  input.file = options.data;
  input.tokens = options.tokens;
  input.window = options.window;
  if (plan == nullptr) return input;
  for (const Question& question : plan->questions) {
    input.prompts.push_back({question.request.prompt, question.request.plain_text});
  }
  return input;
}

}  // namespace

Json inspect_experts_of(const ExpertInspectionOptions& options) {
  const std::string path = resolve_model_path(options.model);
  std::optional<PlannedPrompts> planned;
  if (options.data.empty()) planned = plan_prompts(options);
  const Plan* plan = planned ? &planned->plan : nullptr;
  if (plan != nullptr) {
    for (const std::string& line : plan->notes) note(line);
  }
  prepare_runtime(options.threads);
  const ExpertInspection inspection = inspect_experts(path, input_of(options, plan));
  Json result = {{"model", options.model},      {"experts", inspection.experts},
                 {"select", inspection.select}, {"shared_neurons", inspection.shared_neurons},
                 {"gate", inspection.gate},     {"seed", options.seed}};
  if (planned) {
    result["dataset"] = {{"name", planned->dataset.name},
                         {"sha256", planned->dataset.sha256},
                         {"records", planned->dataset.records.size()}};
    result["prompt_form"] = plan->form.name;
  } else {
    result["data"] = options.data;
  }
  result["groups"] = json_of_groups(inspection, plan);
  result["co_selection"] = json_of_co_selection(inspection);
  result["weight_overlap"] = json_of_overlap(inspection);
  result["divergence"] = planned ? json_of_divergence(*planned, inspection, options.seed) : Json();
  return result;
}

}  // namespace mathtrap
