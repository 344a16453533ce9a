#include "moe/statistics_file.h"

#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <utility>

#include "model/safetensors.h"
#include "support/hash.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgress = "progress";  // [fingerprint, layers, windows of each pass]

struct Field {
  const char* name;
  at::Tensor LayerStatistics::*tensor;
};
constexpr Field kFields[] = {{"marks", &LayerStatistics::marks},
                             {"coactivation", &LayerStatistics::coactivation},
                             {"inputs", &LayerStatistics::inputs},
                             {"importance", &LayerStatistics::importance}};

std::string name_of(std::size_t layer, const Field& field) {
  return fmt::format("layer.{}.{}", layer, field.name);
}

}  // namespace

StatisticsFile::StatisticsFile(std::string path, std::string fingerprint, std::function<bool()> stop,
                               double seconds_between)
    : path_(std::move(path)),
      fingerprint_(std::move(fingerprint)),
      stop_(std::move(stop)),
      seconds_between_(seconds_between) {}

TextStatistics StatisticsFile::read() const {
  TextStatistics statistics;
  if (path_.empty() || !fs::exists(path_)) return statistics;
  std::map<std::string, at::Tensor> stored = read_safetensors(path_);
  const auto progress = stored.find(kProgress);
  if (progress == stored.end() || progress->second.scalar_type() != at::kLong || progress->second.numel() != 4) {
    return statistics;
  }
  const auto* fields = progress->second.data_ptr<std::int64_t>();
  const auto layers = static_cast<std::size_t>(fields[1]);
  const bool is_own = fields[0] == static_cast<std::int64_t>(hash64(fingerprint_)) && layers <= stored.size();
  if (!is_own) return statistics;
  statistics.layers.resize(layers);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    for (const Field& field : kFields) {
      const auto found = stored.find(name_of(layer, field));
      // Copied: sums go on in place, and the file is replaced while they do.
      if (found != stored.end()) statistics.layers[layer].*field.tensor = found->second.clone();
    }
  }
  if (const auto means = stored.find("window_means"); means != stored.end()) {
    statistics.window_means = means->second.clone();
  }
  statistics.activation_windows = static_cast<std::size_t>(fields[2]);
  statistics.importance_windows = static_cast<std::size_t>(fields[3]);
  return statistics;
}

bool StatisticsFile::is_due() const {
  if (path_.empty()) return false;
  const std::chrono::duration<double> since = std::chrono::steady_clock::now() - written_;
  return stops() || since.count() >= seconds_between_;
}

void StatisticsFile::write(const TextStatistics& statistics) {
  if (path_.empty()) return;
  fs::create_directories(fs::path(path_).parent_path());
  std::map<std::string, at::Tensor> tensors;
  for (std::size_t layer = 0; layer < statistics.layers.size(); ++layer) {
    for (const Field& field : kFields) {
      const at::Tensor& tensor = statistics.layers[layer].*field.tensor;
      if (tensor.defined()) tensors[name_of(layer, field)] = tensor;
    }
  }
  if (statistics.window_means.defined()) tensors["window_means"] = statistics.window_means;
  tensors[kProgress] = at::tensor(std::vector<std::int64_t>{static_cast<std::int64_t>(hash64(fingerprint_)),
                                                            static_cast<std::int64_t>(statistics.layers.size()),
                                                            static_cast<std::int64_t>(statistics.activation_windows),
                                                            static_cast<std::int64_t>(statistics.importance_windows)});
  write_safetensors(path_, tensors, {});
  written_ = std::chrono::steady_clock::now();
}

void StatisticsFile::remove() const {
  if (!path_.empty()) fs::remove(path_);
}

}  // namespace mathtrap
