// Which documents are trained on when: a mix of sources, each shuffled anew every epoch, packed whole into flat
// batches.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "finetune/documents.h"
#include "finetune/packed_text.h"
#include "model/network.h"
#include "support/random.h"

namespace mathtrap {

/// Which tokens are learned: replies with the end-of-text behind them, or everything behind begin-of-text.
enum class LossOn { reply, all };

/// What is drawn from by one share of the mix: the documents of a kind, or the windows of a domain's text. Of text all
/// tokens are learned. What it refers to must outlive it.
struct BatchSource {
  std::string name;
  const DocumentSet* documents = nullptr;
  const PackedText* text = nullptr;  ///< instead of documents

  std::size_t size() const { return text != nullptr ? text->size() : documents->size(); }
  /// Tokens of one document or window.
  std::span<const TokenId> tokens(std::size_t index) const {
    return text != nullptr ? text->window_tokens(index) : documents->document(index);
  }
  /// Where it stands, for messages.
  std::string place(std::size_t index) const;
};

/// One source for each kind, in their order.
std::vector<BatchSource> sources_of(std::span<const DocumentSet> sets);

/// A document or window of a source.
struct DocumentPlace {
  std::size_t source = 0;
  std::size_t index = 0;
};

/// Documents side by side, flat, without padding and without attention across documents.
struct Batch {
  at::Tensor tokens;                         ///< [n] int64
  SequenceLayout layout;                     ///< where each document starts
  at::Tensor loss_positions;                 ///< [m] int64: positions whose next token is learned
  at::Tensor targets;                        ///< [m] int64: those next tokens
  std::string first_document;                ///< the place of the first one, for messages
  std::int64_t drawn = 0;                    ///< documents or windows of sources
  std::vector<std::int64_t> source_targets;  ///< how many targets, one after another, are of each place's source
  std::vector<std::size_t> sources;          ///< and which source that is
  std::int64_t documents() const { return static_cast<std::int64_t>(layout.starts.size()) - 1; }
};

/// These documents in this order as one batch.
Batch make_batch(const std::vector<BatchSource>& sources, const std::vector<DocumentPlace>& places,
                 LossOn loss_on = LossOn::reply);

/// An endless, repeatable stream of batches.
class BatchStream {
 public:
  /// `mix`: the share of each source. Throws Error when a source with a share above 0 has no documents.
  BatchStream(std::vector<BatchSource> sources, std::vector<double> mix, std::uint64_t seed,
              LossOn loss_on = LossOn::reply);

  /// Whole documents, at most `batch_tokens` in all (one document at least), and at most `documents` (0: any number).
  Batch next(std::int64_t batch_tokens, std::int64_t documents = 0);
  /// The same as places in the sources.
  std::vector<DocumentPlace> next_places(std::int64_t batch_tokens, std::int64_t documents = 0);

  const std::vector<BatchSource>& sources() const { return sources_; }
  const std::vector<double>& mix() const { return mix_; }
  /// Other shares from now on; a source whose share was 0 keeps it.
  void set_mix(const std::vector<double>& mix);

  /// Position in the stream, and the mix: a stream that takes it over goes on with the same batches.
  std::vector<std::int64_t> state() const;
  void restore(const std::vector<std::int64_t>& state);

 private:
  /// One source's place: which epoch, which document of its order.
  struct Cursor {
    std::int64_t epoch = 0;
    std::size_t next = 0;
    std::vector<std::int32_t> order;
  };

  void shuffle(std::size_t source);
  std::size_t draw_source();

  std::vector<BatchSource> sources_;
  std::vector<double> mix_;
  std::uint64_t seed_;
  LossOn loss_on_;
  Random random_;
  std::vector<Cursor> cursors_;
  std::int64_t waiting_source_ = -1;  ///< the source of the document that did not fit the last batch
};

}  // namespace mathtrap
