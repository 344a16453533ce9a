#include "finetune/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <span>
#include <utility>

#include "finetune/process_group.h"
#include "finetune/trainer.h"
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
using Sets = std::array<DocumentSet, kDocumentKinds>;

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

Start start_training(const TrainingOptions& options) {
  return options.from.empty() ? start_new(options) : start_from(options);
}

Tokenizer make_tokenizer(const Start& start, const TrainingOptions& options) {
  const std::vector<std::int64_t>& ends = start.network.config.eos_token_ids;
  return {start.tokenizer_model, options.tokenizer.empty() ? options.from : options.tokenizer,
          ends.empty() ? -1 : static_cast<TokenId>(ends.front())};
}

Json describe_data(const TrainingOptions& options) {
  Json data = Json::array();
  for (const std::string& path : options.data) {
    data.push_back({{"file", fs::path(path).filename().string()}, {"sha256", sha256_of_path(path)}});
  }
  if (!options.records.empty()) {
    Sha256 hash;
    for (const Record& record : options.records) hash.update(write_json_record(record) + "\n");
    data.push_back({{"records", options.records.size()}, {"sha256", hash.finish()}});
  }
  return data;
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
  if (options.data.empty() && options.records.empty()) throw Error("--data: at least one data set is needed");
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
  const bool holds_out = !options.validation.empty() || !options.validation_records.empty();
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

/// The first of the places; all of them may be too many for a line.
std::string some_of(const std::vector<std::string>& places) {
  constexpr std::size_t kNamed = 3;
  const std::size_t shown = std::min(places.size(), kNamed);
  return fmt::format("{}{}", fmt::join(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     places.size() > shown ? ", …" : "");
}

/// Says what the data hold, and names all that is left out in left_out.jsonl.
void report_documents(const Sets& sets, const std::string& output) {
  std::string lines;
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    const DocumentSet& set = sets.at(kind);
    const std::string name(to_string(static_cast<DocumentKind>(kind)));
    if (set.size() != 0) {
      note(fmt::format("{}: {} documents, {} tokens", name, set.size(),
                       format_count(static_cast<double>(set.tokens.size()))));
    }
    const auto leave_out = [&](const std::vector<std::string>& places, const char* reason) {
      if (places.empty()) return;
      warn(fmt::format("{}: {} documents are left out, since {}: {}", name, places.size(), reason, some_of(places)));
      for (const std::string& place : places) {
        lines += Json{{"kind", name}, {"place", place}, {"reason", reason}}.dump() + "\n";
      }
    };
    leave_out(set.too_long, "they are longer than the longest length");
    leave_out(set.split_badly, "their prompt and reply share a token");
  }
  if (!lines.empty()) write_file_atomically(fs::path(output) / "left_out.jsonl", lines);
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

Json preview_document(const DocumentSet& set, std::size_t index, DocumentKind kind, const Tokenizer& tokenizer,
                      const TrainingOptions& options) {
  const std::span<const TokenId> document = set.document(index);
  const std::size_t learned_from = options.learn_prompts ? 1 : static_cast<std::size_t>(set.prompt_lengths[index]);
  return {{"kind", to_string(kind)},
          {"place", set.place(index)},
          {"tokens", document.size()},
          {"learned", document.size() - learned_from},
          {"text", fmt::format("{}⟦{}⟧", pieces_text(document.first(learned_from), tokenizer),
                               pieces_text(document.subspan(learned_from), tokenizer))}};
}

/// What is read before anything is trained.
struct Prepared {
  Start start;
  Sets documents;
  Sets held_out;
  TrainingLimits limits;
};

Prepared prepare(const TrainingOptions& options) {
  check_options(options);
  Prepared prepared{start_training(options), {}, {}, options.limits};
  const Tokenizer tokenizer = make_tokenizer(prepared.start, options);
  const std::int64_t context = prepared.start.network.config.max_position_embeddings;
  if (options.max_length > context) {
    throw Error(fmt::format("--max-length {}: the model's context is {}", options.max_length, context));
  }
  const std::int64_t longest = options.max_length > 0 ? options.max_length : context;
  prepared.documents = tokenize_documents(options.data, options.records, options.documents, tokenizer, longest);
  const std::vector<std::string> files =
      options.validation.empty() ? std::vector<std::string>{} : std::vector<std::string>{options.validation};
  prepared.held_out = tokenize_documents(files, options.validation_records, options.documents, tokenizer, longest);
  std::size_t count = 0;
  for (const DocumentSet& set : prepared.documents) count += set.size();
  prepared.limits.documents = static_cast<std::int64_t>(std::ceil(options.epochs * static_cast<double>(count)));
  return prepared;
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
  Prepared prepared = prepare(options);
  Json description = describe_training(options, prepared.start);
  const std::uint64_t fingerprint = hash64(description.dump());
  check_same_training(fingerprint, group);
  if (group.is_first()) {
    fs::create_directories(options.output);
    report_documents(prepared.documents, options.output);
  }
  const std::string tokenizer_model = prepared.start.tokenizer_model;
  Trainer trainer({options, prepared.limits, prepared.documents, prepared.held_out, fingerprint, begin, group},
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

}  // namespace

TrainingResult train(const TrainingOptions& options) {
  ProcessGroup group(read_process_place());
  // Notes and progress are those of one training, however many processes work on it.
  if (!group.is_first()) set_quiet(true);
  try {
    TrainingResult result = train_together(options, group);
    group.finish();
    return result;
  } catch (const std::exception& error) {
    if (group.size() == 1) throw;
    throw Error(group.fail(error.what()));
  }
}

std::vector<Json> preview_training(const TrainingOptions& options, std::size_t count) {
  const Prepared prepared = prepare(options);
  const Tokenizer tokenizer = make_tokenizer(prepared.start, options);
  BatchStream stream(prepared.documents, options.documents.mix, options.seed);
  std::vector<Json> previews;
  while (previews.size() < count) {
    for (const auto& [set, index] : stream.next_documents(options.batch_tokens)) {
      if (previews.size() == count) break;
      const auto kind = static_cast<std::size_t>(set - prepared.documents.data());
      previews.push_back(preview_document(*set, index, static_cast<DocumentKind>(kind), tokenizer, options));
    }
  }
  return previews;
}

}  // namespace mathtrap
