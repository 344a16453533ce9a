// The loss, and how well held-out documents are predicted.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "finetune/batches.h"
#include "finetune/documents.h"
#include "model/network.h"
#include "support/json.h"

namespace mathtrap {

/// Logits [m, vocab] f32 of the batch's positions that are learned, which take the place of options.positions.
at::Tensor learned_logits(const Network& network, const Batch& batch, TrainingForward options);

/// Mean over the learned tokens of -log softmax(logits)[token], natural logarithm: a scalar.
at::Tensor loss_of(const at::Tensor& logits, const Batch& batch);

struct ValidationResult {
  std::int64_t documents = 0;
  double loss = 0;  ///< mean over the replies' tokens
  double exact =
      0;  ///< share of documents whose every reply token is the likeliest: those that greedy generation gives
};

/// Of the first documents of each kind.
std::array<ValidationResult, kDocumentKinds> validate(const Network& network,
                                                      const std::array<DocumentSet, kDocumentKinds>& sets,
                                                      std::int64_t batch_tokens);

/// {"original":{"documents","loss","exact"},…}; kinds without documents are left out.
Json validation_json(const std::array<ValidationResult, kDocumentKinds>& results);

}  // namespace mathtrap
