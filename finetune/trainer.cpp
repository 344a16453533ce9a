#include "finetune/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "finetune/training_checkpoint.h"
#include "finetune/validation.h"
#include "support/error.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::size_t kLossWindow = 100;  // steps whose mean loss is shown
constexpr double kFirstProgress = 1e-4;   // the first step is not wasted on a rate of 0

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

/// Tokens of the whole training, for the bar; 0: not known.
std::uint64_t expected_tokens(const PretrainOptions& options) {
  if (options.limits.tokens > 0) return static_cast<std::uint64_t>(options.limits.tokens);
  return static_cast<std::uint64_t>(options.limits.steps * options.batch_tokens * options.accumulate);
}

std::string describe_validation(const Json& validation) {
  std::string text;
  for (const auto& [kind, result] : validation.items()) {
    text += fmt::format("{}{} loss {:.4f}, exact {:.1f}%", text.empty() ? "" : "; ", kind, result["loss"].get<double>(),
                        100 * result["exact"].get<double>());
  }
  return text;
}

}  // namespace

Trainer::Trainer(const TrainerInput& input, Network network)
    : input_(input),
      options_(input.options),
      network_(std::move(network)),
      weights_(require_gradients(network_)),
      optimizer_(weights_, options_.optimizer),
      stream_(input.documents, options_.documents.mix, options_.seed,
              options_.learn_prompts ? LossOn::all : LossOn::reply),
      checkpoints_((fs::path(options_.output) / "checkpoints").string()) {
  if (const auto state = read_training_checkpoint(checkpoints_, input_.fingerprint, state_tensors())) {
    spent_ = state->spent;
    seconds_before_ = saved_at_ = spent_.seconds;
    optimizer_.restore(spent_.steps);
    stream_.restore(state->stream);
    note(fmt::format("going on from step {}", spent_.steps));
  }
}

PretrainResult Trainer::run() {
  TrainingLog log(fs::path(options_.output) / "log.jsonl", spent_.steps);
  for (const double loss : log.losses()) remember_loss(loss);
  Progress bar("train", expected_tokens(options_), "tokens");
  bar.start_at(static_cast<std::uint64_t>(spent_.tokens));
  bool stopped = false;
  while (progress() < 1 && !stopped) {
    Json line = step();
    if (spent_.steps % options_.validation_steps == 0 || progress() >= 1) validate_into(line);
    log.write(line);
    bar.update(static_cast<std::uint64_t>(spent_.tokens), describe());
    stopped = options_.stop();
    const bool time_due = options_.checkpoint_seconds > 0 && seconds() - saved_at_ >= options_.checkpoint_seconds;
    if (stopped || time_due || spent_.steps % options_.checkpoint_steps == 0) save();
  }
  return {spent_, mean_loss(), validation_, progress() >= 1};
}

Trainer::NamedTensors Trainer::require_gradients(const Network& network) {
  NamedTensors weights = named_weights(network);
  for (auto& [name, weight] : weights) weight.requires_grad_(true);
  return weights;
}

Trainer::NamedTensors Trainer::state_tensors() const {
  NamedTensors tensors = weights_;
  for (auto& moment : optimizer_.moments()) tensors.push_back(std::move(moment));
  return tensors;
}

double Trainer::seconds() const {
  return seconds_before_ + seconds_since(input_.started);
}

Json Trainer::step() {
  const auto start = steady_clock::now();
  const std::int64_t tokens_before = spent_.tokens;
  const double rate = learning_rate(options_.optimizer, std::max(progress(), kFirstProgress));
  const double loss = add_gradients();
  const double norm = optimizer_.step(rate);
  if (!std::isfinite(loss) || !std::isfinite(norm)) fail_at_loss(loss, norm);
  ++spent_.steps;
  remember_loss(loss);
  spent_.seconds = seconds();
  return {{"step", spent_.steps},
          {"tokens", spent_.tokens},
          {"loss", loss},
          {"learning_rate", rate},
          {"gradient_norm", norm},
          {"tokens_per_second", std::round(static_cast<double>(spent_.tokens - tokens_before) / seconds_since(start))},
          {"seconds", spent_.seconds}};
}

double Trainer::add_gradients() {
  std::vector<Batch> batches;
  double targets = 0;
  for (std::int64_t i = 0; i < options_.accumulate; ++i) {
    batches.push_back(stream_.next(options_.batch_tokens));
    targets += static_cast<double>(batches.back().targets.size(0));
  }
  double loss = 0;
  for (const Batch& batch : batches) {
    const double share = static_cast<double>(batch.targets.size(0)) / targets;
    const at::Tensor part = loss_of(learned_logits(network_, batch, options_.bf16), batch).mul(share);
    part.backward();
    loss += part.item<double>();
    spent_.tokens += batch.tokens.size(0);
  }
  return loss;
}

void Trainer::fail_at_loss(double loss, double norm) const {
  const std::string last = newest_training_checkpoint(checkpoints_);
  throw Error(fmt::format("step {}: the loss is {}, the gradient's norm {}; {}; try a lower --learning-rate",
                          spent_.steps + 1, loss, norm,
                          last.empty() ? "there is no checkpoint yet" : "the last good checkpoint is " + last));
}

void Trainer::validate_into(Json& line) {
  const Json validation = validation_json(validate(network_, input_.held_out, options_.batch_tokens));
  if (validation.empty()) return;
  line["validation"] = validation_ = validation;
  note(fmt::format("step {}: held out: {}", spent_.steps, describe_validation(validation)));
}

double Trainer::mean_loss() const {
  if (losses_.empty()) return 0;
  return std::accumulate(losses_.begin(), losses_.end(), 0.0) / static_cast<double>(losses_.size());
}

void Trainer::remember_loss(double loss) {
  losses_.push_back(loss);
  if (losses_.size() > kLossWindow) losses_.pop_front();
}

void Trainer::save() {
  spent_.seconds = saved_at_ = seconds();
  write_training_checkpoint(checkpoints_, {input_.fingerprint, spent_, stream_.state(), state_tensors()});
}

std::string Trainer::describe() const {
  std::string text = fmt::format("step {}, loss {:.4f}", spent_.steps, mean_loss());
  // Where time alone ends the training, the bar knows no total from which to tell the rest.
  if (expected_tokens(options_) != 0) return text;
  return fmt::format("{}, {} left", text, format_duration(options_.limits.seconds * (1 - progress())));
}

}  // namespace mathtrap
