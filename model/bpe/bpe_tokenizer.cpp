// The tokenizer that a tokenizer.json describes.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/bpe/byte_alphabet.h"
#include "model/bpe/tokenizer_json.h"
#include "model/tokenizer_implementation.h"
#include "model/unicode.h"
#include "support/error.h"

namespace mathtrap {
namespace {

std::vector<AddedToken> select_normalized(const TokenizerJson& json, bool normalized) {
  std::vector<AddedToken> selected;
  for (AddedToken token : json.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) token.content = normalize(json.normalizer, token.content);
    selected.push_back(std::move(token));
  }
  return selected;
}

std::string text_of(const std::string& token, const BpeVocabulary& vocabulary) {
  if (vocabulary.byte_level) return bytes_of_characters(token).value_or(token);
  const bool is_byte =
      vocabulary.byte_fallback && token.size() == 6 && token.starts_with("<0x") && token.ends_with('>');
  return is_byte ? byte_of(token) : with_blanks(token);
}

/// What each token adds to a text: special ones nothing, others that were added themselves.
std::vector<std::string> texts_of(const TokenizerJson& json) {
  std::vector<std::string> texts;
  texts.reserve(json.tokens.size());
  for (const std::string& token : json.tokens) texts.push_back(text_of(token, json.vocabulary));
  for (const AddedToken& token : json.added_tokens) {
    texts[static_cast<std::size_t>(token.id)] = token.special ? "" : token.content;
  }
  return texts;
}

TokenId find_end_of_text(const TokenizerJson& json) {
  for (const char* name : {"</s>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>"}) {
    const auto found = std::find_if(json.added_tokens.begin(), json.added_tokens.end(),
                                    [&](const AddedToken& token) { return token.special && token.content == name; });
    if (found != json.added_tokens.end()) return found->id;
  }
  return -1;
}

/// A text with parts of it.
struct MarkedText {
  std::string text;
  std::vector<TextSpan> plain;
};

/// With U+FFFD for what is not UTF-8; the parts move with the bytes that this adds or takes away.
MarkedText valid_text(std::string_view text, std::span<const TextSpan> plain) {
  MarkedText valid{replace_invalid_utf8(text), {plain.begin(), plain.end()}};
  if (valid.text == text) return valid;
  const auto moved = [&](std::size_t place) { return replace_invalid_utf8(text.substr(0, place)).size(); };
  for (TextSpan& part : valid.plain) part = {moved(part.begin), moved(part.end)};
  return valid;
}

/// The parts, as far as they lie in `whole`, by their places in it.
std::vector<TextSpan> parts_within(std::span<const TextSpan> parts, const TextSpan& whole) {
  std::vector<TextSpan> within;
  for (const TextSpan& part : parts) {
    const TextSpan inner{std::max(part.begin, whole.begin), std::min(part.end, whole.end)};
    if (inner.begin < inner.end) within.push_back({inner.begin - whole.begin, inner.end - whole.begin});
  }
  return within;
}

class BpeTokenizer final : public TokenizerImplementation {
 public:
  BpeTokenizer(TokenizerJson json, std::vector<std::string> token_texts, const std::string& from, TokenId eos)
      : plain_tokens_(select_normalized(json, false)),
        normalized_tokens_(select_normalized(json, true)),
        normalizer_(json.normalizer),
        pre_tokenizer_(json.pre_tokenizer),
        bos_(json.bos),
        eos_(eos >= 0 ? eos : find_end_of_text(json)),
        strips_blank_(json.decoder_strips_blank),
        model_(std::move(json.vocabulary)) {
    source = from;
    texts = std::move(token_texts);
    if (eos_ >= static_cast<TokenId>(texts.size())) {
      fail({source, 0, ""},
           fmt::format("the model's end-of-text {} is outside the vocabulary of {}", eos_, texts.size()));
    }
  }

  std::vector<TokenId> encode(std::string_view text, std::span<const TextSpan> plain) const override {
    const MarkedText valid = valid_text(text, plain);
    std::vector<TokenId> ids;
    for (const Segment& segment : plain_tokens_.segments(valid.text, valid.plain)) {
      if (segment.token >= 0) {
        ids.push_back(segment.token);
        continue;
      }
      const auto begin = static_cast<std::size_t>(segment.text.data() - valid.text.data());
      encode_plain(segment.text, begin == 0, parts_within(valid.plain, {begin, begin + segment.text.size()}), ids);
    }
    return ids;
  }

  std::string decode(std::span<const TokenId> ids) const override {
    std::string bytes;
    for (const TokenId id : ids) bytes += texts[static_cast<std::size_t>(id)];
    std::string text = replace_invalid_utf8(bytes);
    if (strips_blank_ && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

  TokenId bos() const override { return bos_; }
  TokenId eos() const override { return eos_; }

 private:
  void encode_plain(std::string_view text, bool begins_text, std::vector<TextSpan> plain,
                    std::vector<TokenId>& ids) const {
    const std::string normalized = normalize(normalizer_, text);
    // Where the parts are in the normalised text, which matters only where a special token may stand there.
    const auto moved = [&](std::size_t place) { return normalize(normalizer_, text.substr(0, place)).size(); };
    if (!normalized_tokens_.has_special()) plain.clear();
    for (TextSpan& part : plain) part = {part.begin == 0 ? 0 : moved(part.begin), moved(part.end)};
    for (const Segment& segment : normalized_tokens_.segments(normalized, plain)) {
      if (segment.token >= 0) {
        ids.push_back(segment.token);
        continue;
      }
      const bool begins = begins_text && segment.text.data() == normalized.data();
      for_each_piece(pre_tokenizer_, segment.text, begins, [&](std::string_view piece) { model_.encode(piece, ids); });
    }
  }

  AddedTokenFinder plain_tokens_;       ///< looked for first
  AddedTokenFinder normalized_tokens_;  ///< looked for in what is left, normalised
  std::vector<NormalizerStep> normalizer_;
  std::vector<PreTokenizerStep> pre_tokenizer_;
  TokenId bos_;
  TokenId eos_;
  bool strips_blank_;
  BpeModel model_;
};

}  // namespace

std::unique_ptr<TokenizerImplementation> load_tokenizer_json(std::string_view text, const std::string& source,
                                                             TokenId eos) {
  TokenizerJson json = parse_tokenizer_json(text, source);
  std::vector<std::string> texts = texts_of(json);
  return std::make_unique<BpeTokenizer>(std::move(json), std::move(texts), source, eos);
}

}  // namespace mathtrap
