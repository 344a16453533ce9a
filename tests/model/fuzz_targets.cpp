#include "tests/model/fuzz_targets.h"

#include <ATen/core/Tensor.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>

#include "model/config.h"
#include "model/gguf.h"
#include "model/pickle.h"
#include "model/pytorch_file.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/model/gguf_writer.h"
#include "tests/model/normalisation_table.h"
#include "tests/model/pytorch_writer.h"
#include "tests/model/scratch.h"
#include "tests/model/small_checkpoint.h"

namespace mathtrap {
namespace {

/// Bytes as a file in memory.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    const bool written = ::write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    if (descriptor_ < 0 || !written) std::abort();
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

 private:
  int descriptor_;
};

template <typename Call>
void swallow_errors(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
}

/// Reads every byte of every tensor.
void touch(const std::map<std::string, at::Tensor>& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.is_contiguous()) std::abort();
    const auto* bytes = static_cast<const unsigned char*>(tensor.data_ptr());
    unsigned sum = 0;
    for (std::size_t i = 0; i < tensor.nbytes(); ++i) sum += bytes[i];
    __asm__ volatile("" : : "r"(sum));  // the reads are not optimised away
  }
}

void run_config(std::string_view bytes) {
  const MemoryFile file(bytes);
  swallow_errors([&] { write_hugging_face_config(read_hugging_face_config(file.path())); });
}

void run_safetensors(std::string_view bytes) {
  const MemoryFile file(bytes);
  swallow_errors([&] { touch(read_safetensors(file.path())); });
}

void run_pytorch_file(std::string_view bytes) {
  const MemoryFile file(bytes);
  swallow_errors([&] { touch(read_pytorch_file(file.path())); });
}

void run_pickle(std::string_view bytes) {
  swallow_errors([&] { unpickle_tensors(std::as_bytes(std::span(bytes.data(), bytes.size())), "pickle"); });
}

void run_gguf(std::string_view bytes) {
  const MemoryFile file(bytes);
  swallow_errors([&] { touch(read_gguf(file.path()).tensors); });
}

void run_tokenizer(std::string_view bytes) {
  swallow_errors([&] {
    const Tokenizer tokenizer(bytes, "tokenizer");
    const std::vector<TokenId> ids = tokenizer.encode("a b\u00e9 \xff 12\n\u2581x");
    tokenizer.decode(ids);
    for (const TokenId id : ids) tokenizer.piece_text(id);
  });
}

void run_tokenizer_json(std::string_view bytes) {
  if (!is_tokenizer_json(bytes)) return;  // the other kind has its own target
  swallow_errors([&] {
    const Tokenizer tokenizer(bytes, "tokenizer");
    for (const SpecialTokens special_tokens : {SpecialTokens::as_text, SpecialTokens::parsed}) {
      const std::vector<TokenId> ids = tokenizer.encode("a b\u00e9 e\u0301 \xff 12\n<s><x> \u2581x", special_tokens);
      tokenizer.decode(ids);
      for (const TokenId id : ids) tokenizer.piece_text(id);
    }
  });
}

/// The bytes that a writer puts into a file.
template <typename Write>
std::string written(const Write& write) {
  const ScratchFolder folder;
  write(folder / "file");
  return read_file(folder / "file");
}

/// Of the small checkpoint's tensors, those that are small.
std::map<std::string, at::Tensor> few_tensors() {
  std::map<std::string, at::Tensor> few;
  for (const auto& [name, tensor] : small_checkpoint().tensors) {
    if (few.size() < 2 && tensor.dim() == 1) few.emplace(name, tensor);
  }
  return few;
}

std::vector<std::string> config_seeds() {
  ModelConfig config = small_checkpoint().config;
  const std::string plain = write_hugging_face_config(config);
  config.rope_scaling = {RopeScalingKind::llama3, 8, 1, 4, 8192};
  config.eos_token_ids = {2, 3};
  return {plain, write_hugging_face_config(config)};
}

std::vector<std::string> safetensors_seeds() {
  return {written([](const std::string& path) { write_safetensors(path, few_tensors(), {{"format", "pt"}}); })};
}

std::vector<std::string> pytorch_seeds() {
  return {make_pytorch_file(few_tensors()), make_pytorch_file(few_tensors(), true)};
}

std::vector<std::string> pickle_seeds() {
  PickleWriter varied;
  varied.raw("\x80\x04\x95").raw(std::string(8, '\0')).raw("}\x94(").raw("\x8c\x01x\x94");
  varied.tensor("HalfStorage", "0", 6, 0, {6}, {1})
      .string("torch.Size")
      .global("torch", "Size")
      .tuple({1})
      .raw("\x85R");
  varied.string("list")
      .raw(
          "](K\x01M\x01\x02"
          "eG")
      .raw(std::string(8, '\0'))
      .raw("\x88u.");
  return {pickle_of(few_tensors()), varied.bytes()};
}

/// A model of one layer in a file of few kilobytes.
std::string tiny_gguf(std::int64_t hidden_size, GgufTensorType matrices) {
  ModelConfig config = small_checkpoint().config;
  config.hidden_size = hidden_size;
  config.intermediate_size = hidden_size;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = hidden_size / 2;
  config.vocab_size = 8;
  return gguf_of(checkpoint_of(config), matrices).bytes();
}

std::vector<std::string> gguf_seeds() {
  // A block of q8_0 is 32 wide.
  return {tiny_gguf(8, GgufTensorType::f32), tiny_gguf(8, GgufTensorType::bf16), tiny_gguf(32, GgufTensorType::q8_0)};
}

std::vector<std::string> tokenizer_seeds() {
  std::vector<VocabularyPiece> pieces = {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}, {"<user>", 0, 4}};
  for (const char* text : {"a", "b", "\u2581", "\u2581a", "12"}) pieces.push_back({text, -1, 1});
  const std::string model = serialise_sentencepiece_model(pieces, 1, 2, 0, true);
  return {model, with_table(model, NormalisationTable().bytes())};
}

/// Each part of the format once.
std::vector<std::string> tokenizer_json_seeds() {
  return {
      R"({"added_tokens":[{"id":3,"content":"<s>","special":true},{"id":4,"content":"<x>","lstrip":true}],
"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[
{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],
"special_tokens":{"<s>":{"ids":[3]}}},"decoder":{"type":"ByteLevel"},
"model":{"type":"BPE","ignore_merges":true,"vocab":{"a":0,"1":1,"a1":2},"merges":[["a","1"]]}})",
      R"({"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},
{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]},"pre_tokenizer":{"type":"Metaspace","split":true},
"decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
"model":{"unk_token":"?","fuse_unk":true,"byte_fallback":true,"vocab":{"?":0,"a":1,"\u2581":2,"\u2581a":3},
"merges":["\u2581 a"]}})"};
}

}  // namespace

std::span<const FuzzTarget> fuzz_targets() {
  static constexpr std::array kTargets = {
      FuzzTarget{"config", run_config, config_seeds, ".json"},
      FuzzTarget{"safetensors", run_safetensors, safetensors_seeds, ".safetensors"},
      FuzzTarget{"pytorch_file", run_pytorch_file, pytorch_seeds, ".bin"},
      FuzzTarget{"pickle", run_pickle, pickle_seeds, ""},
      FuzzTarget{"gguf", run_gguf, gguf_seeds, ".gguf"},
      FuzzTarget{"tokenizer", run_tokenizer, tokenizer_seeds, ".model"},
      FuzzTarget{"tokenizer_json", run_tokenizer_json, tokenizer_json_seeds, ""},
  };
  return kTargets;
}

}  // namespace mathtrap
