#include "finetune/pretrain.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <utility>

#include "finetune/trainer.h"
#include "model/checkpoint.h"
#include "model/network.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/json.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;
using Sets = std::array<DocumentSet, kDocumentKinds>;

/// What a training starts from.
struct Start {
  Network network;
  std::string tokenizer_model;
};

Start start_new(const PretrainOptions& options) {
  Start start;
  start.tokenizer_model = read_file(options.tokenizer);
  const Tokenizer tokenizer(start.tokenizer_model, options.tokenizer);
  ModelConfig config;
  config.hidden_size = options.shape.hidden_size;
  config.intermediate_size = options.shape.intermediate_size;
  config.num_hidden_layers = options.shape.layers;
  config.num_attention_heads = options.shape.heads;
  config.num_key_value_heads = options.shape.key_value_heads;
  config.head_dim = options.shape.heads > 0 ? options.shape.hidden_size / options.shape.heads : 0;
  config.vocab_size = tokenizer.vocab_size();
  config.max_position_embeddings = options.shape.context;
  config.tie_word_embeddings = true;
  config.bos_token_id = tokenizer.bos();
  config.eos_token_ids = {tokenizer.eos()};
  config.torch_dtype = "bfloat16";
  check_config(config, "the model's shape");
  start.network = random_network(config, options.seed);
  return start;
}

Start start_from(const PretrainOptions& options) {
  Checkpoint checkpoint = read_checkpoint(options.from);
  // Master weights are f32, and not the mapped file's own.
  for (auto& [name, tensor] : checkpoint.tensors) tensor = tensor.to(at::kFloat, false, true);
  checkpoint.config.torch_dtype = "bfloat16";
  return {make_network(checkpoint, "cpu"), checkpoint.tokenizer_model};
}

/// All that decides what is learned, so that a checkpoint of anything else is refused.
Json describe_training(const PretrainOptions& options, const Start& start) {
  Json json = Json::object();
  json["from"] = options.from;
  json["from_sha256"] = options.from.empty() ? "" : sha256_of_path(options.from);
  const ModelConfig& config = start.network.config;
  json["shape"] = {config.hidden_size,         config.intermediate_size,   config.num_hidden_layers,
                   config.num_attention_heads, config.num_key_value_heads, config.max_position_embeddings};
  json["tokenizer_sha256"] = sha256(start.tokenizer_model);
  for (const std::string& path : options.data) {
    json["data"].push_back({{"file", fs::path(path).filename().string()}, {"sha256", sha256_of_path(path)}});
  }
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    json["mix"][std::string(to_string(static_cast<DocumentKind>(kind)))] = options.documents.mix.at(kind);
  }
  json["hint_share"] = options.documents.hint_share;
  json["prompt_form"] = options.documents.prompt_form;
  json["hint"] = options.documents.hint;
  const OptimizerOptions& optimizer = options.optimizer;
  json["optimizer"] = {{"learning_rate", optimizer.learning_rate},
                       {"final_share", optimizer.final_share},
                       {"warmup_share", optimizer.warmup_share},
                       {"beta1", optimizer.beta1},
                       {"beta2", optimizer.beta2},
                       {"epsilon", optimizer.epsilon},
                       {"weight_decay", optimizer.weight_decay},
                       {"clip_norm", optimizer.clip_norm}};
  json["steps"] = options.limits.steps;
  json["tokens"] = options.limits.tokens;
  json["minutes"] = options.limits.seconds / 60;
  json["learn_prompts"] = options.learn_prompts;
  json["batch_tokens"] = options.batch_tokens;
  json["accumulate"] = options.accumulate;
  json["bf16"] = options.bf16;
  json["seed"] = options.seed;
  return json;
}

void check_options(const PretrainOptions& options) {
  if (options.data.empty()) throw Error("--data: at least one file is needed");
  if (options.output.empty()) throw Error("--out: a folder is needed");
  if (options.from.empty() == options.tokenizer.empty()) {
    throw Error("give --tokenizer for a new model, or --from to train a model on; not both");
  }
  const TrainingLimits& limits = options.limits;
  if (limits.steps < 0 || limits.tokens < 0 || limits.seconds < 0) throw Error("a limit must not be negative");
  if (limits.steps == 0 && limits.tokens == 0 && limits.seconds == 0) {
    throw Error("say how long to train: --tokens, --steps or --minutes");
  }
  if (options.batch_tokens < 1 || options.accumulate < 1 || options.validation_steps < 1) {
    throw Error("--batch-tokens, --accumulate and --validation-steps must be positive");
  }
  if (options.dtype != "bf16" && options.dtype != "f32") throw Error("--dtype is bf16 or f32");
  if (fs::exists(fs::path(options.output) / "config.json")) {
    throw Error(fmt::format("{}: already holds a model; choose another --out", options.output));
  }
}

void report_documents(const Sets& sets) {
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    const DocumentSet& set = sets.at(kind);
    const std::string_view name = to_string(static_cast<DocumentKind>(kind));
    if (set.size() != 0) {
      note(fmt::format("{}: {} documents, {} tokens", name, set.size(),
                       format_count(static_cast<double>(set.tokens.size()))));
    }
    if (set.too_long != 0)
      warn(fmt::format("{}: {} documents are longer than the context and left out", name, set.too_long));
    if (set.split_badly != 0)
      warn(fmt::format("{}: {} documents share a token between prompt and reply and are left out", name,
                       set.split_badly));
  }
}

void write_model(const PretrainOptions& options, const Network& network, const std::string& tokenizer_model) {
  Checkpoint checkpoint;
  checkpoint.config = network.config;
  checkpoint.tokenizer_model = tokenizer_model;
  for (const auto& [name, weight] : named_weights(network)) {
    checkpoint.tensors[name] = weight.detach().to(options.dtype == "f32" ? at::kFloat : at::kBFloat16);
  }
  write_hugging_face_folder(options.output, checkpoint);
}

}  // namespace

PretrainResult pretrain(const PretrainOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  check_options(options);
  Start start = options.from.empty() ? start_new(options) : start_from(options);
  const std::vector<std::int64_t>& ends = start.network.config.eos_token_ids;
  const Tokenizer tokenizer(start.tokenizer_model, options.tokenizer.empty() ? options.from : options.tokenizer,
                            ends.empty() ? -1 : static_cast<TokenId>(ends.front()));
  const std::int64_t context = start.network.config.max_position_embeddings;
  const Sets sets = tokenize_documents(options.data, options.documents, tokenizer, context);
  report_documents(sets);
  Sets held_out;
  if (!options.validation.empty())
    held_out = tokenize_documents({options.validation}, options.documents, tokenizer, context);
  Json description = describe_training(options, start);
  fs::create_directories(options.output);
  Trainer trainer({options, sets, held_out, hash64(description.dump()), begin}, std::move(start.network));
  PretrainResult result = trainer.run();
  if (!result.finished) return result;
  description["seen"] = {{"steps", result.spent.steps},
                         {"tokens", result.spent.tokens},
                         {"seconds", result.spent.seconds},
                         {"loss", result.loss},
                         {"validation", result.validation}};
  write_file_atomically(fs::path(options.output) / "training.json", description.dump(2) + "\n");
  write_model(options, trainer.network(), start.tokenizer_model);
  fs::remove_all(fs::path(options.output) / "checkpoints");
  return result;
}

}  // namespace mathtrap
