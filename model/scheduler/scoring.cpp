#include "model/scheduler/scoring.h"

#include <algorithm>
#include <numeric>

#include "model/sampling.h"
#include "support/error.h"
#include "support/interrupt.h"

namespace mathtrap {
namespace {

Sequence sequence_of(std::size_t number, const ScoringJob& job) {
  Sequence sequence;
  sequence.job = number;
  // Nothing follows the last token.
  sequence.tokens.assign(job.tokens.begin(), job.tokens.end() - 1);
  sequence.capacity = static_cast<std::int64_t>(sequence.tokens.size());
  sequence.first_wanted = job.from - 1;
  return sequence;
}

}  // namespace

std::vector<Score> run_scoring(const Network& network, std::span<const ScoringJob> jobs, const BatchLimits& limits) {
  std::vector<Score> scores(jobs.size());
  // Jobs that begin the same follow each other, so that the beginning is computed once.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    scores[i].greedy = true;
    if (static_cast<std::size_t>(jobs[i].from) < jobs[i].tokens.size()) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return jobs[a].tokens < jobs[b].tokens; });
  const auto visit = [&](Sequence& sequence, std::int64_t position, std::span<const float> logits) {
    const TokenId target = jobs[sequence.job].tokens[static_cast<std::size_t>(position) + 1];
    Score& score = scores[sequence.job];
    score.logprob += log_probability(logits, target);
    score.greedy = score.greedy && greedy_token(logits) == target;
    ++score.tokens;
  };
  SequenceBatch batch(network, limits);
  std::size_t next = 0;
  while (next < order.size() || !batch.empty()) {
    if (interrupted()) throw Error("interrupted");
    while (next < order.size() && batch.admit(sequence_of(order[next], jobs[order[next]]))) ++next;
    batch.step(visit);
  }
  return scores;
}

}  // namespace mathtrap
