#include "finetune/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "finetune/utilisation.h"
#include "finetune/validation.h"
#include "model/adapter.h"
#include "support/error.h"
#include "support/hash.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::size_t kLossWindow = 100;       // steps whose mean loss is shown
constexpr std::size_t kStepsBeforeSpike = 20;  // before that a loss is not known well enough to leap
constexpr double kFirstProgress = 1e-4;        // the first step is not wasted on a rate of 0

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

/// Tokens of the whole training, for the bar; 0: not known.
std::uint64_t expected_tokens(const TrainingOptions& options) {
  if (options.limits.tokens > 0) return static_cast<std::uint64_t>(options.limits.tokens);
  if (options.step_documents > 0) return 0;
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

/// One number for several kinds: the mean of their losses.
double overall_loss(const Json& validation) {
  double sum = 0;
  for (const auto& [kind, result] : validation.items()) sum += result["loss"].get<double>();
  return sum / static_cast<double>(validation.size());
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
      checkpoints_((fs::path(options_.output) / "checkpoints").string()),
      product_rate_(measure_product_rate(options_.bf16)) {
  if (const auto state = read_training_checkpoint(checkpoints_, input_.fingerprint, state_tensors())) {
    spent_ = state->spent;
    best_ = state->best;
    seconds_before_ = saved_at_ = spent_.seconds;
    optimizer_.restore(spent_.steps);
    stream_.restore(state->stream);
    note(fmt::format("going on from step {}", spent_.steps));
  }
}

bool Trainer::finished() const {
  return progress() >= 1 || (options_.patience > 0 && best_.looks_since >= options_.patience);
}

TrainingResult Trainer::run() {
  TrainingLog log(fs::path(options_.output) / "log.jsonl", spent_.steps);
  for (const double loss : log.losses()) remember_loss(loss);
  Progress bar("train", expected_tokens(options_), "tokens");
  bar.start_at(static_cast<std::uint64_t>(spent_.tokens));
  bool stopped = false;
  while (!finished() && !stopped) {
    Json line = step();
    if (spent_.steps % options_.validation_steps == 0 || progress() >= 1) validate_into(line);
    log.write(line);
    bar.update(static_cast<std::uint64_t>(spent_.tokens), describe());
    stopped = options_.stop();
    const bool time_due = options_.checkpoint_seconds > 0 && seconds() - saved_at_ >= options_.checkpoint_seconds;
    if (stopped || time_due || spent_.steps % options_.checkpoint_steps == 0) save();
  }
  const bool complete = finished();
  if (complete && options_.keep_best && best_.step > 0 && best_.step < spent_.steps) {
    read_best_weights(checkpoints_, weights_);
    note(fmt::format("the model is that of step {}, whose held-out loss was the lowest", best_.step));
  }
  return {spent_, mean_loss(), validation_, best_.step, complete};
}

Trainer::NamedTensors Trainer::require_gradients(const Network& network) {
  NamedTensors weights = network.updates.empty() ? named_weights(network) : named_updates(network.updates);
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
  const std::vector<Batch> batches = next_batches();
  const double loss = add_gradients(batches);
  const double norm = optimizer_.step(rate);
  check_loss(loss, norm, batches);
  ++spent_.steps;
  remember_loss(loss);
  double operations = 0;
  for (const Batch& batch : batches) {
    operations += training_operations(network_.config, batch.layout.starts, !network_.updates.empty());
  }
  const double elapsed = seconds_since(start);
  utilisation_ = operations / elapsed / product_rate_;
  spent_.seconds = seconds();
  return {{"step", spent_.steps},
          {"tokens", spent_.tokens},
          {"documents", spent_.documents},
          {"loss", loss},
          {"learning_rate", rate},
          {"gradient_norm", norm},
          {"tokens_per_second", std::round(static_cast<double>(spent_.tokens - tokens_before) / elapsed)},
          {"utilisation", utilisation_},
          {"seconds", spent_.seconds}};
}

std::vector<Batch> Trainer::next_batches() {
  std::vector<Batch> batches;
  if (options_.step_documents == 0) {
    for (std::int64_t i = 0; i < options_.accumulate; ++i) batches.push_back(stream_.next(options_.batch_tokens));
    return batches;
  }
  for (std::int64_t missing = options_.step_documents; missing > 0;) {
    batches.push_back(stream_.next(options_.batch_tokens, missing));
    missing -= batches.back().documents();
  }
  return batches;
}

double Trainer::add_gradients(const std::vector<Batch>& batches) {
  double targets = 0;
  for (const Batch& batch : batches) targets += static_cast<double>(batch.targets.size(0));
  double loss = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Batch& batch = batches[i];
    const double share = static_cast<double>(batch.targets.size(0)) / targets;
    // From seed and place alone, so that a resumed training drops the same features.
    network_.dropout_seed = hash64(fmt::format("dropout/{}/{}/{}", options_.seed, spent_.steps, i));
    const at::Tensor logits = learned_logits(network_, batch, options_.bf16, options_.recompute);
    const at::Tensor part = loss_of(logits, batch).mul(share);
    part.backward();
    loss += part.item<double>();
    spent_.tokens += batch.tokens.size(0);
    spent_.documents += batch.documents();
  }
  return loss;
}

void Trainer::check_loss(double loss, double norm, const std::vector<Batch>& batches) const {
  const bool is_finite = std::isfinite(loss) && std::isfinite(norm);
  const bool leaps = options_.spike > 0 && losses_.size() >= kStepsBeforeSpike && loss > mean_loss() + options_.spike;
  if (is_finite && !leaps) return;
  const std::string last = newest_training_checkpoint(checkpoints_);
  throw Error(fmt::format(
      "step {}: the loss is {:.4g} ({:.4g} before), the gradient's norm {:.4g}, in a batch of {} that begins with {}; "
      "{}; try a lower --learning-rate{}",
      spent_.steps + 1, loss, mean_loss(), norm, batches.front().documents(), batches.front().first_document,
      last.empty() ? "there is no checkpoint yet" : "the last good checkpoint is " + last,
      is_finite ? ", or allow it with --spike 0" : ""));
}

void Trainer::validate_into(Json& line) {
  const Json validation = validation_json(validate(network_, input_.held_out, options_.batch_tokens));
  if (validation.empty()) return;
  line["validation"] = validation_ = validation;
  note(fmt::format("step {}: held out: {}", spent_.steps, describe_validation(validation)));
  remember_validation(validation);
}

void Trainer::remember_validation(const Json& validation) {
  const double loss = overall_loss(validation);
  ++best_.looks_since;
  if (best_.step > 0 && loss >= best_.loss) return;
  best_ = {spent_.steps, loss, 0};
  if (options_.keep_best) write_best_weights(checkpoints_, weights_);
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
  write_training_checkpoint(checkpoints_, {input_.fingerprint, spent_, best_, stream_.state(), state_tensors()},
                            options_.kept_checkpoints);
}

std::string Trainer::describe() const {
  std::string text =
      fmt::format("step {}, loss {:.4f}, {:.0f}% of peak", spent_.steps, mean_loss(), 100 * utilisation_);
  // Where no number of tokens ends the training, the bar knows no total from which to tell the rest.
  if (expected_tokens(options_) != 0 || progress() == 0) return text;
  return fmt::format("{}, {} left", text, format_duration(spent_.seconds / progress() * (1 - progress())));
}

}  // namespace mathtrap
