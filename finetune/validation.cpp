#include "finetune/validation.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace mathtrap {
namespace {

constexpr std::size_t kDocumentsOfAKind = 400;

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

void add_batch(const Network& network, const std::vector<std::pair<const DocumentSet*, std::size_t>>& documents,
               Tally& tally) {
  if (documents.empty()) return;
  const Batch batch = make_batch(documents);
  const at::Tensor logits = learned_logits(network, batch, {});
  const auto targets = static_cast<double>(batch.targets.size(0));
  tally.loss += targets * loss_of(logits, batch).item<double>();
  tally.targets += targets;
  tally.documents += static_cast<std::int64_t>(documents.size());
  tally.exact += count_exact(batch, logits);
}

ValidationResult validate_kind(const Network& network, const DocumentSet& set, std::int64_t batch_tokens) {
  Tally tally;
  std::vector<std::pair<const DocumentSet*, std::size_t>> pending;
  std::int64_t used = 0;
  for (std::size_t i = 0; i < std::min(set.size(), kDocumentsOfAKind); ++i) {
    const auto length = static_cast<std::int64_t>(set.document(i).size());
    if (used + length > batch_tokens) {
      add_batch(network, pending, tally);
      pending.clear();
      used = 0;
    }
    pending.emplace_back(&set, i);
    used += length;
  }
  add_batch(network, pending, tally);
  if (tally.documents == 0) return {};
  return {tally.documents, tally.loss / tally.targets,
          static_cast<double>(tally.exact) / static_cast<double>(tally.documents)};
}

}  // namespace

at::Tensor learned_logits(const Network& network, const Batch& batch, TrainingForward options) {
  options.positions = batch.loss_positions;
  return training_forward(network, batch.tokens, batch.layout, options);
}

at::Tensor loss_of(const at::Tensor& logits, const Batch& batch) {
  return at::cross_entropy_loss(logits, batch.targets);
}

std::array<ValidationResult, kDocumentKinds> validate(const Network& network,
                                                      const std::array<DocumentSet, kDocumentKinds>& sets,
                                                      std::int64_t batch_tokens) {
  const at::NoGradGuard no_gradients;
  std::array<ValidationResult, kDocumentKinds> results;
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    results.at(kind) = validate_kind(network, sets.at(kind), batch_tokens);
  }
  return results;
}

Json validation_json(const std::array<ValidationResult, kDocumentKinds>& results) {
  Json json = Json::object();
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    const ValidationResult& result = results.at(kind);
    if (result.documents == 0) continue;
    json[std::string(to_string(static_cast<DocumentKind>(kind)))] = {
        {"documents", result.documents}, {"loss", result.loss}, {"exact", result.exact}};
  }
  return json;
}

}  // namespace mathtrap
