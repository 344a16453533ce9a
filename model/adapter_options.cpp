#include "model/adapter_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "model/model_path.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

struct Module {
  std::string_view target;
  std::string_view path;
};

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;

constexpr std::array<Module, kProjections> kModules = {{{"q_proj", "self_attn.q_proj"},
                                                        {"k_proj", "self_attn.k_proj"},
                                                        {"v_proj", "self_attn.v_proj"},
                                                        {"o_proj", "self_attn.o_proj"},
                                                        {"gate_proj", "mlp.gate_proj"},
                                                        {"up_proj", "mlp.up_proj"},
                                                        {"down_proj", "mlp.down_proj"}}};

std::size_t index_of(Projection projection) {
  return static_cast<std::size_t>(projection);
}

}  // namespace

std::string_view target_module(Projection projection) {
  return kModules.at(index_of(projection)).target;
}

std::string_view module_path(Projection projection) {
  return kModules.at(index_of(projection)).path;
}

std::vector<Projection> parse_target_modules(const std::string& text) {
  std::vector<Projection> targets;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    const auto* found =
        std::find_if(kModules.begin(), kModules.end(), [&](const Module& module) { return module.target == part; });
    const auto projection = static_cast<Projection>(found - kModules.begin());
    if (part == "all" || part == "all-linear") {
      for (std::size_t i = 0; i < kProjections; ++i) targets.push_back(static_cast<Projection>(i));
    } else if (found == kModules.end()) {
      throw Error(fmt::format(
          "target module '{}' is unknown; use all, or of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj",
          part));
    } else {
      targets.push_back(projection);
    }
  }
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  if (targets.empty()) throw Error("at least one target module is needed");
  return targets;
}

bool is_adapter_folder(const std::string& path) {
  std::error_code ignored;
  return fs::exists(fs::path(path) / kAdapterConfigName, ignored) &&
         !fs::exists(fs::path(path) / "config.json", ignored);
}

Json read_adapter_config(const std::string& folder) {
  const fs::path path = fs::path(folder) / kAdapterConfigName;
  Json json = parse_json(read_file(path, kMaxConfigBytes), {path, 0, ""});
  if (!json.is_object()) fail({path, 0, ""}, "a JSON object is wanted");
  return json;
}

std::string adapter_base_path(const std::string& folder) {
  const std::string config = fs::path(folder) / kAdapterConfigName;
  const Place place{config, 0, "base_model_name_or_path"};
  const std::string base = json_string(read_adapter_config(folder), place.field, {config, 0, ""});
  std::error_code ignored;
  const fs::path beside = fs::path(folder) / base;
  std::string path;
  if (!base.empty() && !fs::exists(base, ignored) && fs::exists(beside, ignored)) path = beside;
  try {
    if (path.empty()) path = resolve_model_path(base);
  } catch (const Error& error) {
    fail(place, fmt::format("{}; correct it, or give the base as the model and this folder as adapter:…",
                            base.empty() ? "is empty" : error.what()));
  }
  if (is_adapter_folder(path)) fail(place, fmt::format("{} is an adapter, too; a model is wanted", base));
  return path;
}

}  // namespace mathtrap
