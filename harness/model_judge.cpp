#include "harness/model_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "harness/extraction.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/interrupt.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::uint64_t kMaxPromptFile = std::uint64_t{64} << 10;
constexpr std::size_t kMaxShownReason = 200;  // bytes of the judge's own words
constexpr std::size_t kModelBatch = 64;       // replies judged at once; what a kill loses at most
constexpr std::string_view kVerdict = "VERDICT";
constexpr std::string_view kThoughtsEnd = "</think>";
constexpr std::string_view kProblem = "{{problem}}";
constexpr std::string_view kReference = "{{reference}}";
constexpr std::string_view kReply = "{{reply}}";

std::size_t index_of(Arm arm) {
  return static_cast<std::size_t>(arm);
}

/// What the letters A, B and C mean in an arm.
std::array<Verdict, 3> grades_of(Arm arm) {
  if (arm == Arm::trap) return {Verdict::flaw_named, Verdict::refused, Verdict::answered};
  return {Verdict::correct, Verdict::incorrect, Verdict::no_answer};
}

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// The beginning and the end of a long text, cut between characters.
std::string shortened(std::string_view text) {
  if (text.size() <= kMaxJudgedBytes) return std::string(text);
  std::size_t head = kMaxJudgedBytes / 2;
  std::size_t tail = text.size() - kMaxJudgedBytes / 2;
  while (head > 0 && continues_character(text[head])) --head;
  while (tail < text.size() && continues_character(text[tail])) ++tail;
  return fmt::format("{}\n[…]\n{}", text.substr(0, head), text.substr(tail));
}

/// Each line behind a bar.
std::string barred(std::string_view text) {
  return "| " + replace_all(replace_all(text, "\r", "\n"), "\n", "\n| ");
}

/// The lines of a judge's reply without its thoughts, trimmed, without blank ones.
std::vector<std::string_view> lines_behind_thoughts(std::string_view text) {
  if (const std::size_t end = text.rfind(kThoughtsEnd); end != std::string_view::npos) {
    text.remove_prefix(end + kThoughtsEnd.size());
  }
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (const std::string_view line = trim_blanks(text.substr(0, end)); !line.empty()) lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// "**Verdict: B**" and the like: a verdict to a reader, whether or not it has the form.
bool looks_like_verdict(std::string_view line) {
  const std::size_t letter = line.find_first_not_of("*_#>`\"' \t");
  if (letter == std::string_view::npos) return false;
  return lower_case(line.substr(letter, kVerdict.size())) == lower_case(kVerdict);
}

/// The judge's words in one line.
std::string own_words(std::string_view text) {
  std::string words;
  for (const std::string_view line : lines_behind_thoughts(text)) {
    if (looks_like_verdict(line) || words.size() > kMaxShownReason) continue;
    words.append(words.empty() ? "" : " ").append(line);
  }
  if (words.size() <= kMaxShownReason) return words;
  std::size_t end = kMaxShownReason;
  while (end > 0 && continues_character(words[end])) --end;
  return words.substr(0, end) + "…";
}

class ModelJudge final : public Judge {
 public:
  ModelJudge(const std::string& name, std::unique_ptr<ModelUnderTest> model, JudgePrompts prompts, int max_new_tokens)
      : model_(std::move(model)),
        prompts_(std::move(prompts)),
        description_{{"name", name},
                     {"model", model_->description()},
                     {"prompts_sha256", prompts_.sha256},
                     {"max_new_tokens", max_new_tokens}} {
    options_.max_new_tokens = max_new_tokens;
  }

  const Json& description() const override { return description_; }
  std::size_t batch() const override { return kModelBatch; }

  std::vector<std::optional<Judgement>> judge(std::span<const ReplyToJudge> replies) override {
    std::vector<std::optional<Judgement>> judgements(replies.size());
    std::vector<GenerationRequest> requests;
    std::vector<std::size_t> asked;
    for (std::size_t i = 0; i < replies.size(); ++i) {
      judgements[i] = judge_reply(*replies[i].reference, replies[i].reply, replies[i].cut);
      if (judgements[i]->verdict == Verdict::cut_off) continue;
      std::string prompt = judge_prompt(prompts_, *replies[i].reference, replies[i].reply);
      const TextSpan whole{0, prompt.size()};
      requests.push_back({std::move(prompt), options_, {whole}});
      asked.push_back(i);
    }
    std::vector<bool> done(replies.size());
    const auto take = [&](std::size_t request, const Completion& completion) {
      const std::size_t i = asked[request];
      judgements[i] = read(replies[i].reference->arm, completion, *judgements[i]);
      done[i] = true;
      return !interrupted();
    };
    if (!requests.empty()) model_->answer(requests, take);
    for (const std::size_t i : asked) {
      if (!done[i]) judgements[i].reset();
    }
    return judgements;
  }

 private:
  static Judgement read(Arm arm, const Completion& completion, const Judgement& by_rules) {
    const bool whole = completion.finish_reason == FinishReason::stop;
    const Verdict verdict = whole ? read_verdict(arm, completion.text).value_or(Verdict::unscored) : Verdict::unscored;
    const std::string words = own_words(completion.text);
    if (verdict == Verdict::unscored) {
      return {Verdict::unscored, "",
              fmt::format("the judge's verdict could not be read{}: {}", whole ? "" : ", its reply was cut off",
                          words.empty() ? "it says nothing" : words)};
    }
    const bool gives_answer =
        verdict == Verdict::correct || verdict == Verdict::incorrect || verdict == Verdict::answered;
    return {verdict, gives_answer ? by_rules.answer : "", words.empty() ? "the judge gives no reason" : words};
  }

  std::unique_ptr<ModelUnderTest> model_;
  JudgePrompts prompts_;
  GenerationOptions options_;
  Json description_;
};

}  // namespace

void check_judge_prompt(std::string_view text, const Place& place) {
  for (const std::string_view slot : {kProblem, kReference, kReply}) {
    const std::size_t at = text.find(slot);
    if (at == std::string_view::npos || text.find(slot, at + 1) != std::string_view::npos) {
      fail(place, fmt::format("the judge's prompt must hold {} exactly once", slot));
    }
  }
  if (text.find(kReference) > text.find(kReply)) {
    fail(place, "the reference must stand before the reply, or the judge is anchored by the reply");
  }
}

JudgePrompts load_judge_prompts() {
  JudgePrompts prompts;
  Sha256 hash;
  for (const Arm arm : {Arm::original, Arm::trap, Arm::conceptual}) {
    const auto file = resource(fmt::format("prompts/judges/{}.txt", to_string(arm)));
    std::string& text = prompts.templates[index_of(arm)];
    text = read_file(file, kMaxPromptFile);
    check_judge_prompt(text, {file.string(), 0, ""});
    hash.update(fmt::format("{}\n{}", text.size(), text));
  }
  prompts.sha256 = hash.finish();
  return prompts;
}

std::string judge_prompt(const JudgePrompts& prompts, const Reference& reference, std::string_view reply) {
  std::string wanted = reference.text;
  if (!reference.solution.empty()) wanted += "\n\nA worked solution:\n" + shortened(reference.solution);
  const std::string judged = barred(shortened(reply_proper(reply)));
  const std::array<std::pair<std::string_view, std::string_view>, 3> slots = {
      {{kProblem, reference.problem}, {kReference, wanted}, {kReply, judged}}};
  std::string prompt;
  std::string_view rest = prompts.templates[index_of(reference.arm)];
  // One pass: what is put in is never looked at again.
  while (true) {
    const auto* const first = std::min_element(slots.begin(), slots.end(), [&](const auto& left, const auto& right) {
      return rest.find(left.first) < rest.find(right.first);
    });
    const std::size_t at = rest.find(first->first);
    prompt += rest.substr(0, at);
    if (at == std::string_view::npos) return prompt;
    prompt += first->second;
    rest.remove_prefix(at + first->first.size());
  }
}

std::optional<Verdict> read_verdict(Arm arm, std::string_view judge_reply) {
  const std::vector<std::string_view> lines = lines_behind_thoughts(judge_reply);
  if (lines.empty()) return std::nullopt;
  const std::array<Verdict, 3> grades = grades_of(arm);
  for (std::size_t i = 0; i < grades.size(); ++i) {
    const std::string wanted = fmt::format("{}: {:c}", kVerdict, 'A' + static_cast<int>(i));
    if (lines.back() != wanted) continue;
    const bool alone = std::all_of(lines.begin(), lines.end(),
                                   [&](std::string_view line) { return line == wanted || !looks_like_verdict(line); });
    return alone ? std::optional(grades[i]) : std::nullopt;
  }
  return std::nullopt;
}

std::unique_ptr<Judge> make_model_judge(const std::string& name, std::unique_ptr<ModelUnderTest> model,
                                        JudgePrompts prompts, int max_new_tokens) {
  return std::make_unique<ModelJudge>(name, std::move(model), std::move(prompts), max_new_tokens);
}

}  // namespace mathtrap
