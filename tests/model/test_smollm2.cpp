// A published model against llama.cpp, which computed the same weights in f32 (tests/golden/models/smollm2): token ids
// of prompts, greedy replies token by token and as text, and the likelihood of 100 KB of English.
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/network.h"
#include "model/scheduler/scoring.h"
#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/model/published_model.h"

using namespace mathtrap;

namespace {

constexpr TokenId kEndOfTurn = 2;  // "<|im_end|>", which ends a reply
constexpr std::int64_t kReplyTokens = 100;
const BatchLimits kLimits{16, 512, std::int64_t{1} << 30, 1024};

Json read_golden(const char* file) {
  const std::filesystem::path path = std::filesystem::path(MATHTRAP_SOURCE_DIR) / "tests/golden/models/smollm2" / file;
  return parse_json(read_file(path), {path, 0, ""});
}

/// What llama.cpp makes of a prompt.
struct GoldenReply {
  std::string prompt;
  std::vector<TokenId> prompt_tokens;
  std::vector<TokenId> reply;  ///< the likeliest tokens, also behind the end of a turn
};

std::vector<GoldenReply> golden_replies() {
  const Json golden = read_golden("greedy.json");
  std::vector<GoldenReply> replies;
  for (const Json& item : golden.at("replies")) {
    replies.push_back({item.at("prompt").get<std::string>(), item.at("prompt_tokens").get<std::vector<TokenId>>(),
                       item.at("reply").get<std::vector<TokenId>>()});
  }
  REQUIRE(replies.size() >= 20);
  return replies;
}

}  // namespace

TEST_CASE("SmolLM2: prompts have llama.cpp's token ids, those of a chat without another begin-of-text") {
  const auto path = find_smollm2();
  if (!path) return;
  const Engine engine(path->string(), {});
  const std::vector<GoldenReply> replies = golden_replies();
  for (const GoldenReply& item : replies) {
    INFO(item.prompt);
    CHECK(engine.tokenizer().encode(item.prompt, SpecialTokens::parsed) == item.prompt_tokens);
    CHECK(engine.prompt_tokens({item.prompt, {}}) == static_cast<std::int64_t>(item.prompt_tokens.size()));
  }
}

TEST_CASE("SmolLM2: each of 100 tokens behind each prompt is the one that llama.cpp finds likeliest") {
  const auto path = find_smollm2();
  if (!path) return;
  const at::NoGradGuard no_gradients;
  const Network network = make_network(read_checkpoint(path->string()), "cpu");
  const std::vector<GoldenReply> replies = golden_replies();
  std::vector<ScoringJob> jobs;
  for (const GoldenReply& item : replies) {
    REQUIRE(item.reply.size() == kReplyTokens);
    ScoringJob job{item.prompt_tokens, static_cast<std::int64_t>(item.prompt_tokens.size())};
    job.tokens.insert(job.tokens.end(), item.reply.begin(), item.reply.end());
    jobs.push_back(std::move(job));
  }
  const std::vector<Score> scores = run_scoring(network, jobs, kLimits);
  for (std::size_t i = 0; i < replies.size(); ++i) {
    INFO(replies[i].prompt);
    CHECK(scores[i].tokens == kReplyTokens);
    CHECK(scores[i].greedy);
  }
}

TEST_CASE("SmolLM2: greedy replies are llama.cpp's") {
  const auto path = find_smollm2();
  if (!path) return;
  Engine engine(path->string(), {});
  const std::vector<GoldenReply> replies = golden_replies();
  std::vector<GenerationRequest> requests;
  for (const GoldenReply& item : replies) {
    requests.push_back({item.prompt, {}});
    requests.back().options.max_new_tokens = static_cast<int>(kReplyTokens);
  }
  const std::vector<Completion> completions = engine.generate(requests, {});
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const std::vector<TokenId>& reply = replies[i].reply;
    const auto end = std::find(reply.begin(), reply.end(), kEndOfTurn);
    INFO(replies[i].prompt);
    CHECK(completions[i].text == engine.tokenizer().decode(std::vector<TokenId>(reply.begin(), end)));
    CHECK(completions[i].finish_reason == (end == reply.end() ? FinishReason::length : FinishReason::stop));
  }
}

TEST_CASE("SmolLM2: the perplexity of English text is llama.cpp's, in each window of it") {
  const auto path = find_smollm2();
  if (!path) return;
  const at::NoGradGuard no_gradients;
  const Checkpoint checkpoint = read_checkpoint(path->string());
  const Network network = make_network(checkpoint, "cpu");
  const Json golden = read_golden("perplexity.json");
  const std::string text =
      read_file(std::filesystem::path(MATHTRAP_SOURCE_DIR) / "tests/golden/models/smollm2/text.txt");
  const std::vector<TokenId> tokens = Tokenizer(checkpoint.tokenizer_model, "SmolLM2").encode(text);
  REQUIRE(tokens.size() == golden.at("tokens").get<std::size_t>());
  const auto step = golden.at("window").get<std::size_t>() - 1;
  std::vector<ScoringJob> jobs;
  for (std::size_t first = 0; first < tokens.size(); first += step) {
    ScoringJob job;
    job.tokens = {kEndOfTurn};  // stands before each window, in both programs
    const std::size_t end = std::min(first + step, tokens.size());
    job.tokens.insert(job.tokens.end(), tokens.begin() + static_cast<std::ptrdiff_t>(first),
                      tokens.begin() + static_cast<std::ptrdiff_t>(end));
    jobs.push_back(std::move(job));
  }
  const auto wanted = golden.at("log_probabilities").get<std::vector<double>>();
  REQUIRE(wanted.size() == jobs.size());
  const std::vector<Score> scores = run_scoring(network, jobs, kLimits);
  double sum = 0;
  double wanted_sum = 0;
  double largest = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    sum += scores[i].logprob;
    wanted_sum += wanted[i];
    largest = std::max(largest, std::abs(scores[i].logprob - wanted[i]) / static_cast<double>(scores[i].tokens));
  }
  const auto count = static_cast<double>(tokens.size());
  const double perplexity = std::exp(-sum / count);
  const double wanted_perplexity = std::exp(-wanted_sum / count);
  INFO(fmt::format("{:.6f}, llama.cpp {:.6f}; a window's mean differs by up to {:.2e}", perplexity, wanted_perplexity,
                   largest));
  CHECK(std::abs(perplexity / wanted_perplexity - 1) < 1e-4);
  CHECK(largest < 1e-4);
}
