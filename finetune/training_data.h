// What a training draws from: documents of problems and instructions, or running text of domains; and what is held out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "finetune/batches.h"
#include "finetune/process_group.h"
#include "finetune/training.h"
#include "model/tokenizer.h"

namespace mathtrap {

/// It can be moved: the sources refer to what stands in its vectors.
struct TrainingData {
  std::vector<DocumentSet> documents;       ///< by kind
  std::vector<DocumentSet> held_documents;  ///< by kind
  std::vector<PackedText> texts;            ///< by domain
  std::vector<PackedText> held_texts;       ///< of the domains that have one
  std::vector<BatchSource> sources;
  std::vector<double> mix;  ///< shares of the sources
  std::vector<BatchSource> held_out;
};

/// Reads and tokenises all of it. `tokenizer_hash` and `longest` (of a document or window, in tokens) belong to the
/// tokenizer and model. Of several processes the first makes the shards of texts, and the others wait for it. Throws
/// Error naming file and line, or the option that is wrong.
TrainingData read_training_data(const TrainingOptions& options, const Tokenizer& tokenizer,
                                const std::string& tokenizer_hash, std::int64_t longest, ProcessGroup& group);

/// Names and hashes of all data.
Json describe_data(const TrainingOptions& options);

/// Says what the data hold, and names all that is left out in output/left_out.jsonl.
void report_data(const TrainingData& data, const std::string& output);

}  // namespace mathtrap
