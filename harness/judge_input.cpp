#include "harness/judge_input.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <set>
#include <utility>

#include "harness/sample.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxLines = 1000000;
constexpr std::size_t kMaxPatterns = 64;
constexpr std::int64_t kPatternMemory = std::int64_t{1} << 20;

Place at(const Place& place, const std::string& field) {
  return {place.file, place.line, field};
}

std::string text_or(const Json& object, const std::string& field, const Place& place, const std::string& absent) {
  return object.contains(field) && !object[field].is_null() ? json_string(object, field, place) : absent;
}

/// A string, a number or true or false, as text.
std::string value_text(const Json& object, const std::string& field, const Place& place) {
  const Json& value = object[field];
  if (value.is_boolean() || value.is_number()) return value.dump();
  return json_string(object, field, place);
}

Arm arm_of(const Json& object, const Place& place) {
  const std::string arm = json_string(object, "arm", place);
  try {
    return parse_arm(arm);
  } catch (const Error& error) {
    fail(at(place, "arm"), error.what());
  }
}

bool is_sample(const Json& object) {
  return object.contains("reply") && !object.contains("response");
}

/// Whether the reply ended at the token limit.
bool cut_of(const Json& object, const Place& place) {
  if (object.contains("cut")) return json_bool(object, "cut", place);
  return text_or(object, "finish_reason", place, "stop") == "length";
}

std::vector<std::string> evidence_of(const Json& object, const Place& place) {
  std::vector<std::string> patterns = text_list(object, "evidence", place);
  if (patterns.size() > kMaxPatterns) fail(at(place, "evidence"), fmt::format("at most {} are possible", kMaxPatterns));
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  for (const std::string& text : patterns) {
    const RE2 pattern(text, options);
    if (!pattern.ok()) fail(at(place, "evidence"), fmt::format("\"{}\": {}", text, pattern.error()));
  }
  return patterns;
}

Reference reference_of(const Json& object, const Place& place) {
  Reference reference;
  reference.arm = arm_of(object, place);
  reference.problem = is_sample(object) ? text_or(object, "problem", place, text_or(object, "prompt", place, ""))
                                        : json_string(object, "problem", place);
  // The field "answer" of a sample is what was read from its reply.
  const bool has_answer = !is_sample(object) && reference.arm != Arm::trap && object.contains("answer") &&
                          !object["answer"].is_null() && object["answer"] != Json("");
  const std::string field = has_answer ? "answer" : "reference";
  if (!object.contains(field)) fail(at(place, field), "missing");
  reference.text = value_text(object, field, place);
  if (has_answer && reference.arm == Arm::original) reference.solution = text_or(object, "reference", place, "");
  if (reference.arm == Arm::conceptual && reference.text != "true" && reference.text != "false") {
    fail(at(place, field), fmt::format("\"{}\" is neither true nor false", reference.text));
  }
  if (reference.arm == Arm::trap) {
    reference.evidence = evidence_of(object, place);
    reference.core = text_list(object, "core", place);
  }
  return reference;
}

JudgeInput read_line(std::string_view text, const Place& place) {
  const Json object = parse_json(text, place);
  if (!object.is_object()) fail(place, "is no JSON object");
  JudgeInput input;
  input.id = json_string(object, "id", place);
  input.reference = reference_of(object, place);
  input.response = json_string(object, is_sample(object) ? "reply" : "response", place);
  input.cut = cut_of(object, place);
  input.label = text_or(object, "label", place, "");
  return input;
}

}  // namespace

std::vector<JudgeInput> read_judge_input(const std::string& file) {
  std::vector<JudgeInput> inputs;
  std::set<std::string> ids;
  for_each_line(
      file,
      [&](std::string_view text, std::size_t number) {
        if (text.find_first_not_of(" \t\r") == std::string_view::npos) return;
        const Place place{file, number, ""};
        if (inputs.size() == kMaxLines) fail(place, fmt::format("at most {} replies are judged at once", kMaxLines));
        inputs.push_back(read_line(text, place));
        if (!ids.insert(inputs.back().id).second) {
          fail(at(place, "id"), fmt::format("\"{}\" is there twice", inputs.back().id));
        }
      },
      kMaxLineBytes);
  if (inputs.empty()) throw Error(fmt::format("{}: no replies are there", file));
  return inputs;
}

}  // namespace mathtrap
