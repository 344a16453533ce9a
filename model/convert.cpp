#include "model/convert.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <filesystem>

#include "model/adapter_options.h"
#include "model/chat_template_source.h"
#include "model/checkpoint.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

void write_chat_template(const ChatTemplateSource& source, const fs::path& folder) {
  if (!source.text) return;
  Json json = Json::object();
  for (const auto& [name, text] : source.special_tokens) json[name] = text;
  json["chat_template"] = *source.text;
  write_file_atomically(folder / "tokenizer_config.json", json.dump(2) + "\n");
}

}  // namespace

void convert_model(const std::string& path, const std::string& folder, const std::string& dtype) {
  if (dtype != "auto" && dtype != "f32" && dtype != "bf16") {
    throw Error(fmt::format("--dtype {}: it is auto, f32 or bf16", dtype));
  }
  if (fs::exists(fs::path(folder) / "config.json") || is_adapter_folder(folder)) {
    throw Error(fmt::format("{}: already holds a model; choose another folder", folder));
  }
  Checkpoint checkpoint = read_checkpoint(path);
  const ChatTemplateSource chat_template = read_chat_template_source(path);
  // What an adapter changes is f32 in memory: one format for all, in which nothing of it is lost.
  if (dtype != "auto" || is_adapter_folder(path)) {
    const at::ScalarType type = dtype == "bf16" ? at::kBFloat16 : at::kFloat;
    for (auto& [name, tensor] : checkpoint.tensors) tensor = tensor.to(type);
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(fmt::format("{}: cannot create the folder: {}", folder, error.message()));
  write_chat_template(chat_template, folder);
  write_hugging_face_folder(folder, checkpoint);
}

}  // namespace mathtrap
