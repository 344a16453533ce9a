#include "harness/judges.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "harness/model_judge.h"
#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::string_view kRules = "rules";
constexpr std::string_view kModel = "llm:";
constexpr std::string_view kVote = "vote:";
constexpr std::string_view kCascade = "cascade:";
constexpr std::size_t kMaxMembers = 15;

class RuleJudge final : public Judge {
 public:
  explicit RuleJudge(Equivalence equivalence) : equivalence_(equivalence) {
    // By value nothing is added: runs of before there was a choice go on.
    if (equivalence != Equivalence::value) description_["equivalence"] = to_string(equivalence);
  }

  const Json& description() const override { return description_; }
  std::size_t batch() const override { return 1; }

  std::vector<std::optional<Judgement>> judge(std::span<const ReplyToJudge> replies) override {
    std::vector<std::optional<Judgement>> judgements;
    judgements.reserve(replies.size());
    for (const ReplyToJudge& item : replies) {
      judgements.emplace_back(judge_reply(*item.reference, item.reply, item.cut, equivalence_));
    }
    return judgements;
  }

 private:
  Equivalence equivalence_;
  Json description_ = {{"name", kRules}};
};

/// What votes and cascades have in common.
class Panel : public Judge {
 public:
  Panel(std::string_view kind, std::vector<std::unique_ptr<Judge>> members)
      : members_(std::move(members)), description_{{"name", kind}, {"members", Json::array()}} {
    for (const auto& member : members_) description_["members"].push_back(member->description());
  }

  const Json& description() const override { return description_; }

  std::size_t batch() const override {
    std::size_t largest = 1;
    for (const auto& member : members_) largest = std::max(largest, member->batch());
    return largest;
  }

 protected:
  std::vector<std::unique_ptr<Judge>> members_;

 private:
  Json description_;
};

/// What most of them say, when they are more than half of all.
Judgement count_votes(const std::vector<Judgement>& votes) {
  std::map<Verdict, std::size_t> counts;
  for (const Judgement& vote : votes) ++counts[vote.verdict];
  std::string said;
  for (const auto& [verdict, count] : counts) {
    said += fmt::format("{}{} {}", said.empty() ? "" : ", ", count, to_string(verdict));
  }
  for (const Judgement& vote : votes) {
    if (vote.verdict == Verdict::unscored || 2 * counts[vote.verdict] <= votes.size()) continue;
    return {vote.verdict, vote.answer, fmt::format("votes: {}; {}", said, vote.reason)};
  }
  return {Verdict::unscored, "", fmt::format("no majority: {}", said)};
}

class Vote final : public Panel {
 public:
  explicit Vote(std::vector<std::unique_ptr<Judge>> members) : Panel("vote", std::move(members)) {}

  std::vector<std::optional<Judgement>> judge(std::span<const ReplyToJudge> replies) override {
    std::vector<std::vector<Judgement>> votes(replies.size());
    for (const auto& member : members_) {
      const auto judgements = member->judge(replies);
      for (std::size_t i = 0; i < replies.size(); ++i) {
        if (judgements[i]) votes[i].push_back(*judgements[i]);
      }
    }
    std::vector<std::optional<Judgement>> judgements(replies.size());
    for (std::size_t i = 0; i < replies.size(); ++i) {
      if (votes[i].size() == members_.size()) judgements[i] = count_votes(votes[i]);
    }
    return judgements;
  }
};

class Cascade final : public Panel {
 public:
  explicit Cascade(std::vector<std::unique_ptr<Judge>> members) : Panel("cascade", std::move(members)) {}

  std::vector<std::optional<Judgement>> judge(std::span<const ReplyToJudge> replies) override {
    std::vector<std::optional<Judgement>> judgements = members_.front()->judge(replies);
    for (std::size_t next = 1; next < members_.size(); ++next) {
      std::vector<ReplyToJudge> unsure;
      std::vector<std::size_t> places;
      for (std::size_t i = 0; i < replies.size(); ++i) {
        if (!judgements[i] || (judgements[i]->sure && judgements[i]->verdict != Verdict::unscored)) continue;
        unsure.push_back(replies[i]);
        places.push_back(i);
      }
      if (unsure.empty()) break;
      auto decided = members_[next]->judge(unsure);
      for (std::size_t i = 0; i < places.size(); ++i) judgements[places[i]] = std::move(decided[i]);
    }
    return judgements;
  }
};

std::vector<std::string> split_members(std::string_view list) {
  std::vector<std::string> members;
  while (true) {
    const std::size_t comma = list.find(',');
    members.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return members;
    list.remove_prefix(comma + 1);
  }
}

/// A judge's name taken apart and found to be good.
struct JudgeName {
  std::string_view kind;             ///< kRules, kModel, kVote or kCascade
  std::vector<std::string> members;  ///< of votes and cascades; of kModel the model's name
};

JudgeName parse_judge_name(const std::string& name) {
  if (name == kRules) return {kRules, {}};
  if (name.starts_with(kModel)) return {kModel, {name.substr(kModel.size())}};
  for (const std::string_view kind : {kVote, kCascade}) {
    if (!name.starts_with(kind)) continue;
    JudgeName parsed{kind, split_members(std::string_view(name).substr(kind.size()))};
    if (parsed.members.size() < 2 || parsed.members.size() > kMaxMembers) {
      throw Error(fmt::format("--judge {}: from 2 to {} judges are wanted behind {}", name, kMaxMembers, kind));
    }
    for (const std::string& member : parsed.members) {
      if (member == kRules || member.starts_with(kModel)) continue;
      throw Error(fmt::format("--judge {}: \"{}\" is neither rules nor llm:MODEL", name, member));
    }
    return parsed;
  }
  throw Error(fmt::format("--judge {}: known are rules, llm:MODEL, vote:A,B,C and cascade:rules,llm:MODEL", name));
}

/// `name` is what was parsed.
std::unique_ptr<Judge> open_parsed(const std::string& name, const JudgeName& parsed, const JudgeOptions& options) {
  if (parsed.kind == kRules) return std::make_unique<RuleJudge>(options.equivalence);
  if (parsed.kind == kModel) {
    const std::string& model = parsed.members.front();
    return make_model_judge(name, options.open ? options.open(model) : open_model(model, options.engine),
                            load_judge_prompts(), options.max_new_tokens);
  }
  std::vector<std::unique_ptr<Judge>> members;
  for (const std::string& member : parsed.members) {
    members.push_back(open_parsed(member, parse_judge_name(member), options));
  }
  return parsed.kind == kVote ? make_vote(std::move(members)) : make_cascade(std::move(members));
}

}  // namespace

std::unique_ptr<Judge> make_vote(std::vector<std::unique_ptr<Judge>> members) {
  return std::make_unique<Vote>(std::move(members));
}

std::unique_ptr<Judge> make_cascade(std::vector<std::unique_ptr<Judge>> members) {
  return std::make_unique<Cascade>(std::move(members));
}

std::unique_ptr<Judge> open_judge(const std::string& name, const JudgeOptions& options) {
  const JudgeName parsed = parse_judge_name(name);
  const auto& members = parsed.members;
  const bool rules = parsed.kind == kRules || std::find(members.begin(), members.end(), kRules) != members.end();
  if (!rules && options.equivalence != Equivalence::value) {
    throw Error(fmt::format("--equivalence {}: the judge {} compares no answers by rules; take --judge rules",
                            to_string(options.equivalence), name));
  }
  return open_parsed(name, parsed, options);
}

void check_judge_name(const std::string& name) {
  const JudgeName parsed = parse_judge_name(name);
  if (parsed.kind == kModel) {
    check_model_name(parsed.members.front());
  } else {
    for (const std::string& member : parsed.members) check_judge_name(member);
  }
}

}  // namespace mathtrap
