#include "model/bpe/added_tokens.h"

#include <algorithm>
#include <cstddef>

#include "model/unicode.h"

namespace mathtrap {
namespace {

/// Bytes of the blanks that `text` begins with.
std::size_t leading_blanks(std::string_view text) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const CodePoint next = first_code_point(text.substr(bytes));
    if (class_of(next.value) != CharacterClass::space) break;
    bytes += next.bytes;
  }
  return bytes;
}

/// Bytes of the blanks that `text` ends with.
std::size_t trailing_blanks(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) --begin;
    if (class_of(first_code_point(text.substr(begin)).value) != CharacterClass::space) break;
    end = begin;
  }
  return text.size() - end;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  has_special_ = std::any_of(tokens_.begin(), tokens_.end(), [](const AddedToken& token) { return token.special; });
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text) const {
  auto begin = tokens_.begin();
  auto end = tokens_.end();
  const AddedToken* longest = nullptr;
  // [begin, end) are the tokens that begin as the text does, as far as it was looked at.
  for (std::size_t i = 0; i < text.size() && begin != end; ++i) {
    const auto before = [i](const AddedToken& token, char byte) {
      return static_cast<unsigned char>(token.content[i]) < static_cast<unsigned char>(byte);
    };
    const auto behind = [i](char byte, const AddedToken& token) {
      return static_cast<unsigned char>(byte) < static_cast<unsigned char>(token.content[i]);
    };
    begin = std::lower_bound(begin, end, text[i], before);
    end = std::upper_bound(begin, end, text[i], behind);
    // A token that ends here stands before those that go on.
    if (begin != end && begin->content.size() == i + 1) longest = &*begin++;
  }
  return longest;
}

std::vector<Segment> AddedTokenFinder::segments(std::string_view text, std::span<const TextSpan> plain) const {
  std::vector<Segment> segments;
  std::size_t plain_from = 0;
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token = longest_at(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t end = at + token->content.size();
    // Parts that end before this place have been passed.
    while (!plain.empty() && plain.front().end <= at) plain = plain.subspan(1);
    if (token->special && !plain.empty() && plain.front().begin < end) {
      // What a user began may not swallow the frame's token behind it.
      at = std::max(at + 1, std::min(end, plain.front().end));
      continue;
    }
    std::size_t begin = at;
    if (token->strip_left) begin -= trailing_blanks(text.substr(plain_from, at - plain_from));
    if (token->strip_right) end += leading_blanks(text.substr(end));
    if (begin != plain_from) segments.push_back({text.substr(plain_from, begin - plain_from)});
    segments.push_back({text.substr(begin, end - begin), token->id});
    plain_from = at = end;
  }
  if (plain_from != text.size()) segments.push_back({text.substr(plain_from)});
  return segments;
}

}  // namespace mathtrap
