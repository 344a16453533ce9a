#include "model/checkpoint.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "model/adapter.h"
#include "model/gguf.h"
#include "model/large_json.h"
#include "model/mapped_tensor.h"
#include "model/meta_checkpoint.h"
#include "model/pytorch_file.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "model/weights.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSentencePieceFile = "tokenizer.model";
constexpr const char* kTokenizerJsonFile = "tokenizer.json";
constexpr std::uint64_t kMaxIndexBytes = std::uint64_t{32} << 20;
constexpr std::uint64_t kMaxTokenizerBytes = std::uint64_t{64} << 20;

using Tensors = std::map<std::string, at::Tensor>;

/// False too when the path cannot be looked up: opening it would say why.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

Tensors read_weight_file(const fs::path& path) {
  return path.extension() == ".safetensors" ? read_safetensors(path) : read_pytorch_file(path.string());
}

/// The shards that an index names, each with the tensors that it should hold.
std::map<std::string, std::vector<std::string>> read_index(const fs::path& path) {
  const Place place{path, 0, "weight_map"};
  const nlohmann::json index = parse_large_json(read_file(path, kMaxIndexBytes), {path, 0, ""});
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    fail(place, "is missing or no JSON object");
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) fail(place, fmt::format("{}: a file name is wanted", name));
    shards[shard.get<std::string>()].push_back(name);
  }
  return shards;
}

Tensors read_shards(const fs::path& index) {
  Tensors tensors;
  for (const auto& [shard, names] : read_index(index)) {
    const Place place{index, 0, "weight_map"};
    if (fs::path(shard).filename() != shard || shard.empty() || shard == "." || shard == "..") {
      fail(place, fmt::format("\"{}\" is no file name", shard));
    }
    const fs::path path = index.parent_path() / shard;
    if (!is_there(path)) fail(place, fmt::format("the shard {} is missing", shard));
    const Tensors here = read_weight_file(path);
    for (const std::string& name : names) {
      const auto found = here.find(name);
      if (found == here.end()) fail(place, fmt::format("tensor {} is not in {}", name, shard));
      tensors.insert(*found);
    }
  }
  return tensors;
}

/// The file of a folder's tokenizer; one that is not there, where it has none.
fs::path find_tokenizer(const fs::path& folder) {
  const fs::path sentencepiece = folder / kSentencePieceFile;
  const fs::path json = folder / kTokenizerJsonFile;
  return !is_there(sentencepiece) && is_there(json) ? json : sentencepiece;
}

/// Checks that the tokenizer can be read and belongs to the model, and takes from it what it knows better.
void check_tokenizer(Checkpoint& checkpoint, const std::string& source) {
  if (checkpoint.tokenizer_model.empty()) return;
  const Tokenizer tokenizer(checkpoint.tokenizer_model, source);
  if (tokenizer.vocab_size() > checkpoint.config.vocab_size) {
    fail({source, 0, ""}, fmt::format("its vocabulary of {} is larger than the model's {}: it belongs to another model",
                                      tokenizer.vocab_size(), checkpoint.config.vocab_size));
  }
  // Configurations name a begin-of-text also where no text begins with it (Qwen2, SmolLM2).
  if (is_tokenizer_json(checkpoint.tokenizer_model)) checkpoint.config.bos_token_id = tokenizer.bos();
}

/// The first four bytes of a file.
std::string read_magic(const fs::path& path) {
  std::string magic(4, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(magic.data(), static_cast<std::streamsize>(magic.size()));
  return magic;
}

Checkpoint read_hugging_face_folder(const fs::path& folder) {
  const fs::path config = folder / "config.json";
  if (!is_there(config)) fail({folder, 0, ""}, "has no config.json: not a checkpoint in Hugging Face layout");
  Checkpoint checkpoint;
  checkpoint.source = folder;
  checkpoint.config = read_hugging_face_config(config);
  checkpoint.tensors = read_weights(folder);
  check_weights(checkpoint);
  return checkpoint;
}

/// A PyTorch file with the names of Hugging Face, and config.json beside it, or with those of Meta.
Checkpoint read_single_pytorch_file(const fs::path& path) {
  const SharedFile file = share_file(path);
  Tensors tensors = read_pytorch_file(file, path);
  if (has_meta_names(tensors)) return make_meta_checkpoint(file, std::move(tensors), path);
  const fs::path config = path.parent_path() / "config.json";
  if (!is_there(config)) fail({path, 0, ""}, "there is no config.json beside it");
  Checkpoint checkpoint;
  checkpoint.source = path;
  checkpoint.config = read_hugging_face_config(config);
  checkpoint.tensors = std::move(tensors);
  check_weights(checkpoint);
  return checkpoint;
}

Checkpoint read_kind_of(const fs::path& path) {
  if (is_folder(path)) return read_hugging_face_folder(path);
  const std::string magic = read_magic(path);
  if (magic == "GGUF") return read_gguf(path);
  if (path.extension() == ".safetensors" || path.filename() == "config.json") {
    fail({path, 0, ""}, "give the folder that it lies in");
  }
  return read_single_pytorch_file(path);
}

}  // namespace

std::map<std::string, at::Tensor> read_weights(const std::string& folder) {
  for (const std::string_view name : {"model.safetensors", "pytorch_model.bin"}) {
    const fs::path whole = fs::path(folder) / name;
    if (is_there(whole)) return read_weight_file(whole);
    const fs::path index = fs::path(folder) / fmt::format("{}.index.json", name);
    if (is_there(index)) return read_shards(index);
  }
  fail({folder, 0, ""}, "has no weights: neither model.safetensors nor pytorch_model.bin, nor an index of shards");
}

Checkpoint read_checkpoint(const std::string& path) {
  if (!is_there(path)) fail({path, 0, ""}, "does not exist");
  if (is_adapter_folder(path)) return read_adapted(path, adapter_base_path(path));
  Checkpoint checkpoint = read_kind_of(path);
  if (!checkpoint.tokenizer_model.empty()) {
    check_tokenizer(checkpoint, path);
  } else {
    const fs::path folder = is_folder(path) ? fs::path(path) : fs::path(path).parent_path();
    const fs::path tokenizer = find_tokenizer(folder);
    if (is_there(tokenizer)) checkpoint.tokenizer_model = read_file(tokenizer, kMaxTokenizerBytes);
    check_tokenizer(checkpoint, tokenizer);
  }
  return checkpoint;
}

Checkpoint read_adapted(const std::string& adapter, const std::string& base) {
  Checkpoint checkpoint = read_checkpoint(base);
  merge_adapter(checkpoint, read_adapter(adapter, checkpoint.config));
  checkpoint.source = adapter;
  return checkpoint;
}

void write_hugging_face_folder(const std::string& folder, const Checkpoint& checkpoint) {
  Checkpoint checked = checkpoint;
  check_weights(checked);
  const fs::path to(folder);
  std::error_code error;
  fs::create_directories(to, error);
  if (error) fail({folder, 0, ""}, fmt::format("cannot make the folder: {}", error.message()));
  write_safetensors(to / "model.safetensors", checked.tensors, {{"format", "pt"}});
  if (!checked.tokenizer_model.empty()) {
    const char* name = is_tokenizer_json(checked.tokenizer_model) ? kTokenizerJsonFile : kSentencePieceFile;
    write_file_atomically(to / name, checked.tokenizer_model);
  }
  write_file_atomically(to / "config.json", write_hugging_face_config(checked.config));
}

}  // namespace mathtrap
