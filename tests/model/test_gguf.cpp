// GGUF files: every tensor type, rotary order and scaling, vocabulary, and what is refused.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include "model/gguf.h"
#include "model/tokenizer.h"
#include "support/error.h"
#include "tests/catch.h"
#include "tests/model/byte_writer.h"
#include "tests/model/gguf_writer.h"
#include "tests/model/scratch.h"
#include "tests/model/small_checkpoint.h"

using namespace mathtrap;

namespace {

Checkpoint read(const GgufFile& file) {
  const ScratchFolder folder;
  return read_gguf(folder.write("model.gguf", file.bytes()));
}

std::string error_of_bytes(const std::string& bytes) {
  const ScratchFolder folder;
  const std::string path = folder.write("model.gguf", bytes);
  return error_of([&] { read_gguf(path); });
}

/// The small file with one change.
template <typename Change>
std::string error_of_changed(const Change& change) {
  GgufFile file = gguf_of(small_checkpoint());
  change(file);
  return error_of_bytes(file.bytes());
}

void check_message(const std::string& message, const char* wanted) {
  INFO(message << "\nwanted: " << wanted);
  CHECK(contains(message, wanted));
  CHECK(contains(message, "model.gguf: "));
  CHECK_FALSE(contains(message, "\n"));
}

}  // namespace

TEST_CASE("a GGUF file of each floating type gives the checkpoint that it was made from") {
  struct Case {
    GgufTensorType type;
    at::ScalarType scalar;
  };
  for (const auto& [type, scalar] : {Case{GgufTensorType::f32, at::kFloat}, Case{GgufTensorType::f16, at::kHalf},
                                     Case{GgufTensorType::bf16, at::kBFloat16}}) {
    for (const bool tied : {false, true}) {
      const Checkpoint checkpoint = small_checkpoint(tied);
      const Checkpoint again = read(gguf_of(checkpoint, type));
      REQUIRE(again.tensors.size() == checkpoint.tensors.size());
      CHECK(again.config.tie_word_embeddings == tied);
      CHECK(again.config.rms_norm_eps == checkpoint.config.rms_norm_eps);
      CHECK(again.config.num_key_value_heads == 2);
      for (const auto& [name, tensor] : checkpoint.tensors) {
        INFO(name);
        const at::ScalarType stored = tensor.dim() == 2 ? scalar : at::kFloat;
        CHECK(again.tensors.at(name).equal(tensor.to(stored)));
      }
    }
  }
}

TEST_CASE("q8_0 weights are within half a step of what they were made from") {
  const Checkpoint checkpoint = small_checkpoint();
  const Checkpoint again = read(gguf_of(checkpoint, GgufTensorType::q8_0));
  for (const auto& [name, tensor] : checkpoint.tensors) {
    INFO(name);
    REQUIRE(again.tensors.at(name).scalar_type() == at::kFloat);
    // Values lie in [-0.5, 0.5]: a step is at most 0.5 / 127, and the scale is rounded to f16.
    CHECK((again.tensors.at(name) - tensor).abs().max().item<float>() < 0.5 * 0.5 / 127 * 1.06);
  }
}

TEST_CASE("a value of a q8_0 block is its scale times its byte") {
  GgufFile file = gguf_of(small_checkpoint(), GgufTensorType::q8_0);
  for (GgufFileTensor& tensor : file.tensors) {
    if (tensor.name != "token_embd.weight") continue;
    ByteWriter block;
    block.number(std::uint16_t{0x3800});  // 0.5
    for (int i = 0; i < 32; ++i) block.number(static_cast<std::int8_t>(i * 8 - 128));
    tensor.bytes.replace(34, 34, block.bytes());
  }
  const at::Tensor row = read(file).tensors.at("model.embed_tokens.weight")[1];
  for (int i = 0; i < 32; ++i) CHECK(row[i].item<float>() == 0.5F * static_cast<float>(i * 8 - 128));
}

TEST_CASE("rotary scaling in a GGUF file's metadata and tensors is read") {
  GgufFile linear = gguf_of(small_checkpoint());
  linear.set("llama.rope.scaling.type", gguf_string("linear"));
  linear.set("llama.rope.scaling.factor", gguf_f32(4));
  CHECK(read(linear).config.rope_scaling.kind == RopeScalingKind::linear);
  CHECK(read(linear).config.rope_scaling.factor == 4);

  GgufFile old = gguf_of(small_checkpoint());
  old.set("llama.rope.scale_linear", gguf_f32(2));
  CHECK(read(old).config.rope_scaling.factor == 2);

  // Llama 3.1's: frequencies [1, 0.037, 0.0014, 5.2e-5] with theta 500,000 are kept, kept, blended and divided by 8.
  Checkpoint checkpoint = small_checkpoint();
  checkpoint.config.rope_theta = 500000;
  checkpoint.config.rope_scaling = {RopeScalingKind::llama3, 8, 1, 4, 8192};
  GgufFile llama3 = gguf_of(checkpoint);
  llama3.remove("llama.rope.scaling.original_context_length");
  const RopeScaling scaling = read(llama3).config.rope_scaling;
  CHECK(scaling.kind == RopeScalingKind::llama3);
  CHECK(scaling.factor == 8);
  CHECK(scaling.original_max_position_embeddings == 8192);

  checkpoint.config.rope_scaling.original_max_position_embeddings = 4096;
  CHECK(read(gguf_of(checkpoint)).config.rope_scaling.original_max_position_embeddings == 4096);

  llama3.tensors.back().bytes = ByteWriter().number(1.F).number(2.F).number(3.F).number(8.F).bytes();
  check_message(error_of_bytes(llama3.bytes()), "rope_freqs.weight: is another rotary scaling");
  // 17 halves are no whole number of f32 values.
  llama3.tensors.back() = {"rope_freqs.weight", GgufTensorType::f16, {17}, std::string(34, '\0')};
  check_message(error_of_bytes(llama3.bytes()), "rope_freqs.weight: has shape [17], 4 f32 values are wanted");
}

TEST_CASE("a Qwen2 and a LLaMA with biases or a window are told apart in a GGUF file") {
  ModelConfig config = small_checkpoint().config;
  config.query_key_value_bias = true;
  config.attention_output_bias = true;
  const Checkpoint llama = checkpoint_of(config);
  const Checkpoint llama_again = read(gguf_of(llama));
  CHECK(llama_again.config.architecture == Architecture::llama);
  CHECK(llama_again.config.attention_output_bias);
  for (const auto& [name, tensor] : llama.tensors) CHECK(llama_again.tensors.at(name).equal(tensor));

  config.architecture = Architecture::qwen2;
  config.attention_output_bias = false;
  const Checkpoint qwen2 = checkpoint_of(config);
  const Checkpoint qwen2_again = read(gguf_of(qwen2));
  CHECK(qwen2_again.config.architecture == Architecture::qwen2);
  CHECK_FALSE(qwen2_again.config.attention_output_bias);
  CHECK(qwen2_again.config.rope_theta == config.rope_theta);
  REQUIRE(qwen2_again.tensors.size() == qwen2.tensors.size());
  for (const auto& [name, tensor] : qwen2.tensors) CHECK(qwen2_again.tensors.at(name).equal(tensor));

  GgufFile incomplete = gguf_of(qwen2);
  std::erase_if(incomplete.tensors, [](const auto& tensor) { return tensor.name == "blk.1.attn_k.bias"; });
  check_message(error_of_bytes(incomplete.bytes()), "model.layers.1.self_attn.k_proj.bias: the tensor is missing");

  GgufFile windowed = gguf_of(small_checkpoint());
  windowed.set("llama.attention.sliding_window", gguf_u32(16));
  CHECK(read(windowed).config.architecture == Architecture::mistral);
  CHECK(read(windowed).config.sliding_window == 16);
  GgufFile both = gguf_of(llama);
  both.set("llama.attention.sliding_window", gguf_u32(16));
  check_message(error_of_bytes(both.bytes()), "llama.attention.sliding_window: a sliding window and biases");
}

TEST_CASE("special tokens of a GGUF file are read") {
  GgufFile file = gguf_of(small_checkpoint());
  file.set("tokenizer.ggml.eot_token_id", gguf_u32(7));
  CHECK(read(file).config.eos_token_ids == std::vector<std::int64_t>{2, 7});
  CHECK(read(file).config.bos_token_id == 1);
  file.set("tokenizer.ggml.add_bos_token", gguf_bool(false));
  CHECK(read(file).config.bos_token_id == -1);
  const Tokenizer tokenizer(read(file).tokenizer_model, "file");
  CHECK(tokenizer.bos() == -1);
  CHECK(tokenizer.vocab_size() == 259);
  CHECK(tokenizer.encode("a").size() == 4);  // the bytes of "▁a"
}

TEST_CASE("a damaged GGUF file is refused in one line") {
  const std::string good = gguf_of(small_checkpoint()).bytes();
  REQUIRE(error_of_bytes(good) == "no error");
  const auto with_number = [&](std::size_t at, std::uint64_t value) {
    std::string bytes = good;
    bytes.replace(at, sizeof(value), reinterpret_cast<const char*>(&value), sizeof(value));
    return error_of_bytes(bytes);
  };
  check_message(error_of_bytes(""), "the header is cut off");
  check_message(error_of_bytes("GGML"), "not a GGUF file");
  check_message(error_of_bytes(good.substr(0, 100)), "says that it has 16 metadata entries, more than the file can");
  check_message(error_of_bytes(good.substr(0, 300)), "the header is cut off");
  check_message(error_of_bytes(good.substr(0, good.size() - 1)), "lie outside of the file");
  check_message(with_number(8, UINT64_MAX), "tensors, more than the file can hold");
  check_message(with_number(16, UINT64_MAX), "metadata entries, more than the file can hold");
  check_message(with_number(24, UINT64_MAX), "the header is cut off");
  GgufFile version = gguf_of(small_checkpoint());
  version.version = 1;
  check_message(error_of_bytes(version.bytes()), "GGUF version 1 is not supported");
  // Every prefix fails, and none crashes.
  for (std::size_t size = 0; size < 6000; size += 101) CHECK(error_of_bytes(good.substr(0, size)) != "no error");
}

TEST_CASE("metadata of a GGUF file that is wrong or not supported is refused") {
  struct Case {
    const char* key;
    std::string stored;
    const char* message;
  };
  ByteWriter huge_array;
  huge_array.number(GgufType::array).number(GgufType::string).number(std::uint64_t{1} << 60);
  ByteWriter nested;
  nested.number(GgufType::array).number(GgufType::array).number(std::uint64_t{1});
  ByteWriter huge_string;
  huge_string.number(GgufType::string).number(UINT64_MAX);
  const Case cases[] = {
      {"general.architecture", gguf_string("mamba"), "general.architecture: \"mamba\" is not supported"},
      {"general.architecture", gguf_u32(1), "general.architecture: is of the wrong type"},
      {"general.alignment", gguf_u32(0), "general.alignment: makes no sense"},
      {"llama.expert_count", gguf_u32(8), "llama.expert_count: models of experts"},
      {"llama.attention.head_count", gguf_u32(0), "llama.attention.head_count: must be positive"},
      {"llama.attention.head_count", gguf_u32(5), "num_key_value_heads: 2 does not divide the 5"},
      {"llama.attention.key_length", gguf_u32(6), "self_attn.q_proj.weight: has shape"},
      {"llama.rope.dimension_count", gguf_u32(4), "llama.rope.dimension_count: differs from the head size of 8"},
      {"llama.embedding_length", gguf_u32(0), "hidden_size: is 0"},
      {"llama.embedding_length", gguf_u32(31), "has shape [266, 32], the configuration says [266, 31]"},
      {"llama.block_count", gguf_u32(UINT32_MAX), "num_hidden_layers: is 4294967295"},
      {"llama.block_count", gguf_u32(1), "model.layers.1.input_layernorm.weight: no such tensor"},
      {"llama.block_count", gguf_u32(3), "model.layers.2.input_layernorm.weight: the tensor is missing"},
      {"llama.rope.scaling.type", gguf_string("yarn"), "llama.rope.scaling.type: \"yarn\" is not supported; none"},
      {"llama.rope.scaling.type", gguf_string("longrope"), "llama.rope.scaling.type: \"longrope\""},
      {"llama.attn_logit_softcapping", gguf_f32(50), "llama.attn_logit_softcapping: is 50: not supported"},
      {"llama.final_logit_softcapping", gguf_f32(30), "llama.final_logit_softcapping: is 30"},
      {"llama.attention.scale", gguf_f32(0.5), "llama.attention.scale: is 0.5"},
      {"llama.embedding_scale", gguf_f32(12), "llama.embedding_scale: is 12"},
      {"llama.residual_scale", gguf_f32(2), "llama.residual_scale: is 2"},
      {"llama.logit_scale", gguf_f32(8), "llama.logit_scale: is 8"},
      {"general.architecture", gguf_string("qwen3"), "general.architecture: \"qwen3\" is not supported; llama and"},
      {"llama.vocab_size", gguf_u32(100), "model.embed_tokens.weight: has shape [266, 32]"},
      {"tokenizer.ggml.model", gguf_string("bert"), "tokenizer.ggml.model: \"bert\" is not supported"},
      {"tokenizer.ggml.tokens", gguf_u32(1), "tokenizer.ggml.tokens: is of the wrong type, an array"},
      {"tokenizer.ggml.tokens", gguf_strings({"<unk>"}), "tokenizer.ggml.scores: are more or fewer"},
      {"tokenizer.ggml.tokens", huge_array.bytes(), "elements in tokenizer.ggml.tokens, more than the file can hold"},
      {"tokenizer.ggml.scores", gguf_strings({"a"}), "tokenizer.ggml.scores: is an array of the wrong type"},
      {"tokenizer.ggml.bos_token_id", gguf_u32(300), "bos_token_id: is 300"},
      {"general.name", nested.bytes(), "general.name: an array of type 9"},
      {"general.name", huge_string.bytes(), "the header is cut off"},
      {"general.name", ByteWriter().number(std::uint32_t{77}).bytes(), "general.name: a value of type 77"},
      {"general.name", ByteWriter().number(GgufType::uint64).number(UINT64_MAX).bytes(), "is too large"},
  };
  for (const Case& bad : cases) {
    check_message(error_of_changed([&](GgufFile& file) { file.set(bad.key, bad.stored); }), bad.message);
  }
  check_message(error_of_changed([](GgufFile& file) { file.metadata.push_back(file.metadata.front()); }),
                "general.architecture: is there twice");
  check_message(error_of_changed([](GgufFile& file) { file.remove("llama.block_count"); }),
                "llama.block_count: is missing");
}

TEST_CASE("tensors of a GGUF file that do not fit are refused") {
  using File = GgufFile&;
  check_message(error_of_changed([](File file) { file.tensors.pop_back(); }), "the tensor is missing");
  check_message(error_of_changed([](File file) { file.tensors.push_back(file.tensors.front()); }), "is there twice");
  check_message(error_of_changed([](File file) { file.tensors[0].sizes = {}; }), "has 0 dimensions");
  check_message(error_of_changed([](File file) { file.tensors[0].sizes = {1, 1, 1, 1, 1}; }), "has 5 dimensions");
  check_message(error_of_changed([](File file) { file.tensors[0].sizes = {0}; }), "a size of 0 makes no sense");
  check_message(error_of_changed([](File file) { file.tensors[0].sizes = {1U << 30, 1U << 30}; }), "makes no sense");
  check_message(error_of_changed([](File file) { file.tensors[0].sizes = {UINT64_MAX, 2}; }), "makes no sense");
  check_message(error_of_changed([](File file) { file.tensors[0].sizes = {1U << 20}; }), "outside of the file");
  check_message(error_of_changed([](File file) { file.tensors[0].sizes[0] *= 2; }), "overlaps with another tensor's");
  check_message(error_of_changed([](File file) { file.tensors[0].name = "blk.x.attn_q.weight"; }),
                "model.layers.x.self_attn.q_proj.weight: no such tensor");
  check_message(error_of_changed([](File file) { file.tensors[0].type = static_cast<GgufTensorType>(16); }),
                "tensor type 16 is not supported");
  check_message(error_of_changed([](File file) {
                  file.tensors[0].type = GgufTensorType::q8_0;
                  file.tensors[0].sizes = {33};
                }),
                "rows of 33 do not fill blocks of 32");
}
