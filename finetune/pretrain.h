// Training a LLaMA from nothing, or on from a checkpoint. This header names no LibTorch type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "finetune/documents.h"
#include "finetune/schedule.h"

namespace mathtrap {

/// The shape of a new model; the vocabulary is the tokenizer's. Embedding and head are tied.
struct NewModel {
  std::int64_t hidden_size = 256;
  std::int64_t intermediate_size = 688;
  std::int64_t layers = 6;
  std::int64_t heads = 4;
  std::int64_t key_value_heads = 4;
  std::int64_t context = 512;  ///< max_position_embeddings, and the longest document
};

struct PretrainOptions {
  std::string from;  ///< a model to train on; empty: a new one of `shape`
  NewModel shape;
  std::string tokenizer;  ///< a SentencePiece model; not with `from`
  std::vector<std::string> data;
  std::string validation;  ///< held-out file; empty: none
  DocumentOptions documents;
  OptimizerOptions optimizer;
  std::int64_t tokens = 10'000'000;     ///< tokens to train on, prompts included
  std::int64_t batch_tokens = 8192;     ///< tokens of one step, at most
  std::int64_t checkpoint_steps = 250;  ///< steps between training checkpoints
  std::int64_t validation_steps = 250;  ///< steps between looks at the held-out loss
  bool bf16 = true;                     ///< products in bfloat16; weights, sums and the optimiser are f32 in any case
  std::string output;                   ///< folder of the finished model
  std::uint64_t seed = 0;
};

struct PretrainResult {
  std::int64_t steps = 0;
  std::int64_t tokens = 0;
  double loss = 0;       ///< mean over the last 100 steps
  bool finished = true;  ///< false: interrupted; the same command goes on
};

/// Trains and writes `output`: a folder in Hugging Face layout (bf16), training.json (arguments, data hashes, what was
/// seen) and log.jsonl (one line a step). While training, checkpoints lie in output/checkpoints; the same call goes on
/// from the last one, with the same losses as if it had not been interrupted. Throws Error on bad options or data, on a
/// folder that holds another training, and when the loss is no longer finite.
PretrainResult pretrain(const PretrainOptions& options);

}  // namespace mathtrap
