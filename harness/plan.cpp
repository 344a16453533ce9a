#include "harness/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "prompts/shots.h"
#include "support/error.h"
#include "support/hash.h"
#include "support/json.h"

namespace mathtrap {
namespace {

constexpr int kMaxEpochs = 1000;

/// A question of an arm, before an intervention is put to it.
struct Item {
  std::string id;  ///< "<record>/<arm>"
  std::optional<TrapType> trap_type;
  std::string cluster;
  Reference reference;
};

/// The sentences that conflict, each once.
std::vector<std::string> core_of(const Record& record) {
  std::vector<std::string> sentences;
  for (const CoreStatement& item : record.flaw.core) {
    const bool known = std::find(sentences.begin(), sentences.end(), item.sentence) != sentences.end();
    if (!item.sentence.empty() && !known) sentences.push_back(item.sentence);
  }
  return sentences;
}

/// The items of one arm; equal questions with equal references become one.
class ItemList {
 public:
  explicit ItemList(Arm arm) : arm_(arm) {}

  void add(const Record& record) {
    switch (arm_) {
      case Arm::original:
        return add_original(record);
      case Arm::trap:
        if (record.trap) {
          add_item(record, "trap",
                   {arm_, record.trap->problem, record.trap->explanation, record.trap->evidence, core_of(record)});
        }
        return;
      case Arm::conceptual:
        for (std::size_t i = 0; i < record.concepts.size(); ++i) {
          const Concept& question = record.concepts[i];
          add_item(record, fmt::format("concept.{}", i + 1),
                   {arm_, question.question, question.answer ? "true" : "false", {}});
        }
    }
  }

  const std::vector<Item>& items() const { return items_; }

  /// What was left out or put together.
  void describe(std::vector<std::string>& notes) const {
    if (items_.empty()) notes.push_back(fmt::format("the data set has no questions for the arm {}", to_string(arm_)));
    if (repeated_ != 0) {
      notes.push_back(fmt::format("{} repeated questions of the arm {} are asked once", repeated_, to_string(arm_)));
    }
    if (unanswered_ != 0) {
      notes.push_back(fmt::format("{} originals have no reference answer and are left out", unanswered_));
    }
  }

 private:
  void add_original(const Record& record) {
    if (!record.original) return;
    if (record.original->answer.empty()) {
      ++unanswered_;
      return;
    }
    add_item(record, "original",
             {arm_, record.original->problem, record.original->answer, {}, {}, record.original->solution});
  }

  void add_item(const Record& record, const std::string& part, Reference reference) {
    const auto key = std::make_pair(reference.problem, reference.text);
    const auto [found, fresh] = index_.emplace(key, items_.size());
    if (fresh) {
      items_.push_back({record.id + "/" + part, record.trap_type, record.cluster, std::move(reference)});
      return;
    }
    ++repeated_;
    Item& earlier = items_[found->second];
    if (earlier.trap_type != record.trap_type) earlier.trap_type.reset();
  }

  Arm arm_;
  std::vector<Item> items_;
  std::map<std::pair<std::string, std::string>, std::size_t> index_;
  std::size_t repeated_ = 0;
  std::size_t unanswered_ = 0;
};

std::uint64_t seed_of_vote(std::uint64_t seed, int vote) {
  return vote == 0 ? seed : hash64(fmt::format("{} vote {}", seed, vote));
}

std::uint64_t seed_of_epoch(std::uint64_t seed, int epoch) {
  return epoch == 0 ? seed : hash64(fmt::format("{} epoch {}", seed, epoch));
}

Question ask(const Item& item, std::size_t place, int epoch, const PlanOptions& options) {
  const Intervention& intervention = options.interventions[place];
  const bool is_problem = item.reference.arm != Arm::conceptual;
  std::vector<Shot> shots;
  if (is_problem) {
    shots = choose_shots(options.shots, intervention, {item.reference.problem, item.cluster}, options.generation.seed);
  }
  Prompt prompt = make_prompt(options.form, intervention, item.reference.arm, item.reference.problem, shots);
  GenerationRequest request{std::move(prompt.text), options.generation, std::move(prompt.user_text)};
  request.options.stop.insert(request.options.stop.end(), options.form.stop.begin(), options.form.stop.end());
  request.options.seed = seed_of_epoch(hash64(fmt::format("{} {}", options.generation.seed, item.id)), epoch);
  std::vector<std::uint64_t> seeds;
  for (int vote = 0; vote < intervention.votes; ++vote) seeds.push_back(seed_of_vote(request.options.seed, vote));
  return {fmt::format("{}/{}{}", item.id, intervention.name, epoch == 0 ? "" : fmt::format("#{}", epoch + 1)),
          epoch,
          intervention.name,
          item.trap_type,
          item.cluster,
          item.reference,
          std::move(request),
          make_conversation(options.form, intervention, item.reference.arm, item.reference.problem, shots),
          std::move(seeds),
          place};
}

void check_options(const PlanOptions& options) {
  if (options.epochs < 1 || options.epochs > kMaxEpochs) {
    throw Error(fmt::format("--epochs {}: a number from 1 to {} is wanted", options.epochs, kMaxEpochs));
  }
  if (options.epochs > 1 && options.generation.temperature == 0) {
    throw Error(
        fmt::format("--epochs {}: at --temperature 0 all replies are the same; choose another", options.epochs));
  }
  std::set<std::string> names;
  for (const Intervention& intervention : options.interventions) {
    if (!names.insert(intervention.name).second) {
      throw Error(fmt::format("--interventions: {} is named twice", intervention.name));
    }
    if (intervention.votes > 1 && options.generation.temperature == 0) {
      throw Error(
          fmt::format("--interventions {}: at --temperature 0 all replies are the same; 0.7 is usual for a vote",
                      intervention.name));
    }
  }
  std::set<Arm> arms;
  for (const Arm arm : options.arms) {
    if (!arms.insert(arm).second) throw Error(fmt::format("--arms: {} is named twice", to_string(arm)));
  }
}

/// What a chat template refuses is known before the first reply: one second turn of each intervention is rendered.
void check_second_turns(const Plan& plan) {
  std::set<std::size_t> checked;
  for (const Question& question : plan.questions) {
    const Intervention& intervention = plan.interventions[question.intervention_place];
    if (intervention.follow_up.empty() || question.reference.arm == Arm::conceptual) continue;
    if (!checked.insert(question.intervention_place).second) continue;
    make_second_turn(plan, question, "The answer is 1.");
  }
}

Json describe_question(const Question& question) {
  const GenerationOptions& options = question.request.options;
  return {{"id", question.id},
          {"cluster", question.cluster},
          {"trap_type", question.trap_type ? Json(to_string(*question.trap_type)) : Json()},
          {"prompt", question.request.prompt},
          {"problem", question.reference.problem},
          {"reference", question.reference.text},
          {"evidence", question.reference.evidence},
          {"core", question.reference.core},
          {"seeds", question.seeds},
          {"options",
           {options.max_new_tokens, options.temperature, options.top_k, options.top_p, options.min_p, options.seed,
            options.stop}}};
}

}  // namespace

GenerationRequest make_second_turn(const Plan& plan, const Question& question, std::string_view reply) {
  GenerationRequest request = question.request;
  const Prompt first{std::move(request.prompt), std::move(request.plain_text)};
  Prompt prompt =
      make_follow_up(plan.form, plan.interventions[question.intervention_place], {first, question.conversation}, reply);
  request.prompt = std::move(prompt.text);
  request.plain_text = std::move(prompt.user_text);
  return request;
}

Plan make_plan(std::span<const Record> records, const PlanOptions& options) {
  check_options(options);
  Plan plan;
  plan.form = options.form;
  plan.interventions = options.interventions;
  for (const Arm arm : options.arms) {
    ItemList list(arm);
    for (const Record& record : records) list.add(record);
    list.describe(plan.notes);
    for (std::size_t place = 0; place < options.interventions.size(); ++place) {
      for (int epoch = 0; epoch < options.epochs; ++epoch) {
        for (const Item& item : list.items()) plan.questions.push_back(ask(item, place, epoch, options));
      }
    }
  }
  if (plan.questions.empty()) throw Error("there is nothing to ask: the data set has no questions for these arms");
  check_second_turns(plan);
  return plan;
}

std::string plan_sha256(const Plan& plan) {
  Sha256 hash;
  for (const Question& question : plan.questions) {
    hash.update(describe_question(question).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  for (const Intervention& intervention : plan.interventions) hash.update(intervention.follow_up + "\n");
  hash.update(plan.form.before_reply + "\n" + plan.form.after_reply);
  if (plan.form.chat) hash.update("\n" + plan.form.chat->chat_template.source);
  return hash.finish();
}

}  // namespace mathtrap
