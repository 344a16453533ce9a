#include "traps/injection/inject.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "traps/injection/operators.h"
#include "traps/injection/wording.h"
#include "traps/lint/lint.h"
#include "traps/proof/flaw.h"
#include "traps/proof/prover.h"

namespace mathtrap {
namespace {

/// A candidate that takes longer is left for one that does not: there are many.
constexpr ProofLimits kCandidateLimits{0.25, 512};

/// The type that a candidate proves as: its own, or another when its own is refuted. None when it is no trap.
std::optional<TrapType> proved_type(const TrapCandidate& candidate, const ProofResult& result) {
  if (result.original.verdict != ProofVerdict::proved) return std::nullopt;
  if (result.trap.verdict == ProofVerdict::proved) return candidate.record.trap_type;
  // A changed number that leaves several answers open is no missing condition: nothing was left out.
  for (const TrapType type : result.trap.provable) {
    if (type != TrapType::missing_condition) return type;
  }
  return std::nullopt;
}

std::string reason_of(const ProofResult& result) {
  const bool original = result.original.verdict != ProofVerdict::proved;
  const Obligation& failed = original ? result.original : result.trap;
  return fmt::format("the {} is {}: {}", original ? "original" : "trap", to_string(failed.verdict), failed.message);
}

/// A candidate with the type that it proved as.
struct Chosen {
  Operation operation;
  Record record;
};

/// The candidates of one original, tried a few at a time until each type is found or they run out.
class Search {
 public:
  explicit Search(const Record& original) : candidates_(derive_candidates(original)) {}

  std::size_t candidates() const { return candidates_.size(); }

  /// The next candidates that are worth a proof: of types that are not found yet.
  std::vector<const TrapCandidate*> next() {
    std::vector<const TrapCandidate*> batch;
    while (next_ < candidates_.size() && batch.size() < kBatch && given_up_ < kMaxGivenUp) {
      const TrapCandidate& candidate = candidates_[next_++];
      if (!found_.contains(*candidate.record.trap_type)) batch.push_back(&candidate);
    }
    return batch;
  }

  void take(const TrapCandidate& candidate, const ProofResult& result, std::vector<Chosen>& chosen,
            std::vector<Rejection>& rejected) {
    const auto type = proved_type(candidate, result);
    if (!type) {
      if (result.verdict == ProofVerdict::undecided) ++given_up_;
      rejected.push_back({candidate.record.id, candidate.operation.name, reason_of(result)});
      return;
    }
    if (!found_.insert(*type).second) return;
    chosen.push_back({candidate.operation, candidate.record});
    chosen.back().record.trap_type = type;
    chosen.back().record.id = fmt::format("{}-{}", candidate.record.id, to_string(*type));
  }

 private:
  static constexpr std::size_t kBatch = 4;
  /// An original whose formulas are too hard for the solver would cost minutes.
  static constexpr std::size_t kMaxGivenUp = 4;

  std::vector<TrapCandidate> candidates_;
  std::size_t next_ = 0;
  std::size_t given_up_ = 0;
  std::set<TrapType> found_;
};

/// Tries the next candidates of each search at once. False when there were none.
bool try_next(std::vector<Search>& searches, int workers, std::vector<Chosen>& chosen, std::vector<Rejection>& rejected,
              const std::function<void(std::size_t)>& took) {
  std::vector<const TrapCandidate*> batch;
  std::vector<Search*> owners;
  std::vector<Record> records;
  for (Search& search : searches) {
    for (const TrapCandidate* candidate : search.next()) {
      batch.push_back(candidate);
      owners.push_back(&search);
      records.push_back(candidate->record);
    }
  }
  const std::vector<ProofResult> results = prove_all(records, kCandidateLimits, workers, took);
  for (std::size_t i = 0; i < batch.size(); ++i) owners[i]->take(*batch[i], results[i], chosen, rejected);
  return !batch.empty();
}

}  // namespace

std::vector<Record> keep_proved(std::vector<Record> records, const std::vector<std::string>& operations, int workers,
                                std::vector<Rejection>& rejected,
                                const std::function<void(std::size_t, Record&)>& finish) {
  const std::vector<ProofResult> results = prove_all(records, {}, workers);
  std::vector<Record> kept;
  for (std::size_t i = 0; i < records.size(); ++i) {
    Record& record = records[i];
    if (results[i].verdict != ProofVerdict::proved) {
      rejected.push_back({record.id, operations[i], reason_of(results[i])});
      continue;
    }
    record.flaw = flaw_of(record, results[i]);
    if (finish) finish(i, record);
    const std::vector<Finding> findings = lint({record}, {});
    if (!findings.empty()) {
      rejected.push_back(
          {record.id, operations[i], fmt::format("{}: {}", findings[0].place.field, findings[0].message)});
      continue;
    }
    kept.push_back(std::move(record));
  }
  return kept;
}

Injection inject_traps(const std::vector<Record>& originals, int workers,
                       const std::function<void(std::size_t)>& took) {
  Injection injection;
  std::vector<Search> searches;
  for (const Record& original : originals) {
    searches.emplace_back(original);
    injection.candidates += searches.back().candidates();
    if (searches.back().candidates() == 0) {
      const bool formalised = original.original && !original.proof.givens.empty();
      injection.rejected.push_back({original.id, "",
                                    formalised ? "no number and no sentence can be changed in its text and proof alike"
                                               : "it has no original with a formalisation to start from"});
    }
  }
  std::vector<Chosen> chosen;
  std::size_t before = 0;
  std::size_t tried = 0;
  while (try_next(searches, workers, chosen, injection.rejected, [&](std::size_t finished) {
    tried = before + finished;
    if (took) took(tried);
  })) {
    before = tried;
  }
  std::sort(chosen.begin(), chosen.end(), [](const Chosen& a, const Chosen& b) { return a.record.id < b.record.id; });
  // Proved once more, as the types that they turned out to be: that gives the flaw, of which the words speak.
  std::vector<Record> typed;
  std::vector<std::string> operations;
  for (const Chosen& item : chosen) {
    typed.push_back(item.record);
    operations.push_back(item.operation.name);
  }
  injection.traps = keep_proved(std::move(typed), operations, workers, injection.rejected,
                                [&](std::size_t i, Record& record) { put_into_words(chosen[i].operation, i, record); });
  return injection;
}

}  // namespace mathtrap
