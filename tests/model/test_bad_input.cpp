// Folders whose parts do not fit each other, and a collection of bad files: each refused with one clear line.
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <filesystem>

#include "model/checkpoint.h"
#include "model/gguf.h"
#include "model/pytorch_file.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/model/gguf_writer.h"
#include "tests/model/scratch.h"
#include "tests/model/small_checkpoint.h"

using namespace mathtrap;
namespace fs = std::filesystem;

namespace {

using Tensors = std::map<std::string, at::Tensor>;

/// The small checkpoint as a folder, with one change to its files.
template <typename Change>
std::string error_of_folder(const Change& change) {
  const ScratchFolder folder;
  write_hugging_face_folder(folder.path(), small_checkpoint());
  change(folder);
  std::string message = error_of([&] { read_checkpoint(folder.path()); });
  CHECK_FALSE(contains(message, "\n"));
  CHECK((message == "no error" || contains(message, folder.path())));
  return message;
}

template <typename Change>
std::string error_of_tensors(const Change& change) {
  return error_of_folder([&](const ScratchFolder& folder) {
    Tensors tensors = small_checkpoint().tensors;
    change(tensors);
    write_safetensors(folder / "model.safetensors", tensors, {});
  });
}

template <typename Change>
std::string error_of_config(const Change& change) {
  return error_of_folder([&](const ScratchFolder& folder) {
    ModelConfig config = small_checkpoint().config;
    change(config);
    folder.write("config.json", write_hugging_face_config(config));
  });
}

void read_by_ending(const fs::path& path) {
  if (path.extension() == ".safetensors") {
    read_safetensors(path);
  } else if (path.extension() == ".json") {
    read_hugging_face_config(path);
  } else if (path.extension() == ".model") {
    Tokenizer(read_file(path), path);
  } else if (path.extension() == ".bin") {
    read_pytorch_file(path.string());
  } else {
    read_gguf(path);
  }
}

void check_message(const std::string& message, const char* wanted) {
  INFO(message << "\nwanted: " << wanted);
  CHECK(contains(message, wanted));
}

}  // namespace

TEST_CASE("weights that are not those of the configuration are refused") {
  const char* key = "model.layers.1.self_attn.k_proj.weight";
  check_message(error_of_tensors([&](Tensors& tensors) { tensors.erase(key); }),
                "model.layers.1.self_attn.k_proj.weight: the tensor is missing");
  check_message(error_of_tensors([&](Tensors& tensors) {
                  tensors[key] = at::ones({32, 32});
                }),
                "k_proj.weight: has shape [32, 32], the configuration says [16, 32]");
  check_message(error_of_tensors([&](Tensors& tensors) { tensors[key] = at::ones({512}); }),
                "k_proj.weight: has shape [512], the configuration says [16, 32]");
  check_message(error_of_tensors([&](Tensors& tensors) {
                  tensors[key] = at::ones({16, 32}, at::kLong);
                }),
                "k_proj.weight: is of dtype Long");
  check_message(
      error_of_tensors([](Tensors& tensors) { tensors["model.layers.0.self_attn.q_proj.bias"] = at::ones({32}); }),
      "model.layers.0.self_attn.q_proj.bias: no such tensor");
  check_message(error_of_tensors([](Tensors& tensors) { tensors.clear(); }),
                "embed_tokens.weight: the tensor is missing");
  check_message(error_of_config([](ModelConfig& config) { config.num_hidden_layers = 1; }),
                "model.layers.1.input_layernorm.weight: no such tensor");
  check_message(error_of_config([](ModelConfig& config) { config.num_hidden_layers = 3; }),
                "model.layers.2.input_layernorm.weight: the tensor is missing");
  check_message(error_of_config([](ModelConfig& config) { config.vocab_size = 512; }),
                "embed_tokens.weight: has shape [266, 32], the configuration says [512, 32]");
  check_message(error_of_config([](ModelConfig& config) { config.num_key_value_heads = 4; }),
                "k_proj.weight: has shape [16, 32], the configuration says [32, 32]");
}

TEST_CASE("a tokenizer that is broken or belongs to another model is refused") {
  const auto with_tokenizer = [](const std::string& bytes) {
    return error_of_folder([&](const ScratchFolder& folder) { folder.write("tokenizer.model", bytes); });
  };
  std::vector<VocabularyPiece> pieces = {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}};
  for (int i = 0; i < 264; ++i) pieces.push_back({fmt::format("piece{}", i), 0, 1});
  check_message(with_tokenizer(serialise_sentencepiece_model(pieces, 1, 2, 0, true)),
                "tokenizer.model: its vocabulary of 267 is larger than the model's 266");
  check_message(with_tokenizer("not a model"), "tokenizer.model: damaged, or not a SentencePiece model");
  check_message(with_tokenizer(small_checkpoint().tokenizer_model.substr(0, 1000)), "tokenizer.model: damaged");
}

TEST_CASE("a folder without its parts is refused") {
  const auto without = [](const char* name) {
    return error_of_folder([&](const ScratchFolder& folder) { fs::remove(folder / name); });
  };
  check_message(without("config.json"), "has no config.json");
  check_message(without("model.safetensors"), "has no weights");
  CHECK(without("tokenizer.model") == "no error");
  check_message(error_of([] { read_checkpoint("/nonexistent/model"); }), "/nonexistent/model: does not exist");
  check_message(error_of_folder([](const ScratchFolder& folder) { folder.write("config.json", ""); }),
                "not valid JSON");
}

TEST_CASE("an index that names what is not there is refused") {
  const auto with_index = [](const std::string& index) {
    return error_of_folder([&](const ScratchFolder& folder) {
      fs::rename(folder / "model.safetensors", folder / "model-00001.safetensors");
      folder.write("model.safetensors.index.json", index);
    });
  };
  check_message(with_index(R"({"weight_map": {"x": "model-00002.safetensors"}})"),
                "the shard model-00002.safetensors is");
  check_message(with_index(R"({"weight_map": {"x": "model-00001.safetensors"}})"), "tensor x is not in model-00001");
  check_message(with_index(R"({"weight_map": {"x": "../model-00001.safetensors"}})"), "is no file name");
  check_message(with_index(R"({"weight_map": {"x": "/etc/passwd"}})"), "is no file name");
  check_message(with_index(R"({"weight_map": {"x": ".."}})"), "is no file name");
  check_message(with_index(R"({"weight_map": {"x": ""}})"), "is no file name");
  const std::string long_name(300, 'a');
  check_message(with_index(fmt::format(R"({{"weight_map": {{"x": "{}"}}}})", long_name)), "is missing");
  check_message(with_index(R"({"weight_map": {"x": 3}})"), "weight_map: x: a file name is wanted");
  check_message(with_index(R"({"weight_map": []})"), "weight_map: is missing or no JSON object");
  check_message(with_index("[]"), "weight_map: is missing or no JSON object");
  check_message(with_index(R"({"weight_map": {}})"), "embed_tokens.weight: the tensor is missing");
}

TEST_CASE("each file of the collection of bad files is refused as its line says") {
  const fs::path folder = fs::path(MATHTRAP_SOURCE_DIR) / "tests/golden/bad";
  int cases = 0;
  for_each_line(folder / "cases.txt", [&](std::string_view line, std::size_t) {
    if (line.empty() || line.front() == '#') return;
    const std::size_t bar = line.find(" | ");
    REQUIRE(bar != line.npos);
    const std::string name(line.substr(0, bar));
    const std::string wanted(line.substr(bar + 3));
    const std::string message = error_of([&] { read_by_ending(folder / name); });
    INFO(name << ": " << message);
    CHECK(contains(message, wanted));
    CHECK_FALSE(contains(message, "\n"));
    ++cases;
  });
  CHECK(cases > 10);
}
