#include "moe/text_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "datasets/json_items.h"
#include "moe/advertisement_rule.h"
#include "moe/duplicate_texts.h"
#include "moe/fluency_rule.h"
#include "support/files.h"
#include "support/interrupt.h"
#include "support/json.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

constexpr std::size_t kBatchTexts = 2048;
constexpr std::size_t kBatchBytes = std::size_t{32} << 20;
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
constexpr std::size_t kMostNamed = 1000;  // of broken lines

struct Item {
  std::uint32_t file = 0;  ///< which of the files
  std::size_t line = 0;
  std::string source;  ///< as it was read
  std::string text;
  std::string problem;  ///< why it has no text
  std::optional<std::pair<TextRule, std::string>> rejection;
  TextFingerprint fingerprint;
};

/// A file written by the megabyte.
class BufferedFile {
 public:
  explicit BufferedFile(const std::string& path) : file_(path) {}

  void write_line(std::string_view line) {
    buffer_.append(line).push_back('\n');
    if (buffer_.size() >= kWriteBytes) flush();
  }
  void commit() {
    flush();
    file_.commit();
  }

 private:
  void flush() {
    file_.write(buffer_);
    buffer_.clear();
  }

  AtomicFile file_;
  std::string buffer_;
};

bool wanted(const TextFilterOptions& options, TextRule rule) {
  return std::find(options.rules.begin(), options.rules.end(), rule) != options.rules.end();
}

/// What can be said of a text by itself.
void judge(Item& item, const TextFilterOptions& options, const std::vector<std::string>& files) {
  if (!item.problem.empty()) return;
  const Place place{files[item.file], item.line, ""};
  try {
    const Json json = parse_json(item.source, place);
    item.text = json_string(json, "text", place);
    // Elements of an array may go over several lines; what is written is a line.
    if (item.source.find_first_of("\n\r") != std::string::npos) item.source = json.dump();
  } catch (const Error& error) {
    item.problem = error.what();
    return;
  }
  std::optional<std::string> reason;
  if (wanted(options, TextRule::advertisement) && (reason = advertisement_reason(item.text))) {
    item.rejection.emplace(TextRule::advertisement, *reason);
  } else if (wanted(options, TextRule::disfluent) && (reason = disfluency_reason(item.text))) {
    item.rejection.emplace(TextRule::disfluent, *reason);
  } else if (wanted(options, TextRule::duplicate)) {
    item.fingerprint = fingerprint(item.text);
  }
}

/// Each item by some thread. The first exception of a thread is thrown here.
void judge_all(std::vector<Item>& items, const TextFilterOptions& options, const std::vector<std::string>& files) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < items.size(); i = next++) judge(items[i], options, files);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(failure_mutex);
      failure = std::current_exception();
    }
  };
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<std::thread> threads;
  for (int i = 1; i < (options.threads > 0 ? options.threads : cores); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

class Filter {
 public:
  Filter(const std::vector<std::string>& files, const TextFilterOptions& options)
      : files_(files), options_(options), kept_(options.output), progress_("filter", 0, "texts") {
    if (!options.rejected.empty()) rejected_ = std::make_unique<BufferedFile>(options.rejected);
  }

  TextFilterResult run() {
    for (std::size_t file = 0; file < files_.size() && !interrupted(); ++file) {
      for_each_json_item(files_[file], [&](const JsonItem& item) {
        if (!interrupted()) take(item, file);
      });
    }
    finish_batch();
    if (interrupted()) return std::move(result_);
    kept_.commit();
    if (rejected_) rejected_->commit();
    return std::move(result_);
  }

 private:
  void take(const JsonItem& item, std::size_t file) {
    Item copy;
    copy.file = static_cast<std::uint32_t>(file);
    copy.line = item.line;
    copy.source = std::string(item.text);
    if (!item.problem.empty()) copy.problem = describe({files_[file], item.line, ""}, item.problem);
    batch_bytes_ += copy.source.size();
    batch_.push_back(std::move(copy));
    if (batch_.size() >= kBatchTexts || batch_bytes_ >= kBatchBytes) finish_batch();
  }

  void finish_batch() {
    judge_all(batch_, options_, files_);
    for (Item& item : batch_) settle(item);
    batch_.clear();
    batch_bytes_ = 0;
    progress_.update(result_.read);
  }

  /// In the order of the files: which of equal texts is the first must not depend on threads.
  void settle(Item& item) {
    ++result_.read;
    if (!item.problem.empty()) {
      if (!options_.skip_bad) throw Error(item.problem);
      ++result_.skipped_count;
      if (result_.skipped.size() < kMostNamed) {
        result_.skipped.emplace_back(Place{files_[item.file], item.line, ""}, item.problem);
      }
      return;
    }
    result_.bytes_read += item.text.size();
    if (!item.rejection && wanted(options_, TextRule::duplicate)) find_duplicate(item);
    if (item.rejection) {
      reject(item);
      return;
    }
    ++result_.kept;
    result_.bytes_kept += item.text.size();
    kept_.write_line(item.source);
  }

  void find_duplicate(Item& item) {
    const std::optional<Duplicate> duplicate = duplicates_.add(std::move(item.fingerprint));
    if (!duplicate) {
      places_.emplace_back(item.file, item.line);
      return;
    }
    const auto& [file, line] = places_[duplicate->of];
    const std::string where = fmt::format("{}:{}", files_[file], line);
    item.rejection.emplace(TextRule::duplicate,
                           duplicate->share == 1.0
                               ? fmt::format("the same words as {}", where)
                               : fmt::format("shares {:.1f}% of the 5-grams with {}", 100 * duplicate->share, where));
  }

  void reject(const Item& item) {
    const auto& [rule, reason] = *item.rejection;
    ++result_.rejected[static_cast<std::size_t>(rule)];
    if (!rejected_) return;
    const Json json = {{"rule", kTextRuleNames[static_cast<std::size_t>(rule)]},
                       {"reason", reason},
                       {"file", files_[item.file]},
                       {"line", item.line},
                       {"text", item.text}};
    // A reason may quote half a character.
    rejected_->write_line(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  const std::vector<std::string>& files_;
  const TextFilterOptions& options_;
  BufferedFile kept_;
  std::unique_ptr<BufferedFile> rejected_;
  Progress progress_;
  TextFilterResult result_;
  DuplicateTexts duplicates_;
  std::vector<std::pair<std::uint32_t, std::size_t>> places_;  ///< of the texts in duplicates_
  std::vector<Item> batch_;
  std::size_t batch_bytes_ = 0;
};

void refuse_same_files(const std::vector<std::string>& files, const TextFilterOptions& options) {
  std::error_code ignored;
  if (!options.rejected.empty() && std::filesystem::path(options.rejected) == std::filesystem::path(options.output)) {
    throw Error(
        fmt::format("{}: is to hold both the kept and the rejected texts; give another --rejected", options.output));
  }
  for (const std::string& file : files) {
    for (const std::string& output : {options.output, options.rejected}) {
      if (!std::filesystem::equivalent(file, output, ignored)) continue;
      throw Error(fmt::format("{}: is read, and would be overwritten; write to another file", output));
    }
  }
}

}  // namespace

TextRule text_rule(std::string_view name) {
  const auto found = std::find(kTextRuleNames.begin(), kTextRuleNames.end(), name);
  if (found == kTextRuleNames.end()) {
    throw Error(fmt::format("--rules: unknown rule '{}'; known: {}", name, fmt::join(kTextRuleNames, ", ")));
  }
  return static_cast<TextRule>(found - kTextRuleNames.begin());
}

TextFilterResult filter_texts(const std::vector<std::string>& files, const TextFilterOptions& options) {
  refuse_same_files(files, options);
  return Filter(files, options).run();
}

}  // namespace mathtrap
