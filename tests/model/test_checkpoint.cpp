// Whole checkpoints: folders written and read, shards, and that the same model is the same in each format.
#include <ATen/Functions.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "model/checkpoint.h"
#include "model/gguf.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "support/error.h"
#include "tests/catch.h"
#include "tests/model/gguf_writer.h"
#include "tests/model/golden_tokens.h"
#include "tests/model/pytorch_writer.h"
#include "tests/model/scratch.h"
#include "tests/model/small_checkpoint.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

void check_same(const Checkpoint& one, const Checkpoint& other) {
  REQUIRE(one.tensors.size() == other.tensors.size());
  for (const auto& [name, tensor] : one.tensors) {
    INFO(name);
    REQUIRE(other.tensors.contains(name));
    CHECK(other.tensors.at(name).equal(tensor));
  }
  CHECK(write_hugging_face_config(one.config) == write_hugging_face_config(other.config));
}

}  // namespace

TEST_CASE("a folder that was written reads back the same") {
  const ScratchFolder folder;
  for (const bool tied : {false, true}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const Checkpoint checkpoint = small_checkpoint(tied, type);
      write_hugging_face_folder(folder / "model", checkpoint);
      const Checkpoint again = read_checkpoint(folder / "model");
      check_same(checkpoint, again);
      CHECK(again.tokenizer_model == checkpoint.tokenizer_model);
    }
  }
}

TEST_CASE("a checkpoint may be written over the folder that it was read from") {
  const ScratchFolder folder;
  write_hugging_face_folder(folder / "model", small_checkpoint());
  const Checkpoint checkpoint = read_checkpoint(folder / "model");
  write_hugging_face_folder(folder / "model", checkpoint);
  check_same(checkpoint, read_checkpoint(folder / "model"));
}

TEST_CASE("shards with an index are read as one") {
  const ScratchFolder folder;
  const Checkpoint checkpoint = small_checkpoint();
  write_sharded(folder.path(), checkpoint);
  check_same(checkpoint, read_checkpoint(folder.path()));
}

TEST_CASE("frequencies that old checkpoints store, and a tied head stored twice, are left out") {
  const ScratchFolder folder;
  const Checkpoint checkpoint = small_checkpoint(true);
  write_hugging_face_folder(folder.path(), checkpoint);
  auto tensors = checkpoint.tensors;
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = at::ones({4});
  tensors["lm_head.weight"] = tensors.at("model.embed_tokens.weight");
  write_safetensors(folder / "model.safetensors", tensors, {});
  check_same(checkpoint, read_checkpoint(folder.path()));
}

TEST_CASE("the stories260K folder loads") {
  if (!has_shared_data("data/models/stories260K-hf")) return;
  const Checkpoint checkpoint = read_checkpoint(shared_data("data/models/stories260K-hf").string());
  CHECK(checkpoint.tensors.size() == 47);
  CHECK(checkpoint.config.tie_word_embeddings);
  CHECK(checkpoint.config.head_dim == 8);
  CHECK(checkpoint.config.num_key_value_heads == 4);
  CHECK_FALSE(checkpoint.tokenizer_model.empty());
}

TEST_CASE("the stories260K folder and its GGUF file agree tensor for tensor") {
  if (!has_shared_data("data/models/stories260K/stories260K.f32.gguf")) return;
  const Checkpoint folder = read_checkpoint(shared_data("data/models/stories260K-hf").string());
  const Checkpoint gguf = read_checkpoint(shared_data("data/models/stories260K/stories260K.f32.gguf").string());
  check_same(folder, gguf);
  const Tokenizer one(folder.tokenizer_model, "folder");
  const Tokenizer other(gguf.tokenizer_model, "gguf");
  REQUIRE(one.vocab_size() == other.vocab_size());
  for (TokenId id = 0; id < 512; ++id) CHECK(one.piece_text(id) == other.piece_text(id));
  const std::string text = "Once upon a time, there was a little girl named Lily. \u00e9 12\n";
  CHECK(one.encode(text) == other.encode(text));
}

TEST_CASE("the vocabulary inside a GGUF file gives the golden token ids") {
  const char* file = "data/models/vocab-gguf/ggml-vocab-llama-spm.gguf";
  if (!has_shared_data(file)) return;
  check_golden_tokens(Tokenizer(read_gguf_vocabulary(shared_data(file).string()), file));
}

TEST_CASE("a checkpoint with Meta's names loads, with what no params.json says guessed") {
  const char* file = "data/models/torchtune-tiny/tiny_fair_checkpoint.pt";
  if (!has_shared_data(file)) return;
  const Checkpoint checkpoint = read_checkpoint(shared_data(file).string());
  CHECK(checkpoint.tensors.size() == 21);
  CHECK(checkpoint.config.vocab_size == 500);
  CHECK(checkpoint.config.hidden_size == 32);
  CHECK(checkpoint.config.intermediate_size == 256);
  CHECK(checkpoint.config.num_hidden_layers == 2);
  CHECK(checkpoint.config.num_attention_heads == 4);
  CHECK(checkpoint.config.num_key_value_heads == 4);
  CHECK(checkpoint.tokenizer_model.empty());
}

TEST_CASE("the weights of PyTorch shards have the names and shapes of the same model in safetensors") {
  const char* folder = "data/models/tiny-llama-moe-bin/hf";
  if (!has_shared_data(folder)) return;
  const auto tensors = read_weights(shared_data(folder).string());
  // Another random model of the same shapes is there as safetensors.
  const auto other = read_weights(shared_data("data/models/tiny-llama-moe/hf").string());
  REQUIRE(tensors.size() == other.size());
  for (const auto& [name, tensor] : other) CHECK(tensors.at(name).sizes() == tensor.sizes());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // the sanitizers' own memory would be counted
namespace {

/// Bytes of this process that are in memory, mapped files included.
double resident_bytes() {
  ::malloc_trim(0);  // what earlier work has freed would hide what is taken now
  std::ifstream status("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  status >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

/// Growth of memory by a checkpoint that was read and whose every page was used, over the size of its weights.
double memory_over_weights(const std::string& path) {
  const double before = resident_bytes();
  const Checkpoint checkpoint = read_checkpoint(path);
  std::size_t bytes = 0;
  double sum = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    bytes += tensor.nbytes();
    sum += tensor.sum().item<double>();
  }
  CHECK(std::isfinite(sum));
  return (resident_bytes() - before) / static_cast<double>(bytes);
}

}  // namespace

TEST_CASE("a checkpoint in memory takes little more than its weights") {
  const ScratchFolder folder;
  {
    // Queries and keys, which GGUF's rotary order forces to copy, are 16% of the weights.
    ModelConfig config = small_checkpoint().config;
    config.hidden_size = 1024;
    config.intermediate_size = 2816;
    config.num_hidden_layers = 1;
    config.num_attention_heads = 16;
    config.num_key_value_heads = 16;
    config.head_dim = 64;
    const Checkpoint checkpoint = checkpoint_of(config);
    write_hugging_face_folder(folder / "hf", checkpoint);
    folder.write("model.gguf", gguf_of(checkpoint).bytes());
    folder.write("consolidated.00.pth", make_pytorch_file(meta_tensors(checkpoint)));
    folder.write("params.json", R"({"n_heads": 16})");
  }
  read_checkpoint(folder / "hf").tensors.begin()->second.sum();  // starts what stays in memory whatever is read
  CHECK(memory_over_weights(folder / "hf") < 1.15);
  CHECK(memory_over_weights(folder / "model.gguf") < 1.15);
  CHECK(memory_over_weights(folder / "consolidated.00.pth") < 1.15);
}
#endif
