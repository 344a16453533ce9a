// Models as the harness sees them: something that answers requests and can be named exactly.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "model/engine.h"
#include "support/json.h"

namespace mathtrap {

struct OpenAiOptions;  // harness/openai_model.h

class ModelUnderTest {
 public:
  virtual ~ModelUnderTest() = default;

  /// What decides the replies, as far as it is known: {"name", "sha256", …}, of a server {"name", "url", "api"}.
  virtual const Json& description() const = 0;

  /// Throws Error when the model cannot be asked with these options.
  virtual void check_options(const GenerationOptions&) const {}

  /// The same model with an adapter (model/adapter.h); `adapter` is as --interventions gives it. Throws Error when the
  /// model cannot take one.
  virtual std::unique_ptr<ModelUnderTest> adapted(const std::string& adapter) const;

  /// Answers the requests in any order; see Engine::generate. A request to which no reply came is a completion too
  /// (FinishReason::error).
  virtual void answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) = 0;
};

/// Of the files that decide what a model says: weights, configuration and tokenizer, by name and content. A model card
/// does not count. `path` is a folder or one file; of an adapter's folder the base counts, too. Throws Error.
std::string model_sha256(const std::string& path);
/// Of an adapter alone, whatever base its folder names: it is added to the model under test.
std::string adapter_sha256(const std::string& folder);

/// A model run by this program's own engine. `name` is as --model gives it
/// (model/model_path.h). Throws Error.
std::unique_ptr<ModelUnderTest> open_embedded_model(const std::string& name, const EngineOptions& options);

/// Replies that a JSONL file holds: {"prompt", "reply", and as they are known "finish_reason", "prompt_tokens",
/// "completion_tokens"}, such as the samples.jsonl of a run. Several replies to one prompt are given in turn. Throws
/// Error on a broken file; answering throws it for a prompt that is not there.
std::unique_ptr<ModelUnderTest> open_replay_model(const std::string& name, const std::string& file);

/// "openai:URL#NAME", "replay:FILE" or a model for the engine. Throws Error.
std::unique_ptr<ModelUnderTest> open_model(const std::string& name, const EngineOptions& options);
std::unique_ptr<ModelUnderTest> open_model(const std::string& name, const EngineOptions& options,
                                           const OpenAiOptions& server_options);

/// Throws Error when there is no model of this name, without opening it.
void check_model_name(const std::string& name);

}  // namespace mathtrap
