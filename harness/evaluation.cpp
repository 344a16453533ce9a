#include "harness/evaluation.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "harness/dataset_choice.h"
#include "model/runtime.h"
#include "support/error.h"
#include "support/hash.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "support/progress.h"
#include "traps/proof/flaw.h"

namespace mathtrap {
namespace {

constexpr int kFormat = 1;  // of the run folder
constexpr double kMaxTemperature = 100;

Json describe_prompts(const PlanOptions& options) {
  const PromptForm& form = options.form;
  const Json content = {form.problem, form.conceptual, form.after_hint, form.stop};
  Json interventions = Json::array();
  for (const Intervention& intervention : options.interventions) {
    interventions.push_back({{"name", intervention.name}, {"hint", intervention.hint}});
  }
  return {{"form", form.name}, {"sha256", sha256(content.dump())}, {"interventions", interventions}};
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

Sample make_sample(const Question& question, const Completion& completion) {
  Sample sample;
  sample.id = question.id;
  sample.arm = question.reference.arm;
  sample.intervention = question.intervention;
  sample.trap_type = question.trap_type;
  sample.cluster = question.cluster;
  sample.prompt = question.request.prompt;
  sample.reply = valid_utf8(completion.text);
  sample.prompt_tokens = completion.prompt_tokens;
  sample.completion_tokens = completion.completion_tokens;
  sample.finish_reason = to_string(completion.finish_reason);
  sample.reference = question.reference.text;
  sample.problem = question.reference.problem;
  sample.evidence = question.reference.evidence;
  sample.core = question.reference.core;
  return sample;
}

/// The plan's questions, and the samples that answer them so far.
class Progression {
 public:
  Progression(const Plan& plan, const RunStore& store) : plan_(plan) {
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

  const Question& question(std::size_t index) const { return plan_.questions[index]; }
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
  const Plan& plan_;
  std::vector<std::optional<Sample>> samples_;
  std::size_t done_ = 0;
};

/// Replies on their way to a verdict and into the store: as many at once as the judge likes.
class Judging {
 public:
  Judging(Progression& progression, Judge& judge, RunStore& store)
      : progression_(progression), judge_(judge), store_(store) {}

  void take(std::size_t index, Sample sample) {
    waiting_.emplace_back(index, std::move(sample));
    if (waiting_.size() >= judge_.batch()) judge_waiting();
  }

  /// What an interrupt leaves without a verdict is not stored: it is asked again.
  void judge_waiting() {
    std::vector<ReplyToJudge> replies;
    replies.reserve(waiting_.size());
    for (const auto& [index, sample] : waiting_) {
      replies.push_back({&progression_.question(index).reference, sample.reply,
                         sample.finish_reason == to_string(FinishReason::length)});
    }
    auto judgements = judge_.judge(replies);
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (!judgements[i]) continue;
      auto& [index, sample] = waiting_[i];
      sample.verdict = judgements[i]->verdict;
      sample.answer = std::move(judgements[i]->answer);
      sample.reason = std::move(judgements[i]->reason);
      store_.append(sample);
      progression_.put(index, std::move(sample));
    }
    waiting_.clear();
  }

 private:
  Progression& progression_;
  Judge& judge_;
  RunStore& store_;
  std::vector<std::pair<std::size_t, Sample>> waiting_;
};

/// Asks everything that is open, until all is answered or the run is interrupted.
void ask_open_questions(Progression& progression, ModelUnderTest& model, Judge& judge, RunStore& store) {
  const std::vector<std::size_t> open = progression.open_questions();
  if (open.empty()) return;
  std::vector<GenerationRequest> requests;
  requests.reserve(open.size());
  for (const std::size_t index : open) requests.push_back(progression.question(index).request);
  Progress progress("evaluating", progression.total(), "replies");
  progress.start_at(progression.done());
  Judging judging(progression, judge, store);
  model.answer(requests, [&](std::size_t request, const Completion& completion) {
    const std::size_t index = open[request];
    judging.take(index, make_sample(progression.question(index), completion));
    progress.update(progression.done());
    return !interrupted();
  });
  judging.judge_waiting();
  progress.update(progression.done());
}

}  // namespace

PreparedEvaluation prepare_evaluation(const EvaluationOptions& options, const std::string& version) {
  check_generation(options.generation);
  PlanOptions plan_options;
  for (const std::string& arm : options.arms) plan_options.arms.push_back(parse_arm(arm));
  for (const std::string& name : options.interventions) plan_options.interventions.push_back(load_intervention(name));
  plan_options.form = load_prompt_form(options.prompt_form);
  plan_options.generation = options.generation;
  plan_options.generation.seed = options.seed;
  DatasetChoice dataset = choose_dataset(options.dataset, options.limit, options.seed);
  prove_instances(dataset.records, available_threads());
  PreparedEvaluation prepared;
  prepared.plan = make_plan(dataset.records, plan_options);
  const GenerationOptions& generation = options.generation;
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
                                        Judge& judge, const std::filesystem::path& folder, const Json& arguments) {
  Json description = evaluation.description;
  description["model"] = model.description();
  description["judge"] = judge.description();
  RunStore store(folder, description, arguments);
  Progression progression(evaluation.plan, store);
  if (progression.done() != 0) {
    note(fmt::format("continuing {}: {} of {} replies are there", folder.string(), progression.done(),
                     progression.total()));
  }
  ask_open_questions(progression, model, judge, store);
  if (progression.done() < progression.total()) {
    note(fmt::format("stopped with {} of {} replies; the same command with --log-dir {} goes on", progression.done(),
                     progression.total(), folder.string()));
    return std::nullopt;
  }
  const std::vector<Sample> samples = progression.take();
  store.finish(samples, summarise(json_string(description["model"], "name", {}),
                                  json_string(description["dataset"], "name", {}), samples));
  return read_run(folder);
}

std::optional<StoredRun> run_evaluation(const PreparedEvaluation& evaluation, ModelUnderTest& model,
                                        const std::filesystem::path& folder, const Json& arguments) {
  const auto rules = open_judge("rules", {});
  return run_evaluation(evaluation, model, *rules, folder, arguments);
}

}  // namespace mathtrap
