// Running text as shards and windows: nothing is lost, nothing stands twice, and documents do not see each other.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "finetune/batches.h"
#include "finetune/packed_text.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/log.h"
#include "tests/catch.h"
#include "tests/finetune/small_tokenizer.h"
#include "tests/model/scratch.h"

using namespace mathtrap;
namespace fs = std::filesystem;

namespace {

struct TextSetting {
  ScratchFolder folder;
  Tokenizer tokenizer{small_tokenizer_model(letter_pieces()), "small"};
  PackingOptions options;

  TextSetting() {
    set_quiet(true);
    options.begin = tokenizer.bos();
    options.end = tokenizer.eos();
    options.shard_tokens = 200;
    options.buffer_documents = 7;
  }

  PackedText pack(const std::string& file, const std::string& shards, std::int64_t window) const {
    return pack_text(file, "text", folder / shards, tokenizer, "hash", window, options);
  }
};

/// 40 documents of 1 to 40 letters.
std::string forty_documents() {
  std::string lines;
  for (int i = 1; i <= 40; ++i) {
    std::string text;
    for (int k = 0; k < i; ++k) text += static_cast<char>('a' + (i * 7 + k) % 26);
    lines += Json{{"text", text}}.dump() + "\n";
  }
  return lines;
}

std::vector<TokenId> all_tokens(const PackedText& text) {
  std::vector<TokenId> tokens;
  for (const TextShard& shard : text.shards) {
    const auto* ids = shard.tokens.data_ptr<std::int32_t>();
    tokens.insert(tokens.end(), ids, ids + shard.tokens.numel());
  }
  return tokens;
}

std::string message_of(const TextSetting& setting, const std::string& file, std::int64_t window) {
  try {
    setting.pack(file, "bad", window);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("shards hold every document once and whole, in a shuffled order that the seed alone decides") {
  TextSetting setting;
  const std::string file = setting.folder.write("text.jsonl", forty_documents());
  const PackedText text = setting.pack(file, "shards", 16);
  CHECK(text.documents == 40);
  CHECK(text.shards.size() > 3);
  std::multiset<std::vector<TokenId>> expected;
  std::vector<std::vector<TokenId>> in_file_order;
  for_each_line(file, [&](std::string_view line, std::size_t /*number*/) {
    std::vector<TokenId> document = {setting.tokenizer.bos()};
    const auto ids = setting.tokenizer.encode(Json::parse(line)["text"].get<std::string>());
    document.insert(document.end(), ids.begin(), ids.end());
    document.push_back(setting.tokenizer.eos());
    expected.insert(document);
    in_file_order.push_back(document);
  });
  std::vector<std::vector<TokenId>> found;
  for (const TextShard& shard : text.shards) {
    const auto* ids = shard.tokens.data_ptr<std::int32_t>();
    const auto* starts = shard.starts.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < shard.starts.numel(); ++i) {
      const std::int64_t end = i + 1 < shard.starts.numel() ? starts[i + 1] : shard.tokens.numel();
      found.emplace_back(ids + starts[i], ids + end);
    }
  }
  CHECK(std::multiset<std::vector<TokenId>>(found.begin(), found.end()) == expected);
  CHECK(found != in_file_order);

  at::set_num_threads(1);
  CHECK(all_tokens(setting.pack(file, "one thread", 16)) == all_tokens(text));
  at::set_num_threads(2);
  setting.options.seed = 1;
  CHECK(all_tokens(setting.pack(file, "other seed", 16)) != all_tokens(text));
}

TEST_CASE("windows follow each other in a shard, and say where documents begin") {
  const TextSetting setting;
  const PackedText text = setting.pack(setting.folder.write("text.jsonl", forty_documents()), "shards", 16);
  std::size_t window = 0;
  for (const TextShard& shard : text.shards) {
    const auto* ids = shard.tokens.data_ptr<std::int32_t>();
    for (std::int64_t first = 0; first + 16 <= shard.tokens.numel(); first += 16, ++window) {
      const std::span<const TokenId> tokens = text.window_tokens(window);
      REQUIRE(std::vector<TokenId>(tokens.begin(), tokens.end()) ==
              std::vector<TokenId>(ids + first, ids + first + 16));
      std::vector<std::int64_t> segments = {0};
      for (std::int64_t i = 1; i < 16; ++i) {
        if (tokens[static_cast<std::size_t>(i)] == setting.tokenizer.bos()) segments.push_back(i);
      }
      CHECK(text.segments(window) == segments);
    }
  }
  CHECK(window == text.size());
}

TEST_CASE("in a batch the documents of a window stand apart, and no begin-of-text is learned") {
  const TextSetting setting;
  const PackedText text = setting.pack(setting.folder.write("text.jsonl", forty_documents()), "shards", 16);
  const std::vector<BatchSource> sources = {{"text", nullptr, &text}};
  std::size_t index = 0;
  while (text.segments(index).size() < 2) ++index;
  const Batch batch = make_batch(sources, {{0, index}});
  std::vector<std::int64_t> starts = text.segments(index);
  starts.push_back(16);
  CHECK(batch.layout.starts == starts);
  CHECK(batch.tokens.numel() == 16);
  CHECK(batch.targets.numel() == 16 - batch.documents());
  const auto* positions = batch.loss_positions.data_ptr<std::int64_t>();
  const auto* targets = batch.targets.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < batch.targets.numel(); ++i) {
    CHECK(targets[i] == text.window_tokens(index)[static_cast<std::size_t>(positions[i] + 1)]);
    CHECK(targets[i] != setting.tokenizer.bos());
  }
}

TEST_CASE("shards are made once, and again when text, tokenizer or options are others") {
  TextSetting setting;
  const std::string file = setting.folder.write("text.jsonl", forty_documents());
  const fs::path shard = fs::path(setting.folder / "shards") / "text-00000.safetensors";
  setting.pack(file, "shards", 16);
  const auto made = [&] { return fs::last_write_time(shard); };
  fs::last_write_time(shard, fs::file_time_type{});
  setting.pack(file, "shards", 8);  // windows are cut when they are read
  CHECK(made() == fs::file_time_type{});
  setting.options.buffer_documents = 8;
  setting.pack(file, "shards", 8);
  CHECK(made() != fs::file_time_type{});
  fs::last_write_time(shard, fs::file_time_type{});
  setting.folder.write("text.jsonl", forty_documents() + "{\"text\":\"more\"}\n");
  CHECK(setting.pack(file, "shards", 8).documents == 41);
  fs::last_write_time(shard, fs::file_time_type{});
  pack_text(file, "text", setting.folder / "shards", setting.tokenizer, "another", 8, setting.options);
  CHECK(made() != fs::file_time_type{});
}

TEST_CASE("a folder stands for its files, and a plain text is one document") {
  const TextSetting setting;
  fs::create_directories(setting.folder / "texts");
  setting.folder.write("texts/b.txt", "second document, a plain one");
  setting.folder.write("texts/a.jsonl", "{\"text\":\"first\"}\n\n{\"text\":\"and another\",\"url\":\"x\"}\n");
  setting.folder.write("texts/notes.md", "not read");
  CHECK(setting.pack(setting.folder / "texts", "shards", 8).documents == 3);
}

TEST_CASE("texts that are none are refused with their place") {
  const TextSetting setting;
  const auto expect = [&](const std::string& content, const std::string& part) {
    CHECK_THAT(message_of(setting, setting.folder.write("bad.jsonl", content), 16), Catch::Matchers::Contains(part));
  };
  expect("{\"text\":\"fine\"}\n{\"txt\":1}\n", "bad.jsonl:2: ");
  expect("{\"text\":5}\n", "bad.jsonl:1: ");
  expect("no json\n", "bad.jsonl:1: ");
  expect("{\"text\":\"short\"}\n", "which fill no window of 16");
  CHECK_THAT(message_of(setting, setting.folder / "missing.jsonl", 16), Catch::Matchers::Contains("missing.jsonl"));
  fs::create_directories(setting.folder / "empty");
  CHECK_THAT(message_of(setting, setting.folder / "empty", 16), Catch::Matchers::Contains("no .jsonl or .txt"));
}

TEST_CASE("shards that were tampered with are refused") {
  const TextSetting setting;
  const std::string file = setting.folder.write("text.jsonl", forty_documents());
  setting.pack(file, "bad", 16);
  const std::string index = setting.folder / "bad/text.json";
  const std::string sound = read_file(index);
  Json changed = Json::parse(sound);
  changed["shards"][0] = "../bad/text-00000.safetensors";
  setting.folder.write("bad/text.json", changed.dump());
  CHECK_THAT(message_of(setting, file, 16), Catch::Matchers::Contains("names a shard that is no file beside it"));
  setting.folder.write("bad/text.json", sound);
  std::string shard = read_file(setting.folder / "bad/text-00001.safetensors");
  shard[shard.size() - 3] = '\x7f';  // of the last token
  setting.folder.write("bad/text-00001.safetensors", shard);
  CHECK_THAT(message_of(setting, file, 16), Catch::Matchers::Contains("tokens or places that cannot be"));
}
