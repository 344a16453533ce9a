#include "finetune/training_checkpoint.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <map>

#include "model/safetensors.h"
#include "support/error.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

constexpr const char* kStateName = "training_state";
constexpr std::size_t kFixedFields = 8;  // what pack_state puts in front of the stream's state

std::map<std::string, at::Tensor> detached(const NamedTensors& named) {
  std::map<std::string, at::Tensor> tensors(named.begin(), named.end());
  for (auto& [name, tensor] : tensors) tensor = tensor.detach();
  return tensors;
}

void copy_into(const NamedTensors& tensors, const std::map<std::string, at::Tensor>& stored, const std::string& path) {
  for (const auto& [name, tensor] : tensors) {
    const auto found = stored.find(name);
    if (found == stored.end() || found->second.sizes() != tensor.sizes()) {
      fail({path, 0, name}, "is missing or of another shape");
    }
    // Through detach, since the weights are leaves that require gradients.
    tensor.detach().copy_(found->second);
  }
}

std::string best_path(const std::string& folder) {
  return (fs::path(folder) / "best.safetensors").string();
}

/// The checkpoints of a folder, oldest first: names have the step in ten digits.
std::vector<fs::path> checkpoints(const std::string& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("step-") && entry.path().extension() == ".safetensors")
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<std::int64_t> pack_state(const TrainingState& state) {
  std::vector<std::int64_t> fields = {static_cast<std::int64_t>(state.fingerprint),
                                      state.spent.steps,
                                      state.spent.tokens,
                                      state.spent.documents,
                                      std::llround(state.spent.seconds * 1e3),
                                      state.best.step,
                                      std::bit_cast<std::int64_t>(state.best.loss),
                                      state.best.looks_since};
  fields.insert(fields.end(), state.stream.begin(), state.stream.end());
  return fields;
}

TrainingState unpack_state(std::span<const std::int64_t> fields) {
  TrainingState state;
  state.fingerprint = static_cast<std::uint64_t>(fields[0]);
  state.spent = {fields[1], fields[2], fields[3], static_cast<double>(fields[4]) / 1e3};
  state.best = {fields[5], std::bit_cast<double>(fields[6]), fields[7]};
  state.stream.assign(fields.begin() + kFixedFields, fields.end());
  return state;
}

void write_training_checkpoint(const std::string& folder, const TrainingState& state, std::int64_t kept) {
  fs::create_directories(folder);
  const std::vector<std::int64_t> fields = pack_state(state);
  at::Tensor packed = at::empty({static_cast<std::int64_t>(fields.size())}, at::kLong);
  std::copy(fields.begin(), fields.end(), packed.data_ptr<std::int64_t>());
  std::map<std::string, at::Tensor> tensors = detached(state.tensors);
  tensors[kStateName] = packed;
  write_safetensors((fs::path(folder) / fmt::format("step-{:010}.safetensors", state.spent.steps)).string(), tensors,
                    {});
  const std::vector<fs::path> files = checkpoints(folder);
  for (std::size_t i = 0; i + static_cast<std::size_t>(kept) < files.size(); ++i) fs::remove(files[i]);
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
  TrainingState state =
      unpack_state({packed->second.data_ptr<std::int64_t>(), static_cast<std::size_t>(packed->second.numel())});
  if (state.fingerprint != fingerprint) {
    fail({path, 0, ""},
         "belongs to a training with other arguments or data; choose another --out, or delete the folder");
  }
  copy_into(tensors, stored, path);
  return state;
}

void write_best_weights(const std::string& folder, const NamedTensors& weights) {
  fs::create_directories(folder);
  write_safetensors(best_path(folder), detached(weights), {});
}

void read_best_weights(const std::string& folder, const NamedTensors& weights) {
  copy_into(weights, read_safetensors(best_path(folder)), best_path(folder));
}

}  // namespace mathtrap
