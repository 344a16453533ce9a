#include "harness/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "harness/contamination.h"
#include "harness/dataset_choice.h"
#include "harness/reply_cache.h"
#include "harness/vote.h"
#include "model/runtime.h"
#include "prompts/shots.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "support/progress.h"
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

/// A tokenizer may cut a reply within a character; files hold whole ones.
std::string valid_utf8(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

/// What one vote on a question came to: the reply that counts, and the one before it where there are two turns.
struct Vote {
  std::string first_reply;
  std::string prompt;  ///< of the reply that counts
  Completion completion;
  bool finished = false;
};

Sample make_sample(const Question& question, const std::vector<Vote>& votes) {
  std::vector<std::string> replies;
  replies.reserve(votes.size());
  for (const Vote& vote : votes) replies.push_back(valid_utf8(vote.completion.text));
  const std::size_t chosen = replies.size() == 1 ? 0 : majority_reply(question.reference.arm, replies);
  const Completion& completion = votes[chosen].completion;
  Sample sample;
  sample.id = question.id;
  sample.arm = question.reference.arm;
  sample.intervention = question.intervention;
  sample.trap_type = question.trap_type;
  sample.cluster = question.cluster;
  sample.epoch = question.epoch;
  sample.prompt = votes[chosen].prompt;
  sample.first_reply = valid_utf8(votes[chosen].first_reply);
  sample.reply = replies[chosen];
  replies.erase(replies.begin() + static_cast<std::ptrdiff_t>(chosen));
  sample.other_votes = std::move(replies);
  for (const Vote& vote : votes) {
    sample.prompt_tokens += vote.completion.prompt_tokens;
    sample.completion_tokens += vote.completion.completion_tokens;
  }
  sample.finish_reason = to_string(completion.finish_reason);
  Judgement judgement = judge_reply(question.reference, sample.reply, completion.finish_reason == FinishReason::length);
  sample.verdict = judgement.verdict;
  sample.answer = std::move(judgement.answer);
  sample.reason = std::move(judgement.reason);
  sample.reference = question.reference.text;
  return sample;
}

/// The plan's questions, and the samples that answer them so far.
class Progression {
 public:
  Progression(const Plan& plan, const RunStore& store) {
    std::map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < plan.questions.size(); ++i) index.emplace(plan.questions[i].id, i);
    samples_.resize(plan.questions.size());
    for (const Sample& sample : store.finished()) {
      const auto found = index.find(sample.id);
      if (found == index.end()) {
        throw Error(fmt::format("{}: samples.jsonl holds \"{}\", which is no question of this run",
                                store.folder().string(), sample.id));
      }
      put(found->second, sample);
    }
  }

  std::vector<std::size_t> open_questions() const {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      if (!samples_[i]) open.push_back(i);
    }
    return open;
  }

  std::size_t done() const { return done_; }
  std::size_t total() const { return samples_.size(); }

  void put(std::size_t index, Sample sample) {
    if (!samples_[index]) ++done_;
    samples_[index] = std::move(sample);
  }

  std::vector<Sample> take() {
    std::vector<Sample> samples;
    samples.reserve(samples_.size());
    for (std::optional<Sample>& sample : samples_) samples.push_back(std::move(*sample));
    return samples;
  }

 private:
  std::vector<std::optional<Sample>> samples_;
  std::size_t done_ = 0;
};

/// Asks everything that is open: all first turns at once, then all second turns. A question is stored when its votes
/// are complete.
class Interview {
 public:
  Interview(const Plan& plan, Progression& progression, RunStore& store)
      : plan_(plan), progression_(progression), store_(store), progress_("evaluating", count_replies(), "replies") {
    for (const std::size_t index : progression_.open_questions()) {
      votes_.emplace(index, std::vector<Vote>(plan_.questions[index].seeds.size()));
    }
    progress_.start_at(count_finished());
  }

  /// Until all is answered or the run is interrupted.
  void run(ModelUnderTest& model) {
    for (const bool second : {false, true}) {
      const std::vector<Turn> turns = turns_of(second);
      std::vector<GenerationRequest> requests;
      requests.reserve(turns.size());
      for (const Turn& turn : turns) requests.push_back(turn.request);
      if (requests.empty()) continue;
      model.answer(requests, [&](std::size_t index, const Completion& completion) {
        take(turns[index], completion, second);
        return !interrupted();
      });
      if (interrupted()) return;
    }
  }

 private:
  struct Turn {
    std::size_t question = 0;
    std::size_t vote = 0;
    GenerationRequest request;
  };

  const Intervention& intervention_of(std::size_t question) const {
    return plan_.interventions[plan_.questions[question].intervention_place];
  }

  bool has_second_turn(std::size_t question) const {
    return plan_.questions[question].reference.arm != Arm::conceptual && !intervention_of(question).follow_up.empty();
  }

  std::size_t replies_to(std::size_t question) const {
    return plan_.questions[question].seeds.size() * (has_second_turn(question) ? 2 : 1);
  }

  std::size_t count_replies() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < plan_.questions.size(); ++i) count += replies_to(i);
    return count;
  }

  std::size_t count_finished() {
    std::size_t open = 0;
    for (const auto& [index, votes] : votes_) open += replies_to(index);
    answered_ = count_replies() - open;
    return answered_;
  }

  std::vector<Turn> turns_of(bool second) {
    std::vector<Turn> turns;
    for (const auto& [index, votes] : votes_) {
      if (second && !has_second_turn(index)) continue;
      for (std::size_t vote = 0; vote < votes.size(); ++vote) {
        GenerationRequest request = plan_.questions[index].request;
        request.options.seed = plan_.questions[index].seeds[vote];
        if (second) {
          request.prompt =
              render_follow_up(plan_.form, intervention_of(index), request.prompt, votes[vote].first_reply);
        }
        turns.push_back({index, vote, std::move(request)});
      }
    }
    return turns;
  }

  void take(const Turn& turn, const Completion& completion, bool second) {
    progress_.update(++answered_);
    Vote& vote = votes_.at(turn.question)[turn.vote];
    if (!second && has_second_turn(turn.question)) {
      vote.first_reply = completion.text;
      return;
    }
    vote.prompt = turn.request.prompt;
    vote.completion = completion;
    vote.finished = true;
    const std::vector<Vote>& votes = votes_.at(turn.question);
    if (!std::all_of(votes.begin(), votes.end(), [](const Vote& item) { return item.finished; })) return;
    Sample sample = make_sample(plan_.questions[turn.question], votes);
    store_.append(sample);
    progression_.put(turn.question, std::move(sample));
  }

  const Plan& plan_;
  Progression& progression_;
  RunStore& store_;
  Progress progress_;
  std::map<std::size_t, std::vector<Vote>> votes_;  ///< of the open questions, in the order of the plan
  std::size_t answered_ = 0;
};

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
  plan.shots = choose_dataset(name, 0, options.seed).records;
  std::vector<Record> possible;
  for (const Intervention& intervention : plan.interventions) {
    for (Record& record : possible_shots(plan.shots, intervention)) possible.push_back(std::move(record));
  }
  return leave_out_contaminated(records, possible, options.drop_contaminated);
}

}  // namespace

PreparedEvaluation prepare_evaluation(const EvaluationOptions& options, const std::string& version) {
  check_generation(options.generation);
  PlanOptions plan_options;
  for (const std::string& arm : options.arms) plan_options.arms.push_back(parse_arm(arm));
  for (const std::string& name : named_interventions(options.interventions)) {
    plan_options.interventions.push_back(load_intervention(name));
  }
  plan_options.form = load_prompt_form(options.prompt_form);
  plan_options.generation = options.generation;
  plan_options.generation.seed = options.seed;
  plan_options.epochs = options.epochs;
  DatasetChoice dataset = choose_dataset(options.dataset, options.limit, options.seed);
  prove_instances(dataset.records, available_threads());
  const std::string left_out = add_shots(options, dataset.records, plan_options);
  PreparedEvaluation prepared;
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

std::optional<StoredRun> run_evaluation(const PreparedEvaluation& evaluation, ModelUnderTest& model,
                                        const std::filesystem::path& folder, const Json& arguments) {
  Json description = evaluation.description;
  description["model"] = model.description();
  RunStore store(folder, description, arguments);
  Progression progression(evaluation.plan, store);
  if (progression.done() != 0) {
    note(fmt::format("continuing {}: {} of {} replies are there", folder.string(), progression.done(),
                     progression.total()));
  }
  if (progression.done() < progression.total()) {
    // Votes and first turns are no samples yet: a cache of the run's own keeps them until it is finished.
    const std::string own = (folder / kOwnCache).string();
    const bool several = has_several_replies(evaluation.plan);
    const std::string& file = evaluation.cache.empty() && several ? own : evaluation.cache;
    const auto cached = file.empty() ? nullptr : with_reply_cache(model, file);
    Interview(evaluation.plan, progression, store).run(cached ? *cached : model);
  }
  if (progression.done() < progression.total()) {
    note(fmt::format("stopped with {} of {} replies; the same command with --log-dir {} goes on", progression.done(),
                     progression.total(), folder.string()));
    return std::nullopt;
  }
  const std::vector<Sample> samples = progression.take();
  store.finish(samples, summarise(json_string(description["model"], "name", {}),
                                  json_string(description["dataset"], "name", {}), samples));
  for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(folder / (std::string(kOwnCache) + ending));
  return read_run(folder);
}

}  // namespace mathtrap
