#include "harness/conclusion.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "harness/math_run.h"
#include "harness/number_words.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxSentence = 2000;  // an end is looked for in the last bytes of a longer one

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

/// "(that is 2.40 m)" and "(since 18 + 7 = 25)", but not "f(x)" or "(3 + 4)": said in passing.
std::string without_asides(std::string_view sentence) {
  static const RE2 aside(R"((^|\s)\((?:[A-Za-z]{2}|[^()]*(?:\([^()]*\)[^()]*)*=)[^()]*(?:\([^()]*\)[^()]*)*\))");
  std::string text(sentence);
  RE2::GlobalReplace(&text, aside, R"(\1)");
  return text;
}

bool says_something(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); }) ||
         text.find("\u221e") != std::string_view::npos;
}

bool holds_number(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_digit) || text.find("\\pi") != std::string_view::npos ||
         text.find("\u03c0") != std::string_view::npos;
}

/// The sentences without asides; of text in parentheses that holds several sentences the inner ones go, too.
std::vector<std::string> own_sentences(std::string_view proper) {
  std::string text(proper);
  static const RE2 long_aside(R"((^|\s)\([A-Z][^()]*(?:\([^()]*\)[^()]*)*[.!?]\))");
  RE2::GlobalReplace(&text, long_aside, R"(\1)");
  std::vector<std::string> sentences;
  for (const std::string_view sentence : split_sentences(text)) {
    std::string own = without_asides(sentence);
    if (says_something(own)) sentences.push_back(std::move(own));
  }
  return sentences;
}

/// A minus sign as "-", no emphasis and no brackets around formulas: what stands between numbers is mathematics.
std::string plain_formulas(std::string_view sentence) {
  std::string text(sentence);
  for (const auto& [from, to] : {std::pair<std::string_view, std::string_view>{"\u2212", "-"},
                                 {"**", ""},
                                 {"\\(", ""},
                                 {"\\)", ""},
                                 {"\\[", ""},
                                 {"\\]", ""}}) {
    text = replace_all(text, from, to);
  }
  return text;
}

/// The equation that the sentence ends with; of "2uv = 15 and uv = 7.5" the last.
std::string_view last_equation(std::string_view run) {
  static const RE2 further(R"((?i).*=.*\band\b(.*=.*))");
  re2::StringPiece last;
  if (!RE2::FullMatch(piece(run), further, &last)) return run;
  return run.substr(static_cast<std::size_t>(last.data() - run.data()));
}

std::string_view trim_formula(std::string_view text) {
  static constexpr std::string_view kAround = " $\n\t,;:";
  while (!text.empty() && kAround.find(text.front()) != std::string_view::npos) text.remove_prefix(1);
  while (!text.empty() && kAround.find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  return text;
}

/// The members of "a = b ≈ c", the last first; behind "=>" another statement begins.
std::vector<std::string> chain_members(std::string_view equation) {
  static const RE2 arrow(R"(.*(?:=>|\\(?:Long)?[Rr]ightarrow|\\implies|\\iff|\\to\b|⇒|⇔|→|⟹|⟺))");
  static const RE2 link(R"(=|≈|\\approx\b)");
  re2::StringPiece rest = piece(equation);
  RE2::Consume(&rest, arrow);
  std::vector<std::string> members;
  re2::StringPiece sign;
  std::size_t from = 0;
  while (link.Match(rest, from, rest.size(), RE2::UNANCHORED, &sign, 1)) {
    const auto at = static_cast<std::size_t>(sign.data() - rest.data());
    members.emplace_back(trim_formula({rest.data() + from, at - from}));
    from = at + sign.size();
  }
  members.emplace_back(trim_formula({rest.data() + from, rest.size() - from}));
  std::reverse(members.begin(), members.end());
  std::erase_if(members, [](const std::string& member) { return !holds_number(member); });
  return members;
}

bool ends_with_plus_minus(std::string_view text) {
  const std::string_view before = trim_formula(text);
  return before.ends_with("\u00b1") || before.ends_with("\\pm");
}

const RE2& objection_words() {
  static const RE2 words(
      R"((?i)\b(?:no|not|cannot|never|nobody|nothing|none|neither|nor|nowhere|impossible|nonsense|but|yet|however|too|only|missing|lacks?|exceeds?|out\s+of\s+the\s+question|needs?|needed|(?:have|has|had)\s+to\s+(?:know|be\s+told|tell)|depends?|unless|contradict\w*|inconsisten\w*|conflicts?|undefined|unknown)\b|n't\b)");
  return words;
}

/// "He has 12 left, not 13" without the last words: they deny another answer, not this one.
std::string without_contrast(std::string_view sentence) {
  static const RE2 contrast(R"((?i),?\s+(?:and\s+)?not\s+(?:\w+\s+){0,2}[-$\\]*\d[\d.,/]*[^\d,;]{0,20}$)");
  std::string text(sentence);
  RE2::Replace(&text, contrast, "");
  return text;
}

/// The sentence behind the last word that denies or opposes something; all of it when there is none.
std::string_view behind_objections(std::string_view sentence) {
  re2::StringPiece match;
  std::size_t from = 0;
  while (objection_words().Match(piece(sentence), from, sentence.size(), RE2::UNANCHORED, &match, 1)) {
    from = static_cast<std::size_t>(match.data() - sentence.data()) + match.size();
  }
  return sentence.substr(from);
}

}  // namespace

std::vector<std::string> concluded_values(std::string_view proper) {
  const std::vector<std::string> sentences = own_sentences(proper);
  for (auto sentence = sentences.rbegin(); sentence != sentences.rend(); ++sentence) {
    const std::size_t skipped = sentence->size() > kMaxSentence ? sentence->size() - kMaxSentence : 0;
    const std::string plain = plain_formulas(digits_for_words(std::string_view(*sentence).substr(skipped)));
    const std::string_view run = last_expression(plain);
    if (run.empty()) continue;
    const std::string_view before(plain.data(), static_cast<std::size_t>(run.data() - plain.data()));
    if (ends_with_plus_minus(before) || run.find("\u00b1") != std::string_view::npos) return {};
    return chain_members(last_equation(run));
  }
  return {};
}

std::string closing_sentence(std::string_view proper) {
  const std::vector<std::string> sentences = own_sentences(proper);
  return sentences.empty() ? std::string() : sentences.back();
}

bool denies(std::string_view text) {
  return RE2::PartialMatch(piece(text), objection_words());
}

bool objects(std::string_view sentence) {
  static const RE2 conclusion(R"((?i).*\b(?:so|therefore|thus|hence|consequently)\b(.*\d.*))");
  const std::string own = without_contrast(sentence);
  re2::StringPiece drawn;
  const bool draws = RE2::PartialMatch(own, conclusion, &drawn) && !RE2::PartialMatch(drawn, objection_words());
  return !draws && RE2::PartialMatch(own, objection_words());
}

bool concludes(std::string_view sentence) {
  static const RE2 drawn(
      R"((?i)\b(?:so|therefore|thus|hence|consequently|answer|total|result|altogether|finally|equals?|gives?|get|gets|leaves?|makes?|left)\b[^\n]*\d)"
      R"(|[=≈]\s*[-+$\\{(]*(?:\d[^=]*|∞\W*)$)"
      R"(|\b(?:is|are|was)\s+(?:then\s+|about\s+)?[-$\\*]*\d[\d.,/]*\$?(?:\s+\w+){0,3}\W*$)");
  static const RE2 number_alone(R"(^\W*-?\d[\d.,/]*(?:\s*[°%]\s*\w?)?(?:\s+\w+){0,3}\W*$)");
  const std::string own = without_contrast(sentence);
  return RE2::PartialMatch(piece(behind_objections(own)), drawn) || RE2::PartialMatch(own, number_alone);
}

}  // namespace mathtrap
