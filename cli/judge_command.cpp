// mathtrap judge: verdicts on replies made elsewhere, and how far a judge agrees with people.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "harness/calibration.h"
#include "harness/judge_input.h"
#include "harness/judges.h"
#include "model/runtime.h"
#include "support/error.h"
#include "support/files.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

struct JudgeCommandOptions {
  std::vector<std::string> files;
  std::vector<std::string> judges;
  std::string equivalence = "value";
  bool calibrate = false;
  std::string output;
  JudgeOptions judging;
};

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Nothing when it was interrupted.
std::optional<std::vector<Judgement>> judge_all(const std::vector<JudgeInput>& inputs, const std::string& name,
                                                const JudgeOptions& options) {
  const auto judge = open_judge(name, options);
  std::vector<Judgement> judgements;
  Progress progress("judging", inputs.size(), "replies");
  while (judgements.size() < inputs.size()) {
    std::vector<ReplyToJudge> replies;
    const std::size_t end = std::min(inputs.size(), judgements.size() + judge->batch());
    for (std::size_t i = judgements.size(); i < end; ++i) {
      replies.push_back({&inputs[i].reference, inputs[i].response, inputs[i].cut});
    }
    for (auto& judgement : judge->judge(replies)) {
      if (!judgement) return std::nullopt;
      judgements.push_back(std::move(*judgement));
    }
    progress.update(judgements.size());
    if (interrupted()) return std::nullopt;
  }
  return judgements;
}

int say_interrupted() {
  note("interrupted; nothing was written");
  return 1;
}

Json verdict_json(const JudgeInput& input, const Judgement& judgement) {
  const bool scored = judgement.verdict != Verdict::unscored;
  return {{"id", input.id},
          {"arm", to_string(input.reference.arm)},
          {"verdict", to_string(judgement.verdict)},
          {"correct", scored ? Json(is_correct(judgement.verdict)) : Json()},
          {"answer", judgement.answer},
          {"sure", judgement.sure},
          {"reason", judgement.reason}};
}

/// Arms in the order of their names, with how often each verdict was given.
void print_counts(const std::vector<JudgeInput>& inputs, const std::vector<Judgement>& judgements) {
  std::map<Arm, std::map<Verdict, std::size_t>> counts;
  for (std::size_t i = 0; i < inputs.size(); ++i) ++counts[inputs[i].reference.arm][judgements[i].verdict];
  for (const auto& [arm, verdicts] : counts) {
    std::size_t all = 0;
    std::size_t correct = 0;
    std::string said;
    for (const auto& [verdict, count] : verdicts) {
      said += fmt::format("{}{} {}", said.empty() ? "" : " · ", count, to_string(verdict));
      if (verdict != Verdict::unscored) all += count;
      if (is_correct(verdict)) correct += count;
    }
    const std::string share =
        all == 0 ? "–" : fmt::format("{:.1f}%", 100 * static_cast<double>(correct) / static_cast<double>(all));
    fmt::print("{:<10}{:>7}{:>9}  {}\n", to_string(arm), all, share, said);
  }
}

int judge_files(const JudgeCommandOptions& options, const CommonOptions& common) {
  if (options.files.size() != 1) throw Error("judge: give one file of replies, or --calibrate");
  if (options.judges.size() > 1) throw Error("judge: several --judge are for --calibrate; take vote:A,B,C");
  const std::vector<JudgeInput> inputs = read_judge_input(options.files.front());
  const auto judgements = judge_all(inputs, options.judges.front(), options.judging);
  if (!judgements) return say_interrupted();
  Json verdicts = Json::array();
  std::string lines;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    verdicts.push_back(verdict_json(inputs[i], (*judgements)[i]));
    lines += dump(verdicts.back()) + "\n";
  }
  if (!options.output.empty()) write_file_atomically(options.output, lines);
  if (common.json) {
    fmt::print("{}\n", dump({{"verdicts", std::move(verdicts)}}));
  } else {
    fmt::print("{:<10}{:>7}{:>9}  {}\n", "arm", "scored", "correct", "verdicts");
    print_counts(inputs, *judgements);
  }
  return 0;
}

/// What a judge says of all labelled replies, and of the halves.
Json calibrate_judge(const std::string& name, const std::vector<JudgeInput>& inputs,
                     const std::vector<Judgement>& judgements, bool as_json) {
  std::vector<LabelledVerdict> all;
  std::vector<LabelledVerdict> held;
  std::vector<LabelledVerdict> tuning;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    all.push_back({inputs[i].id, parse_verdict(inputs[i].label), judgements[i].verdict});
    (held_back(inputs[i].id) ? held : tuning).push_back(all.back());
  }
  const Agreement overall = agreement_of(all);
  const Agreement held_half = agreement_of(held);
  const Agreement tuning_half = agreement_of(tuning);
  if (!as_json) {
    fmt::print("{}: all\n{}\n", name, agreement_table(overall));
    fmt::print("{}: the held-back half, which no rule was made from\n{}\n", name, agreement_table(held_half));
    fmt::print("{}: the tuning half has κ {:.3f}\n\n", name, tuning_half.kappa);
  }
  Json differs = Json::array();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    // The held-back half stays unseen, so that nobody makes a rule from it.
    if (all[i].label == all[i].verdict || held_back(inputs[i].id)) continue;
    Json item = verdict_json(inputs[i], judgements[i]);
    item["label"] = inputs[i].label;
    differs.push_back(std::move(item));
  }
  return {{"judge", name},
          {"overall", to_json(overall)},
          {"held_back", to_json(held_half)},
          {"tuning", to_json(tuning_half)},
          {"differs", std::move(differs)}};
}

int calibrate(const JudgeCommandOptions& options, const CommonOptions& common) {
  if (!options.output.empty()) throw Error("judge --calibrate: it writes no file; leave -o out, and take --json");
  const std::vector<JudgeInput> inputs = read_calibration(options.files.empty() ? calibration_files() : options.files);
  Json judges = Json::array();
  for (const std::string& name : options.judges) {
    const auto judgements = judge_all(inputs, name, options.judging);
    if (!judgements) return say_interrupted();
    judges.push_back(calibrate_judge(name, inputs, *judgements, common.json));
  }
  if (common.json) fmt::print("{}\n", dump({{"judges", std::move(judges)}}));
  return 0;
}

int run(JudgeCommandOptions& options, const CommonOptions& common) {
  if (options.judges.empty()) options.judges = {"rules"};
  for (const std::string& name : options.judges) check_judge_name(name);
  options.judging.equivalence = parse_equivalence(options.equivalence);
  prepare_runtime(common.threads);
  return options.calibrate ? calibrate(options, common) : judge_files(options, common);
}

}  // namespace

void add_judge_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<JudgeCommandOptions>();
  CLI::App* command = program.add_subcommand("judge", "Judge replies made elsewhere, or see how good a judge is");
  add_common_options(*command, common);
  command->add_option("files", options->files,
                      "JSONL: {\"id\",\"arm\",\"problem\",\"reference\",\"answer\",\"response\"}, of traps also "
                      "\"evidence\" and \"core\"; or a run's samples.jsonl; with --calibrate labelled ones");
  command
      ->add_option("--judge", options->judges,
                   "rules (the default); llm:MODEL, a model as of eval, replay:FILE.jsonl too; vote:A,B,C, what more "
                   "than half say; cascade:rules,llm:MODEL, the model where the rules are not sure. With --calibrate "
                   "it may be repeated")
      ->allow_extra_args(false);
  command->add_flag("--calibrate", options->calibrate,
                    "Compare the judge's verdicts with people's, on the shipped replies or on FILES with a \"label\"");
  command->add_option("-o,--output", options->output, "File for the verdicts (JSONL)");
  command
      ->add_option("--equivalence", options->equivalence,
                   "How the rules compare final answers: value, or hendrycks (the MATH data set's published grader)")
      ->capture_default_str();
  command
      ->add_option("--judge-max-new-tokens", options->judging.max_new_tokens,
                   "Longest reply of a judging model, in tokens")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--device", options->judging.engine.device, "cpu or cuda:N")->capture_default_str();
  command->callback([options, &common, &action] { action = [options, &common] { return run(*options, common); }; });
}

}  // namespace mathtrap
