#include "finetune/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>

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
    text += fmt::format("{}{} loss {:.4f}", text.empty() ? "" : "; ", kind, result["loss"].get<double>());
    if (result.contains("exact")) text += fmt::format(", exact {:.1f}%", 100 * result["exact"].get<double>());
  }
  return text;
}

std::vector<at::Tensor> tensors_of(const std::vector<std::pair<std::string, at::Tensor>>& named) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : named) tensors.push_back(tensor);
  return tensors;
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
      weights_(require_gradients(network_, options_.learned)),
      biases_(selection_biases(network_)),
      group_(input.group),
      reducer_(tensors_of(weights_), group_),
      optimizer_(weights_, options_.optimizer, &group_),
      stream_(input.documents, input.mix, options_.seed, options_.learn_prompts ? LossOn::all : LossOn::reply),
      checkpoints_((fs::path(options_.output) / "checkpoints").string()),
      product_rate_(measure_product_rate(options_.bf16)),
      experts_(network_.config, options_.recompute ? 2 : 1) {
  restore();
}

void Trainer::restore() {
  const NamedTensors moments = optimizer_.moments();
  std::optional<TrainingState> state;
  if (group_.is_first()) {
    NamedTensors tensors = weights_;
    tensors.insert(tensors.end(), moments.begin(), moments.end());
    tensors.insert(tensors.end(), biases_.begin(), biases_.end());
    state = read_training_checkpoint(checkpoints_, input_.fingerprint, tensors);
    // Here already, so that what is wrong with it is found before it is handed on.
    if (state) stream_.restore(state->stream);
  }
  for (const NamedTensors* tensors : {&weights_, &biases_}) {
    for (const auto& [name, tensor] : *tensors) group_.broadcast(tensor.detach());
  }
  std::int64_t found = state ? 1 : 0;
  group_.broadcast(std::span(&found, 1));
  if (found == 0) return;
  std::vector<std::int64_t> fields = pack_state(state.value_or(TrainingState{0, {}, {}, stream_.state(), {}}));
  group_.broadcast(fields);
  const TrainingState shared = unpack_state(fields);
  spent_ = shared.spent;
  best_ = shared.best;
  seconds_before_ = saved_at_ = spent_.seconds;
  optimizer_.restore(spent_.steps, moments);
  stream_.restore(shared.stream);
  note(fmt::format("going on from step {}", spent_.steps));
}

bool Trainer::finished() const {
  return progress() >= 1 || (options_.patience > 0 && best_.looks_since >= options_.patience);
}

TrainingResult Trainer::run() {
  std::optional<TrainingLog> log;
  if (group_.is_first()) log.emplace(fs::path(options_.output) / "log.jsonl", spent_.steps);
  remember_losses(log ? log->losses() : std::vector<double>{});
  Progress bar("train", expected_tokens(options_), "tokens");
  bar.start_at(static_cast<std::uint64_t>(spent_.tokens));
  bool stopped = false;
  while (!finished() && !stopped) {
    Json line = step();
    if (is_due(options_.validation_steps) || is_due(options_.update_steps) || progress() >= 1) validate_into(line);
    if (log) log->write(line);
    bar.update(static_cast<std::uint64_t>(spent_.tokens), describe());
    const Decision decision = decide();
    if (decision.save) save();
    stopped = decision.stop;
  }
  const bool complete = finished();
  if (group_.is_first() && complete && options_.keep_best && best_.step > 0 && best_.step < spent_.steps) {
    read_best_weights(checkpoints_, weights_);
    note(fmt::format("the model is that of step {}, whose held-out loss was the lowest", best_.step));
  }
  return {spent_, mean_loss(), validation_, best_.step, complete, group_.is_first()};
}

Trainer::NamedTensors Trainer::require_gradients(const Network& network, LearnedWeights learned) {
  NamedTensors weights = network.updates.empty() ? named_weights(network) : named_updates(network.updates);
  std::erase_if(weights, [&](const auto& named) {
    if (is_selection_bias(named.first)) return true;
    return learned != LearnedWeights::all && is_gate_weight(named.first) != (learned == LearnedWeights::gates);
  });
  for (auto& [name, weight] : weights) weight.requires_grad_(true);
  return weights;
}

Trainer::NamedTensors Trainer::selection_biases(const Network& network) {
  NamedTensors weights = named_weights(network);
  std::erase_if(weights, [](const auto& named) { return !is_selection_bias(named.first); });
  return weights;
}

Trainer::NamedTensors Trainer::state_tensors() const {
  NamedTensors tensors = weights_;
  for (auto& moment : optimizer_.moments()) tensors.push_back(std::move(moment));
  tensors.insert(tensors.end(), biases_.begin(), biases_.end());
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
  if (options_.bias_rate > 0) update_selection_bias(network_, experts_, options_.bias_rate);
  ++spent_.steps;
  remember_loss(loss);
  double operations = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (!is_own(i)) continue;
    operations += training_operations(network_.config, batches[i].layout.starts, !network_.updates.empty());
  }
  const double elapsed = seconds_since(start);
  utilisation_ = operations / elapsed / product_rate_;
  spent_.seconds = seconds();
  // One clock for all, since the learning rate and the end may follow it.
  group_.broadcast(std::span(&spent_.seconds, 1));
  Json line = {{"step", spent_.steps},
               {"tokens", spent_.tokens},
               {"documents", spent_.documents},
               {"loss", loss},
               {"learning_rate", rate},
               {"gradient_norm", norm},
               {"tokens_per_second", std::round(static_cast<double>(spent_.tokens - tokens_before) / elapsed)},
               {"utilisation", utilisation_},
               {"seconds", spent_.seconds}};
  for (std::size_t i = 0; i < stream_.sources().size(); ++i) {
    const double tokens = source_losses_[stream_.sources().size() + i];
    if (tokens > 0) line["losses"][stream_.sources()[i].name] = source_losses_[i] / tokens;
  }
  if (!network_.config.mixture.is_dense()) describe_experts(line);
  return line;
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

void Trainer::describe_experts(Json& line) const {
  line["balance_loss"] = balance_loss_;
  line["dropped"] = std::llround(experts_.dropped());
  line["load_variation"] = experts_.load_variation();
}

double Trainer::add_gradients(const std::vector<Batch>& batches) {
  double targets = 0;
  for (const Batch& batch : batches) targets += static_cast<double>(batch.targets.size(0));
  double loss = 0;
  balance_loss_ = 0;
  experts_.begin_step();
  source_losses_.assign(2 * stream_.sources().size(), 0);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Batch& batch = batches[i];
    spent_.tokens += batch.tokens.size(0);
    spent_.documents += batch.drawn;
    if (!is_own(i)) continue;
    const double share = static_cast<double>(batch.targets.size(0)) / targets;
    // From seed and place alone, so that a resumed training drops the same features.
    network_.dropout_seed = hash64(fmt::format("dropout/{}/{}/{}", options_.seed, spent_.steps, i));
    at::Tensor balance;
    const at::Tensor logits =
        learned_logits(network_, batch, {options_.bf16, options_.recompute, {}, experts_.observers(), &balance});
    const at::Tensor losses = losses_of(logits, batch);
    add_source_losses(losses.detach(), batch);
    const at::Tensor part = losses.sum().div(targets);
    if (i + static_cast<std::size_t>(group_.size()) >= batches.size()) reducer_.expect_last_backward();
    if (balance.defined()) {
      balance_loss_ += balance.item<double>() * share;
      part.add(balance, share).backward();
    } else {
      part.backward();
    }
    loss += part.item<double>();
  }
  reducer_.finish();
  balance_loss_ = group_.sum(balance_loss_);
  experts_.end_step(group_);
  group_.sum(source_losses_);
  return group_.sum(loss);
}

void Trainer::add_source_losses(const at::Tensor& losses, const Batch& batch) {
  const auto* values = losses.data_ptr<float>();
  for (std::size_t i = 0; i < batch.sources.size(); ++i) {
    const std::int64_t count = batch.source_targets[i];
    source_losses_[batch.sources[i]] += std::accumulate(values, values + count, 0.0);
    source_losses_[stream_.sources().size() + batch.sources[i]] += static_cast<double>(count);
    values += count;
  }
}

bool Trainer::is_own(std::size_t batch) const {
  return batch % static_cast<std::size_t>(group_.size()) == static_cast<std::size_t>(group_.rank());
}

Trainer::Decision Trainer::decide() {
  const bool time_due = options_.checkpoint_seconds > 0 && seconds() - saved_at_ >= options_.checkpoint_seconds;
  // Any process may be told to stop; the clock is that of the first.
  std::array<double, 2> votes = {options_.stop() ? 1.0 : 0.0, group_.is_first() && time_due ? 1.0 : 0.0};
  group_.sum(votes);
  const bool stop = votes[0] > 0;
  return {stop, stop || votes[1] > 0 || spent_.steps % options_.checkpoint_steps == 0};
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
  if (group_.is_first()) {
    const std::vector<ValidationResult> results =
        validate(network_, input_.held_out, options_.batch_tokens, options_.validation_documents);
    const Json validation = validation_json(results);
    held_out_losses_.clear();
    for (const ValidationResult& result : results) held_out_losses_[result.source] = result.loss;
    if (!validation.empty()) {
      line["validation"] = validation_ = validation;
      note(fmt::format("step {}: held out: {}", spent_.steps, describe_validation(validation)));
      remember_validation(validation);
    }
  }
  // It may end the training.
  std::array<std::int64_t, 2> looks = {best_.step, best_.looks_since};
  group_.broadcast(looks);
  best_.step = looks[0];
  best_.looks_since = looks[1];
  if (!network_.config.mixture.is_dense()) line["experts"] = experts_.heat_maps();
  if (options_.sampling != SamplingRule::fixed && (options_.update_steps == 0 || is_due(options_.update_steps))) {
    update_mix(line);
  }
}

void Trainer::update_mix(Json& line) {
  std::vector<double> mix = stream_.mix();
  if (group_.is_first()) {
    std::vector<double> losses(mix.size(), 0);
    for (std::size_t i = 0; i < mix.size(); ++i) {
      if (mix[i] > 0) losses[i] = held_out_losses_.at(stream_.sources()[i].name);
    }
    mix = updated_weights(options_.sampling, mix, losses, input_.references);
  }
  group_.broadcast(mix);
  stream_.set_mix(mix);
  for (std::size_t i = 0; i < mix.size(); ++i) {
    if (mix[i] > 0) line["mix"][stream_.sources()[i].name] = mix[i];
  }
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

void Trainer::remember_losses(const std::vector<double>& losses) {
  for (const double loss : losses) remember_loss(loss);
  auto count = static_cast<std::int64_t>(losses_.size());
  group_.broadcast(std::span(&count, 1));
  // What a leap of the loss is, all processes must see alike.
  std::vector<double> window(losses_.begin(), losses_.end());
  window.resize(static_cast<std::size_t>(count));
  if (count > 0) group_.broadcast(window);
  losses_.assign(window.begin(), window.end());
}

void Trainer::remember_loss(double loss) {
  losses_.push_back(loss);
  if (losses_.size() > kLossWindow) losses_.pop_front();
}

void Trainer::save() {
  spent_.seconds = saved_at_ = seconds();
  group_.broadcast(std::span(&spent_.seconds, 1));
  const NamedTensors tensors = state_tensors();
  if (!group_.is_first()) return;
  write_training_checkpoint(checkpoints_, {input_.fingerprint, spent_, best_, stream_.state(), tensors},
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
