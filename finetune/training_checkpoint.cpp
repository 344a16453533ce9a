#include "finetune/training_checkpoint.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "model/safetensors.h"
#include "support/error.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStateName = "training_state";
constexpr std::size_t kFixedFields = 4;  // fingerprint, steps, tokens, milliseconds; the stream's state follows
constexpr std::size_t kKept = 2;

/// The checkpoints of a folder, oldest first: names have the step in ten digits.
std::vector<fs::path> checkpoints(const std::string& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

void write_training_checkpoint(const std::string& folder, const TrainingState& state) {
  fs::create_directories(folder);
  std::vector<std::int64_t> fields = {static_cast<std::int64_t>(state.fingerprint), state.spent.steps,
                                      state.spent.tokens, std::llround(state.spent.seconds * 1e3)};
  fields.insert(fields.end(), state.stream.begin(), state.stream.end());
  at::Tensor packed = at::empty({static_cast<std::int64_t>(fields.size())}, at::kLong);
  std::copy(fields.begin(), fields.end(), packed.data_ptr<std::int64_t>());
  std::map<std::string, at::Tensor> tensors(state.tensors.begin(), state.tensors.end());
  for (auto& [name, tensor] : tensors) tensor = tensor.detach();
  tensors[kStateName] = packed;
  write_safetensors((fs::path(folder) / fmt::format("step-{:010}.safetensors", state.spent.steps)).string(), tensors,
                    {});
  const std::vector<fs::path> files = checkpoints(folder);
  for (std::size_t i = 0; i + kKept < files.size(); ++i) fs::remove(files[i]);
}

std::string newest_training_checkpoint(const std::string& folder) {
  const std::vector<fs::path> files = checkpoints(folder);
  return files.empty() ? "" : files.back().string();
}

std::optional<TrainingState> read_training_checkpoint(const std::string& folder, std::uint64_t fingerprint,
                                                      const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  const std::string path = newest_training_checkpoint(folder);
  if (path.empty()) return std::nullopt;
  const std::map<std::string, at::Tensor> stored = read_safetensors(path);
  const auto packed = stored.find(kStateName);
  if (packed == stored.end() || packed->second.scalar_type() != at::kLong ||
      packed->second.numel() < static_cast<std::int64_t>(kFixedFields)) {
    fail({path, 0, ""}, "not a training checkpoint");
  }
  const auto* fields = packed->second.data_ptr<std::int64_t>();
  TrainingState state;
  state.fingerprint = static_cast<std::uint64_t>(fields[0]);
  if (state.fingerprint != fingerprint) {
    fail({path, 0, ""},
         "belongs to a training with other arguments or data; choose another --out, or delete the folder");
  }
  state.spent = {fields[1], fields[2], static_cast<double>(fields[3]) / 1e3};
  state.stream.assign(fields + kFixedFields, fields + packed->second.numel());
  for (const auto& [name, tensor] : tensors) {
    const auto found = stored.find(name);
    if (found == stored.end() || found->second.sizes() != tensor.sizes()) {
      fail({path, 0, name}, "is missing or of another shape");
    }
    // Through detach, since the weights are leaves that require gradients.
    tensor.detach().copy_(found->second);
  }
  return state;
}

}  // namespace mathtrap
