#include "model/bpe/bpe_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>

#include "model/unicode.h"
#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::int32_t kNone = -1;

std::uint64_t key_of(TokenId left, TokenId right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

/// A symbol in the list of those that are left.
struct Symbol {
  TokenId id = kNone;  ///< kNone: merged into one before it
  std::int32_t previous = kNone;
  std::int32_t next = kNone;
};

/// A pair that can be merged, if it is still there when its turn comes.
struct Candidate {
  std::uint32_t rank = 0;
  std::int32_t at = 0;  ///< of its left symbol
  TokenId merged = 0;
};

bool comes_later(const Candidate& a, const Candidate& b) {
  return std::tie(a.rank, a.at) > std::tie(b.rank, b.at);
}

}  // namespace

BpeModel::BpeModel(BpeVocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {
  ids_.reserve(vocabulary_.tokens.size());
  for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
    const std::string& token = vocabulary_.tokens[id];
    if (!token.empty()) ids_.emplace(token, static_cast<TokenId>(id));
  }
  merges_.reserve(vocabulary_.merges.size());
  std::uint32_t rank = 0;
  for (const BpeMerge& merge : vocabulary_.merges) {
    merges_.emplace(key_of(merge.left, merge.right), Merge{rank++, merge.merged});
  }
  for (std::size_t byte = 0; byte < byte_symbols_.size(); ++byte) {
    byte_symbols_.at(byte) =
        find(vocabulary_.byte_level ? std::string(1, static_cast<char>(byte)) : fmt::format("<0x{:02X}>", byte));
  }
}

TokenId BpeModel::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? kNone : found->second;
}

const BpeModel::Merge* BpeModel::find_merge(TokenId left, TokenId right) const {
  const auto found = merges_.find(key_of(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BpeModel::append_fallback(std::string_view character, std::vector<TokenId>& symbols) const {
  const auto symbol_of = [&](char byte) { return byte_symbols_.at(static_cast<unsigned char>(byte)); };
  const bool has_bytes = vocabulary_.byte_fallback && std::all_of(character.begin(), character.end(),
                                                                  [&](char byte) { return symbol_of(byte) != kNone; });
  if (has_bytes) {
    for (const char byte : character) symbols.push_back(symbol_of(byte));
    return;
  }
  if (vocabulary_.unknown == kNone) return;
  const bool fused = vocabulary_.fuse_unknown && !symbols.empty() && symbols.back() == vocabulary_.unknown;
  if (!fused) symbols.push_back(vocabulary_.unknown);
}

std::vector<TokenId> BpeModel::symbols_of(std::string_view piece) const {
  std::vector<TokenId> symbols;
  symbols.reserve(piece.size());
  while (!piece.empty()) {
    const std::size_t bytes = vocabulary_.byte_level ? 1 : first_code_point(piece).bytes;
    const std::string_view character = piece.substr(0, bytes);
    const TokenId id =
        vocabulary_.byte_level ? byte_symbols_.at(static_cast<unsigned char>(piece.front())) : find(character);
    if (id != kNone) {
      symbols.push_back(id);
    } else {
      append_fallback(character, symbols);
    }
    piece.remove_prefix(bytes);
  }
  return symbols;
}

void BpeModel::merge(std::vector<TokenId>& symbols) const {
  std::vector<Symbol> list(symbols.size());
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const auto at = static_cast<std::int32_t>(i);
    list[i] = {symbols[i], at - 1, i + 1 < symbols.size() ? at + 1 : kNone};
  }
  const auto symbol = [&](std::int32_t at) -> Symbol& { return list[static_cast<std::size_t>(at)]; };
  /// The merge of the symbol at `at` with the next one.
  const auto candidate_at = [&](std::int32_t at) -> std::optional<Candidate> {
    if (at == kNone || symbol(at).id == kNone || symbol(at).next == kNone) return std::nullopt;
    const Merge* merge = find_merge(symbol(at).id, symbol(symbol(at).next).id);
    if (merge == nullptr) return std::nullopt;
    return Candidate{merge->rank, at, merge->merged};
  };
  std::vector<Candidate> heap;
  for (std::int32_t at = 0; at < static_cast<std::int32_t>(list.size()); ++at) {
    if (const std::optional<Candidate> candidate = candidate_at(at)) heap.push_back(*candidate);
  }
  std::make_heap(heap.begin(), heap.end(), comes_later);
  const auto push = [&](std::int32_t at) {
    const std::optional<Candidate> candidate = candidate_at(at);
    if (!candidate) return;
    heap.push_back(*candidate);
    std::push_heap(heap.begin(), heap.end(), comes_later);
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), comes_later);
    const Candidate best = heap.back();
    heap.pop_back();
    const std::optional<Candidate> now = candidate_at(best.at);
    if (!now || now->rank != best.rank) continue;  // a symbol of the pair was merged with another one
    Symbol& left = symbol(best.at);
    Symbol& right = symbol(left.next);
    left.id = best.merged;
    left.next = right.next;
    if (right.next != kNone) symbol(right.next).previous = best.at;
    right.id = kNone;
    push(left.previous);
    push(best.at);
  }
  symbols.clear();
  for (const Symbol& left : list) {
    if (left.id != kNone) symbols.push_back(left.id);
  }
}

void BpeModel::encode(std::string_view piece, std::vector<TokenId>& ids) const {
  if (piece.size() >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error(fmt::format("a text of {} bytes without a place to split it is too long to tokenise", piece.size()));
  }
  if (vocabulary_.ignore_merges) {
    if (const TokenId id = find(piece); id != kNone) {
      ids.push_back(id);
      return;
    }
  }
  std::vector<TokenId> symbols = symbols_of(piece);
  if (symbols.size() > 1) merge(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace mathtrap
