#include "model/tokenizer.h"

#include <fmt/format.h>

#include <charconv>

#include "model/tokenizer_implementation.h"
#include "support/error.h"
#include "support/text.h"

namespace mathtrap {
namespace {

void check_id(const TokenizerImplementation& tokenizer, TokenId id) {
  if (id >= 0 && static_cast<std::size_t>(id) < tokenizer.texts.size()) return;
  fail({tokenizer.source, 0, ""}, fmt::format("token {} is outside the vocabulary of {}", id, tokenizer.texts.size()));
}

}  // namespace

std::string with_blanks(std::string_view piece) {
  return replace_all(piece, "\u2581", " ");
}

std::string byte_of(std::string_view piece) {
  constexpr std::string_view kPrefix = "<0x";
  unsigned value = 0;
  if (piece.size() > kPrefix.size()) {
    std::from_chars(piece.data() + kPrefix.size(), piece.data() + piece.size(), value, 16);
  }
  return {static_cast<char>(value)};
}

bool is_tokenizer_json(std::string_view serialised) {
  return serialised.starts_with('{');
}

Tokenizer::Tokenizer(std::string_view serialised, const std::string& source, TokenId eos)
    : implementation_(is_tokenizer_json(serialised) ? load_tokenizer_json(serialised, source, eos)
                                                    : load_sentencepiece(serialised, source)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, SpecialTokens special_tokens,
                                       std::span<const TextSpan> plain) const {
  const TextSpan whole{0, text.size()};
  return implementation_->encode(text, special_tokens == SpecialTokens::as_text ? std::span(&whole, 1) : plain);
}

std::string Tokenizer::decode(std::span<const TokenId> ids) const {
  for (const TokenId id : ids) check_id(*implementation_, id);
  return implementation_->decode(ids);
}

std::string Tokenizer::piece_text(TokenId id) const {
  check_id(*implementation_, id);
  return implementation_->texts[static_cast<std::size_t>(id)];
}

std::int64_t Tokenizer::vocab_size() const {
  return static_cast<std::int64_t>(implementation_->texts.size());
}
TokenId Tokenizer::bos() const {
  return implementation_->bos();
}
TokenId Tokenizer::eos() const {
  return implementation_->eos();
}

}  // namespace mathtrap
