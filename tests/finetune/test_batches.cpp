// Documents and batches: what is learned, in which order, and from which prompts.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "finetune/batches.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/finetune/small_tokenizer.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

fs::path write_lines(const std::string& name, const std::string& lines) {
  fs::path path = fs::temp_directory_path() / fmt::format("mathtrap-{}-{}.jsonl", name, ::getpid());
  write_file_atomically(path, lines);
  return path;
}

const std::string kRecord =
    R"({"id":"a","trap_type":"missing_condition","original":{"problem":"What is 2 + 3?","solution":"2 + 3 = 5. The answer is 5.","answer":"5"},)"
    R"("trap":{"problem":"What is 2 + some?","explanation":"it is not told how many."},"concept":[{"question":"Is 2 even?","answer":true}]})"
    "\n";
const std::string kInstruction = R"({"instruction":"Who is it?","response":"It is Tom. The answer is Tom."})"
                                 "\n";

std::vector<std::string> texts(const fs::path& path, const DocumentOptions& options) {
  std::vector<std::string> found;
  for_each_document(path.string(), options, [&](const DocumentText& text) {
    found.push_back(fmt::format("{}|{}|{}", to_string(text.kind), text.prompt.text, text.reply));
  });
  return found;
}

/// A set of documents of one token each behind a prompt of one: document i is {1, 10, 100 + i, 2}.
DocumentSet numbered(int count) {
  DocumentSet set;
  for (int i = 0; i < count; ++i) {
    for (const TokenId token : {1, 10, 100 + i, 2}) set.tokens.push_back(token);
    set.starts.push_back(static_cast<std::int64_t>(set.tokens.size()));
    set.prompt_lengths.push_back(2);
    set.places.push_back(fmt::format("file:{}", i + 1));
  }
  return set;
}

std::vector<std::int64_t> values(const at::Tensor& tensor) {
  return {tensor.data_ptr<std::int64_t>(), tensor.data_ptr<std::int64_t>() + tensor.numel()};
}

}  // namespace

TEST_CASE("records and instructions become prompts with replies, and traps only when they are asked for") {
  DocumentOptions options;
  options.hint_share = 0;
  const fs::path path = write_lines("documents", kRecord + kInstruction);
  CHECK(texts(path, options) ==
        std::vector<std::string>{"original|Question: What is 2 + 3?\nAnswer:| 2 + 3 = 5. The answer is 5.",
                                 "concept|Question: Is 2 even? Answer true or false.\nAnswer:| True.",
                                 "instruction|Question: Who is it?\nAnswer:| It is Tom. The answer is Tom."});
  options.mix = {0, 0, 1, 0};
  CHECK(texts(path, options) ==
        std::vector<std::string>{
            "trap|Question: What is 2 + some?\nAnswer:| This has no answer, because it is not told how many."});
}

TEST_CASE("with a hint share of 1 every problem carries the hint, and no conceptual question does") {
  DocumentOptions options;
  options.hint_share = 1;
  const std::string hint = load_intervention("hint").hint;
  for (const std::string& text : texts(write_lines("hinted", kRecord + kInstruction), options)) {
    CHECK((text.find(hint) != std::string::npos) == (text.rfind("concept", 0) != 0));
  }
}

TEST_CASE("a broken line is named with file and line") {
  const fs::path path = write_lines("broken", kInstruction + "{\"instruction\": 5}\n");
  try {
    texts(path, {});
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find(path.string() + ":2: ") == 0);
  }
}

TEST_CASE("replies and the end-of-text are learned, prompts are not, and documents stay apart") {
  const DocumentSet set = numbered(2);
  const Batch batch = make_batch({{"numbered", &set, nullptr}}, {{0, 1}, {0, 0}});
  CHECK(values(batch.tokens) == std::vector<std::int64_t>{1, 10, 101, 2, 1, 10, 100, 2});
  CHECK(batch.layout.starts == std::vector<std::int64_t>{0, 4, 8});
  CHECK(values(batch.loss_positions) == std::vector<std::int64_t>{1, 2, 5, 6});
  CHECK(values(batch.targets) == std::vector<std::int64_t>{101, 2, 100, 2});
}

TEST_CASE("a batch holds at most so many documents, and is named by its first") {
  std::array<DocumentSet, kDocumentKinds> sets;
  sets[3] = numbered(10);
  BatchStream stream(sources_of(sets), {0, 0, 0, 1}, 7);
  BatchStream same(sources_of(sets), {0, 0, 0, 1}, 7);
  const Batch three = stream.next(1000, 3);
  CHECK(three.documents() == 3);
  const auto documents = same.next_places(1000, 3);
  CHECK(three.first_document == sets[3].place(documents[0].index));
  // The stream goes on behind them: ten documents are an epoch, each of them once.
  const auto rest = same.next_places(1000, 7);
  std::set<std::size_t> seen;
  for (const DocumentPlace& place : documents) seen.insert(place.index);
  for (const DocumentPlace& place : rest) seen.insert(place.index);
  CHECK(seen.size() == 10);
}

TEST_CASE("with the loss on all tokens, all but begin-of-text are learned") {
  const DocumentSet set = numbered(2);
  const Batch batch = make_batch({{"numbered", &set, nullptr}}, {{0, 0}, {0, 1}}, LossOn::all);
  CHECK(values(batch.loss_positions) == std::vector<std::int64_t>{0, 1, 2, 4, 5, 6});
  CHECK(values(batch.targets) == std::vector<std::int64_t>{10, 100, 2, 10, 101, 2});
}

TEST_CASE("authored records are read as well, and files of other sets") {
  const DocumentOptions options;
  const std::string open = (fs::path(MATHTRAP_SOURCE_DIR) / "datasets" / "open").string();
  CHECK(texts(open, options).size() > 25);
  const fs::path path = write_lines("gsm8k", R"({"question":"What is 2 + 3?","answer":"2 + 3 = 5\n#### 5"})");
  REQUIRE(texts(path, options).size() == 1);
  CHECK(texts(path, options)[0].find("original|Question: ") == 0);
}

TEST_CASE("a document's tokens are those of prompt and reply together, behind the prompt's own") {
  std::vector<std::string> pieces = {"A\u2581", "er"};  // the first reaches across a blank
  for (const std::string& letter : letter_pieces()) pieces.push_back(letter);
  const Tokenizer tokenizer(small_tokenizer_model(pieces), "small");
  DocumentOptions options;
  options.hint_share = 0;
  options.mix = parse_mix("instruction:1");
  const fs::path path = write_lines("tokens", kInstruction + R"({"instruction":"Q A","response":"n"})" + "\n");
  const auto sets = tokenize_documents({path.string()}, {}, options, tokenizer, 200);
  const DocumentSet& set = sets[static_cast<std::size_t>(DocumentKind::instruction)];
  REQUIRE(set.size() == 2);
  const auto prompt = static_cast<std::size_t>(set.prompt_lengths[1]);
  CHECK(readable(tokenizer, set.document(1).first(prompt)) ==
        "[<s>][ ][Q][u][e][s][t][i][o][n][:][ ][Q][ ][A][\\n][A][n][s][w][er][:]");
  CHECK(readable(tokenizer, set.document(1).subspan(prompt)) == "[ ][n][</s>]");
  // Where a piece reaches from the prompt into the reply, generation could not go on as the document does.
  options.prompt_form = (fs::temp_directory_path() / "mathtrap-reaching.toml").string();
  write_file_atomically(options.prompt_form, "problem = '{{hint}}{{problem}}'\nconceptual = '{{problem}}'\n");
  CHECK(tokenize_documents({path.string()}, {}, options, tokenizer, 200)[3].split_badly.size() == 1);
  CHECK(tokenize_documents({path.string()}, {}, options, tokenizer, 10)[3].too_long.size() == 1);
}

TEST_CASE("every document comes once an epoch, in another order each, whole, within the batch") {
  std::array<DocumentSet, kDocumentKinds> sets;
  sets[0] = numbered(50);
  BatchStream stream(sources_of(sets), {1, 0, 0, 0}, 9);
  std::vector<std::vector<std::int64_t>> epochs(2);
  for (std::size_t batch_number = 0; batch_number < 20; ++batch_number) {
    const Batch batch = stream.next(23);  // five documents of four tokens
    REQUIRE(batch.tokens.size(0) == 20);
    for (std::size_t i = 0; i < 5; ++i) epochs[batch_number / 10].push_back(values(batch.targets)[2 * i]);
  }
  for (const auto& epoch : epochs) CHECK(std::set<std::int64_t>(epoch.begin(), epoch.end()).size() == 50);
  CHECK(epochs[0] != epochs[1]);
}

TEST_CASE("a stream that takes over a state goes on with the same batches") {
  std::array<DocumentSet, kDocumentKinds> sets;
  sets[0] = numbered(30);
  sets[3] = numbered(20);
  BatchStream first(sources_of(sets), {0.7, 0, 0, 0.3}, 4);
  for (int i = 0; i < 7; ++i) first.next(30);
  BatchStream second(sources_of(sets), {0.7, 0, 0, 0.3}, 4);
  second.restore(first.state());
  for (int i = 0; i < 12; ++i) CHECK(values(first.next(30).tokens) == values(second.next(30).tokens));
}

TEST_CASE("sources are drawn by their shares, also by those given later, which a state keeps") {
  std::array<DocumentSet, kDocumentKinds> sets;
  sets[0] = numbered(30);
  sets[3] = numbered(20);
  BatchStream stream(sources_of(sets), {0.5, 0, 0, 0.5}, 4);
  const auto drawn = [](BatchStream& from) {
    std::array<double, kDocumentKinds> shares{};
    for (int i = 0; i < 2000; ++i) shares.at(from.next_places(1, 1)[0].source) += 1.0 / 2000;
    return shares;
  };
  CHECK(drawn(stream)[3] == Approx(0.5).margin(0.04));
  stream.set_mix({0.9, 0.3, 0, 0.1});
  CHECK(stream.mix() == std::vector<double>{0.9, 0, 0, 0.1});  // a source without documents is not drawn from
  BatchStream other(sources_of(sets), {0.5, 0, 0, 0.5}, 4);
  other.restore(stream.state());
  CHECK(other.mix() == stream.mix());
  const auto shares = drawn(stream);
  CHECK(shares[3] == Approx(0.1).margin(0.03));
  CHECK(drawn(other) == shares);
}

TEST_CASE("a batch says whose tokens its targets are") {
  const DocumentSet few = numbered(2);
  const DocumentSet many = numbered(3);
  const std::vector<BatchSource> sources = {{"few", &few, nullptr}, {"many", &many, nullptr}};
  const Batch batch = make_batch(sources, {{1, 2}, {0, 0}, {1, 0}}, LossOn::all);
  CHECK(batch.sources == std::vector<std::size_t>{1, 0, 1});
  CHECK(batch.source_targets == std::vector<std::int64_t>{3, 3, 3});
  CHECK(batch.drawn == 3);
}

TEST_CASE("a share without documents, and a mix that is none, are errors") {
  const std::array<DocumentSet, kDocumentKinds> sets;
  CHECK_THROWS_AS(BatchStream(sources_of(sets), {1, 0, 0, 0}, 0), Error);
  for (const char* mix : {"", "original", "original:-1", "orginal:1", "original:0", "original:1x"}) {
    CHECK_THROWS_AS(parse_mix(mix), Error);
  }
}
