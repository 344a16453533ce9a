#include "finetune/training_log.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "support/error.h"
#include "support/files.h"

namespace mathtrap {

TrainingLog::TrainingLog(const std::filesystem::path& path, std::int64_t steps_done) : path_(path) {
  std::string kept;
  if (steps_done > 0 && std::filesystem::exists(path)) {
    for_each_line(path, [&](std::string_view text, std::size_t number) {
      // A line may be cut off where the machine stopped.
      const Json line = Json::parse(text, nullptr, false);
      const Place place{path.string(), number, ""};
      if (!line.is_object() || json_int(line, "step", place) > steps_done) return;
      kept += fmt::format("{}\n", text);
      losses_.push_back(json_number(line, "loss", place));
    });
  }
  write_file_atomically(path, kept);
  file_.open(path, std::ios::app);
}

void TrainingLog::write(const Json& line) {
  file_ << line.dump() << '\n' << std::flush;
  if (!file_) fail({path_.string(), 0, ""}, "cannot be written");
}

}  // namespace mathtrap
