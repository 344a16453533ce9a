#include "model/bpe/pipeline_json.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

namespace mathtrap {
namespace {

constexpr const char* kMetaspace = "\u2581";
constexpr std::size_t kMostSteps = 16;  // published tokenizers have up to five

std::string type_of(const JsonNode& node) {
  return node.child("type").text();
}

[[noreturn]] void refuse_type(const JsonNode& node, const char* known) {
  node.child("type").refuse(fmt::format("\"{}\" is not supported; {} are", type_of(node), known));
}

/// The parts of a "Sequence", or the one part itself.
std::vector<JsonNode> parts_of(const JsonNode& node, const char* field) {
  if (type_of(node) != "Sequence") return {node};
  std::vector<JsonNode> parts;
  for (const JsonNode& item : node.child(field).items()) {
    // Sequences in sequences end where the depth of the JSON does.
    for (const JsonNode& part : parts_of(item, field)) parts.push_back(part);
    if (parts.size() > kMostSteps) node.refuse(fmt::format("has more than {} parts", kMostSteps));
  }
  return parts;
}

NormalizerStep read_normalizer_step(const JsonNode& node) {
  const std::string type = type_of(node);
  if (type == "NFC") return NormalizerStep::compose;
  if (type == "Prepend") {
    if (node.child("prepend").text() != kMetaspace) node.child("prepend").refuse("is not \"\u2581\": not supported");
    return NormalizerStep::prepend_metaspace;
  }
  if (type == "Replace") {
    const bool known = node.child("pattern").text_or("String", "") == " " && node.child("content").text() == kMetaspace;
    if (!known) node.refuse("replaces other than \" \" by \"\u2581\": not supported");
    return NormalizerStep::blanks_to_metaspace;
  }
  refuse_type(node, "NFC, Prepend, Replace and Sequence");
}

SplitByPattern read_split(const JsonNode& node) {
  const JsonNode pattern = node.child("pattern");
  const std::optional<SplitPattern> known = find_split_pattern(pattern.text_or("Regex", ""));
  if (!known) {
    pattern.refuse("is another expression than GPT-2's, Llama 3's and Qwen2's, which alone are supported");
  }
  const std::string behavior = node.child("behavior").text();
  const bool inverted = node.flag_or("invert", false);
  // The known expressions match all of a text: to keep the matches is to remove what lies between.
  const bool keeps_matches = inverted ? behavior == "Removed" : behavior == "Isolated";
  if (!keeps_matches) node.child("behavior").refuse(fmt::format("\"{}\" is not supported, Isolated is", behavior));
  return {*known};
}

SplitMetaspace::Prepend read_prepend_scheme(const JsonNode& node) {
  const char* from_old_field = node.flag_or("add_prefix_space", true) ? "always" : "never";
  const std::string scheme = node.text_or("prepend_scheme", from_old_field);
  if (scheme == "always") return SplitMetaspace::Prepend::always;
  if (scheme == "first") return SplitMetaspace::Prepend::first;
  if (scheme == "never") return SplitMetaspace::Prepend::never;
  node.child("prepend_scheme").refuse(fmt::format("\"{}\" is none of always, first and never", scheme));
}

SplitMetaspace read_metaspace(const JsonNode& node) {
  if (node.text_or("replacement", kMetaspace) != kMetaspace) {
    node.child("replacement").refuse("is not \"\u2581\": not supported");
  }
  return {read_prepend_scheme(node), node.flag_or("split", true)};
}

void add_pre_tokenizer(const JsonNode& node, PreTokenizerJson& to) {
  if (to.byte_level) node.refuse("stands behind ByteLevel: not supported");
  const std::string type = type_of(node);
  if (type == "Split") {
    to.steps.emplace_back(read_split(node));
  } else if (type == "Digits") {
    to.steps.emplace_back(SplitDigits{node.flag_or("individual_digits", false)});
  } else if (type == "Metaspace") {
    to.steps.emplace_back(read_metaspace(node));
  } else if (type == "ByteLevel") {
    if (node.flag_or("add_prefix_space", true)) to.steps.emplace_back(PrefixBlank{});
    if (node.flag_or("use_regex", true)) to.steps.emplace_back(SplitByPattern{SplitPattern::gpt2});
    to.byte_level = true;
  } else {
    refuse_type(node, "ByteLevel, Split, Digits, Metaspace and Sequence");
  }
}

TokenId read_template(const JsonNode& node, std::size_t vocab_size) {
  std::vector<std::string> before;
  bool behind_text = false;
  const JsonNode single = node.child("single");
  for (const JsonNode& part : single.items()) {
    if (part.has("Sequence")) {
      behind_text = true;
      continue;
    }
    if (behind_text) part.refuse("adds a token behind a text: not supported");
    before.push_back(part.child("SpecialToken").child("id").text());
  }
  if (before.empty()) return -1;
  if (before.size() > 1) single.refuse("adds more than one token before a text: not supported");
  const JsonNode ids = node.child("special_tokens").child(before.front().c_str()).child("ids");
  if (ids.items().size() != 1) ids.refuse("one id is wanted");
  const std::int64_t id = ids.items().front().integer();
  if (id < 0 || static_cast<std::uint64_t>(id) >= vocab_size) {
    ids.refuse(fmt::format("{} is outside the vocabulary of {}", id, vocab_size));
  }
  return static_cast<TokenId>(id);
}

}  // namespace

std::vector<NormalizerStep> read_normalizer(const JsonNode& root) {
  std::vector<NormalizerStep> steps;
  if (!root.has("normalizer")) return steps;
  for (const JsonNode& part : parts_of(root.child("normalizer"), "normalizers")) {
    steps.push_back(read_normalizer_step(part));
  }
  return steps;
}

PreTokenizerJson read_pre_tokenizer(const JsonNode& root) {
  PreTokenizerJson result;
  if (!root.has("pre_tokenizer")) return result;
  for (const JsonNode& part : parts_of(root.child("pre_tokenizer"), "pretokenizers")) add_pre_tokenizer(part, result);
  return result;
}

TokenId read_begin_of_text(const JsonNode& root, std::size_t vocab_size) {
  TokenId bos = -1;
  if (!root.has("post_processor")) return bos;
  for (const JsonNode& part : parts_of(root.child("post_processor"), "processors")) {
    if (type_of(part) == "ByteLevel") continue;  // of offsets alone
    if (type_of(part) != "TemplateProcessing") refuse_type(part, "ByteLevel, TemplateProcessing and Sequence");
    if (bos >= 0) part.refuse("adds a second token before a text: not supported");
    bos = read_template(part, vocab_size);
  }
  return bos;
}

bool read_decoder_strips_blank(const JsonNode& root) {
  bool strips = false;
  if (!root.has("decoder")) return strips;
  for (const JsonNode& part : parts_of(root.child("decoder"), "decoders")) {
    const std::string type = type_of(part);
    if (type == "Strip") {
      const bool known = part.child("content").text() == " " && part.child("start").integer() == 1 &&
                         part.child("stop").integer() == 0;
      if (!known) part.refuse("strips other than one blank from the front: not supported");
      strips = true;
    } else if (type == "Metaspace") {
      strips = read_prepend_scheme(part) != SplitMetaspace::Prepend::never;
    } else if (type != "ByteLevel" && type != "Replace" && type != "ByteFallback" && type != "Fuse") {
      refuse_type(part, "ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace and Sequence");
    }
  }
  return strips;
}

}  // namespace mathtrap
