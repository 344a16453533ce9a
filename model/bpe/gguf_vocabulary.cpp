#include "model/bpe/gguf_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "model/bpe/split_pattern.h"
#include "model/unicode.h"
#include "support/error.h"

namespace mathtrap {
namespace {

using nlohmann::json;

constexpr int kTypeUnknown = 2;
constexpr int kTypeControl = 3;
constexpr int kTypeUserDefined = 4;

/// What a word in tokenizer.ggml.pre stands for.
struct KnownPre {
  std::string_view name;
  SplitPattern pattern;
  bool single_digits = false;  ///< apart before the pattern splits
  bool composed = false;       ///< NFC
  bool ignore_merges = false;
  bool adds_bos = false;
};

constexpr std::array kKnownPres = {
    KnownPre{"gpt-2", SplitPattern::gpt2},
    KnownPre{"phi-2", SplitPattern::gpt2},
    KnownPre{"smollm", SplitPattern::gpt2, true},
    KnownPre{"starcoder", SplitPattern::gpt2, true},
    KnownPre{"refact", SplitPattern::gpt2, true},
    KnownPre{"llama-bpe", SplitPattern::llama3, false, false, true, true},
    KnownPre{"llama3", SplitPattern::llama3, false, false, true, true},
    KnownPre{"llama-v3", SplitPattern::llama3, false, false, true, true},
    KnownPre{"smaug-bpe", SplitPattern::llama3},
    KnownPre{"qwen2", SplitPattern::qwen2, false, true},
};

const KnownPre& find_pre(std::string_view name, const std::string& path) {
  const auto* found =
      std::find_if(kKnownPres.begin(), kKnownPres.end(), [&](const KnownPre& known) { return known.name == name; });
  if (found == kKnownPres.end()) {
    std::vector<std::string_view> names;
    for (const KnownPre& known : kKnownPres) names.push_back(known.name);
    fail({path, 0, "tokenizer.ggml.pre"}, fmt::format("\"{}\" is not supported; {} are", name, fmt::join(names, ", ")));
  }
  return *found;
}

json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

json pre_tokenizer_of(const KnownPre& pre) {
  json parts = json::array();
  if (pre.single_digits) parts.push_back({{"type", "Digits"}, {"individual_digits", true}});
  const bool own_pattern = pre.pattern != SplitPattern::gpt2;
  if (own_pattern) {
    parts.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", regex_of(pre.pattern)}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  parts.push_back(byte_level(!own_pattern));
  return {{"type", "Sequence"}, {"pretokenizers", parts}};
}

json vocab_of(const GgufBpeVocabulary& vocabulary, const std::string& path) {
  const Place place{path, 0, "tokenizer.ggml.tokens"};
  json vocab = json::object();
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const std::string& text = vocabulary.pieces[id].text;
    if (text.empty() || replace_invalid_utf8(text) != text) fail(place, fmt::format("token {} is no text", id));
    if (!vocab.emplace(text, id).second) fail(place, fmt::format("token {} is there twice: \"{}\"", id, text));
  }
  return vocab;
}

json added_tokens_of(const GgufBpeVocabulary& vocabulary) {
  json added = json::array();
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const VocabularyPiece& piece = vocabulary.pieces[id];
    const bool special = piece.type == kTypeControl || piece.type == kTypeUnknown;
    if (!special && piece.type != kTypeUserDefined) continue;
    added.push_back({{"id", id},
                     {"content", piece.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", special}});
  }
  return added;
}

json merges_of(const GgufBpeVocabulary& vocabulary, const std::string& path) {
  json merges = json::array();
  for (const std::string& merge : vocabulary.merges) {
    if (replace_invalid_utf8(merge) != merge) {
      fail({path, 0, "tokenizer.ggml.merges"}, fmt::format("merge {} is no text", merges.size()));
    }
    merges.push_back(merge);
  }
  return merges;
}

/// Puts begin-of-text in front of texts.
json post_processor_of(const GgufBpeVocabulary& vocabulary, const KnownPre& pre, const std::string& path) {
  if (!vocabulary.add_bos.value_or(pre.adds_bos)) return byte_level(true);
  if (vocabulary.bos < 0 || static_cast<std::size_t>(vocabulary.bos) >= vocabulary.pieces.size()) {
    fail({path, 0, "tokenizer.ggml.bos_token_id"},
         fmt::format("is {}, outside the vocabulary of {}", vocabulary.bos, vocabulary.pieces.size()));
  }
  const std::string& text = vocabulary.pieces[static_cast<std::size_t>(vocabulary.bos)].text;
  const auto special = [&](int type) { return json{{"SpecialToken", {{"id", text}, {"type_id", type}}}}; };
  const auto sequence = [](const char* name, int type) {
    return json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  json tokens = json::object();
  tokens[text] = {{"id", text}, {"ids", {vocabulary.bos}}, {"tokens", {text}}};
  return {{"type", "TemplateProcessing"},
          {"single", {special(0), sequence("A", 0)}},
          {"pair", {special(0), sequence("A", 0), special(1), sequence("B", 1)}},
          {"special_tokens", tokens}};
}

}  // namespace

std::string write_tokenizer_json(const GgufBpeVocabulary& vocabulary, const std::string& path) {
  const KnownPre& pre = find_pre(vocabulary.pre, path);
  json file;
  file["version"] = "1.0";
  file["truncation"] = nullptr;
  file["padding"] = nullptr;
  file["added_tokens"] = added_tokens_of(vocabulary);
  file["normalizer"] = pre.composed ? json{{"type", "NFC"}} : json(nullptr);
  file["pre_tokenizer"] = pre_tokenizer_of(pre);
  file["post_processor"] = post_processor_of(vocabulary, pre, path);
  file["decoder"] = byte_level(true);
  file["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", pre.ignore_merges},
                   {"vocab", vocab_of(vocabulary, path)},
                   {"merges", merges_of(vocabulary, path)}};
  return file.dump();
}

}  // namespace mathtrap
