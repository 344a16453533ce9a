// The loss, and how well held-out documents are predicted.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "finetune/batches.h"
#include "model/network.h"
#include "support/json.h"

namespace mathtrap {

/// Logits [m, vocab] f32 of the batch's positions that are learned, which take the place of options.positions.
at::Tensor learned_logits(const Network& network, const Batch& batch, TrainingForward options);

/// -log softmax(logits)[token] of each learned token, natural logarithm: [m].
at::Tensor losses_of(const at::Tensor& logits, const Batch& batch);

struct ValidationResult {
  std::string source;
  std::int64_t documents = 0;  ///< or windows of a text
  double loss = 0;             ///< mean over the learned tokens
  /// Share of documents whose every reply token is the likeliest: those that greedy generation gives. Not of a text.
  std::optional<double> exact;
};

/// Of the first documents of each source, so many as `most`; sources without documents are left out.
std::vector<ValidationResult> validate(const Network& network, const std::vector<BatchSource>& sources,
                                       std::int64_t batch_tokens, std::int64_t most);

/// {"original":{"documents","loss","exact"},…}; of a text {"windows","loss","perplexity"}.
Json validation_json(const std::vector<ValidationResult>& results);

}  // namespace mathtrap
