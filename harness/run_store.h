// The folder of a run:
//   run.json       what was asked of what: everything needed to repeat the run
//   samples.jsonl  one line per reply (sample.h), appended as replies finish; at the end in the order of the plan
//   results.json   what was found (results.h); without times, so the same run gives the same bytes
// A run killed at any moment continues in its folder: finished lines are kept, a torn last line is dropped,
// and a line of a request that failed, or of a reply that was not judged, gives way to a later one of the same id. So
// does a run that a full disk stopped.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/results.h"
#include "harness/sample.h"
#include "support/json.h"

namespace mathtrap {

class RunStore {
 public:
  /// Opens the run in `folder`, or begins it there. `description` says what the run is; what else `arguments` holds may
  /// differ when a run is continued (threads, batch size). Throws Error when the folder holds another run (naming what
  /// differs) or other files, when its samples are broken, and when another process is writing to it.
  RunStore(std::filesystem::path folder, const Json& description, const Json& arguments);
  ~RunStore();
  RunStore(const RunStore&) = delete;
  RunStore& operator=(const RunStore&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  /// The samples that an earlier process finished.
  const std::vector<Sample>& finished() const { return finished_; }

  /// Writes one line to the file system before it returns. This and the others throw Error when that fails, such as on
  /// a full disk; the run can then be continued from its folder.
  void append(const Sample& sample);
  /// Puts all samples in place, in the order of the plan.
  void put_in_order(const std::vector<Sample>& samples);
  /// The same, and the results.
  void finish(const std::vector<Sample>& samples, const Results& results);

 private:
  void lock();
  void begin_or_continue(const Json& description, const Json& arguments);
  void read_samples();
  /// What a message about a full disk ends with.
  std::string how_to_go_on() const;

  std::filesystem::path folder_;
  std::vector<Sample> finished_;
  int folder_descriptor_ = -1;
  int samples_descriptor_ = -1;
};

/// A finished or unfinished run as it lies in its folder. (The move of a Json throws nothing, but clang-tidy cannot see
/// that.)
struct StoredRun {  // NOLINT(bugprone-exception-escape)
  Json run;         ///< run.json
  std::vector<Sample> samples;
  Results results;  ///< of these samples
};

/// Throws Error when the folder holds no run or a broken one.
StoredRun read_run(const std::filesystem::path& folder);

}  // namespace mathtrap
