// The generation engine: takes all requests at once, answers each the same whatever else is in the batch. This header
// names no LibTorch type, so that the harness and the command line compile without it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/tokenizer.h"
#include "support/text_span.h"

namespace mathtrap {

/// How one reply is drawn. Filters apply in the order temperature, top-k, top-p, min-p.
struct GenerationOptions {
  int max_new_tokens = 256;
  double temperature = 0;  ///< 0: greedy
  int top_k = 0;           ///< 0: all tokens
  double top_p = 1;        ///< smallest set of tokens with this probability in all
  double min_p = 0;        ///< drop tokens below this fraction of the likeliest one's probability
  std::uint64_t seed = 0;
  std::vector<std::string> stop;  ///< the reply ends before the first of these, as text or as a special token
};

struct GenerationRequest {
  /// Tokenised with one begin-of-text in front, its own or, where the model has one, another; special tokens count.
  std::string prompt;
  GenerationOptions options;
  std::vector<TextSpan> plain_text = {};  ///< parts of the prompt, in order, in which "<|im_end|>" is no special token
};

enum class FinishReason {
  stop,
  length,  ///< the token limit
  error,   ///< no reply came; only of models that run elsewhere
};
std::string_view to_string(FinishReason reason);

struct Completion {
  std::string text;  ///< the completion alone
  FinishReason finish_reason = FinishReason::length;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::string error = {};  ///< why no reply came; FinishReason::error only
};

struct ScoreRequest {
  std::string prompt;
  std::string continuation;
};

struct Score {
  double logprob = 0;  ///< natural logarithm of the continuation's probability given the prompt
  std::int64_t tokens = 0;
  bool greedy = false;  ///< every token of the continuation is the likeliest one
};

struct Perplexity {
  double perplexity = 0;  ///< exp of the mean negative log-likelihood over `tokens`
  std::int64_t tokens = 0;
};

struct EngineOptions {
  std::string device = "cpu";       ///< "cpu" or "cuda:N"
  int batch_size = 0;               ///< sequences decoded at once; 0: chosen from memory and sizes
  std::string dtype = "auto";       ///< "auto": as stored, "f32", "bf16"
  std::string adapter;              ///< folder of an adapter that is added to the weights; empty: none
  std::int64_t chunk_tokens = 512;  ///< prompt tokens in one forward pass; the replies do not depend on it
};

struct ModelInfo {
  ModelConfig config;
  std::string name;  ///< the last part of the path
  std::int64_t parameters = 0;
  std::int64_t active_parameters = 0;  ///< that a token uses: of a mixture of experts those of its chosen experts
  std::int64_t weight_bytes = 0;
  std::string dtype;
};

/// Of a model that need not have a tokenizer. Throws Error.
ModelInfo read_model_info(const std::string& path);

class Engine {
 public:
  /// `path`: a Hugging Face folder, a .gguf file, or a PyTorch file with its tokenizer beside it. Throws Error.
  Engine(const std::string& path, const EngineOptions& options);
  ~Engine();
  Engine(Engine&&) noexcept;

  const ModelInfo& info() const;
  const Tokenizer& tokenizer() const;

  /// With begin-of-text.
  std::int64_t prompt_tokens(const GenerationRequest& request) const;

  /// Called with a request's index as soon as its completion is final. Return false to stop: the rest is left undone.
  using OnCompletion = std::function<bool(std::size_t index, const Completion& completion)>;

  /// Completions in the order of the requests. A prompt that with one new token does not fit the context throws Error
  /// before any work. A reply that reaches the context's end finishes with FinishReason::length.
  std::vector<Completion> generate(std::span<const GenerationRequest> requests, const OnCompletion& on_completion);

  /// Log-likelihoods in the order of the requests. The continuation's tokens are those of encode(prompt + continuation)
  /// behind the prompt's (as lm-evaluation-harness does).
  std::vector<Score> score(std::span<const ScoreRequest> requests);

  /// Of a text, in windows of the model's context (at most `window` tokens; 0: the context), each begun with
  /// begin-of-text, every token scored once.
  Perplexity perplexity(std::string_view text, std::int64_t window);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace mathtrap
