#include "moe/statistics.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "moe/coactivation.h"
#include "moe/training_free.h"
#include "support/error.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

at::Tensor tensor_of(const std::vector<TokenId>& tokens) {
  return at::tensor(std::vector<std::int64_t>(tokens.begin(), tokens.end()));
}

std::int64_t count_tokens(const TextWindows& windows) {
  std::int64_t tokens = 0;
  for (const std::vector<TokenId>& window : windows) tokens += static_cast<std::int64_t>(window.size());
  return tokens;
}

/// Every `stride`-th row, counted over all windows.
class EvenSample {
 public:
  explicit EvenSample(std::int64_t stride) : stride_(stride) {}

  void add(const at::Tensor& rows) {
    const std::int64_t first = (stride_ - seen_ % stride_) % stride_;
    if (first < rows.size(0)) parts_.push_back(rows.slice(0, first, rows.size(0), stride_).to(at::kFloat).clone());
    seen_ += rows.size(0);
  }

  at::Tensor rows() const { return parts_.empty() ? at::Tensor() : at::cat(parts_); }

 private:
  std::int64_t stride_;
  std::int64_t seen_ = 0;
  std::vector<at::Tensor> parts_;
};

}  // namespace

TextWindows cut_windows(const Tokenizer& tokenizer, TokenId begin, std::string_view text, std::int64_t window,
                        std::int64_t most_tokens) {
  const std::vector<TokenId> tokens = tokenizer.encode(text);
  const std::size_t own = static_cast<std::size_t>(window) - (begin >= 0 ? 1 : 0);
  const std::size_t most = std::min(tokens.size(), static_cast<std::size_t>(most_tokens));
  TextWindows windows;
  for (std::size_t first = 0; first + own <= most; first += own) {
    std::vector<TokenId>& piece = windows.emplace_back();
    if (begin >= 0) piece.push_back(begin);
    piece.insert(piece.end(), tokens.begin() + static_cast<std::ptrdiff_t>(first),
                 tokens.begin() + static_cast<std::ptrdiff_t>(first + own));
  }
  if (windows.empty()) {
    throw Error(fmt::format("the text has {} tokens: not one window of {}; give a longer text or a shorter --window",
                            tokens.size(), window));
  }
  return windows;
}

TextStatistics collect_activations(const Network& network, const TextWindows& windows, const StatisticsWanted& wanted) {
  const at::NoGradGuard no_gradients;
  const std::int64_t neurons = network.config.intermediate_size;
  const std::int64_t tokens = count_tokens(windows);
  const std::int64_t stride =
      wanted.input_rows == 0 ? tokens : std::max<std::int64_t>(1, (tokens + wanted.input_rows - 1) / wanted.input_rows);
  TextStatistics statistics;
  statistics.layers.resize(network.layers.size());
  std::vector<EvenSample> inputs(network.layers.size(), EvenSample(stride));
  std::vector<std::vector<at::Tensor>> marks(network.layers.size());
  std::vector<at::Tensor> means;
  Observers observers;
  observers.dense = [&](std::size_t layer, const at::Tensor& input, const at::Tensor& activation) {
    LayerStatistics& own = statistics.layers[layer];
    if (wanted.marked > 0) marks[layer].push_back(activation_marks(activation, wanted.marked));
    if (wanted.coactivation) {
      if (!own.coactivation.defined()) own.coactivation = at::zeros({neurons, neurons}, at::kFloat);
      accumulate_coactivation(own.coactivation, activation, wanted.coactivation_limit);
    }
    if (wanted.input_rows > 0) inputs[layer].add(input);
    if (layer + 1 == network.layers.size()) means.push_back(input.to(at::kFloat).mean(0, /*keepdim=*/true));
  };
  TrainingForward forward;
  forward.observers = &observers;
  Progress bar("activations", static_cast<std::uint64_t>(windows.size()), "windows");
  for (std::size_t i = 0; i < windows.size(); ++i) {
    forward.positions = at::zeros({1}, at::kLong);
    training_forward(network, tensor_of(windows[i]), {{0, static_cast<std::int64_t>(windows[i].size())}}, forward);
    bar.update(i + 1);
  }
  for (std::size_t layer = 0; layer < network.layers.size(); ++layer) {
    if (wanted.marked > 0) statistics.layers[layer].marks = at::cat(marks[layer]);
    if (wanted.input_rows > 0) statistics.layers[layer].inputs = inputs[layer].rows();
  }
  statistics.window_means = at::cat(means);
  return statistics;
}

void collect_importance(Network network, const TextWindows& windows, const TokenGroups& groups_of, std::int64_t groups,
                        TextStatistics& statistics) {
  const at::AutoGradMode with_gradients(true);
  // One leaf below all layers is enough for activations to have gradients; the weights themselves get none.
  network.embedding = network.embedding.to(at::kFloat).detach().clone().requires_grad_(true);
  std::vector<at::Tensor> activations(network.layers.size());
  std::vector<at::Tensor> inputs(network.layers.size());
  Observers observers;
  observers.dense = [&](std::size_t layer, const at::Tensor& input, const at::Tensor& activation) {
    activation.retain_grad();
    activations[layer] = activation;
    inputs[layer] = input.detach();
  };
  TrainingForward forward;
  forward.observers = &observers;
  Progress bar("importance", static_cast<std::uint64_t>(windows.size()), "windows");
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const at::Tensor tokens = tensor_of(windows[i]);
    const std::int64_t length = tokens.size(0);
    const at::Tensor logits = training_forward(network, tokens, {{0, length}}, forward);
    const at::Tensor mean = cross_entropy(logits.narrow(0, 0, length - 1), tokens.narrow(0, 1, length - 1));
    mean.mul(static_cast<double>(length - 1)).backward();
    const at::NoGradGuard no_gradients;
    for (std::size_t layer = 0; layer < network.layers.size(); ++layer) {
      at::Tensor& importance = statistics.layers[layer].importance;
      const at::Tensor h = activations[layer].detach().to(at::kDouble);
      if (!importance.defined()) importance = at::zeros({groups, h.size(1)}, at::kDouble);
      importance.index_add_(0, groups_of(i, layer, inputs[layer]),
                            h.mul(activations[layer].grad().to(at::kDouble)).abs());
    }
    network.embedding.mutable_grad().reset();
    bar.update(i + 1);
  }
}

}  // namespace mathtrap
