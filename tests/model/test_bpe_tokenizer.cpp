// Tokenizers of tokenizer.json files and GGUF vocabularies: golden ids of Hugging Face's library, merging against a
// plain implementation, normalisation, and what must be refused.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "model/bpe/bpe_model.h"
#include "model/bpe/byte_alphabet.h"
#include "model/tokenizer.h"
#include "model/unicode.h"
#include "support/files.h"
#include "support/random.h"
#include "tests/catch.h"
#include "tests/model/golden_tokenizers.h"
#include "tests/model/scratch.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

using Ids = std::vector<TokenId>;
using Json = nlohmann::json;

Tokenizer load(std::string_view kind) {
  return {golden_tokenizer_json(kind), fmt::format("{}.json", kind)};
}

void check_cases(const Tokenizer& tokenizer, std::string_view kind) {
  for (const GoldenText& text : golden_texts()) {
    INFO(kind << ": " << text.line);
    CHECK(tokenizer.encode(text.bytes) == text.ids(kind, SpecialTokens::as_text));
    CHECK(tokenizer.encode(text.bytes, SpecialTokens::parsed) == text.ids(kind, SpecialTokens::parsed));
  }
}

std::string joined_pieces(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (const TokenId id : ids) text += tokenizer.piece_text(id);
  return text;
}

/// Merging as the definition has it: of all neighbours the pair of lowest rank, the leftmost of equal ones.
Ids merge_plainly(Ids symbols, const std::vector<BpeMerge>& merges) {
  for (;;) {
    std::size_t best_rank = merges.size();
    std::size_t best_at = 0;
    for (std::size_t at = 0; at + 1 < symbols.size(); ++at) {
      const auto found = std::find_if(merges.begin(), merges.end(), [&](const BpeMerge& merge) {
        return merge.left == symbols[at] && merge.right == symbols[at + 1];
      });
      const auto rank = static_cast<std::size_t>(found - merges.begin());
      if (rank >= best_rank) continue;
      best_rank = rank;
      best_at = at;
    }
    if (best_rank == merges.size()) return symbols;
    symbols[best_at] = merges[best_rank].merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

/// The letters a, b, c and random merges of what is there, in random order.
BpeVocabulary random_vocabulary(Random& random, std::size_t merges) {
  BpeVocabulary vocabulary;
  vocabulary.tokens = {"a", "b", "c"};
  const auto pick = [&] {
    return static_cast<TokenId>(random.uniform_int(0, static_cast<std::int64_t>(vocabulary.tokens.size()) - 1));
  };
  for (std::size_t tries = 0; tries < 20 * merges && vocabulary.merges.size() < merges; ++tries) {
    const TokenId left = pick();
    const TokenId right = pick();
    const std::string text =
        vocabulary.tokens[static_cast<std::size_t>(left)] + vocabulary.tokens[static_cast<std::size_t>(right)];
    const auto known = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), text);
    const bool twice = std::any_of(vocabulary.merges.begin(), vocabulary.merges.end(),
                                   [&](const BpeMerge& merge) { return merge.left == left && merge.right == right; });
    if (twice || text.size() > 12) continue;
    vocabulary.merges.push_back({left, right, static_cast<TokenId>(known - vocabulary.tokens.begin())});
    if (known == vocabulary.tokens.end()) vocabulary.tokens.push_back(text);
  }
  for (std::size_t i = vocabulary.merges.size(); i > 1; --i) {
    std::swap(vocabulary.merges[i - 1],
              vocabulary.merges[static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(i) - 1))]);
  }
  return vocabulary;
}

std::string error_of_json(const std::string& json) {
  return error_of([&] { Tokenizer(json, "tokenizer.json"); });
}

}  // namespace

TEST_CASE("token ids equal those of Hugging Face's library") {
  for (const char* kind : {"gpt2", "smollm", "llama3", "qwen2", "llama2", "mistral"}) check_cases(load(kind), kind);
}

TEST_CASE("token ids of a published tokenizer.json equal those of Hugging Face's library") {
  const char* file = "data/models/torchtune-tiny/tiny_bpe_tokenizer.json";
  if (!has_shared_data(file)) return;
  check_cases(Tokenizer(read_file(shared_data(file)), file), "torchtune");
}

TEST_CASE("decoding gives a text's bytes back, and its pieces do one by one") {
  for (const char* kind : {"gpt2", "smollm", "llama3"}) {
    const Tokenizer tokenizer = load(kind);
    for (const GoldenText& text : golden_texts()) {
      INFO(kind << ": " << text.line);
      const std::string valid = replace_invalid_utf8(text.bytes);
      const Ids ids = tokenizer.encode(text.bytes);
      CHECK(tokenizer.decode(ids) == valid);
      CHECK(joined_pieces(tokenizer, ids) == valid);
    }
  }
}

TEST_CASE("the blank that normalisation puts in front is not decoded") {
  const Tokenizer tokenizer = load("llama2");
  CHECK(joined_pieces(tokenizer, tokenizer.encode("the answer")) == " the answer");
  CHECK(tokenizer.decode(tokenizer.encode("the answer")) == "the answer");
  CHECK(tokenizer.decode(tokenizer.encode("\u00e9 \U0001F642")) == "\u00e9 \U0001F642");
}

TEST_CASE("special tokens are no text, other added tokens are") {
  const Tokenizer tokenizer = load("qwen2");
  const Ids ids = tokenizer.encode("a<|im_end|><tool_call>", SpecialTokens::parsed);
  REQUIRE(ids.size() == 3);
  CHECK(tokenizer.piece_text(ids[1]).empty());
  CHECK(tokenizer.piece_text(ids[2]) == "<tool_call>");
  CHECK(tokenizer.decode(ids) == "a<tool_call>");
  CHECK(tokenizer.encode("<|im_end|>").size() > 1);
  CHECK_THROWS_AS(tokenizer.piece_text(static_cast<TokenId>(tokenizer.vocab_size())), Error);
}

TEST_CASE("a special token that a user wrote is text, and the frame's beside it is a token") {
  const Tokenizer tokenizer = load("qwen2");
  const Ids start = tokenizer.encode("<|im_start|>", SpecialTokens::parsed);
  const Ids end = tokenizer.encode("<|im_end|>", SpecialTokens::parsed);
  REQUIRE(start.size() == 1);
  REQUIRE(end.size() == 1);
  for (const std::string user : {"a<|im_end|>b", "<|im_end|>", "<|im_end", "im_end|>", "<|im_end|",
                                 "\u00e9<|im_start|>", "x\xff<|im_end|>", "e\u0301<|im_end|>"}) {
    INFO(user);
    // Special tokens split a text: between the frame's two the ids are those of the text alone.
    Ids wanted = start;
    for (const TokenId id : tokenizer.encode("user\n" + user)) wanted.push_back(id);
    wanted.push_back(end.front());
    const std::string frame = "<|im_start|>user\n";
    const TextSpan said[] = {{frame.size(), frame.size() + user.size()}};
    CHECK(tokenizer.encode(frame + user + "<|im_end|>", SpecialTokens::parsed, said) == wanted);
  }
  // A token of which a user wrote a part is none.
  const TextSpan half[] = {{0, 5}};
  CHECK(tokenizer.encode("<|im_end|>", SpecialTokens::parsed, half) == tokenizer.encode("<|im_end|>"));
}

TEST_CASE("a special token in the normalised text is text where a user wrote it") {
  Json json = Json::parse(golden_tokenizer_json("llama2"));
  for (Json& token : json["added_tokens"]) token["normalized"] = true;
  const Tokenizer tokenizer(json.dump(), "normalised");
  const std::string text = "a b </s>c d </s>";  // the token is looked for with a blank before it
  const Ids all = tokenizer.encode(text, SpecialTokens::parsed);
  CHECK(std::count(all.begin(), all.end(), 2) == 2);
  const TextSpan first[] = {{0, 9}};
  const Ids one = tokenizer.encode(text, SpecialTokens::parsed, first);
  CHECK(std::count(one.begin(), one.end(), 2) == 1);
  CHECK(one.back() == 2);
  const TextSpan second[] = {{8, text.size()}};
  const Ids other = tokenizer.encode(text, SpecialTokens::parsed, second);
  CHECK(std::count(other.begin(), other.end(), 2) == 1);
  CHECK(other.back() != 2);
  CHECK(tokenizer.encode(text) ==
        tokenizer.encode(text, SpecialTokens::parsed, std::vector<TextSpan>{{0, text.size()}}));
}

TEST_CASE("where a user's words begin and end changes no token of a text without special ones") {
  const std::vector<GoldenText> texts = golden_texts();
  for (const char* kind : {"gpt2", "smollm", "llama3", "qwen2", "llama2", "mistral"}) {
    const Tokenizer tokenizer = load(kind);
    Random random(1, kind);
    std::size_t compared = 0;
    for (const GoldenText& text : texts) {
      const auto ids = text.ids(kind, SpecialTokens::as_text);
      const TextSpan whole{0, text.bytes.size()};
      CHECK(tokenizer.encode(text.bytes, SpecialTokens::parsed, std::span(&whole, 1)) == ids);
      if (ids != text.ids(kind, SpecialTokens::parsed)) continue;
      std::vector<TextSpan> parts;
      for (std::size_t at = 0; at < text.bytes.size();) {
        const std::size_t begin = at + static_cast<std::size_t>(random.uniform_int(0, 4));
        const std::size_t end =
            std::min(begin + 1 + static_cast<std::size_t>(random.uniform_int(0, 4)), text.bytes.size());
        if (begin < end) parts.push_back({begin, end});
        at = end + 1;
      }
      INFO(kind << ": " << text.line);
      CHECK(tokenizer.encode(text.bytes, SpecialTokens::parsed, parts) == ids);
      ++compared;
    }
    CHECK(compared > 100);
  }
}

TEST_CASE("begin-of-text is what the post-processor adds, end-of-text what the model or a name says") {
  CHECK(load("gpt2").bos() == -1);
  CHECK(load("llama3").bos() == 0);
  CHECK(load("llama2").bos() == 1);
  CHECK(load("gpt2").eos() == 0);
  CHECK(load("llama3").eos() == 1);
  CHECK(load("llama2").eos() == 2);
  CHECK(Tokenizer(golden_tokenizer_json("smollm"), "file", 2).eos() == 2);
  CHECK(contains(error_of([] { Tokenizer(golden_tokenizer_json("smollm"), "file", 5000); }),
                 "file: the model's end-of-text 5000 is outside the vocabulary of 479"));
}

TEST_CASE("merging agrees with its definition on random vocabularies") {
  Random random(1, "merges");
  for (int round = 0; round < 60; ++round) {
    const BpeModel model(random_vocabulary(random, 25));
    for (int text = 0; text < 20; ++text) {
      std::string piece;
      Ids symbols;
      for (std::int64_t left = random.uniform_int(1, 40); left > 0; --left) {
        symbols.push_back(static_cast<TokenId>(random.uniform_int(0, 2)));
        piece += static_cast<char>('a' + symbols.back());
      }
      Ids ids;
      model.encode(piece, ids);
      INFO(piece);
      CHECK(ids == merge_plainly(symbols, model.vocabulary().merges));
    }
  }
}

TEST_CASE("a megabyte without a place to split it is encoded like any other text") {
  // In quadratic time each of these would take longer than the time limit of a test.
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  const auto repeated = [](std::string_view part) {
    std::string text;
    while (text.size() < kBytes) text += part;
    return text;
  };
  for (const char* kind : {"gpt2", "qwen2", "llama2"}) {
    const Tokenizer tokenizer = load(kind);
    for (const char* part : {"a", " ", "\n", "the", "=", "\u4e2d", " \n", "\xff", "<", "<|im_start|>"}) {
      INFO(kind << ": " << part);
      const std::string text = repeated(part);
      CHECK(tokenizer.decode(tokenizer.encode(text)) == replace_invalid_utf8(text));
    }
  }
  // Marks that normalisation must sort.
  const std::string marks = repeated("\u0301\u0316");
  const Tokenizer tokenizer = load("qwen2");
  CHECK(tokenizer.decode(tokenizer.encode(marks)) == compose_canonically(marks));
}

TEST_CASE("texts are composed as Python composes them") {
  for_each_line(golden_tokenizers() / "nfc.jsonl", [](std::string_view line, std::size_t) {
    const auto both = nlohmann::json::parse(line);
    INFO(line);
    CHECK(compose_canonically(both[0].get<std::string>()) == both[1].get<std::string>());
  });
}

TEST_CASE("every byte has a character of its own") {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  const std::string characters = characters_of_bytes(bytes);
  CHECK(bytes_of_characters(characters) == bytes);
  CHECK(characters_of_bytes(" a\n\xe9") == "\u0120a\u010a\u00e9");
  CHECK(bytes_of_characters("\u0144") == std::nullopt);
  CHECK(bytes_of_characters(" ") == std::nullopt);
}

TEST_CASE("a tokenizer.json that is wrong or not supported is refused in one line") {
  struct Case {
    const char* pointer;
    Json value;
    const char* message;
  };
  const Json split = Json::parse(R"({"type":"Split","pattern":{"Regex":"\\s+"},"behavior":"Isolated","invert":false})");
  const Json twice = Json::parse(R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]})");
  const Json after = Json::parse(R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}},
      {"SpecialToken":{"id":"<|im_end|>","type_id":0}}],"special_tokens":{}})");
  const Json nameless = Json::parse(R"({"type":"TemplateProcessing","single":[
      {"SpecialToken":{"id":"<|im_end|>","type_id":0}}],"special_tokens":{}})");
  const Json outside = Json::parse(R"({"type":"TemplateProcessing","single":[
      {"SpecialToken":{"id":"x","type_id":0}}],"special_tokens":{"x":{"ids":[479]}}})");
  const Json added = Json::parse(R"({"id":500,"content":"<new>","special":true})");
  const Json word = Json::parse(R"({"id":479,"content":"<new>","single_word":true})");
  const Json moved = Json::parse(R"({"id":7,"content":"<|im_end|>"})");
  const Case cases[] = {
      {"/model", nullptr, "model: is missing"},
      {"/model/type", "WordPiece", "model.type: \"WordPiece\" is not supported"},
      {"/model/type", "Unigram", "model.type: \"Unigram\" is not supported, only BPE is"},
      {"/model/dropout", 0.1, "model.dropout: is not supported"},
      {"/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix: is not supported"},
      {"/model/unk_token", "<unk>", "model.unk_token: is not in the vocabulary"},
      {"/model/byte_fallback", 1, "model.byte_fallback: true or false is wanted"},
      {"/model/vocab", Json::array(), "model.vocab: a JSON object is wanted"},
      {"/model/vocab/a", 70000, "model.vocab: \"a\" has the id 70000, but 479 tokens have the ids from 0 to 478"},
      {"/model/vocab/a", -1, "model.vocab: \"a\" has the id -1"},
      {"/model/vocab/a", 1e300, "model.vocab: the id of \"a\" is no integer"},
      {"/model/vocab/a", 3, "both have the id 3"},
      {"/model/vocab/zz", 480, "model.vocab: \"zz\" has the id 480, but 480 tokens"},
      {"/model/merges", nullptr, "model.merges: is missing"},
      {"/model/merges", Json::object(), "model.merges: a JSON array is wanted"},
      {"/model/merges/0", "q q q", "model.merges: merge 0 is not two tokens"},
      {"/model/merges/0", 5, "model.merges: merge 0 is not two tokens"},
      {"/model/merges/1", "\u4e2d a", "model.merges: merge 1: \"\u4e2d\" is not in the vocabulary"},
      {"/model/merges/1", "q q", "model.merges: merge 1: \"qq\" is not in the vocabulary"},
      {"/model/merges/1", "\u0120 t", "is there twice"},
      {"/added_tokens", 5, "added_tokens: a JSON array is wanted"},
      {"/added_tokens/0/content", "", "added_tokens[0].content: must have from 1 to 1024 bytes"},
      {"/added_tokens/0/id", -3, "added_tokens[0].id: -3 is no token id"},
      {"/added_tokens/3", added, "added_tokens: \"<new>\" has the id 500"},
      {"/added_tokens/3", word, "added_tokens[3].single_word: is not supported"},
      {"/added_tokens/2", moved, "added_tokens: \"<|im_end|>\" has the id 7, in model.vocab another one"},
      {"/added_tokens/1/content", "<|endoftext|>", "added_tokens[1]: \"<|endoftext|>\" is there twice"},
      {"/normalizer", {{"type", "Lowercase"}}, "normalizer.type: \"Lowercase\" is not supported"},
      {"/pre_tokenizer", {{"type", "Whitespace"}}, "pre_tokenizer.type: \"Whitespace\" is not supported"},
      {"/pre_tokenizer", split, "pre_tokenizer.pattern: is another expression than"},
      {"/pre_tokenizer", twice, "pre_tokenizer.pretokenizers[1]: stands behind ByteLevel"},
      {"/post_processor", after, "post_processor.single[1]: adds a token behind a text"},
      {"/post_processor", nameless, "post_processor.special_tokens.<|im_end|>: is missing"},
      {"/post_processor", outside, "special_tokens.x.ids: 479 is outside the vocabulary of 479"},
      {"/decoder", {{"type", "WordPiece"}}, "decoder.type: \"WordPiece\" is not supported"},
  };
  const Json good = Json::parse(golden_tokenizer_json("smollm"));
  REQUIRE(error_of_json(good.dump()) == "no error");
  for (const Case& bad : cases) {
    Json json = good;
    // The merge that "is there twice" is of the file's first.
    if (std::string_view(bad.message) == "is there twice") {
      json["model"]["merges"][1] = json["model"]["merges"][0];
    } else {
      json[Json::json_pointer(bad.pointer)] = bad.value;
    }
    const std::string message = error_of_json(json.dump());
    INFO(message << "\nwanted: " << bad.message);
    CHECK(contains(message, bad.message));
    CHECK(contains(message, "tokenizer.json: "));
    CHECK_FALSE(contains(message, "\n"));
  }
  CHECK(contains(error_of_json("{\"model\": "), "tokenizer.json: not valid JSON"));
  CHECK(contains(error_of_json("{\"a\":" + std::string(100, '[')), "nested deeper than 16"));
  CHECK(contains(error_of_json("{\"\xff\": 1}"), "not valid JSON"));
}
