#include "finetune/packed_text.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>

#include "model/safetensors.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/interrupt.h"
#include "support/json.h"
#include "support/progress.h"
#include "support/random.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBufferBytes = std::size_t{64} << 20;  // of the documents that are shuffled together
constexpr std::size_t kMaxShards = 100000;

/// The files of a text, in order.
std::vector<fs::path> text_files(const std::string& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".jsonl" || extension == ".txt") files.push_back(entry.path());
  }
  if (files.empty()) fail({path, 0, ""}, "has no .jsonl or .txt file");
  std::sort(files.begin(), files.end());
  return files;
}

void for_each_text(const std::string& path, const std::function<void(std::string&&)>& take) {
  for (const fs::path& file : text_files(path)) {
    if (file.extension() != ".jsonl") {
      take(read_file(file));
      continue;
    }
    for_each_line(file, [&](std::string_view line, std::size_t number) {
      const Place place{file.string(), number, ""};
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
      take(json_string(parse_json(line, place), "text", place));
    });
  }
}

/// Writes shards as documents come.
class ShardWriter {
 public:
  ShardWriter(const std::string& folder, const std::string& name, std::int64_t shard_tokens)
      : folder_(folder), name_(name), shard_tokens_(shard_tokens) {}

  void add(const std::vector<TokenId>& document) {
    starts_.push_back(static_cast<std::int64_t>(tokens_.size()));
    tokens_.insert(tokens_.end(), document.begin(), document.end());
    ++documents_;
    total_ += static_cast<std::int64_t>(document.size());
    if (static_cast<std::int64_t>(tokens_.size()) >= shard_tokens_) close();
  }

  void close() {
    if (tokens_.empty()) return;
    at::Tensor tokens = at::empty({static_cast<std::int64_t>(tokens_.size())}, at::kInt);
    at::Tensor starts = at::empty({static_cast<std::int64_t>(starts_.size())}, at::kLong);
    std::copy(tokens_.begin(), tokens_.end(), tokens.data_ptr<std::int32_t>());
    std::copy(starts_.begin(), starts_.end(), starts.data_ptr<std::int64_t>());
    files_.push_back(fmt::format("{}-{:05}.safetensors", name_, files_.size()));
    write_safetensors((fs::path(folder_) / files_.back()).string(), {{"tokens", tokens}, {"starts", starts}}, {});
    tokens_.clear();
    starts_.clear();
  }

  std::int64_t tokens() const { return total_; }
  std::int64_t documents() const { return documents_; }
  const std::vector<std::string>& files() const { return files_; }

 private:
  std::string folder_;
  std::string name_;
  std::int64_t shard_tokens_;
  std::vector<TokenId> tokens_;
  std::vector<std::int64_t> starts_;
  std::vector<std::string> files_;
  std::int64_t total_ = 0;
  std::int64_t documents_ = 0;
};

/// The documents of a buffer in a shuffled order, tokenised by all threads.
std::vector<std::vector<TokenId>> tokenize_buffer(std::vector<std::string>& texts, Random& random,
                                                  const Tokenizer& tokenizer, const PackingOptions& options) {
  random.shuffle(std::span(texts));
  std::vector<std::vector<TokenId>> documents(texts.size());
  std::vector<std::exception_ptr> problems(texts.size());
  at::parallel_for(0, static_cast<std::int64_t>(texts.size()), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const auto index = static_cast<std::size_t>(i);
      try {
        std::vector<TokenId>& document = documents[index];
        if (options.begin >= 0) document.push_back(options.begin);
        const std::vector<TokenId> ids = tokenizer.encode(texts[index]);
        document.insert(document.end(), ids.begin(), ids.end());
        if (options.end >= 0) document.push_back(options.end);
      } catch (const std::exception&) {
        problems[index] = std::current_exception();
      }
    }
  });
  for (const std::exception_ptr& problem : problems) {
    if (problem) std::rethrow_exception(problem);
  }
  texts.clear();
  return documents;
}

/// All that decides what the shards hold.
Json describe(const std::string& path, const std::string& tokenizer_hash, const PackingOptions& options) {
  Json files = Json::array();
  for (const fs::path& file : text_files(path)) {
    files.push_back({{"file", file.filename().string()}, {"sha256", sha256_of_path(file.string())}});
  }
  return {{"text", std::move(files)},
          {"tokenizer_sha256", tokenizer_hash},
          {"begin", options.begin},
          {"end", options.end},
          {"seed", options.seed},
          {"buffer_documents", options.buffer_documents},
          {"shard_tokens", options.shard_tokens}};
}

Json write_shards(const std::string& path, const std::string& name, const std::string& folder,
                  const Tokenizer& tokenizer, const PackingOptions& options) {
  ShardWriter writer(folder, name, options.shard_tokens);
  Random random(options.seed, fmt::format("packing/{}", name));
  std::vector<std::string> buffer;
  std::size_t buffered = 0;
  Progress bar(fmt::format("tokenise {}", name), 0, "tokens");
  const auto flush = [&] {
    for (const std::vector<TokenId>& document : tokenize_buffer(buffer, random, tokenizer, options)) {
      writer.add(document);
    }
    buffered = 0;
    bar.update(static_cast<std::uint64_t>(writer.tokens()));
  };
  for_each_text(path, [&](std::string&& text) {
    if (interrupted()) throw Interrupted(fmt::format("interrupted; of {} nothing is kept", path));
    buffered += text.size();
    buffer.push_back(std::move(text));
    if (buffer.size() >= options.buffer_documents || buffered >= kMaxBufferBytes) flush();
  });
  flush();
  writer.close();
  return {{"documents", writer.documents()}, {"tokens", writer.tokens()}, {"shards", writer.files()}};
}

TextShard read_shard(const std::string& path, std::int64_t vocabulary) {
  const auto tensors = read_safetensors(path);
  const auto tokens = tensors.find("tokens");
  const auto starts = tensors.find("starts");
  const bool sound = tokens != tensors.end() && starts != tensors.end() && tokens->second.scalar_type() == at::kInt &&
                     starts->second.scalar_type() == at::kLong && tokens->second.dim() == 1 &&
                     starts->second.dim() == 1;
  if (!sound) fail({path, 0, ""}, "is no shard of a text; delete it, and it is made again");
  const std::span ids(tokens->second.data_ptr<std::int32_t>(), static_cast<std::size_t>(tokens->second.numel()));
  const std::span places(starts->second.data_ptr<std::int64_t>(), static_cast<std::size_t>(starts->second.numel()));
  const bool known = std::all_of(ids.begin(), ids.end(), [&](TokenId id) { return id >= 0 && id < vocabulary; });
  const bool ordered = !places.empty() && places.front() == 0 && std::is_sorted(places.begin(), places.end()) &&
                       places.back() <= static_cast<std::int64_t>(ids.size());
  if (!known || !ordered) {
    fail({path, 0, ""}, "holds tokens or places that cannot be; delete it, and it is made again");
  }
  return {tokens->second, starts->second};
}

std::size_t windows_of(const TextShard& shard, std::int64_t window) {
  return static_cast<std::size_t>(shard.tokens.numel() / window);
}

/// A window's shard, and its number there.
std::pair<const TextShard*, std::size_t> find_window(const PackedText& text, std::size_t index) {
  for (const TextShard& shard : text.shards) {
    const std::size_t count = windows_of(shard, text.window);
    if (index < count) return {&shard, index};
    index -= count;
  }
  throw Error("a window beyond the text");  // of a caller's making
}

}  // namespace

std::size_t PackedText::size() const {
  std::size_t count = 0;
  for (const TextShard& shard : shards) count += windows_of(shard, window);
  return count;
}

std::span<const TokenId> PackedText::window_tokens(std::size_t index) const {
  const auto [shard, number] = find_window(*this, index);
  const auto length = static_cast<std::size_t>(window);
  return {shard->tokens.data_ptr<std::int32_t>() + number * length, length};
}

std::vector<std::int64_t> PackedText::segments(std::size_t index) const {
  const auto [shard, number] = find_window(*this, index);
  const auto first = static_cast<std::int64_t>(number) * window;
  const std::span places(shard->starts.data_ptr<std::int64_t>(), static_cast<std::size_t>(shard->starts.numel()));
  std::vector<std::int64_t> segments = {0};
  for (auto place = std::upper_bound(places.begin(), places.end(), first); place != places.end(); ++place) {
    if (*place >= first + window) break;
    if (*place - first > segments.back()) segments.push_back(*place - first);
  }
  return segments;
}

PackedText pack_text(const std::string& path, const std::string& name, const std::string& folder,
                     const Tokenizer& tokenizer, const std::string& tokenizer_hash, std::int64_t window,
                     const PackingOptions& options) {
  const fs::path index_path = fs::path(folder) / fmt::format("{}.json", name);
  const Json description = describe(path, tokenizer_hash, options);
  Json index;
  if (fs::exists(index_path)) index = parse_json(read_file(index_path), {index_path.string(), 0, ""});
  if (!index.is_object() || index.value("of", Json()) != description) {
    fs::create_directories(folder);
    fs::remove(index_path);
    index = write_shards(path, name, folder, tokenizer, options);
    index["of"] = description;
    write_file_atomically(index_path, index.dump(2) + "\n");
  }
  const Place place{index_path.string(), 0, ""};
  PackedText text;
  text.name = name;
  text.window = window;
  text.tokens = json_int(index, "tokens", place);
  text.documents = json_int(index, "documents", place);
  const Json files = index.value("shards", Json());
  if (!files.is_array() || files.size() > kMaxShards) fail(place, "names no shards; delete it, and it is made again");
  for (const Json& file : files) {
    const bool plain = file.is_string() && fs::path(file.get<std::string>()).filename() == file.get<std::string>();
    if (!plain) fail(place, "names a shard that is no file beside it; delete it, and it is made again");
    text.shards.push_back(read_shard((fs::path(folder) / file.get<std::string>()).string(), tokenizer.vocab_size()));
  }
  if (text.size() == 0) {
    fail({path, 0, ""}, fmt::format("has {} tokens, which fill no window of {}", text.tokens, window));
  }
  return text;
}

}  // namespace mathtrap
