#include "model/bpe/tokenizer_json.h"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "model/bpe/byte_alphabet.h"
#include "model/bpe/json_node.h"
#include "model/bpe/pipeline_json.h"
#include "model/large_json.h"
#include "support/error.h"

namespace mathtrap {
namespace {

using Ids = std::unordered_map<std::string_view, TokenId>;

/// The vocabulary with its added tokens, by id. Ids are 0, 1, 2 …: then no id is far outside, and none is missing.
class IdTable {
 public:
  /// For `size` tokens in all.
  explicit IdTable(std::size_t size) : tokens_(size), taken_(size) {}

  void put(const std::string& token, std::int64_t id, const JsonNode& node) {
    if (id < 0 || static_cast<std::uint64_t>(id) >= tokens_.size()) {
      node.refuse(fmt::format("\"{}\" has the id {}, but {} tokens have the ids from 0 to {}", token, id,
                              tokens_.size(), tokens_.size() - 1));
    }
    const auto place = static_cast<std::size_t>(id);
    if (taken_[place]) node.refuse(fmt::format("\"{}\" and \"{}\" both have the id {}", tokens_[place], token, id));
    taken_[place] = true;
    tokens_[place] = token;
  }

  std::vector<std::string> take() { return std::move(tokens_); }

 private:
  std::vector<std::string> tokens_;
  std::vector<bool> taken_;
};

void read_model_options(const JsonNode& model, BpeVocabulary& vocabulary) {
  if (model.text_or("type", "BPE") != "BPE") {
    model.child("type").refuse(fmt::format("\"{}\" is not supported, only BPE is", model.child("type").text()));
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text_or(affix, "").empty()) model.child(affix).refuse("is not supported: it must be null");
  }
  if (model.has("dropout") && model.child("dropout").json() != 0) {
    model.child("dropout").refuse("is not supported: it must be null");
  }
  vocabulary.byte_fallback = model.flag_or("byte_fallback", false);
  vocabulary.fuse_unknown = model.flag_or("fuse_unk", false);
  vocabulary.ignore_merges = model.flag_or("ignore_merges", false);
}

AddedToken read_added_token(const JsonNode& node) {
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 30;
  constexpr std::size_t kLongest = 1024;  // finding a token looks at so many bytes from each place of a text
  AddedToken token;
  const std::int64_t id = node.child("id").integer();
  if (id < 0 || id > kMostTokens) node.child("id").refuse(fmt::format("{} is no token id", id));
  token.id = static_cast<TokenId>(id);
  token.content = node.child("content").text();
  if (token.content.empty() || token.content.size() > kLongest) {
    node.child("content").refuse(fmt::format("must have from 1 to {} bytes", kLongest));
  }
  token.special = node.flag_or("special", false);
  token.normalized = node.flag_or("normalized", !token.special);
  token.strip_left = node.flag_or("lstrip", false);
  token.strip_right = node.flag_or("rstrip", false);
  if (node.flag_or("single_word", false)) node.child("single_word").refuse("is not supported: it must be false");
  return token;
}

std::vector<AddedToken> read_added_tokens(const JsonNode& root) {
  std::vector<AddedToken> tokens;
  if (!root.has("added_tokens")) return tokens;
  std::unordered_set<std::string> seen;
  for (const JsonNode& node : root.child("added_tokens").items()) {
    tokens.push_back(read_added_token(node));
    if (!seen.insert(tokens.back().content).second) {
      node.refuse(fmt::format("\"{}\" is there twice", tokens.back().content));
    }
  }
  return tokens;
}

std::vector<std::string> read_tokens(const JsonNode& vocab, const JsonNode& root,
                                     const std::vector<AddedToken>& added_tokens) {
  const nlohmann::json& ids = vocab.json();
  if (!ids.is_object()) vocab.refuse("a JSON object is wanted");
  std::size_t size = ids.size();
  for (const AddedToken& token : added_tokens) size += ids.contains(token.content) ? 0 : 1;
  IdTable table(size);
  for (const auto& [token, id] : ids.items()) {
    if (token.empty()) vocab.refuse("has a token without text");
    if (!id.is_number_integer()) vocab.refuse(fmt::format("the id of \"{}\" is no integer", token));
    table.put(token, id.get<std::int64_t>(), vocab);
  }
  for (const AddedToken& token : added_tokens) {
    if (!ids.contains(token.content)) {
      table.put(token.content, token.id, root.child("added_tokens"));
    } else if (ids.at(token.content) != token.id) {
      root.child("added_tokens")
          .refuse(fmt::format("\"{}\" has the id {}, in model.vocab another one", token.content, token.id));
    }
  }
  return table.take();
}

/// The two tokens of a merge: "a b", or ["a", "b"].
std::pair<std::string, std::string> read_pair(const nlohmann::json& merge, std::size_t rank, const JsonNode& merges) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  if (merge.is_string()) {
    const auto& both = merge.get_ref<const std::string&>();
    const std::size_t blank = both.find(' ');
    if (blank != both.npos && both.find(' ', blank + 1) == both.npos) {
      return {both.substr(0, blank), both.substr(blank + 1)};
    }
  }
  merges.refuse(fmt::format("merge {} is not two tokens", rank));
}

std::vector<BpeMerge> read_merges(const JsonNode& merges, const Ids& ids) {
  if (!merges.json().is_array()) merges.refuse("a JSON array is wanted");
  std::vector<BpeMerge> read;
  read.reserve(merges.json().size());
  std::unordered_set<std::uint64_t> seen;
  for (const nlohmann::json& merge : merges.json()) {
    const std::size_t rank = read.size();
    const auto [left, right] = read_pair(merge, rank, merges);
    const auto id_of = [&](const std::string& token) {
      const auto found = ids.find(token);
      if (found == ids.end()) merges.refuse(fmt::format("merge {}: \"{}\" is not in the vocabulary", rank, token));
      return found->second;
    };
    const BpeMerge ranked = {id_of(left), id_of(right), id_of(left + right)};
    const std::uint64_t key =
        std::uint64_t{static_cast<std::uint32_t>(ranked.left)} << 32 | static_cast<std::uint32_t>(ranked.right);
    if (!seen.insert(key).second) merges.refuse(fmt::format("merge {}: \"{} {}\" is there twice", rank, left, right));
    read.push_back(ranked);
  }
  return read;
}

/// Tokens as the model's symbols make them: empty where none do.
std::vector<std::string> mergeable_tokens(const std::vector<std::string>& tokens, const Ids& ids, bool byte_level) {
  std::vector<std::string> mergeable(tokens.size());
  for (const auto& [token, id] : ids) {
    mergeable[static_cast<std::size_t>(id)] = byte_level ? bytes_of_characters(token).value_or("") : std::string(token);
  }
  return mergeable;
}

}  // namespace

TokenizerJson parse_tokenizer_json(std::string_view text, const std::string& source) {
  const nlohmann::json json = parse_large_json(text, {source, 0, ""});
  const JsonNode root(json, "", source);
  const JsonNode model = root.child("model");
  TokenizerJson tokenizer;
  read_model_options(model, tokenizer.vocabulary);
  tokenizer.added_tokens = read_added_tokens(root);
  const JsonNode vocab = model.child("vocab");
  tokenizer.tokens = read_tokens(vocab, root, tokenizer.added_tokens);
  Ids ids;
  ids.reserve(vocab.json().size());
  for (const auto& [token, id] : vocab.json().items()) {
    const auto number = id.get<std::size_t>();
    ids.emplace(tokenizer.tokens[number], static_cast<TokenId>(number));
  }
  tokenizer.vocabulary.merges = read_merges(model.child("merges"), ids);
  if (model.has("unk_token")) {
    const auto unknown = ids.find(model.child("unk_token").text());
    if (unknown == ids.end()) model.child("unk_token").refuse("is not in the vocabulary");
    tokenizer.vocabulary.unknown = unknown->second;
  }
  tokenizer.normalizer = read_normalizer(root);
  const PreTokenizerJson pre_tokenizer = read_pre_tokenizer(root);
  tokenizer.pre_tokenizer = pre_tokenizer.steps;
  tokenizer.vocabulary.byte_level = pre_tokenizer.byte_level;
  tokenizer.vocabulary.tokens = mergeable_tokens(tokenizer.tokens, ids, pre_tokenizer.byte_level);
  tokenizer.bos = read_begin_of_text(root, tokenizer.tokens.size());
  tokenizer.decoder_strips_blank = read_decoder_strips_blank(root);
  return tokenizer;
}

}  // namespace mathtrap
