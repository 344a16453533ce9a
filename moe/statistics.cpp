#include "moe/statistics.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "moe/coactivation.h"
#include "moe/statistics_file.h"
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

/// Rows that come window by window, put together when they are wanted.
class RowList {
 public:
  explicit RowList(const at::Tensor& before) {
    if (before.defined()) parts_.push_back(before);
  }

  void add(const at::Tensor& rows) { parts_.push_back(rows); }

  const at::Tensor& all() {
    static const at::Tensor none;
    if (parts_.empty()) return none;
    if (parts_.size() > 1) parts_ = {at::cat(parts_)};
    return parts_.front();
  }

 private:
  std::vector<at::Tensor> parts_;
};

/// Every `stride`-th of all rows, of which `seen` came before these.
at::Tensor even_sample(const at::Tensor& rows, std::int64_t stride, std::int64_t seen) {
  const std::int64_t first = std::min((stride - seen % stride) % stride, rows.size(0));
  return rows.slice(0, first, rows.size(0), stride).to(at::kFloat).clone();
}

/// What a pass over the windows adds to.
class ActivationPass {
 public:
  ActivationPass(const Network& network, const StatisticsWanted& wanted, std::int64_t stride,
                 TextStatistics& statistics)
      : wanted_(wanted),
        stride_(stride),
        neurons_(network.config.intermediate_size),
        statistics_(statistics),
        means_(statistics.window_means) {
    statistics_.layers.resize(network.layers.size());
    for (const LayerStatistics& layer : statistics_.layers) {
      marks_.emplace_back(layer.marks);
      inputs_.emplace_back(layer.inputs);
    }
  }

  /// `seen`: tokens of the windows before.
  void add(std::size_t layer, std::int64_t seen, const at::Tensor& input, const at::Tensor& activation) {
    LayerStatistics& own = statistics_.layers[layer];
    if (wanted_.marked > 0) marks_[layer].add(activation_marks(activation, wanted_.marked));
    if (wanted_.coactivation) {
      if (!own.coactivation.defined()) own.coactivation = at::zeros({neurons_, neurons_}, at::kFloat);
      accumulate_coactivation(own.coactivation, activation, wanted_.coactivation_limit);
    }
    if (wanted_.input_rows > 0) inputs_[layer].add(even_sample(input, stride_, seen));
    if (layer + 1 == statistics_.layers.size()) means_.add(input.to(at::kFloat).mean(0, /*keepdim=*/true));
  }

  /// The statistics have everything so far.
  void put_together() {
    for (std::size_t layer = 0; layer < statistics_.layers.size(); ++layer) {
      statistics_.layers[layer].marks = marks_[layer].all();
      statistics_.layers[layer].inputs = inputs_[layer].all();
    }
    statistics_.window_means = means_.all();
  }

 private:
  const StatisticsWanted& wanted_;
  std::int64_t stride_;
  std::int64_t neurons_;
  TextStatistics& statistics_;
  std::vector<RowList> marks_;
  std::vector<RowList> inputs_;
  RowList means_;
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

bool collect_activations(const Network& network, const TextWindows& windows, const StatisticsWanted& wanted,
                         StatisticsFile& file, TextStatistics& statistics) {
  const at::NoGradGuard no_gradients;
  const std::int64_t tokens = count_tokens(windows);
  const std::int64_t stride =
      wanted.input_rows == 0 ? tokens : std::max<std::int64_t>(1, (tokens + wanted.input_rows - 1) / wanted.input_rows);
  ActivationPass pass(network, wanted, stride, statistics);
  std::int64_t seen = 0;
  Observers observers;
  observers.dense = [&](std::size_t layer, const at::Tensor& input, const at::Tensor& activation) {
    pass.add(layer, seen, input, activation);
  };
  TrainingForward forward;
  forward.observers = &observers;
  forward.positions = at::zeros({1}, at::kLong);
  Progress bar("activations", static_cast<std::uint64_t>(windows.size()), "windows");
  bar.start_at(statistics.activation_windows);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const auto length = static_cast<std::int64_t>(windows[i].size());
    if (i >= statistics.activation_windows) {
      training_forward(network, tensor_of(windows[i]), {{0, length}}, forward);
      statistics.activation_windows = i + 1;
      bar.update(i + 1);
      if (file.is_due()) {
        pass.put_together();
        file.write(statistics);
        if (file.stops()) return false;
      }
    }
    seen += length;
  }
  pass.put_together();
  return true;
}

bool collect_importance(Network network, const TextWindows& windows, const TokenGroups& groups_of, std::int64_t groups,
                        StatisticsFile& file, TextStatistics& statistics) {
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
  bar.start_at(statistics.importance_windows);
  for (std::size_t i = statistics.importance_windows; i < windows.size(); ++i) {
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
    statistics.importance_windows = i + 1;
    bar.update(i + 1);
    if (file.is_due()) {
      file.write(statistics);
      if (file.stops()) return false;
    }
  }
  return true;
}

}  // namespace mathtrap
