#include "finetune/validation.h"

#include <ATen/core/Reduction.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace mathtrap {
namespace {

/// Sums over documents.
struct Tally {
  std::int64_t documents = 0;
  std::int64_t exact = 0;
  double targets = 0;
  double loss = 0;
};

/// Documents of a batch whose every learned token is the likeliest.
std::int64_t count_exact(const Batch& batch, const at::Tensor& logits) {
  const at::Tensor likeliest = at::argmax(logits, -1).contiguous();
  const auto* predicted = likeliest.data_ptr<std::int64_t>();
  const auto* targets = batch.targets.data_ptr<std::int64_t>();
  const auto* positions = batch.loss_positions.data_ptr<std::int64_t>();
  std::int64_t exact = 0;
  std::int64_t i = 0;
  for (std::size_t document = 1; document < batch.layout.starts.size(); ++document) {
    bool all = true;
    for (; i < batch.targets.size(0) && positions[i] < batch.layout.starts[document]; ++i) {
      all = all && predicted[i] == targets[i];
    }
    exact += all ? 1 : 0;
  }
  return exact;
}

void add_batch(const Network& network, const BatchSource& source, std::vector<DocumentPlace>& places, Tally& tally) {
  if (places.empty()) return;
  const Batch batch = make_batch({source}, places);
  const at::Tensor logits = learned_logits(network, batch, {});
  tally.loss += losses_of(logits, batch).sum().item<double>();
  tally.targets += static_cast<double>(batch.targets.size(0));
  tally.documents += batch.drawn;
  if (source.text == nullptr) tally.exact += count_exact(batch, logits);
  places.clear();
}

ValidationResult validate_source(const Network& network, const BatchSource& source, std::int64_t batch_tokens,
                                 std::int64_t most) {
  Tally tally;
  std::vector<DocumentPlace> pending;
  std::int64_t used = 0;
  for (std::size_t i = 0; i < std::min(source.size(), static_cast<std::size_t>(most)); ++i) {
    const auto length = static_cast<std::int64_t>(source.tokens(i).size());
    if (used + length > batch_tokens) {
      add_batch(network, source, pending, tally);
      used = 0;
    }
    pending.push_back({0, i});
    used += length;
  }
  add_batch(network, source, pending, tally);
  ValidationResult result = {source.name, tally.documents, tally.loss / tally.targets, std::nullopt};
  if (source.text == nullptr) result.exact = static_cast<double>(tally.exact) / static_cast<double>(tally.documents);
  return result;
}

}  // namespace

at::Tensor learned_logits(const Network& network, const Batch& batch, TrainingForward options) {
  options.positions = batch.loss_positions;
  return training_forward(network, batch.tokens, batch.layout, options);
}

at::Tensor losses_of(const at::Tensor& logits, const Batch& batch) {
  return at::cross_entropy_loss(logits, batch.targets, {}, at::Reduction::None);
}

std::vector<ValidationResult> validate(const Network& network, const std::vector<BatchSource>& sources,
                                       std::int64_t batch_tokens, std::int64_t most) {
  const at::NoGradGuard no_gradients;
  std::vector<ValidationResult> results;
  for (const BatchSource& source : sources) {
    if (source.size() != 0) results.push_back(validate_source(network, source, batch_tokens, most));
  }
  return results;
}

Json validation_json(const std::vector<ValidationResult>& results) {
  Json json = Json::object();
  for (const ValidationResult& result : results) {
    if (result.exact) {
      json[result.source] = {{"documents", result.documents}, {"loss", result.loss}, {"exact", *result.exact}};
    } else {
      json[result.source] = {
          {"windows", result.documents}, {"loss", result.loss}, {"perplexity", std::exp(result.loss)}};
    }
  }
  return json;
}

}  // namespace mathtrap
