// Tokens drawn from known distributions, and the text of replies.
#include <cmath>
#include <limits>

#include "model/sampling.h"
#include "model/scheduler/reply_text.h"
#include "model/unicode.h"
#include "support/error.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

/// Logits of a distribution.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double probability : probabilities) logits.push_back(static_cast<float>(std::log(probability)));
  return logits;
}

const std::vector<float> kLogits = logits_of({0.1, 0.4, 0.05, 0.3, 0.15});

GenerationOptions sampling() {
  GenerationOptions options;
  options.temperature = 1;
  return options;
}

void check_distribution(const GenerationOptions& options, std::vector<std::pair<TokenId, double>> expected) {
  std::vector<TokenProbability> actual = filtered_distribution(kLogits, options);
  std::sort(actual.begin(), actual.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CHECK(actual[i].id == expected[i].first);
    CHECK(actual[i].probability == Approx(expected[i].second).epsilon(1e-5));
  }
}

}  // namespace

TEST_CASE("greedy takes the likeliest token, of equals the lowest") {
  CHECK(greedy_token(std::vector<float>{1, 3, 3, 2}) == 1);
  CHECK(greedy_token(std::vector<float>{-5}) == 0);
  CHECK_THROWS_AS(greedy_token(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}), Error);
}

TEST_CASE("without filters the distribution is the softmax, sharpened by temperature") {
  check_distribution(sampling(), {{0, 0.1}, {1, 0.4}, {2, 0.05}, {3, 0.3}, {4, 0.15}});
  GenerationOptions options = sampling();
  options.temperature = 0.5;  // squares the probabilities
  const double total = 0.01 + 0.16 + 0.0025 + 0.09 + 0.0225;
  check_distribution(
      options, {{0, 0.01 / total}, {1, 0.16 / total}, {2, 0.0025 / total}, {3, 0.09 / total}, {4, 0.0225 / total}});
}

TEST_CASE("top-k keeps the k likeliest") {
  GenerationOptions options = sampling();
  options.top_k = 2;
  check_distribution(options, {{1, 0.4 / 0.7}, {3, 0.3 / 0.7}});
  options.top_k = 99;
  check_distribution(options, {{0, 0.1}, {1, 0.4}, {2, 0.05}, {3, 0.3}, {4, 0.15}});
}

TEST_CASE("top-p keeps the fewest tokens that reach p") {
  GenerationOptions options = sampling();
  options.top_p = 0.75;
  check_distribution(options, {{1, 0.4 / 0.85}, {3, 0.3 / 0.85}, {4, 0.15 / 0.85}});
  options.top_p = 0.01;
  check_distribution(options, {{1, 1}});
}

TEST_CASE("min-p drops tokens far below the likeliest") {
  GenerationOptions options = sampling();
  options.min_p = 0.3;  // of 0.4: below 0.12
  check_distribution(options, {{1, 0.4 / 0.85}, {3, 0.3 / 0.85}, {4, 0.15 / 0.85}});
}

TEST_CASE("filters apply one after another, each on what the one before left") {
  GenerationOptions options = sampling();
  options.top_k = 3;    // 0.4, 0.3, 0.15 of 0.85: 0.47, 0.35, 0.18
  options.top_p = 0.8;  // the first two reach 0.82; alone it would have kept a third
  check_distribution(options, {{1, 0.4 / 0.7}, {3, 0.3 / 0.7}});
  options.min_p = 0.8;
  check_distribution(options, {{1, 1}});
}

TEST_CASE("of equally likely tokens filters keep those of the lowest ids") {
  GenerationOptions options = sampling();
  options.top_k = 2;
  const std::vector<TokenProbability> kept = filtered_distribution(std::vector<float>{1, 1, 1, 1}, options);
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].id == 0);
  CHECK(kept[1].id == 1);
}

TEST_CASE("drawn tokens come as often as they are likely") {
  GenerationOptions options = sampling();
  options.seed = 11;
  std::vector<int> counts(5);
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<std::size_t>(next_token(kLogits, options, i))];
  const double expected[] = {0.1, 0.4, 0.05, 0.3, 0.15};
  for (std::size_t i = 0; i < counts.size(); ++i) CHECK(std::abs(counts[i] / double{kDraws} - expected[i]) < 0.015);
}

TEST_CASE("what is drawn depends on seed and place") {
  GenerationOptions options = sampling();
  const auto draw = [&](std::uint64_t seed) {
    options.seed = seed;
    std::vector<TokenId> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(next_token(kLogits, options, i));
    return tokens;
  };
  CHECK(draw(1) == draw(1));
  CHECK(draw(1) != draw(2));
}

TEST_CASE("log-probabilities are those of the softmax, at any offset") {
  CHECK(log_probability(kLogits, 3) == Approx(std::log(0.3)));
  std::vector<float> shifted = kLogits;
  for (float& logit : shifted) logit += 1000;
  CHECK(log_probability(shifted, 3) == Approx(std::log(0.3)).epsilon(1e-4));
}

TEST_CASE("options out of their range are named") {
  const auto message = [](const auto& change) {
    GenerationOptions options;
    change(options);
    try {
      check_generation_options(options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message([](GenerationOptions&) {}).empty());
  CHECK(message([](GenerationOptions& o) { o.max_new_tokens = 0; }).find("max-new-tokens") == 0);
  CHECK(message([](GenerationOptions& o) { o.temperature = -1; }).find("temperature") == 0);
  CHECK(message([](GenerationOptions& o) { o.temperature = std::nan(""); }).find("temperature") == 0);
  CHECK(message([](GenerationOptions& o) { o.top_k = -1; }).find("top-k") == 0);
  CHECK(message([](GenerationOptions& o) { o.top_p = 1.5; }).find("top-p") == 0);
  CHECK(message([](GenerationOptions& o) { o.min_p = -0.1; }).find("min-p") == 0);
  CHECK(message([](GenerationOptions& o) { o.stop = {""}; }).find("a stop string") == 0);
}

TEST_CASE("stop strings are found where they begin first, also when an earlier part was looked through") {
  const std::vector<std::string> stops = {"END", "D!"};
  CHECK(find_stop("the END", 0, stops) == 4);
  CHECK(find_stop("the END", 6, stops) == 4);
  CHECK(find_stop("the EN", 0, stops) == std::string::npos);
  CHECK(find_stop("END!", 0, stops) == 0);
  CHECK(find_stop("aD! END", 0, stops) == 1);
}

TEST_CASE("bytes that are not UTF-8 become U+FFFD, characters stay") {
  CHECK(replace_invalid_utf8("plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80") ==
        "plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
  CHECK(replace_invalid_utf8("cut \xE2\x82") == "cut \uFFFD");
  CHECK(replace_invalid_utf8("\xC3(") == "\uFFFD(");
  CHECK(replace_invalid_utf8("\xFF\xC0\x80") == "\uFFFD\uFFFD\uFFFD");
  CHECK(replace_invalid_utf8("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");  // a surrogate
}
