// Training a LLaMA from nothing, on from a checkpoint, or by an adapter beside its weights. This header names no
// LibTorch type.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "datasets/record.h"
#include "finetune/documents.h"
#include "finetune/domains.h"
#include "finetune/schedule.h"
#include "model/adapter_options.h"
#include "support/interrupt.h"
#include "support/json.h"

namespace mathtrap {

/// The shape of a new model, by default the shipped organism's; the vocabulary is the tokenizer's. Embedding and head
/// are tied.
struct NewModel {
  std::int64_t hidden_size = 192;
  std::int64_t intermediate_size = 512;
  std::int64_t layers = 6;
  std::int64_t heads = 6;
  std::int64_t key_value_heads = 6;
  std::int64_t context = 512;  ///< max_position_embeddings, and the longest document
};

/// Which weights a training without an adapter learns.
enum class LearnedWeights { all, gates, all_but_gates };

struct TrainingOptions {
  std::string from;  ///< a model to train on; empty: a new one of `shape`
  NewModel shape;
  std::string tokenizer;                  ///< a SentencePiece model; not with `from`
  std::optional<AdapterOptions> adapter;  ///< learn an adapter beside the weights of `from`, which stay as they are
  std::vector<std::string> data;          ///< files
  std::vector<Record> records;            ///< and problem records that lie in no file, such as instances of families
  std::string validation;                 ///< held-out file; empty: none
  std::vector<Record> validation_records;
  std::vector<Domain> domains;                  ///< running text; instead of `data` and `records`
  std::string domain_weights = "file";          ///< choose_weights
  std::string shards;                           ///< folder of the domains' token shards; empty: output/shards
  SamplingRule sampling = SamplingRule::fixed;  ///< of domains, or of kinds of documents
  std::int64_t update_steps = 0;  ///< steps between changes of the shares; 0: at each look at the held-out loss
  std::string reference;          ///< the model whose held-out losses are the rule's references
  std::int64_t validation_documents = 400;  ///< of each kind or domain (there windows) that a look takes
  LearnedWeights learned = LearnedWeights::all;
  std::int64_t gate_warmup_steps = 0;  ///< a training before this one, of the gates alone
  double bias_rate = 0;  ///< a step's change of the experts' selection biases; 0: none (finetune/expert_monitor.h)
  DocumentOptions documents;
  std::int64_t max_length = 0;  ///< longest document in tokens; 0: the model's context
  OptimizerOptions optimizer;
  TrainingLimits limits;                ///< one at least is needed
  double epochs = 0;                    ///< a limit too: passes over as many documents as the data hold; 0: none
  bool learn_prompts = false;           ///< learn prompts as well as replies
  std::int64_t batch_tokens = 8192;     ///< tokens of one batch, at most
  std::int64_t accumulate = 1;          ///< batches whose gradients make one step
  std::int64_t step_documents = 0;      ///< instead: so many documents make one step, in as many batches as they need
  std::int64_t checkpoint_steps = 250;  ///< steps between training checkpoints
  double checkpoint_seconds = 300;      ///< and the longest time between them
  std::int64_t kept_checkpoints = 2;    ///< the last so many are kept
  std::int64_t validation_steps = 250;  ///< steps between looks at the held-out loss
  bool keep_best = false;               ///< the finished model is the one with the lowest held-out loss
  std::int64_t patience = 0;            ///< stop after so many looks without a lower held-out loss; 0: never
  double spike = 2;                     ///< stop when the loss is so far above the mean of the last steps; 0: never
  bool recompute = false;               ///< activation checkpointing: less memory, a third more work
  bool bf16 = true;                     ///< products in bfloat16; weights, sums and the optimiser are f32 in any case
  std::string dtype = "bf16";           ///< of the finished model's weights: "bf16" or "f32"
  std::string output;                   ///< folder of the finished model
  std::uint64_t seed = 0;
  std::function<bool()> stop = interrupted;  ///< asked after each step
};

struct TrainingResult {
  TrainingSpent spent;
  double loss = 0;  ///< mean over the last 100 steps
  Json validation;  ///< at the end, {"original":{"documents","loss","exact"},…}; null without held-out file
  std::int64_t best_step = 0;  ///< with the lowest held-out loss; 0: there was no look
  bool finished = false;       ///< false: interrupted; the same command goes on
  bool reports = true;         ///< of several processes one alone says what came out
};

/// Trains and writes `output`: a folder in Hugging Face layout (of an adapter in PEFT's), training.json (arguments,
/// data hashes, what was seen), log.jsonl (one line a step) and left_out.jsonl (documents that did not fit, by their
/// places). While training, checkpoints lie in output/checkpoints; the same call goes on from the last one, with the
/// same losses as if it had not been interrupted. Throws Error on bad options or data, on a folder that holds another
/// training, and when the loss is no longer finite or leaps.
/// Where the environment says that this is one of several processes (finetune/process_place.h), they train together:
/// each takes its part of the batches of every step, and the model is that of one process. All must have the same
/// options and data; the first one alone writes.
TrainingResult train(const TrainingOptions& options);

/// The first documents as they would be trained on: one JSON object a document, {"kind","place","tokens","learned"
/// (how many), "text" with the learned part between ⟦ and ⟧}. At most `count`, in the order of training.
std::vector<Json> preview_training(const TrainingOptions& options, std::size_t count);

}  // namespace mathtrap
