// Random partitions, and what is refused as a partition.
#include <algorithm>
#include <string>
#include <vector>

#include "moe/partition.h"
#include "support/error.h"
#include "tests/catch.h"

using namespace mathtrap;
using Catch::Contains;

TEST_CASE("a random partition gives each neuron to one expert, all of one size") {
  const Partition partition = random_partition(48, 4, 7, 2);
  check_partition(partition, 48, true);
  REQUIRE(partition.experts.size() == 4);
  for (const auto& expert : partition.experts) CHECK(expert.size() == 12);
  CHECK(partition.shared.empty());
}

TEST_CASE("a random partition follows from its seed and layer") {
  const auto experts = [](std::uint64_t seed, std::int64_t layer) {
    return random_partition(96, 4, seed, layer).experts;
  };
  CHECK(experts(1, 0) == experts(1, 0));
  CHECK(experts(1, 0) != experts(1, 1));
  CHECK(experts(1, 0) != experts(2, 0));
}

TEST_CASE("each neuron is as likely in each expert") {
  // Expert 0 of 4 takes a given neuron with chance 1/4; over 4,000 seeds the count has a deviation of 27.
  std::vector<int> taken(8);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const Partition partition = random_partition(8, 4, seed, 0);
    for (const std::int64_t neuron : partition.experts[0]) ++taken[static_cast<std::size_t>(neuron)];
  }
  for (const int count : taken) CHECK(std::abs(count - 1000) < 140);
}

TEST_CASE("experts that do not divide the neurons are refused with both numbers") {
  CHECK_THROWS_WITH(random_partition(11008, 7, 1, 0), Contains("11008") && Contains("7 experts"));
  CHECK_THROWS_AS(random_partition(8, 0, 1, 0), Error);
  CHECK_THROWS_AS(random_partition(0, 4, 1, 0), Error);
}

TEST_CASE("a partition is checked") {
  CHECK_NOTHROW(check_partition({{{0, 1}, {2, 3}}, {4}}, 5, true));
  CHECK_NOTHROW(check_partition({{{0, 1}, {1, 3}}, {}}, 5, false));
  CHECK_THROWS_WITH(check_partition({{}, {}}, 5, false), Contains("no experts"));
  CHECK_THROWS_WITH(check_partition({{{}, {}}, {}}, 5, false), Contains("expert 0 has no neurons"));
  CHECK_THROWS_WITH(check_partition({{{0, 1}, {2}}, {}}, 3, true), Contains("expert 1 has 1 neurons, expert 0 has 2"));
  CHECK_THROWS_WITH(check_partition({{{0, 1}, {2, 5}}, {}}, 5, false), Contains("neuron 5"));
  CHECK_THROWS_WITH(check_partition({{{-1, 1}}, {}}, 5, false), Contains("neuron -1"));
  CHECK_THROWS_WITH(check_partition({{{1, 0}}, {}}, 2, true), Contains("ascend"));
  CHECK_THROWS_WITH(check_partition({{{1, 1}}, {}}, 2, false), Contains("ascend"));
  CHECK_THROWS_WITH(check_partition({{{0, 1}, {1, 2}}, {}}, 3, true), Contains("neuron 1 is in 2 lists"));
  CHECK_THROWS_WITH(check_partition({{{0, 1}}, {}}, 3, true), Contains("neuron 2 is in 0 lists"));
  CHECK_THROWS_WITH(check_partition({{{0, 1}}, {1}}, 2, true), Contains("neuron 1 is in 2 lists"));
}
