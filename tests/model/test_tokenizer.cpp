// SentencePiece behind its bridge: golden token ids, text of pieces, and vocabularies made here.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "model/tokenizer.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/model/golden_tokens.h"
#include "tests/model/normalisation_table.h"
#include "tests/model/scratch.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

using Ids = std::vector<TokenId>;

Tokenizer load(std::string_view relative) {
  const auto path = shared_data(relative);
  return {read_file(path), path.string()};
}

/// A vocabulary of bytes and a few merges.
std::vector<VocabularyPiece> small_vocabulary() {
  std::vector<VocabularyPiece> pieces = {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}};
  for (int byte = 0; byte < 256; ++byte) pieces.push_back({fmt::format("<0x{:02X}>", byte), 0, 6});
  float score = 0;
  for (const char* text : {"\u2581a", "bc", "\u2581abc", "\u2581", "a", "b", "c"}) pieces.push_back({text, score--, 1});
  return pieces;
}

Tokenizer small_tokenizer(bool add_dummy_prefix = true) {
  return {serialise_sentencepiece_model(small_vocabulary(), 1, 2, 0, add_dummy_prefix), "small"};
}

std::string joined_pieces(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (const TokenId id : ids) text += tokenizer.piece_text(id);
  return text;
}

}  // namespace

TEST_CASE("token ids equal the golden cases of LLaMA's vocabulary") {
  if (!has_shared_data("data/models/vocab-gguf")) return;
  const Tokenizer tokenizer = load("data/models/llama2-tokenizer/tokenizer.model");
  REQUIRE(tokenizer.vocab_size() == 32000);
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.eos() == 2);
  check_golden_tokens(tokenizer);
}

TEST_CASE("pieces give blanks, bytes and nothing for control tokens") {
  const Tokenizer tokenizer = small_tokenizer();
  CHECK(tokenizer.vocab_size() == 266);
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.eos() == 2);
  CHECK(tokenizer.piece_text(0) == " \u2047 ");
  CHECK(tokenizer.piece_text(1).empty());
  CHECK(tokenizer.piece_text(3) == std::string(1, '\0'));
  CHECK(tokenizer.piece_text(3 + 0xe2) == "\xe2");
  CHECK(tokenizer.piece_text(261) == " abc");
  CHECK(tokenizer.decode(Ids{1, 261, 3 + 'x', 262, 260, 2}) == "abcx bc");
}

TEST_CASE("text is split by the scores of a vocabulary, and unknown bytes by byte pieces") {
  CHECK(small_tokenizer().encode("abc") == Ids{261});
  CHECK(small_tokenizer().encode("").empty());
  CHECK(small_tokenizer().encode("  a") == Ids{262, 262, 259});
  CHECK(small_tokenizer().encode("\u00e9") == Ids{262, 3 + 0xc3, 3 + 0xa9});
  CHECK(small_tokenizer(false).encode("abc") == Ids{263, 260});
}

TEST_CASE("any bytes can be encoded") {
  const Tokenizer tokenizer = small_tokenizer();
  CHECK(joined_pieces(tokenizer, tokenizer.encode(std::string("a\0b", 3))) == std::string(" a\0b", 4));
  // What is not UTF-8 becomes the replacement character.
  CHECK(joined_pieces(tokenizer, tokenizer.encode("a\xff")) == " a\ufffd");
}

TEST_CASE("control pieces are tokens where special tokens are parsed, and text where a user wrote them") {
  const Tokenizer tokenizer = small_tokenizer();
  const Ids a = tokenizer.encode("a");
  const Ids c = tokenizer.encode("c");
  Ids parsed = a;
  parsed.push_back(2);
  parsed.insert(parsed.end(), c.begin(), c.end());
  CHECK(tokenizer.encode("a</s>c", SpecialTokens::parsed) == parsed);
  CHECK(tokenizer.encode("<s>a", SpecialTokens::parsed).front() == 1);
  const Ids text = tokenizer.encode("a</s>c");
  CHECK(std::find(text.begin(), text.end(), 2) == text.end());
  const TextSpan user[] = {{2, 3}};
  CHECK(tokenizer.encode("a</s>c", SpecialTokens::parsed, user) == text);
  const TextSpan before[] = {{0, 1}};
  CHECK(tokenizer.encode("a</s>c", SpecialTokens::parsed, before) == parsed);
}

TEST_CASE("a vocabulary without begin-of-text says so") {
  const Tokenizer tokenizer(serialise_sentencepiece_model(small_vocabulary(), -1, -1, 0, true), "small");
  CHECK(tokenizer.bos() == -1);
  CHECK(tokenizer.eos() == -1);
}

TEST_CASE("ids outside the vocabulary are refused") {
  const Tokenizer tokenizer = small_tokenizer();
  CHECK_THROWS_AS(tokenizer.decode(Ids{266}), Error);
  CHECK_THROWS_AS(tokenizer.decode(Ids{-1}), Error);
  CHECK_THROWS_AS(tokenizer.piece_text(266), Error);
}

TEST_CASE("threads share a tokenizer") {
  const Tokenizer tokenizer = small_tokenizer();
  const std::string text = "abc bca \u00e9 abc";
  const Ids wanted = tokenizer.encode(text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        if (tokenizer.encode(text) != wanted || tokenizer.decode(wanted) != text) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("a text of megabytes is encoded, in time that does not grow with its square") {
  const Tokenizer tokenizer = small_tokenizer();
  std::string text;
  while (text.size() < (std::size_t{4} << 20)) text += "abc bca cab, 12 and \u00e9. ";
  // Otherwise it would take hours, and the test's own limit of time would end it.
  const Ids ids = tokenizer.encode(text);
  CHECK(joined_pieces(tokenizer, ids) == " " + text);
}

TEST_CASE("what is no SentencePiece model is refused in one line") {
  const std::string good = serialise_sentencepiece_model(small_vocabulary(), 1, 2, 0, true);
  struct Case {
    std::string model;
    const char* message;
  };
  std::vector<VocabularyPiece> no_unknown = small_vocabulary();
  no_unknown[0].type = 1;
  std::vector<VocabularyPiece> twice = small_vocabulary();
  twice[261].text = "bc";
  std::vector<VocabularyPiece> no_text = small_vocabulary();
  no_text[261].text.clear();
  std::vector<VocabularyPiece> no_number = small_vocabulary();
  no_number[261].score = std::numeric_limits<float>::quiet_NaN();
  const auto make = [](const std::vector<VocabularyPiece>& pieces) {
    return serialise_sentencepiece_model(pieces, 1, 2, 0, true);
  };
  const Case cases[] = {
      {"", "has no SentencePiece vocabulary"},
      {"version https://git-lfs.github.com/spec/v1", "damaged, or not a SentencePiece model"},
      {good.substr(0, good.size() / 2), "damaged, or not a SentencePiece model"},
      {make({}), "it has no pieces"},
      {make(no_unknown), "unk is not defined"},
      {make(twice), "is already defined"},
      {make(no_text), "piece 261: has no text"},
      {make(no_number), "piece 261: its score is not a number"},
  };
  for (const Case& bad : cases) {
    const std::string message = error_of([&] { Tokenizer(bad.model, "file"); });
    INFO(message);
    CHECK(contains(message, bad.message));
    CHECK(contains(message, "file: "));
    CHECK_FALSE(contains(message, "\n"));
  }
}

TEST_CASE("a normalisation table is applied when it is sound, and refused when it leads out of itself") {
  const std::string model = serialise_sentencepiece_model(small_vocabulary(), 1, 2, 0, true);
  const auto error_of_table = [&](const std::string& table) {
    return error_of([&] { Tokenizer(with_table(model, table), "file"); });
  };
  const NormalisationTable good;
  CHECK(Tokenizer(with_table(model, good.bytes()), "file").encode("Abc") == Ids{261});

  NormalisationTable outside = good;
  outside.units[NormalisationTable::kChildUnit] = (0x10000U << 10) | 'A';
  CHECK(contains(error_of_table(outside.bytes()), "an entry points outside of the table"));
  NormalisationTable value = good;
  value.units[NormalisationTable::kLeafUnit] |= 2;
  CHECK(contains(error_of_table(value.bytes()), "an entry points outside of the replacements"));
  NormalisationTable endless = good;
  endless.replacements = "aa";
  CHECK(contains(error_of_table(endless.bytes()), "its last replacement has no end"));
  CHECK(contains(error_of_table(good.bytes().substr(0, 100)), "its size is wrong"));
  CHECK(contains(error_of_table(std::string(4, '\0')), "is cut off"));
  CHECK(contains(error_of_table(std::string("\x03\0\0\0", 4) + std::string(8, '\0')), "its size is wrong"));
}

TEST_CASE("a published model with a normalisation table loads") {
  const char* file = "data/models/torchtune-tiny/m.model";
  if (!has_shared_data(file)) return;
  const Tokenizer tokenizer = load(file);
  CHECK(tokenizer.vocab_size() == 2000);
  // NFKC: a full-width letter is read as a plain one.
  CHECK(tokenizer.encode("\uff41") == tokenizer.encode("a"));
}
