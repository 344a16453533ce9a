#include "traps/injection/formalisation.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/text.h"
#include "traps/proof/sentences.h"

namespace mathtrap {
namespace {

std::size_t count_number(std::string_view text, const std::string& value) {
  const std::vector<std::string> numbers = numbers_of(text);
  return static_cast<std::size_t>(std::count(numbers.begin(), numbers.end(), value));
}

/// Numbers that a symbol of SMT-LIB 2 holds, such as x1, are no numbers of the formula.
std::vector<NumberInText> formula_numbers(std::string_view body) {
  std::vector<NumberInText> numbers = find_numbers(body);
  std::erase_if(numbers, [&](const NumberInText& number) {
    return number.begin > 0 && body[number.begin - 1] != ' ' && body[number.begin - 1] != '(';
  });
  return numbers;
}

std::size_t count_in_formula(std::string_view body, const std::string& value) {
  const std::vector<NumberInText> numbers = formula_numbers(body);
  return static_cast<std::size_t>(
      std::count_if(numbers.begin(), numbers.end(), [&](const auto& number) { return number.value == value; }));
}

/// How often the statements of a sentence, and those of none, use a number.
std::size_t uses_within(const Formalisation& formalisation, const std::string& sentence, const std::string& value) {
  std::size_t uses = 0;
  for (const Given& given : formalisation.givens) {
    if (given.sentence.empty() || given.sentence == sentence) uses += count_in_formula(given.statement.body, value);
  }
  return uses;
}

bool is_whole(const std::string& value) {
  return value.find('.') == std::string::npos && value.size() <= 9;
}

}  // namespace

Formalisation formalise(const Record& record) {
  Formalisation result;
  for (const auto& [part, text] : {std::pair<const char*, const std::string&>{"givens", record.proof.givens},
                                   {"original", record.proof.original}}) {
    SmtText smt = read_smt_text(text, part, record.place);
    result.declarations += smt.declarations;
    for (Statement& statement : smt.statements) {
      std::string sentence(sentence_of(statement, record.original->problem));
      result.givens.push_back({std::move(statement), std::move(sentence)});
    }
  }
  return result;
}

std::vector<SharedNumber> shared_numbers(const Formalisation& formalisation) {
  std::vector<SharedNumber> shared;
  // A list that goes on, "1, 2, 3, …", is no place for another number.
  const auto goes_on = [](const std::string& sentence) {
    return sentence.find("dots") != std::string::npos || sentence.find("and so on") != std::string::npos;
  };
  for (std::size_t i = 0; i < formalisation.givens.size(); ++i) {
    const Given& given = formalisation.givens[i];
    if (goes_on(given.sentence)) continue;
    for (const NumberInText& number : formula_numbers(given.statement.body)) {
      if (is_whole(number.value) && count_number(given.sentence, number.value) == 1 &&
          uses_within(formalisation, given.sentence, number.value) == 1) {
        shared.push_back({i, number.value});
      }
    }
  }
  return shared;
}

std::string with_number(std::string_view text, const std::string& value, const std::string& other) {
  for (const NumberInText& number : find_numbers(text)) {
    if (number.value != value) continue;
    return fmt::format("{}{}{}", text.substr(0, number.begin), other, text.substr(number.begin + number.length));
  }
  return std::string(text);
}

std::string smt_assertion(const std::string& name, const std::string& body) {
  return fmt::format("(assert (! {} :named {}))\n", body, name);
}

Statement with_number(const Statement& statement, const std::string& value, const std::string& other) {
  Statement changed = statement;
  for (const NumberInText& number : formula_numbers(statement.body)) {
    if (number.value != value) continue;
    const bool decimal = statement.body.substr(number.begin, number.length).find('.') != std::string::npos;
    changed.body.replace(number.begin, number.length, other + (decimal ? ".0" : ""));
    break;
  }
  changed.name = with_number(changed.name, value, other);
  return changed;
}

}  // namespace mathtrap
