// Which documents are trained on when: a mix of kinds, each shuffled anew every epoch, packed whole into flat batches.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "finetune/documents.h"
#include "model/network.h"
#include "support/random.h"

namespace mathtrap {

/// Which tokens are learned: replies with the end-of-text behind them, or everything behind begin-of-text.
enum class LossOn { reply, all };

/// Documents side by side, flat, without padding and without attention across documents.
struct Batch {
  at::Tensor tokens;           ///< [n] int64
  SequenceLayout layout;       ///< where each document starts
  at::Tensor loss_positions;   ///< [m] int64: positions whose next token is learned
  at::Tensor targets;          ///< [m] int64: those next tokens
  std::string first_document;  ///< the place of the first one, for messages
  std::int64_t documents() const { return static_cast<std::int64_t>(layout.starts.size()) - 1; }
};

/// These documents in this order as one batch.
Batch make_batch(const std::vector<std::pair<const DocumentSet*, std::size_t>>& documents,
                 LossOn loss_on = LossOn::reply);

/// An endless, repeatable stream of batches.
class BatchStream {
 public:
  /// Throws Error when a kind with a share above 0 has no documents.
  BatchStream(const std::array<DocumentSet, kDocumentKinds>& sets, const std::array<double, kDocumentKinds>& mix,
              std::uint64_t seed, LossOn loss_on = LossOn::reply);

  /// Whole documents, at most `batch_tokens` in all (one document at least), and at most `documents` (0: any number).
  Batch next(std::int64_t batch_tokens, std::int64_t documents = 0);
  /// The same as places in the sets.
  std::vector<std::pair<const DocumentSet*, std::size_t>> next_documents(std::int64_t batch_tokens,
                                                                         std::int64_t documents = 0);

  /// Position in the stream: a stream that takes it over goes on with the same batches.
  std::vector<std::int64_t> state() const;
  void restore(const std::vector<std::int64_t>& state);

 private:
  /// One kind's place: which epoch, which document of its order.
  struct Cursor {
    std::int64_t epoch = 0;
    std::size_t next = 0;
    std::vector<std::int32_t> order;
  };

  void shuffle(std::size_t kind);
  std::size_t draw_kind();

  const std::array<DocumentSet, kDocumentKinds>& sets_;
  std::array<double, kDocumentKinds> mix_;
  std::uint64_t seed_;
  LossOn loss_on_;
  Random random_;
  std::array<Cursor, kDocumentKinds> cursors_;
  std::int64_t waiting_kind_ = -1;  ///< the kind of the document that did not fit the last batch
};

}  // namespace mathtrap
