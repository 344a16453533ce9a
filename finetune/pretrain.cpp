#include "finetune/pretrain.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <deque>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "finetune/batches.h"
#include "finetune/optimizer.h"
#include "finetune/training_checkpoint.h"
#include "model/checkpoint.h"
#include "model/network.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/interrupt.h"
#include "support/json.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;
using Sets = std::array<DocumentSet, kDocumentKinds>;
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

constexpr std::size_t kLossWindow = 100;           // steps whose mean loss is shown
constexpr std::size_t kValidationDocuments = 400;  // of each kind

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
Json describe_training(const PretrainOptions& options, const std::string& tokenizer_model) {
  Json json = Json::object();
  json["from"] = options.from;
  json["from_sha256"] = options.from.empty() ? "" : sha256_of_path(options.from);
  json["shape"] = {options.shape.hidden_size, options.shape.intermediate_size, options.shape.layers,
                   options.shape.heads,       options.shape.key_value_heads,   options.shape.context};
  json["tokenizer_sha256"] = sha256(tokenizer_model);
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
  json["tokens"] = options.tokens;
  json["batch_tokens"] = options.batch_tokens;
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
  if (options.tokens < 1 || options.batch_tokens < 1) throw Error("--tokens and --batch-tokens must be positive");
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

at::Tensor loss_of(const Network& network, const Batch& batch, bool bf16) {
  const at::Tensor logits = training_forward(network, batch.tokens, batch.layout, bf16);
  return at::cross_entropy_loss(logits.index_select(0, batch.loss_positions).to(at::kFloat), batch.targets);
}

/// The mean loss of each kind of held-out documents.
Json validation_losses(const Network& network, const Sets& sets, const PretrainOptions& options) {
  const at::NoGradGuard no_gradients;
  Json losses = Json::object();
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    const DocumentSet& set = sets.at(kind);
    double sum = 0;
    double targets = 0;
    std::vector<std::pair<const DocumentSet*, std::size_t>> pending;
    const auto flush = [&] {
      if (pending.empty()) return;
      const Batch batch = make_batch(pending);
      const auto count = static_cast<double>(batch.targets.size(0));
      sum += count * loss_of(network, batch, options.bf16).item<double>();
      targets += count;
      pending.clear();
    };
    std::int64_t used = 0;
    for (std::size_t i = 0; i < std::min(set.size(), kValidationDocuments); ++i) {
      const auto length = static_cast<std::int64_t>(set.document(i).size());
      if (used + length > options.batch_tokens) {
        flush();
        used = 0;
      }
      pending.emplace_back(&set, i);
      used += length;
    }
    flush();
    if (targets > 0) losses[std::string(to_string(static_cast<DocumentKind>(kind)))] = sum / targets;
  }
  return losses;
}

/// log.jsonl, cut back to what the checkpoint had seen.
class TrainingLog {
 public:
  TrainingLog(const fs::path& path, std::int64_t steps_done) {
    std::string kept;
    if (fs::exists(path)) {
      for_each_line(path, [&](std::string_view line, std::size_t number) {
        const Json entry = Json::parse(line, nullptr, false);
        if (entry.is_object() && json_int(entry, "step", {path.string(), number, ""}) <= steps_done) {
          kept += fmt::format("{}\n", line);
        }
      });
    }
    write_file_atomically(path, kept);
    file_.open(path, std::ios::app);
  }

  void write(const Json& entry) { file_ << entry.dump() << '\n' << std::flush; }

 private:
  std::ofstream file_;
};

class Trainer {
 public:
  Trainer(const PretrainOptions& options, Network network, const Sets& sets, const Sets& held_out,
          std::uint64_t fingerprint)
      : options_(options),
        network_(std::move(network)),
        weights_(prepare(network_)),
        optimizer_(weights_, options.optimizer),
        stream_(sets, options.documents.mix, options.seed),
        held_out_(held_out),
        checkpoints_((fs::path(options.output) / "checkpoints").string()),
        fingerprint_(fingerprint) {
    if (const auto state = read_training_checkpoint(checkpoints_, fingerprint_, state_tensors())) {
      step_ = state->step;
      tokens_ = state->tokens;
      optimizer_.restore(step_);
      stream_.restore(state->stream);
      note(fmt::format("going on from step {}", step_));
    }
  }

  PretrainResult run() {
    TrainingLog log(fs::path(options_.output) / "log.jsonl", step_);
    Progress progress("train", static_cast<std::uint64_t>(options_.tokens), "tokens");
    progress.start_at(static_cast<std::uint64_t>(tokens_));
    while (tokens_ < options_.tokens) {
      Json entry = step();
      if (held_out_[0].size() + held_out_[1].size() != 0 &&
          (step_ % options_.validation_steps == 0 || tokens_ >= options_.tokens)) {
        entry["validation"] = validation_losses(network_, held_out_, options_);
        note(fmt::format("step {}: held-out loss {}", step_, entry["validation"].dump()));
      }
      log.write(entry);
      progress.update(static_cast<std::uint64_t>(tokens_), fmt::format("step {}, loss {:.4f}", step_, mean_loss()));
      const bool stop = interrupted();
      if (stop || step_ % options_.checkpoint_steps == 0) save();
      if (stop) return {step_, tokens_, mean_loss(), false};
    }
    return {step_, tokens_, mean_loss(), true};
  }

  const Network& network() const { return network_; }

 private:
  static NamedTensors prepare(const Network& network) {
    NamedTensors weights = named_weights(network);
    for (auto& [name, weight] : weights) weight.requires_grad_(true);
    return weights;
  }

  NamedTensors state_tensors() const {
    NamedTensors tensors = weights_;
    for (auto& moment : optimizer_.moments()) tensors.push_back(std::move(moment));
    return tensors;
  }

  Json step() {
    const auto start = std::chrono::steady_clock::now();
    const Batch batch = stream_.next(options_.batch_tokens);
    const double progress = static_cast<double>(tokens_) / static_cast<double>(options_.tokens);
    // The first step is not wasted on a rate of 0.
    const double rate = learning_rate(options_.optimizer, std::max(progress, 1e-4));
    const at::Tensor loss_tensor = loss_of(network_, batch, options_.bf16);
    loss_tensor.backward();
    const double norm = optimizer_.step(rate);
    const auto loss = loss_tensor.item<double>();
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      throw Error(
          fmt::format("step {}: the loss is {}, the gradient's norm {}; the last good checkpoint is the newest in {}; "
                      "try a lower --learning-rate",
                      step_ + 1, loss, norm, checkpoints_));
    }
    ++step_;
    tokens_ += batch.tokens.size(0);
    losses_.push_back(loss);
    if (losses_.size() > kLossWindow) losses_.pop_front();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return {{"step", step_},
            {"tokens", tokens_},
            {"loss", loss},
            {"learning_rate", rate},
            {"gradient_norm", norm},
            {"tokens_per_second", std::round(static_cast<double>(batch.tokens.size(0)) / seconds)}};
  }

  double mean_loss() const {
    return losses_.empty() ? 0
                           : std::accumulate(losses_.begin(), losses_.end(), 0.0) / static_cast<double>(losses_.size());
  }

  void save() const {
    write_training_checkpoint(checkpoints_, {fingerprint_, step_, tokens_, stream_.state(), state_tensors()});
  }

  const PretrainOptions& options_;
  Network network_;
  NamedTensors weights_;
  AdamW optimizer_;
  BatchStream stream_;
  const Sets& held_out_;
  std::string checkpoints_;
  std::uint64_t fingerprint_;
  std::int64_t step_ = 0;
  std::int64_t tokens_ = 0;
  std::deque<double> losses_;
};

void write_model(const PretrainOptions& options, const Network& network, const std::string& tokenizer_model) {
  Checkpoint checkpoint;
  checkpoint.config = network.config;
  checkpoint.tokenizer_model = tokenizer_model;
  for (const auto& [name, weight] : named_weights(network)) {
    checkpoint.tensors[name] = weight.detach().to(at::kBFloat16);
  }
  write_hugging_face_folder(options.output, checkpoint);
}

}  // namespace

PretrainResult pretrain(const PretrainOptions& options) {
  check_options(options);
  Start start = options.from.empty() ? start_new(options) : start_from(options);
  const Tokenizer tokenizer(start.tokenizer_model, options.tokenizer.empty() ? options.from : options.tokenizer);
  const std::int64_t context = start.network.config.max_position_embeddings;
  const Sets sets = tokenize_documents(options.data, options.documents, tokenizer, context);
  report_documents(sets);
  Sets held_out;
  if (!options.validation.empty())
    held_out = tokenize_documents({options.validation}, options.documents, tokenizer, context);
  Json description = describe_training(options, start.tokenizer_model);
  fs::create_directories(options.output);
  Trainer trainer(options, std::move(start.network), sets, held_out, hash64(description.dump()));
  const PretrainResult result = trainer.run();
  if (!result.finished) return result;
  description["seen"] = {{"steps", result.steps}, {"tokens", result.tokens}, {"loss", result.loss}};
  write_file_atomically(fs::path(options.output) / "training.json", description.dump(2) + "\n");
  write_model(options, trainer.network(), start.tokenizer_model);
  fs::remove_all(fs::path(options.output) / "checkpoints");
  return result;
}

}  // namespace mathtrap
