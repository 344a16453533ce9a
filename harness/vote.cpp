#include "harness/vote.h"

#include <algorithm>
#include <vector>

#include "harness/equality.h"
#include "harness/extraction.h"
#include "harness/reading.h"

namespace mathtrap {
namespace {

constexpr const char* kNoAnswerGiven = "";

/// What a reply answers; kNoAnswerGiven when it declines.
std::string answer_of(Arm arm, const std::string& reply) {
  if (arm == Arm::conceptual) {
    const Truth truth = find_truth(reply_proper(reply));
    return truth.value ? (*truth.value ? "true" : "false") : kNoAnswerGiven;
  }
  const Reading reading = read_reply(reply);
  return reading.declines ? kNoAnswerGiven : reading.answer.text;
}

struct Group {
  std::string answer;
  std::size_t first = 0;
  std::size_t count = 0;
};

}  // namespace

std::size_t majority_reply(Arm arm, std::span<const std::string> replies) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const std::string answer = answer_of(arm, replies[i]);
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      if (group.answer.empty() || answer.empty()) return group.answer.empty() && answer.empty();
      return answers_equal(group.answer, answer);
    });
    if (same == groups.end()) {
      groups.push_back({answer, i, 1});
    } else {
      ++same->count;
    }
  }
  const auto most =
      std::max_element(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.count < b.count; });
  return most->first;
}

}  // namespace mathtrap
