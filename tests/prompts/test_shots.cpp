// Which examples are shown.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "prompts/shots.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

Record triple(int number, const std::string& about) {
  const std::string name = fmt::format("r{}", number);
  Record record;
  record.id = record.cluster = name;
  record.original = {fmt::format("How many {} has {}?", about, name), "It has 1.", "1"};
  record.trap = {fmt::format("How many of the {} has {}?", about, name), "It is not said.", {}};
  return record;
}

std::vector<Record> pool() {
  return {triple(1, "green apples"), triple(2, "long ropes"), triple(3, "round tables"), triple(4, "small boxes"),
          triple(5, "old books")};
}

Intervention shots(int count, int traps, ShotOrder order) {
  Intervention intervention{"shots", ""};
  intervention.shots = count;
  intervention.trap_shots = traps;
  intervention.shot_order = order;
  return intervention;
}

std::vector<std::string> ids(const std::vector<Shot>& shots) {
  std::vector<std::string> made;
  for (const Shot& shot : shots) made.push_back(shot.id);
  return made;
}

}  // namespace

TEST_CASE("fixed shots are the first records, traps and solvable problems in turn") {
  const auto chosen = choose_shots(pool(), shots(5, 3, ShotOrder::fixed), {"Another?", "other"}, 1);
  CHECK(ids(chosen) == std::vector<std::string>{"r1", "r2", "r3", "r4", "r5"});
  for (std::size_t i = 0; i < chosen.size(); ++i) CHECK(chosen[i].is_trap == (i % 2 == 0));
  CHECK(chosen[0].problem == "How many of the green apples has r1?");
  CHECK(chosen[0].reply.starts_with("It is not said."));
  CHECK(chosen[1].reply == "It has 1.");
  CHECK(ids(choose_shots(pool(), shots(5, 3, ShotOrder::fixed), {"Another?", "other"}, 2)) == ids(chosen));
}

TEST_CASE("the number of traps among the shots is as asked") {
  for (int count = 1; count <= 5; ++count) {
    for (int traps = 0; traps <= count; ++traps) {
      const auto chosen = choose_shots(pool(), shots(count, traps, ShotOrder::random), {"Another?", "other"}, 1);
      CHECK(std::count_if(chosen.begin(), chosen.end(), [](const Shot& shot) { return shot.is_trap; }) == traps);
    }
  }
}

TEST_CASE("random shots come from the seed and the target's cluster, each record once") {
  const Intervention random = shots(4, 2, ShotOrder::random);
  const auto chosen = ids(choose_shots(pool(), random, {"A?", "other"}, 1));
  CHECK(std::set<std::string>(chosen.begin(), chosen.end()).size() == 4);
  CHECK(ids(choose_shots(pool(), random, {"The trap of A?", "other"}, 1)) == chosen);
  std::set<std::vector<std::string>> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) seen.insert(ids(choose_shots(pool(), random, {"A?", "other"}, seed)));
  CHECK(seen.size() > 10);
}

TEST_CASE("the nearest shots share the most words, and the nearest comes last") {
  const auto chosen =
      choose_shots(pool(), shots(2, 1, ShotOrder::nearest), {"How many old round books are there?", "other"}, 1);
  REQUIRE(chosen.size() == 2);
  CHECK(chosen[1].id == "r5");
  CHECK(chosen[0].id == "r3");
}

TEST_CASE("a problem is never among its own shots, nor is its cluster") {
  const std::vector<Record> records = pool();
  for (const ShotOrder order : {ShotOrder::fixed, ShotOrder::random, ShotOrder::nearest}) {
    for (const Record& record : records) {
      for (const Shot& shot : choose_shots(records, shots(4, 2, order), {record.trap->problem, "elsewhere"}, 3)) {
        CHECK(shot.id != record.id);
      }
      for (const Shot& shot : choose_shots(records, shots(4, 2, order), {"Another?", record.cluster}, 3)) {
        CHECK(shot.id != record.id);
      }
    }
  }
}

TEST_CASE("too few records are an error that says how many there are") {
  CHECK_THROWS_WITH(choose_shots(pool(), shots(6, 3, ShotOrder::fixed), {"A?", "other"}, 1),
                    "shots: 6 shots are wanted, 5 are there; give more with --shots");
}

TEST_CASE("the shipped shots are ten triples of all types, enough for ten shots in any order") {
  const std::vector<Record> shipped = read_dataset(resource("prompts/shots").string());
  CHECK(shipped.size() == 10);
  std::set<TrapType> types;
  for (const Record& record : shipped) types.insert(*record.trap_type);
  CHECK(types.size() == kTrapTypes.size());
  for (const ShotOrder order : {ShotOrder::fixed, ShotOrder::random, ShotOrder::nearest}) {
    CHECK(choose_shots(shipped, shots(10, 5, order), {"How many?", "other"}, 1).size() == 10);
  }
}
