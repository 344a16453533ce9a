#include "harness/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
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

void judge(Sample& sample, const Question& question) {
  Judgement judgement =
      judge_reply(question.reference, sample.reply, sample.finish_reason == to_string(FinishReason::length));
  sample.verdict = judgement.verdict;
  sample.answer = std::move(judgement.answer);
  sample.reason = std::move(judgement.reason);
}

Sample make_sample(const Question& question, const Completion& completion, bool predict_only) {
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
  if (completion.finish_reason == FinishReason::error) {
    sample.verdict = Verdict::failed;
    sample.reason = valid_utf8(completion.error);
  } else if (predict_only) {
    sample.verdict = Verdict::unjudged;
  } else {
    judge(sample, question);
  }
  return sample;
}

/// The plan's questions, and the samples that answer them so far. Those that failed are open, and those that a
/// predict-only run left unjudged are judged, unless this is one too.
class Progression {
 public:
  Progression(const PreparedEvaluation& evaluation, const RunStore& store)
      : plan_(evaluation.plan), predict_only_(evaluation.predict_only) {
    const Plan& plan = plan_;
    std::map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < plan.questions.size(); ++i) index.emplace(plan.questions[i].id, i);
    samples_.resize(plan.questions.size());
    for (Sample sample : store.finished()) {
      const auto found = index.find(sample.id);
      if (found == index.end()) {
        throw Error(fmt::format("{}: samples.jsonl holds \"{}\", which is no question of this run",
                                store.folder().string(), sample.id));
      }
      if (sample.verdict == Verdict::failed) continue;
      if (sample.verdict == Verdict::unjudged && !predict_only_) judge(sample, question(found->second));
      put(found->second, std::move(sample));
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
  bool predict_only() const { return predict_only_; }
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
  const bool predict_only_;
  std::vector<std::optional<Sample>> samples_;
  std::size_t done_ = 0;
};

/// Asks everything that is open, until all is answered or the run is interrupted.
void ask_open_questions(Progression& progression, ModelUnderTest& model, RunStore& store) {
  const std::vector<std::size_t> open = progression.open_questions();
  if (open.empty()) return;
  std::vector<GenerationRequest> requests;
  requests.reserve(open.size());
  for (const std::size_t index : open) requests.push_back(progression.question(index).request);
  Progress progress("evaluating", progression.total(), "replies");
  progress.start_at(progression.done());
  model.answer(requests, [&](std::size_t request, const Completion& completion) {
    const std::size_t index = open[request];
    Sample sample = make_sample(progression.question(index), completion, progression.predict_only());
    store.append(sample);
    progression.put(index, std::move(sample));
    progress.update(progression.done());
    return !interrupted();
  });
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
  for (const std::string& name : options.interventions) plan_options.interventions.push_back(load_intervention(name));
  plan_options.form = load_prompt_form(options.prompt_form);
  plan_options.generation = options.generation;
  plan_options.generation.seed = options.seed;
  DatasetChoice dataset = choose_dataset(options.dataset, options.limit, options.seed);
  prove_instances(dataset.records, available_threads());
  PreparedEvaluation prepared;
  prepared.predict_only = options.predict_only;
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
                                        const std::filesystem::path& folder, const Json& arguments) {
  if (!evaluation.plan.questions.empty()) model.check_options(evaluation.plan.questions.front().request.options);
  Json description = evaluation.description;
  description["model"] = model.description();
  RunStore store(folder, description, arguments);
  Progression progression(evaluation, store);
  if (progression.done() != 0) {
    note(fmt::format("continuing {}: {} of {} replies are there", folder.string(), progression.done(),
                     progression.total()));
  }
  ask_open_questions(progression, model, store);
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
  return read_run(folder);
}

}  // namespace mathtrap
