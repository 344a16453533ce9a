// Training a LLaMA from nothing, or on from a checkpoint. This header names no LibTorch type.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "finetune/documents.h"
#include "finetune/schedule.h"
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

struct PretrainOptions {
  std::string from;  ///< a model to train on; empty: a new one of `shape`
  NewModel shape;
  std::string tokenizer;  ///< a SentencePiece model or a tokenizer.json; not with `from`
  std::vector<std::string> data;
  std::string validation;  ///< held-out file; empty: none
  DocumentOptions documents;
  OptimizerOptions optimizer;
  TrainingLimits limits;                ///< one at least is needed
  bool learn_prompts = false;           ///< learn prompts as well as replies
  std::int64_t batch_tokens = 8192;     ///< tokens of one batch, at most
  std::int64_t accumulate = 1;          ///< batches whose gradients make one step
  std::int64_t checkpoint_steps = 250;  ///< steps between training checkpoints
  double checkpoint_seconds = 300;      ///< and the longest time between them
  std::int64_t validation_steps = 250;  ///< steps between looks at the held-out loss
  bool bf16 = true;                     ///< products in bfloat16; weights, sums and the optimiser are f32 in any case
  std::string dtype = "bf16";           ///< of the finished model's weights: "bf16" or "f32"
  std::string output;                   ///< folder of the finished model
  std::uint64_t seed = 0;
  std::function<bool()> stop = interrupted;  ///< asked after each step
};

struct PretrainResult {
  TrainingSpent spent;
  double loss = 0;        ///< mean over the last 100 steps
  Json validation;        ///< at the end, {"original":{"documents","loss","exact"},…}; null without held-out file
  bool finished = false;  ///< false: interrupted; the same command goes on
};

/// Trains and writes `output`: a folder in Hugging Face layout, training.json (arguments, data hashes, what was seen)
/// and log.jsonl (one line a step). While training, checkpoints lie in output/checkpoints; the same call goes on
/// from the last one, with the same losses as if it had not been interrupted. Throws Error on bad options or data, on a
/// folder that holds another training, and when the loss is no longer finite.
PretrainResult pretrain(const PretrainOptions& options);

}  // namespace mathtrap
