#include "finetune/batches.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <bit>
#include <numeric>
#include <utility>

#include "support/error.h"

namespace mathtrap {
namespace {

at::Tensor to_tensor(const std::vector<std::int64_t>& values) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace

std::string BatchSource::place(std::size_t index) const {
  return text != nullptr ? fmt::format("{}, window {}", text->name, index + 1) : documents->place(index);
}

std::vector<BatchSource> sources_of(std::span<const DocumentSet> sets) {
  std::vector<BatchSource> sources;
  for (std::size_t kind = 0; kind < sets.size(); ++kind) {
    sources.push_back({std::string(to_string(static_cast<DocumentKind>(kind))), &sets[kind], nullptr});
  }
  return sources;
}

Batch make_batch(const std::vector<BatchSource>& sources, const std::vector<DocumentPlace>& places, LossOn loss_on) {
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> positions;
  std::vector<std::int64_t> targets;
  Batch batch;
  batch.layout.starts = {0};
  batch.drawn = static_cast<std::int64_t>(places.size());
  if (!places.empty()) batch.first_document = sources[places[0].source].place(places[0].index);
  const auto add = [&](std::span<const TokenId> document, std::size_t first_learned) {
    const auto start = static_cast<std::int64_t>(tokens.size());
    for (std::size_t i = first_learned; i < document.size(); ++i) {
      positions.push_back(start + static_cast<std::int64_t>(i) - 1);
      targets.push_back(document[i]);
    }
    tokens.insert(tokens.end(), document.begin(), document.end());
    batch.layout.starts.push_back(static_cast<std::int64_t>(tokens.size()));
  };
  for (const DocumentPlace& place : places) {
    const BatchSource& source = sources[place.source];
    const std::span<const TokenId> all = source.tokens(place.index);
    const std::size_t before = targets.size();
    if (source.text != nullptr) {
      std::vector<std::int64_t> segments = source.text->segments(place.index);
      segments.push_back(static_cast<std::int64_t>(all.size()));
      for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
        const auto first = static_cast<std::size_t>(segments[i]);
        add(all.subspan(first, static_cast<std::size_t>(segments[i + 1]) - first), 1);
      }
    } else {
      const auto prompt = static_cast<std::size_t>(source.documents->prompt_lengths[place.index]);
      add(all, loss_on == LossOn::all ? 1 : prompt);
    }
    batch.sources.push_back(place.source);
    batch.source_targets.push_back(static_cast<std::int64_t>(targets.size() - before));
  }
  batch.tokens = to_tensor(tokens);
  batch.loss_positions = to_tensor(positions);
  batch.targets = to_tensor(targets);
  return batch;
}

BatchStream::BatchStream(std::vector<BatchSource> sources, std::vector<double> mix, std::uint64_t seed, LossOn loss_on)
    : sources_(std::move(sources)),
      mix_(std::move(mix)),
      seed_(seed),
      loss_on_(loss_on),
      random_(seed, "batches"),
      cursors_(sources_.size()) {
  for (std::size_t source = 0; source < sources_.size(); ++source) {
    if (mix_[source] == 0) continue;
    if (sources_[source].size() == 0) {
      throw Error(
          fmt::format("the data hold no documents of the kind '{}'; leave it out of --mix", sources_[source].name));
    }
    shuffle(source);
  }
}

void BatchStream::shuffle(std::size_t source) {
  Cursor& cursor = cursors_[source];
  cursor.order.resize(sources_[source].size());
  std::iota(cursor.order.begin(), cursor.order.end(), 0);
  Random random(seed_, fmt::format("order/{}/{}", sources_[source].name, cursor.epoch));
  random.shuffle(std::span(cursor.order));
}

std::size_t BatchStream::draw_source() {
  const double sum = std::accumulate(mix_.begin(), mix_.end(), 0.0);
  double point = random_.uniform() * sum;
  std::size_t last = 0;
  for (std::size_t source = 0; source < mix_.size(); ++source) {
    if (mix_[source] == 0) continue;
    last = source;
    if (point < mix_[source]) break;
    point -= mix_[source];
  }
  return last;
}

Batch BatchStream::next(std::int64_t batch_tokens, std::int64_t documents) {
  return make_batch(sources_, next_places(batch_tokens, documents), loss_on_);
}

std::vector<DocumentPlace> BatchStream::next_places(std::int64_t batch_tokens, std::int64_t documents) {
  std::vector<DocumentPlace> chosen;
  std::int64_t used = 0;
  while (documents == 0 || static_cast<std::int64_t>(chosen.size()) < documents) {
    const std::size_t source = waiting_source_ >= 0 ? static_cast<std::size_t>(waiting_source_) : draw_source();
    Cursor& cursor = cursors_[source];
    const auto index = static_cast<std::size_t>(cursor.order[cursor.next]);
    const auto length = static_cast<std::int64_t>(sources_[source].tokens(index).size());
    waiting_source_ = static_cast<std::int64_t>(source);
    if (used > 0 && used + length > batch_tokens) break;
    waiting_source_ = -1;
    chosen.push_back({source, index});
    used += length;
    if (++cursor.next == cursor.order.size()) {
      cursor.next = 0;
      ++cursor.epoch;
      shuffle(source);
    }
  }
  return chosen;
}

void BatchStream::set_mix(const std::vector<double>& mix) {
  for (std::size_t source = 0; source < mix_.size(); ++source) {
    if (mix_[source] > 0) mix_[source] = mix[source];
  }
}

std::vector<std::int64_t> BatchStream::state() const {
  std::vector<std::int64_t> state = {static_cast<std::int64_t>(random_.state()), waiting_source_};
  for (const Cursor& cursor : cursors_) {
    state.push_back(cursor.epoch);
    state.push_back(static_cast<std::int64_t>(cursor.next));
  }
  for (const double share : mix_) state.push_back(std::bit_cast<std::int64_t>(share));
  return state;
}

void BatchStream::restore(const std::vector<std::int64_t>& state) {
  if (state.size() != 2 + 3 * sources_.size()) throw Error("the training checkpoint is of another version");
  random_ = Random(static_cast<std::uint64_t>(state[0]));
  waiting_source_ = state[1];
  for (std::size_t source = 0; source < sources_.size(); ++source) {
    Cursor& cursor = cursors_[source];
    cursor.epoch = state[2 + 2 * source];
    cursor.next = static_cast<std::size_t>(state[3 + 2 * source]);
    mix_[source] = std::bit_cast<double>(state[2 + 2 * sources_.size() + source]);
    if (mix_[source] == 0) continue;
    shuffle(source);
    if (cursor.next >= cursor.order.size()) throw Error("the training checkpoint belongs to other data");
  }
}

}  // namespace mathtrap
