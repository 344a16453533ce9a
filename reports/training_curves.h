// Curves of a training, from the log that it writes while it runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "reports/chart.h"

namespace mathtrap {

/// A curve is drawn with so many points, each the mean of the steps around it.
inline constexpr std::size_t kCurvePoints = 300;

struct TrainingCurves {
  std::string name;           ///< the folder's
  std::vector<Chart> charts;  ///< over tokens: loss; held-out replies given exactly, where they were looked at; speed
  std::string summary;        ///< one line: steps, tokens, last losses, rate
};

/// Whether a folder holds a training's log.
bool is_training_folder(const std::filesystem::path& folder);

/// Reads log.jsonl of a training that has ended, was interrupted or still runs: its last line may be cut off. Throws
/// Error with file, line and field.
TrainingCurves read_training_curves(const std::filesystem::path& folder);

}  // namespace mathtrap
