#include "harness/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "harness/contamination.h"
#include "harness/dataset_choice.h"
#include "harness/interview.h"
#include "harness/reply_cache.h"
#include "model/model_path.h"
#include "model/runtime.h"
#include "prompts/shots.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "traps/proof/flaw.h"

namespace mathtrap {
namespace {

constexpr int kFormat = 1;  // of the run folder
constexpr double kMaxTemperature = 100;
constexpr const char* kOwnCache = "replies.sqlite";

Json describe_prompts(const PlanOptions& options) {
  const PromptForm& form = options.form;
  const Json content = {form.problem, form.conceptual, form.after_hint, form.before_reply, form.after_reply, form.stop};
  Json interventions = Json::array();
  for (const Intervention& intervention : options.interventions) {
    Json item = {{"name", intervention.name}, {"hint", intervention.hint}};
    if (!intervention.adapter.empty()) {
      const std::string sha256 = adapter_sha256(resolve_model_path(intervention.adapter));
      item["adapter"] = {{"name", intervention.adapter}, {"sha256", sha256}};
    }
    if (!intervention.after.empty()) item["after"] = intervention.after;
    if (!intervention.follow_up.empty()) item["follow_up"] = intervention.follow_up;
    if (intervention.votes > 1) item["votes"] = intervention.votes;
    if (intervention.shots > 0) {
      item["shots"] = {{"count", intervention.shots},
                       {"traps", intervention.trap_shots},
                       {"order", to_string(intervention.shot_order)}};
    }
    interventions.push_back(std::move(item));
  }
  Json prompts = {{"form", form.name}, {"sha256", sha256(content.dump())}, {"interventions", interventions}};
  if (form.chat) {
    prompts["chat_template"] = {{"sha256", sha256(form.chat->chat_template.source)},
                                {"special_tokens", form.chat->variables.special_tokens},
                                {"date", form.chat->variables.date},
                                {"system", form.chat->system}};
  }
  if (!options.shots.empty()) {
    Sha256 hash;
    for (const Record& record : options.shots) hash.update(write_json_record(record) + "\n");
    prompts["shots_sha256"] = hash.finish();
  }
  return prompts;
}

void check_generation(const GenerationOptions& generation) {
  // Written so that NaN fails.
  if (!(generation.temperature >= 0 && generation.temperature <= kMaxTemperature)) {
    throw Error(
        fmt::format("--temperature {}: a number from 0 to {} is wanted", generation.temperature, kMaxTemperature));
  }
  if (!(generation.top_p > 0 && generation.top_p <= 1)) {
    throw Error(fmt::format("--top-p {}: a number above 0, at most 1, is wanted", generation.top_p));
  }
  if (!(generation.min_p >= 0 && generation.min_p < 1)) {
    throw Error(fmt::format("--min-p {}: a number from 0, below 1, is wanted", generation.min_p));
  }
  if (generation.top_k < 0) throw Error(fmt::format("--top-k {}: a number from 0 is wanted", generation.top_k));
  if (generation.max_new_tokens < 1) {
    throw Error(fmt::format("--max-new-tokens {}: a number from 1 is wanted", generation.max_new_tokens));
  }
}

bool has_several_replies(const Plan& plan) {
  return std::any_of(plan.interventions.begin(), plan.interventions.end(), [](const Intervention& intervention) {
    return intervention.votes > 1 || !intervention.follow_up.empty();
  });
}

/// "all" is the paper's grid: no help, the hint, and the hint with one and with five shots.
std::vector<std::string> named_interventions(const std::vector<std::string>& names) {
  if (names != std::vector<std::string>{"all"}) return names;
  return {"none", "hint", "hint+1-shot", "hint+5-shot"};
}

/// Reads the pool of shots where an intervention wants any; takes what it contaminates out of `records`, or refuses.
/// Returns a note; "" for none.
std::string add_shots(const EvaluationOptions& options, std::vector<Record>& records, PlanOptions& plan) {
  const auto shows_any = [](const Intervention& intervention) { return intervention.shots > 0; };
  if (std::none_of(plan.interventions.begin(), plan.interventions.end(), shows_any)) return "";
  const std::string name = options.shots.empty() ? resource("prompts/shots").string() : options.shots;
  plan.shots = choose_dataset(name, 0, options.seed, "--shots").records;
  std::vector<Record> possible;
  for (const Intervention& intervention : plan.interventions) {
    for (Record& record : possible_shots(plan.shots, intervention)) possible.push_back(std::move(record));
  }
  return leave_out_contaminated(records, possible, options.drop_contaminated);
}

/// The adapters that the plan's questions want; "" for none of them.
std::set<std::string> adapters_of(const Plan& plan) {
  std::set<std::string> adapters;
  for (const Question& question : plan.questions) {
    adapters.insert(plan.interventions[question.intervention_place].adapter);
  }
  return adapters;
}

/// The model as it is, then with each adapter, one after the other. `cache`: a file for replies; "" for none.
void ask_all_models(const Plan& plan, Progression& progression, ModelUnderTest& model, Judge& judge, RunStore& store,
                    const std::string& cache) {
  for (const std::string& adapter : adapters_of(plan)) {
    const auto adapted = adapter.empty() ? nullptr : model.adapted(adapter);
    ModelUnderTest& asked = adapted ? *adapted : model;
    const auto cached = cache.empty() ? nullptr : with_reply_cache(asked, cache);
    ask_open_questions(plan, progression, cached ? *cached : asked, judge, store, adapter);
    if (interrupted()) return;
  }
}

void tell_failures(const std::vector<Sample>& samples, const std::filesystem::path& folder) {
  const auto is_failed = [](const Sample& sample) { return sample.verdict == Verdict::failed; };
  const auto first = std::find_if(samples.begin(), samples.end(), is_failed);
  if (first == samples.end()) return;
  warn(fmt::format(
      "{} of {} requests got no reply and are counted apart (the first: {}); the same command with "
      "--log-dir {} asks them again",
      std::count_if(samples.begin(), samples.end(), is_failed), samples.size(), first->reason, folder.string()));
}

}  // namespace

PreparedEvaluation prepare_evaluation(const EvaluationOptions& options, const std::string& version) {
  check_generation(options.generation);
  PlanOptions plan_options;
  for (const std::string& arm : options.arms) plan_options.arms.push_back(parse_arm(arm));
  for (const std::string& name : named_interventions(options.interventions)) {
    plan_options.interventions.push_back(load_intervention(name));
  }
  plan_options.form = choose_prompt_form(options.prompt_form);
  plan_options.generation = options.generation;
  plan_options.generation.seed = options.seed;
  plan_options.epochs = options.epochs;
  DatasetChoice dataset = choose_dataset(options.dataset, options.limit, options.seed);
  prove_instances(dataset.records, available_threads());
  const std::string left_out = add_shots(options, dataset.records, plan_options);
  PreparedEvaluation prepared;
  prepared.predict_only = options.predict_only;
  prepared.plan = make_plan(dataset.records, plan_options);
  if (!left_out.empty()) prepared.plan.notes.push_back(left_out);
  const GenerationOptions& generation = options.generation;
  prepared.cache = options.cache;
  prepared.description = {
      {"format", kFormat},
      {"mathtrap", version},
      {"dataset",
       {{"name", dataset.name},
        {"sha256", dataset.sha256},
        {"records", dataset.records.size()},
        {"limit", options.limit}}},
      {"prompts", describe_prompts(plan_options)},
      {"arms", options.arms},
      {"seed", options.seed},
      {"epochs", options.epochs},
      {"generation",
       {{"max_new_tokens", generation.max_new_tokens},
        {"temperature", generation.temperature},
        {"top_k", generation.top_k},
        {"top_p", generation.top_p},
        {"min_p", generation.min_p}}},
      {"plan", {{"replies", prepared.plan.questions.size()}, {"sha256", plan_sha256(prepared.plan)}}},
  };
  return prepared;
}

std::optional<StoredRun> run_evaluation(const PreparedEvaluation& evaluation, ModelUnderTest& model, Judge& judge,
                                        const std::filesystem::path& folder, const Json& arguments) {
  if (!evaluation.plan.questions.empty()) model.check_options(evaluation.plan.questions.front().request.options);
  Json description = evaluation.description;
  description["model"] = model.description();
  description["judge"] = judge.description();
  RunStore store(folder, description, arguments);
  Progression progression(evaluation.plan, store, evaluation.predict_only);
  if (progression.done() != 0) {
    note(fmt::format("continuing {}: {} of {} replies are there", folder.string(), progression.done(),
                     progression.total()));
  }
  if (progression.done() < progression.total()) {
    // Votes and first turns are no samples yet: a cache of the run's own keeps them until it is finished.
    const std::string own = (folder / kOwnCache).string();
    const bool several = has_several_replies(evaluation.plan);
    ask_all_models(evaluation.plan, progression, model, judge, store,
                   evaluation.cache.empty() && several ? own : evaluation.cache);
  }
  if (progression.done() < progression.total()) {
    note(fmt::format("stopped with {} of {} replies; the same command with --log-dir {} goes on", progression.done(),
                     progression.total(), folder.string()));
    return std::nullopt;
  }
  const std::vector<Sample> samples = progression.take();
  tell_failures(samples, folder);
  if (evaluation.predict_only) {
    store.put_in_order(samples);
    return read_run(folder);
  }
  store.finish(samples, summarise(json_string(description["model"], "name", {}),
                                  json_string(description["dataset"], "name", {}), samples));
  for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(folder / (std::string(kOwnCache) + ending));
  return read_run(folder);
}

std::optional<StoredRun> run_evaluation(const PreparedEvaluation& evaluation, ModelUnderTest& model,
                                        const std::filesystem::path& folder, const Json& arguments) {
  const auto rules = open_judge("rules", {});
  return run_evaluation(evaluation, model, *rules, folder, arguments);
}

}  // namespace mathtrap
