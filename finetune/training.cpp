#include "finetune/training.h"

#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <span>
#include <utility>

#include "finetune/process_group.h"
#include "finetune/trainer.h"
#include "finetune/training_data.h"
#include "finetune/validation.h"
#include "model/adapter.h"
#include "model/checkpoint.h"
#include "model/model_path.h"
#include "model/network.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/json.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

const char* to_string(LearnedWeights learned) {
  if (learned == LearnedWeights::all) return "all";
  return learned == LearnedWeights::gates ? "gates" : "all but gates";
}

/// What a training starts from.
struct Start {
  Network network;
  std::string tokenizer_model;
};

Start start_new(const TrainingOptions& options) {
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

Start start_from(const TrainingOptions& options) {
  const std::string path = resolve_model_path(options.from);
  if (options.adapter && is_adapter_folder(path)) {
    throw Error(
        fmt::format("--from {}: is an adapter, which cannot be the base of another; give its base", options.from));
  }
  Checkpoint checkpoint = read_checkpoint(path);
  if (!options.adapter) {
    // Master weights are f32, and not the mapped file's own.
    for (auto& [name, tensor] : checkpoint.tensors) tensor = tensor.to(at::kFloat, false, true);
    checkpoint.config.torch_dtype = "bfloat16";
  }
  Start start{make_network(checkpoint, "cpu"), checkpoint.tokenizer_model};
  if (options.adapter) start.network.updates = new_updates(checkpoint.config, *options.adapter, options.seed);
  return start;
}

/// Gives the gates biases of selection where they have none; refuses what has no gates to learn or to even.
void prepare_gates(const TrainingOptions& options, Network& network) {
  MixtureConfig& mixture = network.config.mixture;
  const bool wanted = options.learned != LearnedWeights::all || options.bias_rate > 0;
  if (!wanted) return;
  if (mixture.is_dense())
    throw Error(fmt::format("--from {}: is no mixture of experts, it has no gates", options.from));
  if (options.learned == LearnedWeights::gates && mixture.gate_network == GateNetwork::none) {
    throw Error(fmt::format("--from {}: its gates have no weights that could be learned", options.from));
  }
  if (options.bias_rate == 0) return;
  if (network.config.architecture != Architecture::llama_moe) {
    throw Error(
        fmt::format("--bias-rate: a model of type mixtral, as {}, cannot hold biases of selection", options.from));
  }
  if (mixture.selection_bias) return;
  mixture.selection_bias = true;
  for (LayerWeights& layer : network.layers) {
    layer.mixture.gate.selection_bias = at::zeros({mixture.num_experts}, at::kFloat);
  }
}

Start start_training(const TrainingOptions& options) {
  Start start = options.from.empty() ? start_new(options) : start_from(options);
  prepare_gates(options, start.network);
  return start;
}

Tokenizer make_tokenizer(const Start& start, const TrainingOptions& options) {
  const std::vector<std::int64_t>& ends = start.network.config.eos_token_ids;
  return {start.tokenizer_model, options.tokenizer.empty() ? options.from : options.tokenizer,
          ends.empty() ? -1 : static_cast<TokenId>(ends.front())};
}

Json describe_adapter(const AdapterOptions& adapter) {
  Json json = {{"rank", adapter.rank}, {"alpha", adapter.alpha}, {"dropout", adapter.dropout}};
  for (const Projection target : adapter.targets) json["targets"].push_back(target_module(target));
  return json;
}

Json describe_optimizer(const OptimizerOptions& optimizer) {
  return {{"learning_rate", optimizer.learning_rate},
          {"schedule", to_string(optimizer.schedule)},
          {"final_share", optimizer.final_share},
          {"warmup_share", optimizer.warmup_share},
          {"beta1", optimizer.beta1},
          {"beta2", optimizer.beta2},
          {"epsilon", optimizer.epsilon},
          {"weight_decay", optimizer.weight_decay},
          {"clip_norm", optimizer.clip_norm}};
}

/// All that decides what is learned, so that a checkpoint of anything else is refused.
Json describe_training(const TrainingOptions& options, const Start& start) {
  Json json = Json::object();
  json["from"] = options.from;
  json["from_sha256"] = options.from.empty() ? "" : sha256_of_path(resolve_model_path(options.from));
  if (options.adapter) json["adapter"] = describe_adapter(*options.adapter);
  const ModelConfig& config = start.network.config;
  json["shape"] = {config.hidden_size,         config.intermediate_size,   config.num_hidden_layers,
                   config.num_attention_heads, config.num_key_value_heads, config.max_position_embeddings};
  json["tokenizer_sha256"] = sha256(start.tokenizer_model);
  json["data"] = describe_data(options);
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    json["mix"][std::string(to_string(static_cast<DocumentKind>(kind)))] = options.documents.mix.at(kind);
  }
  if (!options.domains.empty()) json["domain_weights"] = options.domain_weights;
  json["sampling"] = to_string(options.sampling);
  json["update_steps"] = options.update_steps;
  json["reference_sha256"] = options.reference.empty() ? "" : sha256_of_path(resolve_model_path(options.reference));
  json["validation_documents"] = options.validation_documents;
  json["learned"] = to_string(options.learned);
  json["gate_warmup_steps"] = options.gate_warmup_steps;
  json["bias_rate"] = options.bias_rate;
  json["hint_share"] = options.documents.hint_share;
  json["prompt_form"] = options.documents.prompt_form;
  json["hint"] = options.documents.hint;
  json["optimizer"] = describe_optimizer(options.optimizer);
  json["steps"] = options.limits.steps;
  json["tokens"] = options.limits.tokens;
  json["minutes"] = options.limits.seconds / 60;
  json["epochs"] = options.epochs;
  json["max_length"] = options.max_length;
  json["learn_prompts"] = options.learn_prompts;
  json["batch_tokens"] = options.batch_tokens;
  json["accumulate"] = options.accumulate;
  json["step_documents"] = options.step_documents;
  json["keep_best"] = options.keep_best;
  json["patience"] = options.patience;
  json["bf16"] = options.bf16;
  json["seed"] = options.seed;
  return json;
}

void check_options(const TrainingOptions& options) {
  const bool has_documents = !options.data.empty() || !options.records.empty();
  if (!has_documents && options.domains.empty()) throw Error("--data: at least one data set is needed");
  if (has_documents && !options.domains.empty()) throw Error("give --data or --domains, not both");
  if (options.from.empty() == options.tokenizer.empty()) {
    throw Error("give --tokenizer for a new model, or --from to train a model on; not both");
  }
  if (options.adapter && options.from.empty()) throw Error("an adapter needs a model that it adapts: give --from");
  if (options.batch_tokens < 1 || options.accumulate < 1 || options.validation_steps < 1) {
    throw Error("--batch-tokens, --accumulate and --validation-steps must be positive");
  }
  if (options.step_documents < 0 || options.max_length < 0 || options.kept_checkpoints < 1 || options.patience < 0) {
    throw Error("--step-documents, --max-length and --patience must not be negative, --keep-checkpoints not below 1");
  }
  if (options.validation_documents < 1 || options.update_steps < 0 || options.gate_warmup_steps < 0) {
    throw Error("--validation-documents must be positive, --update-steps and --gate-warmup not negative");
  }
  if (!(options.bias_rate >= 0 && options.bias_rate <= 1)) throw Error("--bias-rate is from 0 to 1");
  const bool holds_out = !options.validation.empty() || !options.validation_records.empty() ||
                         std::any_of(options.domains.begin(), options.domains.end(),
                                     [](const Domain& domain) { return !domain.validation.empty(); });
  if (!holds_out && (options.keep_best || options.patience > 0)) {
    throw Error("--keep-best and --patience need --validation");
  }
  if (options.dtype != "bf16" && options.dtype != "f32") throw Error("--dtype is bf16 or f32");
}

void check_duration_and_output(const TrainingOptions& options) {
  if (options.output.empty()) throw Error("--out: a folder is needed");
  if (fs::exists(fs::path(options.output) / "config.json") || is_adapter_folder(options.output)) {
    throw Error(fmt::format("{}: already holds a model; choose another --out", options.output));
  }
  const TrainingLimits& limits = options.limits;
  if (!(options.epochs >= 0) || limits.steps < 0 || limits.tokens < 0 || limits.seconds < 0)
    throw Error("a limit must not be negative");
  if (limits.steps == 0 && limits.tokens == 0 && limits.seconds == 0 && options.epochs == 0) {
    throw Error("say how long to train: --epochs, --tokens, --steps or --minutes");
  }
}

at::ScalarType written_type(const TrainingOptions& options) {
  return options.dtype == "f32" ? at::kFloat : at::kBFloat16;
}

void write_model(const TrainingOptions& options, const Network& network, const std::string& tokenizer_model) {
  Checkpoint checkpoint;
  checkpoint.config = network.config;
  checkpoint.tokenizer_model = tokenizer_model;
  for (const auto& [name, weight] : named_weights(network)) {
    checkpoint.tensors[name] = weight.detach().to(written_type(options));
  }
  write_hugging_face_folder(options.output, checkpoint);
}

void write_result(const TrainingOptions& options, const Network& network, const std::string& tokenizer_model) {
  if (!options.adapter) return write_model(options, network, tokenizer_model);
  Adapter adapter = {*options.adapter, options.from, network.updates};
  adapter.options.targets = targets_in(network.config, adapter.options.targets);
  write_adapter(options.output, adapter, written_type(options));
}

/// Pieces as they follow each other, with the control tokens that are no text.
std::string pieces_text(std::span<const TokenId> tokens, const Tokenizer& tokenizer) {
  std::string text;
  for (const TokenId token : tokens) {
    if (token == tokenizer.bos()) {
      text += "<begin>";
    } else if (token == tokenizer.eos()) {
      text += "<end>";
    } else {
      text += tokenizer.piece_text(token);
    }
  }
  return text;
}

Json preview_document(const BatchSource& source, std::size_t index, const Tokenizer& tokenizer,
                      const TrainingOptions& options) {
  const std::span<const TokenId> document = source.tokens(index);
  const bool learns_all = options.learn_prompts || source.text != nullptr;
  const std::size_t learned_from = learns_all ? 1 : static_cast<std::size_t>(source.documents->prompt_lengths[index]);
  return {{"kind", source.name},
          {"place", source.place(index)},
          {"tokens", document.size()},
          {"learned", document.size() - learned_from},
          {"text", fmt::format("{}⟦{}⟧", pieces_text(document.first(learned_from), tokenizer),
                               pieces_text(document.subspan(learned_from), tokenizer))}};
}

/// What is read before anything is trained.
struct Prepared {
  Start start;
  TrainingData data;
  TrainingLimits limits;
};

Prepared prepare(const TrainingOptions& options, ProcessGroup& group) {
  check_options(options);
  Prepared prepared{start_training(options), {}, options.limits};
  const Tokenizer tokenizer = make_tokenizer(prepared.start, options);
  const std::int64_t context = prepared.start.network.config.max_position_embeddings;
  if (options.max_length > context) {
    throw Error(fmt::format("--max-length {}: the model's context is {}", options.max_length, context));
  }
  const std::int64_t longest = options.max_length > 0 ? options.max_length : context;
  prepared.data = read_training_data(options, tokenizer, sha256(prepared.start.tokenizer_model), longest, group);
  std::size_t count = 0;
  for (const BatchSource& source : prepared.data.sources) count += source.size();
  prepared.limits.documents = static_cast<std::int64_t>(std::ceil(options.epochs * static_cast<double>(count)));
  return prepared;
}

/// What a dynamic mix compares held-out losses with, for each source; 0 where nothing is drawn.
std::vector<double> reference_losses(const TrainingOptions& options, const TrainingData& data,
                                     const std::string& tokenizer_model, ProcessGroup& group) {
  std::vector<double> references(data.sources.size(), 0);
  if (options.sampling == SamplingRule::fixed) return references;
  for (std::size_t i = 0; i < options.domains.size(); ++i) {
    references[i] = options.domains[i].reference_loss.value_or(0);
  }
  if (!options.reference.empty() && group.is_first()) {
    const Checkpoint reference = read_checkpoint(resolve_model_path(options.reference));
    if (reference.tokenizer_model != tokenizer_model) {
      throw Error(fmt::format(
          "--reference {}: has another tokenizer than the model that is trained, so that their losses cannot "
          "be compared",
          options.reference));
    }
    const Network network = make_network(reference, "cpu");
    const std::vector<ValidationResult> results =
        validate(network, data.held_out, options.batch_tokens, options.validation_documents);
    for (std::size_t i = 0; i < references.size(); ++i) {
      for (const ValidationResult& result : results) {
        if (result.source == data.sources[i].name) references[i] = result.loss;
      }
    }
  }
  group.broadcast(references);
  return references;
}

void check_processes(const TrainingOptions& options, const ProcessGroup& group) {
  if (options.step_documents > 0 && options.step_documents < group.size()) {
    throw Error(fmt::format("--step-documents {}: fewer documents in a step than the {} processes that share them",
                            options.step_documents, group.size()));
  }
  if (options.step_documents == 0 && options.accumulate < group.size()) {
    throw Error(
        fmt::format("--accumulate {}: fewer batches in a step than the {} processes that share them; give "
                    "--accumulate {} or a multiple, and a smaller --batch-tokens for as many tokens in a step",
                    options.accumulate, group.size(), group.size()));
  }
}

/// What the processes cannot have said to each other in their arguments.
void check_same_training(std::uint64_t fingerprint, ProcessGroup& group) {
  auto of_first = static_cast<std::int64_t>(fingerprint);
  group.broadcast(std::span(&of_first, 1));
  const bool differs = of_first != static_cast<std::int64_t>(fingerprint);
  if (group.any(differs)) {
    throw Error(
        "the processes of this training do not have the same arguments, model and data: look at what differs "
        "between their machines");
  }
}

TrainingResult train_together(const TrainingOptions& options, ProcessGroup& group) {
  const auto begin = std::chrono::steady_clock::now();
  check_duration_and_output(options);
  check_processes(options, group);
  Prepared prepared = prepare(options, group);
  Json description = describe_training(options, prepared.start);
  const std::uint64_t fingerprint = hash64(description.dump());
  check_same_training(fingerprint, group);
  if (group.is_first()) {
    fs::create_directories(options.output);
    report_data(prepared.data, options.output);
  }
  const std::string tokenizer_model = prepared.start.tokenizer_model;
  const TrainingData& data = prepared.data;
  const std::vector<double> references = reference_losses(options, data, tokenizer_model, group);
  Trainer trainer(
      {options, prepared.limits, data.sources, data.mix, data.held_out, references, fingerprint, begin, group},
      std::move(prepared.start.network));
  TrainingResult result = trainer.run();
  if (!result.finished || !group.is_first()) return result;
  description["seen"] = {
      {"steps", result.spent.steps},     {"tokens", result.spent.tokens}, {"documents", result.spent.documents},
      {"seconds", result.spent.seconds}, {"loss", result.loss},           {"best_step", result.best_step},
      {"validation", result.validation}};
  write_file_atomically(fs::path(options.output) / "training.json", description.dump(2) + "\n");
  write_result(options, trainer.network(), tokenizer_model);
  fs::remove_all(fs::path(options.output) / "checkpoints");
  return result;
}

/// The training of the gates that goes before another.
TrainingOptions gate_warmup(const TrainingOptions& options) {
  TrainingOptions first = options;
  first.learned = LearnedWeights::gates;
  first.output = (fs::path(options.output) / "gate-warmup").string();
  if (first.shards.empty()) first.shards = (fs::path(options.output) / "shards").string();
  first.limits = {};
  first.limits.steps = options.gate_warmup_steps;
  first.epochs = 0;
  first.gate_warmup_steps = 0;
  first.sampling = SamplingRule::fixed;
  first.keep_best = false;
  first.patience = 0;
  first.dtype = "f32";  // the master weights
  return first;
}

TrainingResult train_in_stages(const TrainingOptions& options, ProcessGroup& group) {
  if (options.gate_warmup_steps == 0) return train_together(options, group);
  if (options.adapter) throw Error("--gate-warmup: an adapter does not learn the gates");
  check_duration_and_output(options);
  const TrainingOptions first = gate_warmup(options);
  const bool is_done = fs::exists(fs::path(first.output) / "config.json");
  if (!group.any(group.is_first() && is_done)) {
    TrainingResult result = train_together(first, group);
    if (!result.finished) return result;
    // The others go on when the first has written the model.
    group.any(false);
  }
  TrainingOptions rest = options;
  rest.from = first.output;
  return train_together(rest, group);
}

}  // namespace

TrainingResult train(const TrainingOptions& options) {
  ProcessGroup group(read_process_place());
  // Notes and progress are those of one training, however many processes work on it.
  if (!group.is_first()) set_quiet(true);
  try {
    TrainingResult result = train_in_stages(options, group);
    group.finish();
    return result;
  } catch (const std::exception& error) {
    if (group.size() == 1) throw;
    throw Error(group.fail(error.what()));
  }
}

std::vector<Json> preview_training(const TrainingOptions& options, std::size_t count) {
  ProcessGroup alone;
  const Prepared prepared = prepare(options, alone);
  const Tokenizer tokenizer = make_tokenizer(prepared.start, options);
  BatchStream stream(prepared.data.sources, prepared.data.mix, options.seed);
  std::vector<Json> previews;
  while (previews.size() < count) {
    for (const DocumentPlace& place : stream.next_places(options.batch_tokens)) {
      if (previews.size() == count) break;
      previews.push_back(preview_document(stream.sources()[place.source], place.index, tokenizer, options));
    }
  }
  return previews;
}

}  // namespace mathtrap
