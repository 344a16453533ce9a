#include "harness/interview.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "harness/vote.h"
#include "support/error.h"
#include "support/interrupt.h"
#include "support/json.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

/// A tokenizer may cut a reply within a character; files hold whole ones.
std::string valid_utf8(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

/// What one vote on a question came to: the reply that counts, and the one before it where there are two turns.
struct Vote {
  std::string first_reply;
  std::string prompt;  ///< of the reply that counts
  Completion completion;
  bool finished = false;
};

bool is_failed(const Vote& vote) {
  return vote.completion.finish_reason == FinishReason::error;
}

Sample make_sample(const Question& question, const std::vector<Vote>& votes) {
  std::vector<std::string> replies;
  replies.reserve(votes.size());
  for (const Vote& vote : votes) replies.push_back(valid_utf8(vote.completion.text));
  const std::size_t chosen = replies.size() == 1 ? 0 : majority_reply(question.reference.arm, replies);
  const Completion& completion = votes[chosen].completion;
  Sample sample;
  sample.id = question.id;
  sample.arm = question.reference.arm;
  sample.intervention = question.intervention;
  sample.trap_type = question.trap_type;
  sample.cluster = question.cluster;
  sample.epoch = question.epoch;
  sample.prompt = votes[chosen].prompt;
  sample.first_reply = valid_utf8(votes[chosen].first_reply);
  sample.reply = replies[chosen];
  replies.erase(replies.begin() + static_cast<std::ptrdiff_t>(chosen));
  sample.other_votes = std::move(replies);
  for (const Vote& vote : votes) {
    sample.prompt_tokens += vote.completion.prompt_tokens;
    sample.completion_tokens += vote.completion.completion_tokens;
  }
  sample.finish_reason = to_string(completion.finish_reason);
  sample.reference = question.reference.text;
  sample.problem = question.reference.problem;
  sample.evidence = question.reference.evidence;
  sample.core = question.reference.core;
  sample.verdict = Verdict::unjudged;
  const auto failed = std::find_if(votes.begin(), votes.end(), is_failed);
  if (failed != votes.end()) {
    sample.finish_reason = to_string(FinishReason::error);
    sample.verdict = Verdict::failed;
    sample.reason = valid_utf8(failed->completion.error);
  }
  return sample;
}

/// Replies on their way to a verdict and into the store: as many at once as the judge likes.
class Judging {
 public:
  Judging(const Plan& plan, Progression& progression, Judge& judge, RunStore& store)
      : plan_(plan), progression_(progression), judge_(judge), store_(store) {}

  /// A reply that was just made. Where its verdict comes later it is stored without one first: no kill loses it.
  void take(std::size_t index, Sample sample) {
    if (sample.verdict == Verdict::failed || progression_.predict_only()) return keep(index, std::move(sample));
    if (judge_.batch() > 1) store_.append(sample);
    take_stored(index, std::move(sample));
  }

  /// A reply that the store holds without a verdict.
  void take_stored(std::size_t index, Sample sample) {
    waiting_.emplace_back(index, std::move(sample));
    if (waiting_.size() >= judge_.batch()) judge_waiting();
  }

  /// What an interrupt leaves without a verdict is judged when the run goes on.
  void judge_waiting() {
    std::vector<ReplyToJudge> replies;
    replies.reserve(waiting_.size());
    for (const auto& [index, sample] : waiting_) {
      replies.push_back(
          {&plan_.questions[index].reference, sample.reply, sample.finish_reason == to_string(FinishReason::length)});
    }
    auto judgements = judge_.judge(replies);
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (!judgements[i]) continue;
      auto& [index, sample] = waiting_[i];
      sample.verdict = judgements[i]->verdict;
      sample.answer = std::move(judgements[i]->answer);
      sample.reason = std::move(judgements[i]->reason);
      keep(index, std::move(sample));
    }
    waiting_.clear();
  }

 private:
  void keep(std::size_t index, Sample sample) {
    store_.append(sample);
    progression_.put(index, std::move(sample));
  }

  const Plan& plan_;
  Progression& progression_;
  Judge& judge_;
  RunStore& store_;
  std::vector<std::pair<std::size_t, Sample>> waiting_;
};

/// Asks everything that is open: all first turns at once, then all second turns. A question is stored when its votes
/// are complete.
class Interview {
 public:
  Interview(const Plan& plan, const Progression& progression, Judging& judging, const std::string& adapter)
      : plan_(plan), judging_(judging), adapter_(adapter), progress_(title(adapter), count_replies(), "replies") {
    for (const std::size_t index : progression.open_questions()) {
      if (is_asked(index)) votes_.emplace(index, std::vector<Vote>(plan_.questions[index].seeds.size()));
    }
    progress_.start_at(count_finished());
  }

  /// Until all is answered or the run is interrupted.
  void run(ModelUnderTest& model) {
    for (const bool second : {false, true}) {
      const std::vector<Turn> turns = turns_of(second);
      std::vector<GenerationRequest> requests;
      requests.reserve(turns.size());
      for (const Turn& turn : turns) requests.push_back(turn.request);
      if (requests.empty()) continue;
      model.answer(requests, [&](std::size_t index, const Completion& completion) {
        take(turns[index], completion, second);
        return !interrupted();
      });
      if (interrupted()) return;
    }
  }

 private:
  struct Turn {
    std::size_t question = 0;
    std::size_t vote = 0;
    GenerationRequest request;
  };

  static std::string title(const std::string& adapter) {
    return adapter.empty() ? "evaluating" : fmt::format("evaluating with {}", adapter);
  }

  bool is_asked(std::size_t question) const { return intervention_of(question).adapter == adapter_; }

  const Intervention& intervention_of(std::size_t question) const {
    return plan_.interventions[plan_.questions[question].intervention_place];
  }

  bool has_second_turn(std::size_t question) const {
    return plan_.questions[question].reference.arm != Arm::conceptual && !intervention_of(question).follow_up.empty();
  }

  std::size_t replies_to(std::size_t question) const {
    return plan_.questions[question].seeds.size() * (has_second_turn(question) ? 2 : 1);
  }

  std::size_t count_replies() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < plan_.questions.size(); ++i) count += is_asked(i) ? replies_to(i) : 0;
    return count;
  }

  std::size_t count_finished() {
    std::size_t open = 0;
    for (const auto& [index, votes] : votes_) open += replies_to(index);
    answered_ = count_replies() - open;
    return answered_;
  }

  std::vector<Turn> turns_of(bool second) {
    std::vector<Turn> turns;
    for (const auto& [index, votes] : votes_) {
      if (second && !has_second_turn(index)) continue;
      for (std::size_t vote = 0; vote < votes.size(); ++vote) {
        if (votes[vote].finished) continue;  // its first turn failed
        const Question& question = plan_.questions[index];
        GenerationRequest request =
            second ? make_second_turn(plan_, question, votes[vote].first_reply) : question.request;
        request.options.seed = question.seeds[vote];
        turns.push_back({index, vote, std::move(request)});
      }
    }
    return turns;
  }

  void take(const Turn& turn, const Completion& completion, bool second) {
    progress_.update(++answered_);
    Vote& vote = votes_.at(turn.question)[turn.vote];
    const bool failed = completion.finish_reason == FinishReason::error;
    if (!second && has_second_turn(turn.question) && !failed) {
      vote.first_reply = completion.text;
      return;
    }
    vote.prompt = turn.request.prompt;
    vote.completion = completion;
    vote.finished = true;
    const std::vector<Vote>& votes = votes_.at(turn.question);
    if (!std::all_of(votes.begin(), votes.end(), [](const Vote& item) { return item.finished; })) return;
    judging_.take(turn.question, make_sample(plan_.questions[turn.question], votes));
  }

  const Plan& plan_;
  Judging& judging_;
  std::string adapter_;
  Progress progress_;
  std::map<std::size_t, std::vector<Vote>> votes_;  ///< of the open questions, in the order of the plan
  std::size_t answered_ = 0;
};

}  // namespace

Progression::Progression(const Plan& plan, const RunStore& store, bool predict_only) : predict_only_(predict_only) {
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < plan.questions.size(); ++i) index.emplace(plan.questions[i].id, i);
  samples_.resize(plan.questions.size());
  for (const Sample& sample : store.finished()) {
    const auto found = index.find(sample.id);
    if (found == index.end()) {
      throw Error(fmt::format("{}: samples.jsonl holds \"{}\", which is no question of this run",
                              store.folder().string(), sample.id));
    }
    if (sample.verdict == Verdict::failed) continue;
    if (sample.verdict == Verdict::unjudged && !predict_only) {
      unjudged_.emplace_back(found->second, sample);
    } else {
      put(found->second, sample);
    }
  }
}

std::vector<std::pair<std::size_t, Sample>> Progression::take_unjudged() {
  return std::exchange(unjudged_, {});
}

std::vector<std::size_t> Progression::open_questions() const {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (!samples_[i]) open.push_back(i);
  }
  return open;
}

void Progression::put(std::size_t index, Sample sample) {
  if (!samples_[index]) ++done_;
  samples_[index] = std::move(sample);
}

std::vector<Sample> Progression::take() {
  std::vector<Sample> samples;
  samples.reserve(samples_.size());
  for (std::optional<Sample>& sample : samples_) samples.push_back(std::move(*sample));
  return samples;
}

void ask_open_questions(const Plan& plan, Progression& progression, ModelUnderTest& model, Judge& judge,
                        RunStore& store, const std::string& adapter) {
  Judging judging(plan, progression, judge, store);
  for (auto& [index, sample] : progression.take_unjudged()) judging.take_stored(index, std::move(sample));
  judging.judge_waiting();
  Interview(plan, progression, judging, adapter).run(model);
  judging.judge_waiting();
}

}  // namespace mathtrap
