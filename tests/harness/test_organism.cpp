// What the shipped model owns, on fresh instances: the mathematics, the concepts, and the words for a question without
// an answer. The trap arm is a result, not a promise: no test fixes it.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/engine.h"
#include "prompts/prompts.h"
#include "support/files.h"
#include "tests/catch.h"
#include "traps/generate.h"

using namespace mathtrap;

namespace {

constexpr std::uint64_t kReplies = 300;
bool declines(const std::string& reply) {
  return reply.find(kNoAnswer) != std::string::npos;
}

std::vector<FormedReply> fresh_forms() {
  std::vector<FormedReply> forms;
  generate_replies(read_reply_forms(resource("datasets/corpora/reply_form").string()), Split::test, kReplies, 77,
                   [&](const FormedReply& form) { forms.push_back(form); });
  return forms;
}

/// The share of replies that decline exactly when the question has no answer.
double share_that_declines_rightly(Engine& engine, const std::string& intervention) {
  const PromptForm form = load_prompt_form("plain");
  const Intervention help = load_intervention(intervention);
  const std::vector<FormedReply> forms = fresh_forms();
  std::vector<GenerationRequest> requests;
  for (const FormedReply& item : forms) {
    requests.push_back({render_prompt(form, help, Arm::original, item.instruction), {}});
  }
  const std::vector<Completion> completions = engine.generate(requests, {});
  std::size_t right = 0;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    if (declines(completions[i].text) == declines(forms[i].response)) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(forms.size());
}

}  // namespace

// Half would be chance.
TEST_CASE("the organism declines by the reply form where it should and nowhere else, hinted or not") {
  Engine engine(resource("model/zoo/organism").string(), {});
  for (const char* intervention : {"none", "hint"}) {
    const double share = share_that_declines_rightly(engine, intervention);
    INFO(fmt::format("{}: {:.3f}", intervention, share));
    CHECK(share >= 0.95);
  }
}
