#include "traps/injection/wording.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace mathtrap {
namespace {

struct Questions {
  std::string_view truth;
  std::string_view lie;
};

// About the knowledge alone, several of a type, so that a set of injected traps does not ask one question again and
// again.
constexpr std::array kMissing = {
    Questions{"Can a problem have several answers because something that decides between them is not told?",
              "Does a problem always have one answer, however little of it is told?"},
    Questions{"May two different numbers both fit everything that a problem says?",
              "If one number fits everything that a problem says, is it always the only one that fits?"},
    Questions{"One of two unknown numbers is told, and nothing about the other. Does their sum stay unknown?",
              "One of two unknown numbers is told, and nothing about the other. Is their sum known?"},
};
constexpr std::array kDirect = {
    Questions{"Is it impossible that one quantity has two different values at the same time?",
              "Can one quantity have two different values at the same time?"},
    Questions{"Two statements give different values to the same thing at the same time. Must one of them be false?",
              "Two statements give different values to the same thing at the same time. Can both be true?"},
    Questions{"If a statement is true, is every statement false that denies it?",
              "Can a statement and its denial both be true?"},
};
constexpr std::array kWhole = {
    Questions{"Can a quotient of two whole numbers fail to be a whole number?",
              "Is every quotient of two whole numbers a whole number?"},
    Questions{"Is there a fraction between 2 and 3 that is not a whole number?",
              "Is there a whole number that is greater than 2 and less than 3?"},
};
constexpr std::array kParity = {
    Questions{"Is twice a whole number always even?", "Can twice a whole number be odd?"},
    Questions{"Is the number after an even number always odd?", "Can a whole number be even and odd at the same time?"},
};
constexpr std::array kIndirect = {
    Questions{"Can statements that are possible on their own rule out every answer that is allowed?",
              "If statements do not contradict each other, is there always a whole number that fits them?"},
    Questions{"Can it be that every number that fits some statements is of the wrong kind for an answer?",
              "Does every equation with whole coefficients have a whole solution?"},
};
constexpr std::array kSense = {
    Questions{"Is it impossible to have fewer than no apples in a basket?", "Can a basket hold fewer than no apples?"},
    Questions{"Are there numbers that no count of real things can be?",
              "Can every number, also a negative one, be a count of real things?"},
};
constexpr std::array kUndefined = {
    Questions{"Are there expressions that have no value for some numbers?",
              "Does every expression have a value for every number?"},
    Questions{"Is the quotient of a number and zero undefined?", "Can a number be divided by zero?"},
};

template <std::size_t N>
void ask(const std::array<Questions, N>& questions, std::size_t turn, Record& record) {
  const Questions& chosen = questions[turn % N];
  record.concepts = {{std::string(chosen.truth), true, ""}, {std::string(chosen.lie), false, ""}};
  if (turn / N % 2 == 1) std::swap(record.concepts[0], record.concepts[1]);
}

/// A sentence within a sentence: without its full stop.
std::string_view quoted(std::string_view sentence) {
  while (sentence.ends_with('.') || sentence.ends_with('?')) sentence.remove_suffix(1);
  return sentence;
}

std::string readable(const std::string& name) {
  std::string words = name;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

/// Patterns for a reply that puts two numbers against each other.
std::string both_numbers(const Operation& operation) {
  return fmt::format(R"(\b{0}\b[^.]*\b{1}\b|\b{1}\b[^.]*\b{0}\b)", operation.number, operation.other);
}

void word_missing(const Operation& operation, Record& record) {
  Trap& trap = *record.trap;
  if (operation.number.empty() || operation.replacement.empty()) {
    trap.explanation = fmt::format("It is not said that \"{}\": without this the answer cannot be determined.",
                                   quoted(operation.sentence));
  } else {
    trap.explanation = fmt::format("The number in \"{}\" is not given: without it the answer cannot be determined.",
                                   quoted(operation.replacement));
  }
  trap.evidence = {
      R"((?i)\b(not|isn.t|never|nowhere) (\w+ )?(said|stated|given|told|known|specified|mentioned|provided)\b)",
      R"((?i)\b(missing|unknown|unspecified|not enough|insufficient|lacks?|lacking)\b)",
      R"((?i)\b(cannot|can.t|can not|impossible to) (be )?(determined?|known?|computed?|calculated?|found|find)\b)"};
}

void word_direct(const Operation& operation, Record& record) {
  Trap& trap = *record.trap;
  if (operation.name == "contradict a given") {
    trap.explanation =
        fmt::format("It is said that \"{}\" with {} and then again with {}. These statements contradict each other.",
                    quoted(operation.sentence), operation.number, operation.other);
  } else {
    trap.explanation = fmt::format("With {} in \"{}\" the statements contradict each other: they cannot all hold.",
                                   operation.other, quoted(operation.replacement));
  }
  trap.evidence = {R"((?i)\bcontradict|\binconsisten|\bconflict)",
                   "(?i)(cannot|can.t|not) both[^.]*|two different (values|numbers|amounts|answers)"};
  if (operation.name == "contradict a given") trap.evidence.push_back(both_numbers(operation));
}

void word_indirect(const Operation& operation, Record& record) {
  const std::string kind = operation.required.empty() ? "an answer as it is required" : operation.required;
  Trap& trap = *record.trap;
  trap.explanation = fmt::format(
      "With {} in \"{}\" nothing that fits the statements is {}: no such answer exists, and what is required of the "
      "answer contradicts the statements.",
      operation.other, quoted(operation.replacement), kind);
  trap.evidence = {R"((?i)\bno such\b|\bcontradict|\binconsisten|\bincompatib)"};
  if (operation.required == "a whole number") {
    trap.evidence.emplace_back(R"((?i)\b(not|no|n.t)\b[^.]*\b(whole|integer)|\bfraction\b)");
  } else if (!operation.required.empty()) {
    const bool even = operation.required == "an even number";
    trap.evidence.push_back(fmt::format(R"((?i)\b(not|n.t|never)\b[^.]*\b{}\b|\b(is|be|are) {}\b)",
                                        even ? "even" : "odd", even ? "odd" : "even"));
  }
}

void word_sense(const Operation& operation, Record& record) {
  std::string facts;
  for (const CoreStatement& item : record.flaw.core) {
    const bool unsaid = record.proof.common_sense.find(item.statement) != std::string::npos;
    if (unsaid) facts += (facts.empty() ? "" : ", ") + readable(item.statement);
  }
  Trap& trap = *record.trap;
  trap.explanation =
      fmt::format("With {} in \"{}\" the problem contradicts what everybody knows ({}): it is impossible.",
                  operation.other, quoted(operation.replacement), facts);
  trap.evidence = {R"((?i)\b(impossible|not possible|unrealistic|absurd)\b)",
                   R"((?i)\b(negative|below zero|less than (zero|nothing|0))\b|\bmore[^.]*than there\b)",
                   R"((?i)\b(cannot|can.t|no one can|nobody can)\b)"};
}

void word_undefined(const Operation& operation, Record& record) {
  Trap& trap = *record.trap;
  trap.explanation = fmt::format("With {} in \"{}\" what is asked for is not defined: it does not exist.",
                                 operation.other, quoted(operation.replacement));
  trap.evidence = {
      R"((?i)\b(undefined|not defined|does not exist|doesn.t exist|no such|no value|meaningless)\b)",
      R"((?i)\bdivi(de|ded|sion)\b[^.]*\b(0|zero)\b|\bnegative\b[^.]*\b(root|logarithm)|\b(root|logarithm)\b[^.]*\bnegative)"};
}

/// A pattern that the original's own solution matches names no flaw.
void drop_evidence_of_solutions(Record& record) {
  std::erase_if(record.trap->evidence, [&](const std::string& text) {
    const RE2 pattern(text, RE2::Quiet);
    return !pattern.ok() || RE2::PartialMatch(record.original->solution, pattern);
  });
}

}  // namespace

void put_into_words(const Operation& operation, std::size_t turn, Record& record) {
  switch (*record.trap_type) {
    case TrapType::missing_condition:
      ask(kMissing, turn, record);
      word_missing(operation, record);
      break;
    case TrapType::direct_contradiction:
      ask(kDirect, turn, record);
      word_direct(operation, record);
      break;
    case TrapType::indirect_contradiction:
      if (operation.required.empty()) {
        ask(kIndirect, turn, record);
      } else if (operation.required == "a whole number") {
        ask(kWhole, turn, record);
      } else {
        ask(kParity, turn, record);
      }
      word_indirect(operation, record);
      break;
    case TrapType::violating_common_sense:
      ask(kSense, turn, record);
      word_sense(operation, record);
      break;
    case TrapType::concept_undefined:
      ask(kUndefined, turn, record);
      word_undefined(operation, record);
      break;
  }
  drop_evidence_of_solutions(record);
}

}  // namespace mathtrap
