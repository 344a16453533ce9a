#include "finetune/batches.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <numeric>

#include "support/error.h"

namespace mathtrap {
namespace {

at::Tensor to_tensor(const std::vector<std::int64_t>& values) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace

Batch make_batch(const std::vector<std::pair<const DocumentSet*, std::size_t>>& documents, LossOn loss_on) {
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> positions;
  std::vector<std::int64_t> targets;
  Batch batch;
  batch.layout.starts = {0};
  if (!documents.empty()) batch.first_document = documents[0].first->place(documents[0].second);
  for (const auto& [set, index] : documents) {
    const std::span<const TokenId> document = set->document(index);
    const auto start = static_cast<std::int64_t>(tokens.size());
    const auto first_learned = loss_on == LossOn::all ? 1 : static_cast<std::size_t>(set->prompt_lengths[index]);
    for (std::size_t i = first_learned; i < document.size(); ++i) {
      positions.push_back(start + static_cast<std::int64_t>(i) - 1);
      targets.push_back(document[i]);
    }
    tokens.insert(tokens.end(), document.begin(), document.end());
    batch.layout.starts.push_back(static_cast<std::int64_t>(tokens.size()));
  }
  batch.tokens = to_tensor(tokens);
  batch.loss_positions = to_tensor(positions);
  batch.targets = to_tensor(targets);
  return batch;
}

BatchStream::BatchStream(const std::array<DocumentSet, kDocumentKinds>& sets,
                         const std::array<double, kDocumentKinds>& mix, std::uint64_t seed, LossOn loss_on)
    : sets_(sets), mix_(mix), seed_(seed), loss_on_(loss_on), random_(seed, "batches") {
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    if (mix_.at(kind) == 0) continue;
    if (sets_.at(kind).size() == 0) {
      throw Error(fmt::format("the data hold no documents of the kind '{}'; leave it out of --mix",
                              to_string(static_cast<DocumentKind>(kind))));
    }
    shuffle(kind);
  }
}

void BatchStream::shuffle(std::size_t kind) {
  Cursor& cursor = cursors_.at(kind);
  cursor.order.resize(sets_.at(kind).size());
  std::iota(cursor.order.begin(), cursor.order.end(), 0);
  Random random(seed_, fmt::format("order/{}/{}", to_string(static_cast<DocumentKind>(kind)), cursor.epoch));
  random.shuffle(std::span(cursor.order));
}

std::size_t BatchStream::draw_kind() {
  const double sum = std::accumulate(mix_.begin(), mix_.end(), 0.0);
  double point = random_.uniform() * sum;
  std::size_t last = 0;
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    if (mix_.at(kind) == 0) continue;
    last = kind;
    if (point < mix_.at(kind)) break;
    point -= mix_.at(kind);
  }
  return last;
}

Batch BatchStream::next(std::int64_t batch_tokens, std::int64_t documents) {
  return make_batch(next_documents(batch_tokens, documents), loss_on_);
}

std::vector<std::pair<const DocumentSet*, std::size_t>> BatchStream::next_documents(std::int64_t batch_tokens,
                                                                                    std::int64_t documents) {
  std::vector<std::pair<const DocumentSet*, std::size_t>> chosen;
  std::int64_t used = 0;
  while (documents == 0 || static_cast<std::int64_t>(chosen.size()) < documents) {
    const std::size_t kind = waiting_kind_ >= 0 ? static_cast<std::size_t>(waiting_kind_) : draw_kind();
    Cursor& cursor = cursors_.at(kind);
    const DocumentSet& set = sets_.at(kind);
    const auto index = static_cast<std::size_t>(cursor.order[cursor.next]);
    const auto length = static_cast<std::int64_t>(set.document(index).size());
    waiting_kind_ = static_cast<std::int64_t>(kind);
    if (used > 0 && used + length > batch_tokens) break;
    waiting_kind_ = -1;
    chosen.emplace_back(&set, index);
    used += length;
    if (++cursor.next == cursor.order.size()) {
      cursor.next = 0;
      ++cursor.epoch;
      shuffle(kind);
    }
  }
  return chosen;
}

std::vector<std::int64_t> BatchStream::state() const {
  std::vector<std::int64_t> state = {static_cast<std::int64_t>(random_.state()), waiting_kind_};
  for (const Cursor& cursor : cursors_) {
    state.push_back(cursor.epoch);
    state.push_back(static_cast<std::int64_t>(cursor.next));
  }
  return state;
}

void BatchStream::restore(const std::vector<std::int64_t>& state) {
  if (state.size() != 2 + 2 * kDocumentKinds) throw Error("the training checkpoint is of another version");
  random_ = Random(static_cast<std::uint64_t>(state[0]));
  waiting_kind_ = state[1];
  for (std::size_t kind = 0; kind < kDocumentKinds; ++kind) {
    Cursor& cursor = cursors_.at(kind);
    cursor.epoch = state[2 + 2 * kind];
    cursor.next = static_cast<std::size_t>(state[3 + 2 * kind]);
    if (mix_.at(kind) == 0) continue;
    shuffle(kind);
    if (cursor.next >= cursor.order.size()) throw Error("the training checkpoint belongs to other data");
  }
}

}  // namespace mathtrap
