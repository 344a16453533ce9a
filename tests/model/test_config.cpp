// config.json: what is read, what is refused, and that it survives writing.
#include <fmt/format.h>

#include "model/config.h"
#include "support/error.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"

using namespace mathtrap;

namespace {

const char* const kMinimal = R"({
  "model_type": "llama", "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 5, "num_attention_heads": 8,
  "vocab_size": 512
})";

/// The minimal configuration with fields of a JSON object changed or added.
std::string with(const std::string& changes) {
  Json json = Json::parse(kMinimal);
  json.update(Json::parse(changes));
  return json.dump();
}

ModelConfig read(const std::string& json) {
  const ScratchFolder folder;
  return read_hugging_face_config(folder.write("config.json", json));
}

}  // namespace

TEST_CASE("a configuration has transformers' defaults where a field is absent") {
  const ModelConfig config = read(kMinimal);
  CHECK(config.head_dim == 8);
  CHECK(config.num_key_value_heads == 8);
  CHECK(config.max_position_embeddings == 2048);
  CHECK(config.rms_norm_eps == 1e-6);
  CHECK(config.rope_theta == 10000.0);
  CHECK(config.rope_scaling.kind == RopeScalingKind::none);
  CHECK_FALSE(config.tie_word_embeddings);
  CHECK(config.bos_token_id == 1);
  CHECK(config.eos_token_ids == std::vector<std::int64_t>{2});
  CHECK(config.torch_dtype == "float32");
}

TEST_CASE("null is the same as absent, and no begin-of-text where bos_token_id is null") {
  const ModelConfig config = read(with(R"({"head_dim": null, "num_key_value_heads": null, "rope_scaling": null,
                                           "bos_token_id": null, "eos_token_id": [2, 7]})"));
  CHECK(config.head_dim == 8);
  CHECK(config.num_key_value_heads == 8);
  CHECK(config.bos_token_id == -1);
  CHECK(config.eos_token_ids == std::vector<std::int64_t>{2, 7});
}

TEST_CASE("what a model does not have may be said of it") {
  const ModelConfig config = read(with(R"({"partial_rotary_factor": 1.0, "attn_logit_softcapping": null,
                                           "qk_layernorm": false, "mlp_bias": false, "quantization_config": null})"));
  CHECK(config.hidden_size == 64);
}

TEST_CASE("rotary scaling is read in each of its spellings") {
  const ModelConfig linear = read(with(R"({"rope_scaling": {"type": "linear", "factor": 2.0}})"));
  CHECK(linear.rope_scaling.kind == RopeScalingKind::linear);
  CHECK(linear.rope_scaling.factor == 2.0);

  const char* llama3 = R"("factor": 8.0, "low_freq_factor": 1.5, "high_freq_factor": 5.0,
                          "original_max_position_embeddings": 4096)";
  const ModelConfig old = read(with(fmt::format(R"({{"rope_scaling": {{"rope_type": "llama3", {}}}}})", llama3)));
  CHECK(old.rope_scaling.kind == RopeScalingKind::llama3);
  CHECK(old.rope_scaling.low_frequency_factor == 1.5);
  CHECK(old.rope_scaling.high_frequency_factor == 5.0);
  CHECK(old.rope_scaling.original_max_position_embeddings == 4096);

  const ModelConfig current = read(
      with(fmt::format(R"({{"rope_parameters": {{"rope_type": "llama3", "rope_theta": 500000.0, {}}}}})", llama3)));
  CHECK(current.rope_scaling.kind == RopeScalingKind::llama3);
  CHECK(current.rope_theta == 500000.0);

  CHECK(read(with(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 7.0}})")).rope_theta == 7.0);
}

TEST_CASE("a Mistral and a Qwen2 have the defaults of their own classes") {
  const ModelConfig mistral = read(with(R"({"model_type": "mistral", "architectures": ["MistralForCausalLM"]})"));
  CHECK(mistral.architecture == Architecture::mistral);
  CHECK(mistral.sliding_window == 4096);
  CHECK(mistral.first_windowed_layer == 0);
  CHECK(mistral.max_position_embeddings == 131072);
  CHECK_FALSE(mistral.query_key_value_bias);
  CHECK(read(with(R"({"model_type": "mistral", "sliding_window": null})")).sliding_window == 0);
  CHECK(read(with(R"({"model_type": "mistral", "sliding_window": 9})")).sliding_window == 9);

  const ModelConfig qwen2 = read(with(R"({"model_type": "qwen2", "num_key_value_heads": 2, "bos_token_id": 3,
                                          "sliding_window": 16, "max_window_layers": 1})"));
  CHECK(qwen2.architecture == Architecture::qwen2);
  CHECK(qwen2.query_key_value_bias);
  CHECK_FALSE(qwen2.attention_output_bias);
  CHECK(qwen2.sliding_window == 0);
  CHECK(qwen2.bos_token_id == -1);
  CHECK(qwen2.max_position_embeddings == 32768);

  const ModelConfig llama = read(with(R"({"attention_bias": true, "sliding_window": 4})"));
  CHECK(llama.query_key_value_bias);
  CHECK(llama.attention_output_bias);
  CHECK(llama.sliding_window == 0);
}

TEST_CASE("a Qwen2 says in two ways which layers have a window") {
  const std::string window = R"("model_type": "qwen2", "num_key_value_heads": 2, "use_sliding_window": true,
                                "sliding_window": 16)";
  const auto with_window = [&](const char* rest) { return read(with(fmt::format("{{{}{}}}", window, rest))); };
  CHECK(with_window(", \"max_window_layers\": 3").first_windowed_layer == 3);
  CHECK(with_window(", \"max_window_layers\": 3").sliding_window == 16);
  CHECK(with_window("").sliding_window == 0);  // the default of 28 layers without a window is more than there are
  const ModelConfig typed = with_window(R"(, "max_window_layers": 0, "layer_types": ["full_attention",
      "full_attention", "sliding_attention", "sliding_attention", "sliding_attention"])");
  CHECK(typed.first_windowed_layer == 2);
  CHECK(typed.sliding_window == 16);
  const std::string text = write_hugging_face_config(typed);
  CHECK(write_hugging_face_config(read(text)) == text);
  CHECK(read(text).first_windowed_layer == 2);
}

TEST_CASE("a written configuration reads back the same") {
  ModelConfig config = read(with(R"({"head_dim": 16, "num_key_value_heads": 2, "tie_word_embeddings": true,
                                     "rms_norm_eps": 1e-5, "eos_token_id": [2, 3], "bos_token_id": null})"));
  config.rope_scaling = {RopeScalingKind::llama3, 32, 1, 4, 8192};
  config.rope_theta = 500000;
  config.torch_dtype = "bfloat16";
  const std::string text = write_hugging_face_config(config);
  const ModelConfig again = read(text);
  CHECK(write_hugging_face_config(again) == text);
  CHECK(again.head_dim == 16);
  CHECK(again.num_key_value_heads == 2);
  CHECK(again.tie_word_embeddings);
  CHECK(again.rms_norm_eps == 1e-5);
  CHECK(again.rope_theta == 500000);
  CHECK(again.rope_scaling.kind == RopeScalingKind::llama3);
  CHECK(again.rope_scaling.factor == 32);
  CHECK(again.bos_token_id == -1);
  CHECK(again.eos_token_ids == std::vector<std::int64_t>{2, 3});
  CHECK(again.torch_dtype == "bfloat16");
}

TEST_CASE("a configuration that is wrong or not supported is refused, and the message names the field") {
  struct Case {
    const char* changes;
    const char* message;
  };
  const Case cases[] = {
      {R"({"model_type": "llama_moe"})", "the field \"num_experts\" is missing"},
      {R"({"model_type": "llama_moe", "architectures": null, "num_experts": 8, "num_selects": 2})",
       "num_experts: 8 does not cut intermediate_size 172 evenly"},
      {R"({"model_type": "llama_moe", "num_experts": 4, "num_selects": 5})",
       "num_selects: is 5, must be from 1 to the 4 experts"},
      {R"({"model_type": "llama_moe", "num_experts": 4, "num_selects": 2, "size_experts": [[43, 43, 43, 43]]})",
       "size_experts: lists 1 layers of 5"},
      {R"({"model_type": "llama_moe", "num_experts": 1000000000000, "num_selects": 2})", "num_experts"},
      {R"({"model_type": "llama_moe", "num_experts": 4, "num_selects": 2, "gate_type": "BestGate"})",
       "gate_type: \"BestGate\" is not supported; TopKBalancedNoisyGate"},
      {R"({"model_type": "llama_moe", "num_experts": 4, "num_selects": 2, "gate_type": "UniformPlainGate"})",
       "a UniformPlainGate takes all 4 experts"},
      {R"({"model_type": "llama_moe", "num_experts": 4, "num_selects": 2, "gate_network": "cnn"})",
       "gate_network: \"cnn\" is not supported; linear, mlp and analytic are"},
      {R"({"model_type": "llama_moe", "num_experts": 4, "num_selects": 2, "gate_use_softmax": false})",
       "gate_use_softmax: is false"},
      {R"({"model_type": "llama_moe", "num_experts": 4, "num_selects": 2, "calculator_type": "Abacus"})",
       "calculator_type: \"Abacus\" is not supported"},
      {R"({"model_type": "llama_moe", "num_experts": 4, "num_selects": 2, "score_scale_factor": [1, 2]})",
       "score_scale_factor: lists 2 layers of 5"},
      {R"({"model_type": "mixtral", "num_local_experts": 0})", "num_local_experts: is 0, must be from 1 to 65536"},
      {R"({"model_type": "mixtral", "num_hidden_layers": 4000, "num_local_experts": 60000})",
       "num_local_experts: 60000 experts in 4000 layers are too many"},
      {R"({"model_type": "mixtral", "use_attn_moe": true})", "use_attn_moe: is true; experts in attention"},
      {R"({"architectures": ["LlamaForSequenceClassification"]})", "architectures: is [\"LlamaForSeq"},
      {R"({"model_type": "gemma2"})",
       "model_type \"gemma2\" is not supported; llama, mistral, qwen2, llama_moe and mixtral are"},
      {R"({"model_type": "phi3"})",
       "model_type \"phi3\" is not supported; llama, mistral, qwen2, llama_moe and mixtral are"},
      {R"({"model_type": "qwen3"})",
       "model_type \"qwen3\" is not supported; llama, mistral, qwen2, llama_moe and mixtral are"},
      {R"({"model_type": "qwen2_moe"})",
       "model_type \"qwen2_moe\" is not supported; llama, mistral, qwen2, llama_moe and mixtral are"},
      {R"({"hidden_act": "gelu"})", "hidden_act: \"gelu\" is not supported, only silu is"},
      {R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor: only 1 is supported"},
      {R"({"attn_logit_softcapping": 50.0})", "attn_logit_softcapping: is not supported"},
      {R"({"final_logit_softcapping": 30})", "final_logit_softcapping: is not supported"},
      {R"({"query_pre_attn_scalar": 256})", "query_pre_attn_scalar: is not supported"},
      {R"({"attention_multiplier": 0.1})", "attention_multiplier: is not supported"},
      {R"({"embedding_multiplier": 12})", "embedding_multiplier: is not supported"},
      {R"({"residual_multiplier": 0.2})", "residual_multiplier: is not supported"},
      {R"({"logits_scaling": 8})", "logits_scaling: is not supported"},
      {R"({"use_qk_norm": true})", "use_qk_norm: is not supported"},
      {R"({"qk_layernorm": true})", "qk_layernorm: is not supported"},
      {R"({"alibi": true})", "alibi: is not supported"},
      {R"({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}})",
       "rope_scaling: \"yarn\" is not supported; default, linear and llama3 are"},
      {R"({"rope_scaling": {"type": "dynamic", "factor": 4.0}})", "rope_scaling: \"dynamic\" is not supported"},
      {R"({"rope_scaling": {"type": "longrope"}})", "rope_scaling: \"longrope\" is not supported"},
      {R"({"rope_parameters": {"rope_type": "yarn"}})", "rope_parameters: \"yarn\" is not supported"},
      {R"({"model_type": "mistral", "num_key_value_heads": 8, "attention_bias": true})", "attention_bias: "},
      {R"({"model_type": "mistral", "num_key_value_heads": 8, "sliding_window": 0})", "sliding_window: is 0"},
      {R"({"model_type": "mistral", "num_key_value_heads": 8, "layer_types": []})", "layer_types: is not supported"},
      {R"({"model_type": "mistral", "architectures": ["LlamaForCausalLM"]})", "[\"MistralForCausalLM\"] is supported"},
      {R"({"model_type": "qwen2"})", "num_key_value_heads: 32 does not divide"},
      {R"({"model_type": "qwen2", "use_sliding_window": true, "layer_types": ["full_attention"]})",
       "layer_types: a list of 5 layers' types"},
      {R"({"model_type": "qwen2", "use_sliding_window": true, "layer_types": ["sliding_attention", "full_attention",
           "full_attention", "full_attention", "full_attention"]})",
       "layer_types: layers with a sliding window before"},
      {R"({"model_type": "qwen2", "use_sliding_window": true, "layer_types": ["linear_attention", "full_attention",
           "full_attention", "full_attention", "full_attention"]})",
       "layer_types: \"linear_attention\" is not supported"},
      {R"({"model_type": "qwen2", "num_key_value_heads": 2, "use_sliding_window": true, "max_window_layers": -1})",
       "max_window_layers: is -1"},
      {R"({"mlp_bias": true})", "mlp_bias: "},
      {R"({"quantization_config": {"bits": 4}})", "quantization_config: "},
      {R"({"hidden_size": 0})", "hidden_size: is 0, must be positive"},
      {R"({"intermediate_size": -172})", "intermediate_size: is -172, must be positive"},
      {R"({"num_hidden_layers": 1000000})", "num_hidden_layers: is 1000000, at most"},
      {R"({"num_attention_heads": 0})", "num_attention_heads: is 0"},
      {R"({"num_attention_heads": 7})", "num_attention_heads: 7 does not divide hidden_size 64"},
      {R"({"num_key_value_heads": 3})", "num_key_value_heads: 3 does not divide"},
      {R"({"num_key_value_heads": 0})", "num_key_value_heads: is 0"},
      {R"({"head_dim": 7})", "head_dim: is 7, must be even"},
      {R"({"head_dim": "8"})", "\"head_dim\" is a string"},
      {R"({"hidden_size": 64.5})", "\"hidden_size\" is a number"},
      {R"({"vocab_size": 99999999999})", "vocab_size: is 99999999999, at most"},
      {R"({"vocab_size": 18446744073709551615})", "\"vocab_size\" is too large"},
      {R"({"vocab_size": 16777216, "hidden_size": 16777216})", "hidden_size, vocab_size: 16777216 times 16777216"},
      {R"({"max_position_embeddings": -1})", "max_position_embeddings: is -1"},
      {R"({"rms_norm_eps": 0})", "rms_norm_eps: is 0"},
      {R"({"rope_theta": -1.0})", "rope_theta: is -1"},
      {R"({"rope_scaling": {"type": "yarn", "factor": 2.0}})", "rope_scaling: \"yarn\" is not supported"},
      {R"({"rope_scaling": {"type": "linear"}})", "\"factor\" is missing"},
      {R"({"rope_scaling": {"type": "linear", "factor": 0}})", "rope_scaling.factor: is 0"},
      {R"({"rope_scaling": 3})", "rope_scaling: a JSON object is wanted"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
           "original_max_position_embeddings": 8192}})",
       "high_freq_factor: must be above"},
      {R"({"bos_token_id": 512})", "bos_token_id: is 512, outside the vocabulary of 512"},
      {R"({"eos_token_id": [2, -5]})", "eos_token_id: is -5"},
      {R"({"eos_token_id": [[2]]})", "eos_token_id: holds something"},
      {R"({"torch_dtype": "int8"})", "torch_dtype: \"int8\""},
  };
  for (const Case& bad : cases) {
    const std::string message = error_of([&] { read(with(bad.changes)); });
    INFO(bad.changes << "\n" << message);
    CHECK(contains(message, bad.message));
  }
  CHECK(contains(error_of([] { read("[1]"); }), "a JSON object is wanted"));
  CHECK(contains(error_of([] { read("{"); }), "not valid JSON"));
  CHECK(contains(error_of([] { read("{}"); }), "\"model_type\" is missing"));
}
