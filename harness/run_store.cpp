#include "harness/run_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "support/error.h"
#include "support/files.h"
#include "support/log.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRunFile = "run.json";
constexpr const char* kSamplesFile = "samples.jsonl";
constexpr const char* kResultsFile = "results.json";
constexpr int kIndent = 2;
constexpr std::uint64_t kMaxSamplesBytes = std::uint64_t{8} << 30;

[[noreturn]] void fail_with_errno(const fs::path& path, const std::string& action) {
  throw Error(fmt::format("{}: cannot {}: {}", path.string(), action, std::strerror(errno)));
}

std::string pretty(const Json& json) {
  return json.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// What an AtomicFile of a killed process left behind.
bool is_leftover(const fs::path& path) {
  return path.extension() == ".partial";
}

bool holds_other_files(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!is_leftover(entry.path())) return true;
  }
  return false;
}

void remove_leftovers(const fs::path& folder) {
  std::vector<fs::path> leftovers;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (is_leftover(entry.path())) leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) fs::remove(path);
}

/// The dotted names of the leaves in which two descriptions differ.
void collect_differences(const Json& a, const Json& b, const std::string& name, std::vector<std::string>& differences) {
  if (a == b) return;
  if (!a.is_object() || !b.is_object()) {
    differences.push_back(name);
    return;
  }
  std::set<std::string> keys;
  for (const Json* side : {&a, &b}) {
    for (const auto& entry : side->items()) keys.insert(entry.key());
  }
  for (const std::string& key : keys) {
    const std::string inner = name.empty() ? key : fmt::format("{}.{}", name, key);
    if (!a.contains(key) || !b.contains(key)) {
      differences.push_back(inner);
    } else {
      collect_differences(a[key], b[key], inner, differences);
    }
  }
}

/// Whether a later line of the same question takes the place of this one.
bool is_provisional(Verdict verdict) {
  return verdict == Verdict::failed || verdict == Verdict::unjudged;
}

struct SampleLines {
  std::vector<Sample> samples;
  std::size_t bytes = 0;  ///< up to the end of the last whole line
};

/// The whole lines of samples.jsonl. The last may be torn: it is left out when its end is missing, or when it is no
/// JSON (a file system may have kept the length of a write and lost its content).
SampleLines read_sample_lines(const fs::path& file) {
  SampleLines lines;
  const std::string text = read_file(file, kMaxSamplesBytes);
  std::map<std::string, std::size_t> places;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    try {
      Sample sample = parse_sample(std::string_view(text).substr(begin, end - begin), {file.string(), ++number, ""});
      const auto [place, is_new] = places.emplace(sample.id, lines.samples.size());
      if (is_new) {
        lines.samples.push_back(std::move(sample));
      } else if (is_provisional(lines.samples[place->second].verdict)) {
        lines.samples[place->second] = std::move(sample);
      }
    } catch (const Error&) {
      if (end + 1 != text.size()) throw;
      break;
    }
    begin = lines.bytes = end + 1;
  }
  return lines;
}

Json read_json_file(const fs::path& file) {
  return parse_json(read_file(file), {file.string(), 0, ""});
}

}  // namespace

RunStore::RunStore(fs::path folder, const Json& description, const Json& arguments) : folder_(std::move(folder)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw Error(fmt::format("{}: cannot create the folder: {}", folder_.string(), error.message()));
  try {
    lock();
    begin_or_continue(description, arguments);
    read_samples();
  } catch (...) {
    if (samples_descriptor_ >= 0) ::close(samples_descriptor_);
    if (folder_descriptor_ >= 0) ::close(folder_descriptor_);
    throw;
  }
}

RunStore::~RunStore() {
  ::close(samples_descriptor_);
  ::close(folder_descriptor_);
}

void RunStore::lock() {
  folder_descriptor_ = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_descriptor_ < 0) fail_with_errno(folder_, "open the folder");
  if (::flock(folder_descriptor_, LOCK_EX | LOCK_NB) != 0) {
    throw Error(fmt::format("{}: another mathtrap is writing to this run", folder_.string()));
  }
}

void RunStore::begin_or_continue(const Json& description, const Json& arguments) {
  const fs::path file = folder_ / kRunFile;
  if (!fs::exists(file)) {
    if (holds_other_files(folder_)) {
      throw Error(
          fmt::format("{}: holds files and no run.json; name a new or empty folder with --log-dir", folder_.string()));
    }
    Json run = description;
    run["arguments"] = arguments;
    write_file_atomically(file, pretty(run));
  }
  remove_leftovers(folder_);
  Json stored = read_json_file(file);
  stored.erase("arguments");
  std::vector<std::string> differences;
  collect_differences(stored, description, "", differences);
  if (differences.empty()) return;
  throw Error(fmt::format("{}: holds another run; what differs: {}. Name another folder with --log-dir",
                          folder_.string(), fmt::join(differences, ", ")));
}

void RunStore::read_samples() {
  const fs::path file = folder_ / kSamplesFile;
  samples_descriptor_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (samples_descriptor_ < 0) fail_with_errno(file, "write");
  SampleLines lines = read_sample_lines(file);
  if (::ftruncate(samples_descriptor_, static_cast<off_t>(lines.bytes)) != 0) fail_with_errno(file, "write");
  finished_ = std::move(lines.samples);
}

void RunStore::append(const Sample& sample) {
  const std::string line = write_sample(sample) + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(samples_descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      // The torn line stays; who opens the run next cuts it off.
      throw Error(fmt::format("{}: cannot write: {}; {}", (folder_ / kSamplesFile).string(), std::strerror(errno),
                              how_to_go_on()));
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string RunStore::how_to_go_on() const {
  return fmt::format("the replies before are kept, and the same command with --log-dir {} goes on", folder_.string());
}

void RunStore::put_in_order(const std::vector<Sample>& samples) try {
  AtomicFile file(folder_ / kSamplesFile);
  for (const Sample& sample : samples) file.write(write_sample(sample) + "\n");
  file.commit();
} catch (const Error& error) {
  throw Error(fmt::format("{}; {}", error.what(), how_to_go_on()));
}

void RunStore::finish(const std::vector<Sample>& samples, const Results& results) {
  put_in_order(samples);
  try {
    write_file_atomically(folder_ / kResultsFile, pretty(to_json(results)));
  } catch (const Error& error) {
    throw Error(fmt::format("{}; {}", error.what(), how_to_go_on()));
  }
}

StoredRun read_run(const fs::path& folder) {
  if (!fs::exists(folder / kRunFile)) throw Error(fmt::format("{}: holds no run (no run.json)", folder.string()));
  StoredRun stored{read_json_file(folder / kRunFile), read_sample_lines(folder / kSamplesFile).samples, {}};
  const Place place{(folder / kRunFile).string(), 0, ""};
  const auto name_in = [&](const char* field) {
    if (!stored.run.is_object() || !stored.run.contains(field)) fail(place, fmt::format("\"{}\" is missing", field));
    return json_string(stored.run[field], "name", place);
  };
  stored.results = summarise(name_in("model"), name_in("dataset"), stored.samples);
  return stored;
}

}  // namespace mathtrap
