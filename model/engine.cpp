#include "model/engine.h"

#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <tuple>

#include "model/checkpoint.h"
#include "model/key_value_cache.h"
#include "model/network.h"
#include "model/sampling.h"
#include "model/scheduler/generation.h"
#include "model/scheduler/scoring.h"
#include "support/error.h"

namespace mathtrap {
namespace {

/// More sequences at once make each step slower and the whole hardly faster.
constexpr std::int64_t kLargestBatch = 64;
/// Of a card, whose free memory is not asked for, and of a machine that does not say what it has.
constexpr std::int64_t kDefaultCacheBytes = std::int64_t{4} << 30;

std::int64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    std::int64_t kilobytes = 0;
    if (word == "MemAvailable:" && file >> kilobytes) return kilobytes * 1024;
  }
  return 2 * kDefaultCacheBytes;
}

at::ScalarType chosen_type(const std::string& name, at::ScalarType stored) {
  if (name == "auto") return stored;
  if (name == "f32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  throw Error(fmt::format("dtype '{}' is unknown; use auto, f32 or bf16", name));
}

std::string type_name(at::ScalarType type) {
  if (type == at::kBFloat16) return "bf16";
  if (type == at::kHalf) return "f16";
  return "f32";
}

void convert(Checkpoint& checkpoint, const std::string& dtype) {
  for (auto& [name, tensor] : checkpoint.tensors) tensor = tensor.to(chosen_type(dtype, tensor.scalar_type()));
}

ModelInfo describe(const Network& network, const std::string& path) {
  ModelInfo info;
  info.config = network.config;
  // A path with a slash at its end has no file name.
  const std::filesystem::path whole = std::filesystem::path(path).lexically_normal();
  info.name = (whole.has_filename() ? whole.filename() : whole.parent_path().filename()).string();
  for (const auto& [name, weight] : named_weights(network)) {
    info.parameters += weight.numel();
    info.weight_bytes += weight.numel() * static_cast<std::int64_t>(weight.element_size());
  }
  info.active_parameters = info.parameters;
  const MixtureConfig& mixture = network.config.mixture;
  for (std::size_t i = 0; !mixture.is_dense() && i < network.layers.size(); ++i) {
    std::int64_t neurons = mixture.shared_size;
    for (const std::int64_t size : mixture.expert_sizes[i]) neurons += size;
    const double idle = static_cast<double>(neurons) - active_neurons(mixture, i);
    info.active_parameters -= std::llround(3 * idle * static_cast<double>(network.config.hidden_size));
  }
  info.dtype =
      type_name(network.layers.empty() ? network.embedding.scalar_type() : network.layers[0].query.scalar_type());
  return info;
}

/// What makes two requests equal.
auto key_of(const GenerationJob& job) {
  const GenerationOptions& options = job.options;
  return std::tuple(job.prompt, options.max_new_tokens, options.temperature, options.top_k, options.top_p,
                    options.min_p, options.temperature == 0 ? 0 : options.seed, options.stop);
}

std::size_t trailing_blanks(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return last == text.npos ? text.size() : text.size() - last - 1;
}

}  // namespace

ModelInfo read_model_info(const std::string& path) {
  return describe(make_network(read_checkpoint(path), "cpu"), path);
}

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::error:
      break;
  }
  return "error";
}

struct Engine::Implementation {
  Implementation(const Checkpoint& checkpoint, const std::string& path, const EngineOptions& engine_options)
      : options(engine_options),
        tokenizer(checkpoint.tokenizer_model, checkpoint.source),
        network(make_network(checkpoint, engine_options.device)),
        info(describe(network, path)) {
    const ModelConfig& config = network.config;
    bos = config.bos_token_id >= 0 ? static_cast<TokenId>(config.bos_token_id) : tokenizer.bos();
    end_tokens = config.eos_token_ids;
    if (end_tokens.empty() && tokenizer.eos() >= 0) end_tokens.push_back(tokenizer.eos());
    if (bos >= config.vocab_size) {
      fail({checkpoint.source, 0, "bos_token_id"},
           fmt::format("{} is outside the vocabulary of {}", bos, config.vocab_size));
    }
  }

  std::int64_t context() const { return network.config.max_position_embeddings; }

  /// Chat templates write begin-of-text themselves: it is not put in front again.
  std::vector<TokenId> with_bos(std::vector<TokenId> tokens) const {
    if (bos >= 0 && (tokens.empty() || tokens.front() != bos)) tokens.insert(tokens.begin(), bos);
    return tokens;
  }

  std::vector<TokenId> prompt_of(const GenerationRequest& request) const {
    return with_bos(tokenizer.encode(request.prompt, SpecialTokens::parsed, request.plain_text));
  }

  /// Stop strings that are control tokens.
  std::vector<TokenId> stop_tokens(std::span<const std::string> stops) const {
    std::vector<TokenId> tokens;
    for (const std::string& stop : stops) {
      const std::vector<TokenId> ids = tokenizer.encode(stop, SpecialTokens::parsed);
      if (ids.size() == 1 && tokenizer.piece_text(ids.front()).empty()) tokens.push_back(ids.front());
    }
    return tokens;
  }

  /// Limits for sequences of at most `longest` tokens.
  BatchLimits limits(std::int64_t longest) const {
    BatchLimits result;
    const bool on_cpu = network.embedding.is_cpu();
    result.cache_bytes = on_cpu ? available_memory() / 2 : kDefaultCacheBytes;
    result.longest_sequence = longest;
    result.chunk_tokens = options.chunk_tokens;
    const std::int64_t each = std::max<std::int64_t>(1, longest * key_value_bytes_per_token(network.config));
    result.sequences = options.batch_size > 0 ? options.batch_size
                                              : std::clamp<std::int64_t>(result.cache_bytes / each, 1, kLargestBatch);
    return result;
  }

  GenerationJob job_of(const GenerationRequest& request, std::size_t index) const {
    check_generation_options(request.options);
    GenerationJob job;
    job.prompt = prompt_of(request);
    job.empty_prompt = job.prompt.empty() || (job.prompt.size() == 1 && job.prompt.front() == bos);
    job.options = request.options;
    job.stop_tokens = stop_tokens(request.options.stop);
    const auto length = static_cast<std::int64_t>(job.prompt.size());
    if (job.prompt.empty())
      throw Error(fmt::format("prompt {}: is empty, and the model has no begin-of-text", index + 1));
    if (length >= context()) {
      throw Error(fmt::format("prompt {}: {} tokens do not fit the model's context of {} with a new one; shorten it",
                              index + 1, length, context()));
    }
    job.longest = std::min(context(), length + request.options.max_new_tokens);
    return job;
  }

  ScoringJob job_of(const ScoreRequest& request, std::size_t index) const;
  std::vector<Score> score(std::span<const ScoringJob> jobs) const;

  EngineOptions options;
  Tokenizer tokenizer;
  Network network;
  ModelInfo info;
  TokenId bos = -1;
  std::vector<std::int64_t> end_tokens;
};

ScoringJob Engine::Implementation::job_of(const ScoreRequest& request, std::size_t index) const {
  // Blanks between prompt and continuation belong to the continuation: pieces begin with a blank, they do not end in
  // one.
  const std::size_t blanks = trailing_blanks(request.prompt);
  const std::string_view prompt = std::string_view(request.prompt).substr(0, request.prompt.size() - blanks);
  ScoringJob job;
  job.tokens = with_bos(tokenizer.encode(request.prompt + request.continuation, SpecialTokens::parsed));
  job.from = static_cast<std::int64_t>(with_bos(tokenizer.encode(prompt, SpecialTokens::parsed)).size());
  const auto length = static_cast<std::int64_t>(job.tokens.size());
  job.from = std::min(job.from, length);
  if (job.from < 1) {
    throw Error(
        fmt::format("pair {}: nothing stands before the continuation, and the model has no begin-of-text", index + 1));
  }
  if (length > context()) {
    throw Error(fmt::format("pair {}: {} tokens do not fit the model's context of {}; shorten it", index + 1, length,
                            context()));
  }
  return job;
}

std::vector<Score> Engine::Implementation::score(std::span<const ScoringJob> jobs) const {
  std::int64_t longest = 1;
  for (const ScoringJob& job : jobs) longest = std::max(longest, static_cast<std::int64_t>(job.tokens.size()));
  return run_scoring(network, jobs, limits(longest));
}

Engine::Engine(const std::string& path, const EngineOptions& options) {
  const at::NoGradGuard no_gradients;
  if (options.batch_size < 0) throw Error("batch size is below 0; use 0 for one that fits");
  if (options.chunk_tokens < 1) throw Error("chunk of tokens is below 1");
  Checkpoint checkpoint = options.adapter.empty() ? read_checkpoint(path) : read_adapted(options.adapter, path);
  convert(checkpoint, options.dtype);
  implementation_ = std::make_unique<Implementation>(checkpoint, path, options);
}

Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;

const ModelInfo& Engine::info() const {
  return implementation_->info;
}
const Tokenizer& Engine::tokenizer() const {
  return implementation_->tokenizer;
}

std::int64_t Engine::prompt_tokens(const GenerationRequest& request) const {
  return static_cast<std::int64_t>(implementation_->prompt_of(request).size());
}

std::vector<Completion> Engine::generate(std::span<const GenerationRequest> requests,
                                         const OnCompletion& on_completion) {
  const at::NoGradGuard no_gradients;
  // Equal requests are one job; in the order of their tokens jobs that begin the same follow each other.
  std::map<decltype(key_of({})), std::vector<std::size_t>> equal;
  std::vector<GenerationJob> all;
  std::int64_t longest = 1;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    all.push_back(implementation_->job_of(requests[i], i));
    equal[key_of(all.back())].push_back(i);
    longest = std::max(longest, all.back().longest);
  }
  std::vector<GenerationJob> jobs;
  std::vector<std::vector<std::size_t>> members;
  for (auto& [key, indices] : equal) {
    jobs.push_back(std::move(all[indices.front()]));
    members.push_back(std::move(indices));
  }
  std::vector<Completion> completions(requests.size());
  const auto done = [&](std::size_t job, const Completion& completion) {
    for (const std::size_t index : members[job]) {
      completions[index] = completion;
      if (on_completion && !on_completion(index, completion)) return false;
    }
    return true;
  };
  run_generation(implementation_->network, implementation_->tokenizer, jobs, implementation_->end_tokens,
                 implementation_->limits(longest), done);
  return completions;
}

std::vector<Score> Engine::score(std::span<const ScoreRequest> requests) {
  const at::NoGradGuard no_gradients;
  std::vector<ScoringJob> jobs;
  for (std::size_t i = 0; i < requests.size(); ++i) jobs.push_back(implementation_->job_of(requests[i], i));
  return implementation_->score(jobs);
}

Perplexity Engine::perplexity(std::string_view text, std::int64_t window) {
  const at::NoGradGuard no_gradients;
  const TokenId begin = implementation_->bos >= 0 ? implementation_->bos : implementation_->tokenizer.eos();
  if (begin < 0)
    throw Error("the model has neither begin-of-text nor end-of-text, so a first token has no probability");
  const std::int64_t context = implementation_->context();
  const std::int64_t size = window == 0 ? context : window;
  if (size < 2 || size > context)
    throw Error(fmt::format("window of {} tokens: from 2 to {} are possible", size, context));
  const std::vector<TokenId> tokens = implementation_->tokenizer.encode(text);
  if (tokens.empty()) throw Error("the text is empty: it has no perplexity");
  std::vector<ScoringJob> jobs;
  const auto step = static_cast<std::size_t>(size - 1);
  for (std::size_t first = 0; first < tokens.size(); first += step) {
    ScoringJob job;
    job.tokens.push_back(begin);
    const std::size_t end = std::min(tokens.size(), first + step);
    job.tokens.insert(job.tokens.end(), tokens.begin() + static_cast<std::ptrdiff_t>(first),
                      tokens.begin() + static_cast<std::ptrdiff_t>(end));
    jobs.push_back(std::move(job));
  }
  double logprob = 0;
  for (const Score& score : implementation_->score(jobs)) logprob += score.logprob;
  return {std::exp(-logprob / static_cast<double>(tokens.size())), static_cast<std::int64_t>(tokens.size())};
}

}  // namespace mathtrap
