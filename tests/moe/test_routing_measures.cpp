// Figures of routing against their definitions, worked out by hand.
#include <cmath>
#include <vector>

#include "moe/routing_measures.h"
#include "tests/catch.h"

using namespace mathtrap;

TEST_CASE("load, importance, entropy, imbalance and dead experts of a small table of counts") {
  // Four tokens, one expert each: three to the first, one to the second.
  const LayerRouting routing{{3, 1, 0, 0}, {1.5, 0.5, 0, 0}, 6};
  const LayerMeasures measures = measure_layer(routing, 4, 1, true);
  CHECK(measures.load == std::vector<double>{0.75, 0.25, 0, 0});
  CHECK(measures.importance == std::vector<double>{0.375, 0.125, 0, 0});
  CHECK(measures.gate_entropy == 1.5);
  CHECK(measures.load_entropy == Approx(0.811278124459));  // of a coin that shows one side three times in four
  CHECK(measures.max_over_mean == 3);
  CHECK(measures.variation == Approx(std::sqrt(2.0)));  // squares 0.25 + 0 + 0.0625 + 0.0625 over 3, root over 0.25
  CHECK(measures.dead == std::vector<std::int64_t>{2, 3});
  CHECK_FALSE(measure_layer(routing, 4, 1, false).gate_entropy);

  const LayerMeasures even = measure_layer({{2, 2, 2, 2}, {1, 1, 1, 1}, 8}, 4, 2, true);
  CHECK(even.load_entropy == 2);
  CHECK(even.max_over_mean == 1);
  CHECK(even.variation == 0);
  CHECK(even.dead.empty());

  const LayerMeasures nothing = measure_layer({{0, 0}, {0, 0}, 0}, 0, 1, true);
  CHECK(nothing.load == std::vector<double>{0, 0});
  CHECK(nothing.dead.size() == 2);
}

TEST_CASE("prompts are added expert by expert") {
  PromptRouting total;
  add_routing(total, {2, {{{2, 0}, {1.25, 0}, 0.5, {0, 0}}}});
  add_routing(total, {3, {{{1, 2}, {0.5, 1}, 2}}});
  CHECK(total.tokens == 5);
  CHECK(total.layers[0].routes.empty());
  CHECK(total.layers[0].chosen == std::vector<std::int64_t>{3, 2});
  CHECK(total.layers[0].mass == std::vector<double>{1.75, 1});
  CHECK(total.layers[0].entropy == 2.5);
}

TEST_CASE("expected pairs have the sums that were seen, and no preference beyond them") {
  // Two of four experts for each of 20 tokens, all alike: every pair is expected equally often.
  const std::vector<double> even = expected_together(std::vector<std::int64_t>{10, 10, 10, 10}, 2);
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = 0; b < 4; ++b) CHECK(even[a * 4 + b] == Approx(a == b ? 0 : 10.0 / 3));
  }

  const std::vector<std::int64_t> chosen = {50, 30, 25, 15, 0};
  for (const std::int64_t select : {2, 3}) {
    const std::vector<double> expected = expected_together(chosen, select);
    const auto at = [&](std::size_t a, std::size_t b) { return expected[a * 5 + b]; };
    for (std::size_t a = 0; a < 5; ++a) {
      double sum = 0;
      for (std::size_t b = 0; b < 5; ++b) {
        sum += at(a, b);
        CHECK(at(a, b) == Approx(at(b, a)));
      }
      CHECK(sum == Approx(static_cast<double>(chosen[a] * (select - 1))).margin(1e-6));
    }
    // Of the form u_a u_b: ratios of products are one.
    CHECK(at(0, 1) * at(2, 3) == Approx(at(0, 2) * at(1, 3)));
    CHECK(at(0, 1) * at(2, 3) == Approx(at(0, 3) * at(1, 2)));
  }

  // Two experts that always go together are expected to: there is nobody else.
  const std::vector<double> two = expected_together(std::vector<std::int64_t>{7, 7}, 2);
  CHECK(two[1] == Approx(7));
}

TEST_CASE("lift is what was seen over what is expected, where enough is expected") {
  // Pairs 0+1 and 2+3 alone, 30 tokens each: an expert meets each of the others 10 times, as expected.
  std::vector<std::int64_t> together = {30, 30, 0, 0, 30, 30, 0, 0, 0, 0, 30, 30, 0, 0, 30, 30};
  const std::vector<std::int64_t> chosen = {30, 30, 30, 30};
  const auto lift = co_selection_lift(together, chosen, 2);
  CHECK_FALSE(lift[0]);
  CHECK(*lift[1] == Approx(3));  // 30 / 10
  CHECK(*lift[2] == 0);
  CHECK(*lift[4] == *lift[1]);
  // With a tenth of the tokens a pair is expected once: too little to say.
  for (std::int64_t& count : together) count /= 10;
  for (const auto& value : co_selection_lift(together, std::vector<std::int64_t>{3, 3, 3, 3}, 2)) CHECK_FALSE(value);
}
