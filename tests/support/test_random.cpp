// The generator's promises: fixed sequence, no bias, independent streams.
#include <array>
#include <cmath>

#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

TEST_CASE("the sequence is SplitMix64's") {
  // Published test values of SplitMix64 for seed 1234567.
  Random random(1234567);
  CHECK(random.next() == 6457827717110365317U);
  CHECK(random.next() == 3203168211198807973U);
}

TEST_CASE("whole numbers cover the range evenly") {
  Random random(7, "dice");
  std::array<int, 6> counts{};
  for (int i = 0; i < 60000; ++i) ++counts.at(static_cast<std::size_t>(random.uniform_int(1, 6) - 1));
  for (const int count : counts) CHECK(std::abs(count - 10000) < 500);
}

TEST_CASE("streams of other names differ, a saved state goes on") {
  Random first(1, "a");
  Random second(1, "b");
  CHECK(first.next() != second.next());
  Random third(first.state());
  CHECK(third.next() == first.next());
}

TEST_CASE("normal numbers have mean 0 and variance 1") {
  Random random(3);
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.normal();
    sum += value;
    squares += value * value;
  }
  CHECK(std::abs(sum / kDraws) < 0.02);
  CHECK(std::abs(squares / kDraws - 1) < 0.02);
}
