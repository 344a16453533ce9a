// mathtrap model: one model by hand. `info` describes it, `generate` completes prompts, `score` gives log-likelihoods.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "model/chat_template_source.h"
#include "model/engine.h"
#include "model/model_path.h"
#include "model/runtime.h"
#include "prompts/chat_template.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/json.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

struct ModelOptions {
  std::string model;
  std::string batch_size = "auto";
  EngineOptions engine;
};

struct GenerateOptions {
  ModelOptions model;
  std::vector<std::string> prompts;
  std::string prompt_file;
  GenerationOptions generation;
};

struct ScoreOptions {
  ModelOptions model;
  std::string prompt;
  std::string continuation;
  std::string file;
  std::string perplexity_file;
  std::int64_t window = 0;
};

int parse_batch_size(const std::string& text) {
  if (text == "auto") return 0;
  int size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size() || size < 1) {
    throw Error(fmt::format("--batch-size {}: it must be auto or a number from 1", text));
  }
  return size;
}

Engine open_engine(const ModelOptions& options, const CommonOptions& common) {
  prepare_runtime(common.threads);
  EngineOptions engine = options.engine;
  engine.batch_size = parse_batch_size(options.batch_size);
  return {resolve_model_path(options.model), engine};
}

/// Calls `take(object, place)` for every line of a JSONL file that is not empty.
void for_each_object(const std::string& path, const std::function<void(const Json& object, const Place& place)>& take) {
  for_each_line(path, [&](std::string_view text, std::size_t number) {
    if (text.find_first_not_of(" \t") == std::string_view::npos) return;
    const Place place = {path, number, ""};
    const Json object = parse_json(text, place);
    if (!object.is_object()) fail(place, "is no JSON object");
    take(object, place);
  });
}

Json describe(const ModelInfo& info) {
  const ModelConfig& config = info.config;
  Json json = {{"name", info.name},
               {"parameters", info.parameters},
               {"weight_bytes", info.weight_bytes},
               {"dtype", info.dtype},
               {"hidden_size", config.hidden_size},
               {"intermediate_size", config.intermediate_size},
               {"num_hidden_layers", config.num_hidden_layers},
               {"num_attention_heads", config.num_attention_heads},
               {"num_key_value_heads", config.num_key_value_heads},
               {"head_dim", config.head_dim},
               {"vocab_size", config.vocab_size},
               {"max_position_embeddings", config.max_position_embeddings},
               {"rope_theta", config.rope_theta},
               {"tie_word_embeddings", config.tie_word_embeddings}};
  if (config.mixture.is_dense()) return json;
  json["active_parameters"] = info.active_parameters;
  json["num_experts"] = config.mixture.num_experts;
  json["num_selects"] = config.mixture.num_selects;
  json["shared_neurons"] = config.mixture.shared_size;
  json["gate"] = gate_name(config.mixture.gate);
  return json;
}

/// Where the template was found, with its hash; "none" without one, and why a template cannot be used.
std::string describe_chat_template(const std::string& path) {
  const ChatTemplateSource source = read_chat_template_source(path);
  if (!source.text) return "none";
  std::string where = std::filesystem::path(source.place.file).filename().string();
  if (!source.place.field.empty()) where += fmt::format(", {}", source.place.field);
  try {
    parse_chat_template(*source.text, source.place);
  } catch (const Error& error) {
    return fmt::format("{}; not supported: {}", where, error.what());
  }
  return fmt::format("{}; sha256 {}", where, sha256(*source.text));
}

int show_info(const ModelOptions& options, const CommonOptions& common) {
  const std::string path = resolve_model_path(options.model);
  Json json = describe(read_model_info(path));
  json["chat_template"] = describe_chat_template(path);
  if (common.json) {
    fmt::print("{}\n", json.dump());
    return 0;
  }
  for (const auto& [field, value] : json.items()) {
    fmt::print("{:<24} {}\n", field, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return 0;
}

std::vector<GenerationRequest> read_requests(const GenerateOptions& options, std::uint64_t seed) {
  std::vector<std::string> prompts = options.prompts;
  if (!options.prompt_file.empty()) {
    for_each_object(options.prompt_file, [&](const Json& object, const Place& place) {
      prompts.push_back(json_string(object, "prompt", place));
    });
  }
  std::vector<GenerationRequest> requests;
  for (std::string& prompt : prompts) {
    requests.push_back({std::move(prompt), options.generation});
    requests.back().options.seed = seed;
  }
  return requests;
}

void print_completions(const std::vector<GenerationRequest>& requests, const std::vector<Completion>& completions,
                       bool as_json) {
  Json list = Json::array();
  for (std::size_t i = 0; i < completions.size(); ++i) {
    const Completion& completion = completions[i];
    if (!as_json && completions.size() > 1) {
      fmt::print("{}--- {}: {}, {} tokens\n", i == 0 ? "" : "\n", i + 1, to_string(completion.finish_reason),
                 completion.completion_tokens);
    }
    if (!as_json) fmt::print("{}\n", completion.text);
    list.push_back({{"prompt", requests[i].prompt},
                    {"text", completion.text},
                    {"finish_reason", to_string(completion.finish_reason)},
                    {"prompt_tokens", completion.prompt_tokens},
                    {"completion_tokens", completion.completion_tokens}});
  }
  if (as_json) fmt::print("{}\n", Json{{"completions", std::move(list)}}.dump());
}

int generate(const GenerateOptions& options, const CommonOptions& common) {
  const std::vector<GenerationRequest> requests = read_requests(options, common.seed);
  if (requests.empty()) throw Error("nothing to complete: give --prompt or --prompt-file");
  Engine engine = open_engine(options.model, common);
  std::size_t done = 0;
  std::vector<Completion> completions;
  {
    Progress progress("generate", requests.size(), "replies");
    completions = engine.generate(requests, [&](std::size_t /*index*/, const Completion& /*completion*/) {
      progress.update(++done);
      return true;
    });
  }
  if (done < requests.size()) {
    note(fmt::format("interrupted after {} of {} replies; nothing is shown", done, requests.size()));
    return 1;
  }
  print_completions(requests, completions, common.json);
  return 0;
}

int show_perplexity(const ScoreOptions& options, const CommonOptions& common) {
  const std::string text = read_file(options.perplexity_file);
  const Perplexity result = open_engine(options.model, common).perplexity(text, options.window);
  if (common.json) {
    fmt::print("{}\n", Json{{"perplexity", result.perplexity}, {"tokens", result.tokens}}.dump());
  } else {
    fmt::print("perplexity {:.4f} over {} tokens\n", result.perplexity, result.tokens);
  }
  return 0;
}

std::vector<ScoreRequest> read_pairs(const ScoreOptions& options) {
  std::vector<ScoreRequest> pairs;
  if (!options.file.empty()) {
    for_each_object(options.file, [&](const Json& object, const Place& place) {
      pairs.push_back({json_string(object, "prompt", place), json_string(object, "continuation", place)});
    });
  }
  if (!options.continuation.empty()) pairs.push_back({options.prompt, options.continuation});
  if (pairs.empty()) throw Error("nothing to score: give --prompt and --continuation, --file, or --perplexity");
  return pairs;
}

int score(const ScoreOptions& options, const CommonOptions& common) {
  if (!options.perplexity_file.empty()) return show_perplexity(options, common);
  const std::vector<ScoreRequest> pairs = read_pairs(options);
  const std::vector<Score> scores = open_engine(options.model, common).score(pairs);
  Json list = Json::array();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!common.json) {
      fmt::print("{:.6f} {} tokens{}\n", scores[i].logprob, scores[i].tokens, scores[i].greedy ? ", greedy" : "");
    }
    list.push_back({{"prompt", pairs[i].prompt},
                    {"continuation", pairs[i].continuation},
                    {"logprob", scores[i].logprob},
                    {"tokens", scores[i].tokens},
                    {"greedy", scores[i].greedy}});
  }
  if (common.json) fmt::print("{}\n", Json{{"scores", std::move(list)}}.dump());
  return 0;
}

void add_model_options(CLI::App& command, ModelOptions& options) {
  command
      .add_option("--model", options.model, "zoo:NAME, a folder in Hugging Face layout, a .gguf file, or a .pt file")
      ->required();
  command.add_option("--batch-size", options.batch_size, "Sequences computed at once, or auto")->capture_default_str();
  command.add_option("--device", options.engine.device, "cpu or cuda:N")->capture_default_str();
  command.add_option("--dtype", options.engine.dtype, "Format of the weights: auto (as stored), f32, bf16")
      ->capture_default_str();
}

void add_info(CLI::App& model, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<ModelOptions>();
  CLI::App* command = model.add_subcommand("info", "Describe a model");
  add_common_options(*command, common);
  command->add_option("model", options->model, "zoo:NAME, a folder in Hugging Face layout, a .gguf file, or a .pt file")
      ->required();
  command->callback(
      [options, &common, &action] { action = [options, &common] { return show_info(*options, common); }; });
}

void add_generate(CLI::App& model, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<GenerateOptions>();
  GenerationOptions& generation = options->generation;
  CLI::App* command = model.add_subcommand("generate", "Complete prompts");
  add_common_options(*command, common);
  add_model_options(*command, options->model);
  command->add_option("--prompt", options->prompts, "Text to complete; may be repeated")->allow_extra_args(false);
  command->add_option("--prompt-file", options->prompt_file, "JSONL with a field \"prompt\"");
  command->add_option("--max-new-tokens", generation.max_new_tokens, "Longest completion")->capture_default_str();
  command->add_option("--temperature", generation.temperature, "0: the likeliest token")->capture_default_str();
  command->add_option("--top-k", generation.top_k, "Only the k likeliest tokens; 0: all")->capture_default_str();
  command->add_option("--top-p", generation.top_p, "Only the likeliest tokens with this probability in all")
      ->capture_default_str();
  command->add_option("--min-p", generation.min_p, "Only tokens with this fraction of the likeliest's probability")
      ->capture_default_str();
  command->add_option("--stop", generation.stop, "The completion ends before this text; may be repeated")
      ->allow_extra_args(false);
  command->callback(
      [options, &common, &action] { action = [options, &common] { return generate(*options, common); }; });
}

void add_score(CLI::App& model, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App* command = model.add_subcommand("score", "Log-likelihood of continuations, or perplexity of a text");
  add_common_options(*command, common);
  add_model_options(*command, options->model);
  command->add_option("--prompt", options->prompt, "Text before the continuation");
  command->add_option("--continuation", options->continuation, "Text that is scored");
  command->add_option("--file", options->file, "JSONL with fields \"prompt\" and \"continuation\"");
  command->add_option("--perplexity", options->perplexity_file, "Text file whose perplexity is computed");
  command->add_option("--window", options->window, "Tokens of a window of --perplexity; 0: the model's context")
      ->capture_default_str();
  command->callback([options, &common, &action] { action = [options, &common] { return score(*options, common); }; });
}

}  // namespace

void add_model_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  CLI::App* model = program.add_subcommand("model", "One model by hand: what it is, completions, scores");
  model->require_subcommand(1);
  add_info(*model, common, action);
  add_generate(*model, common, action);
  add_score(*model, common, action);
  add_model_convert_command(*model, common, action);
}

}  // namespace mathtrap
