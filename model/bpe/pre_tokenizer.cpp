#include "model/bpe/pre_tokenizer.h"

#include "model/unicode.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::string_view kMetaspace = "\u2581";

using Take = std::function<void(std::string_view)>;

template <typename... Calls>
struct Overloaded : Calls... {
  using Calls::operator()...;
};
// C++20 deduces this by itself; clang 14 does not.
template <typename... Calls>
Overloaded(Calls...) -> Overloaded<Calls...>;

void split_by_pattern(SplitPattern pattern, std::string_view text, const Take& take) {
  while (!text.empty()) {
    const std::size_t bytes = first_match(pattern, text);
    take(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
}

void split_digits(bool individual, std::string_view text, const Take& take) {
  std::size_t begin = 0;
  bool number_before = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint next = first_code_point(text.substr(at));
    const bool number = class_of(next.value) == CharacterClass::number;
    const bool splits = number != number_before || (number && individual);
    if (splits && at != begin) {
      take(text.substr(begin, at - begin));
      begin = at;
    }
    number_before = number;
    at += next.bytes;
  }
  if (begin != text.size()) take(text.substr(begin));
}

void split_metaspace(const SplitMetaspace& step, std::string_view text, bool begins_text, const Take& take) {
  std::string replaced = replace_all(text, " ", kMetaspace);
  const bool prepends = step.prepend == SplitMetaspace::Prepend::always ||
                        (step.prepend == SplitMetaspace::Prepend::first && begins_text);
  if (prepends && !replaced.starts_with(kMetaspace)) replaced.insert(0, kMetaspace);
  std::string_view rest = replaced;
  while (step.split && !rest.empty()) {
    const std::size_t next = rest.find(kMetaspace, 1);
    if (next == rest.npos) break;
    take(rest.substr(0, next));
    rest.remove_prefix(next);
  }
  if (!rest.empty()) take(rest);
}

}  // namespace

std::string normalize(std::span<const NormalizerStep> steps, std::string_view text) {
  std::string result(text);
  for (const NormalizerStep step : steps) {
    switch (step) {
      case NormalizerStep::compose:
        result = compose_canonically(result);
        break;
      case NormalizerStep::prepend_metaspace:
        if (!result.empty()) result.insert(0, kMetaspace);
        break;
      case NormalizerStep::blanks_to_metaspace:
        result = replace_all(result, " ", kMetaspace);
        break;
    }
  }
  return result;
}

void for_each_piece(std::span<const PreTokenizerStep> steps, std::string_view text, bool begins_text,
                    const Take& take) {
  if (text.empty()) return;
  if (steps.empty()) {
    take(text);
    return;
  }
  bool first = begins_text;
  const Take next = [&](std::string_view piece) {
    for_each_piece(steps.subspan(1), piece, first, take);
    first = false;
  };
  std::visit(Overloaded{[&](const SplitByPattern& step) { split_by_pattern(step.pattern, text, next); },
                        [&](const SplitDigits& step) { split_digits(step.individual, text, next); },
                        [&](const PrefixBlank&) {
                          next(text.starts_with(' ') ? std::string(text) : std::string(" ").append(text));
                        },
                        [&](const SplitMetaspace& step) { split_metaspace(step, text, begins_text, next); }},
             steps.front());
}

}  // namespace mathtrap
