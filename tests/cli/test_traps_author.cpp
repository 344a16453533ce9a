// mathtrap traps new, show, stats and lint, run as an author runs them.
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

TEST_CASE("a new problem is an example that is proved and has no findings") {
  const std::string file = (fresh_folder("new") / "mine.toml").string();
  REQUIRE(run({"traps", "new", file, "--topic", "number_theory", "--quiet"}).status == 0);
  const Outcome checked = run({"traps", "check", file, "--quiet"});
  INFO(checked.output);
  CHECK(checked.status == 0);
  for (const char* name : {"sum_is_10: Two whole", "difference_is_5: Two whole", "both_are_whole"}) {
    CHECK(checked.output.find(name) != std::string::npos);
  }
  const Outcome linted = run({"traps", "lint", file, "--quiet"});
  INFO(linted.output);
  CHECK(linted.status == 0);

  const std::string before = read_file(file);
  const Outcome again = run({"traps", "new", file});
  CHECK(again.status == 2);
  CHECK(again.errors.find("exists already") != std::string::npos);
  CHECK(read_file(file) == before);
}

TEST_CASE("a new problem of any type is read, and says what has to be proved") {
  for (const char* type :
       {"concept_undefined", "missing_condition", "direct_contradiction", "violating_common_sense"}) {
    const fs::path file = fresh_folder("new") / "mine.toml";
    REQUIRE(run({"traps", "new", file.string(), "--type", type, "--quiet"}).status == 0);
    CHECK(read_file(file).find(fmt::format("# What has to hold for {}: ", type)) != std::string::npos);
    CHECK(read_file(file).find('@') == std::string::npos);
    CHECK(
        run({"traps", "show", file.string(), "--quiet"}).output.starts_with(fmt::format("mine (algebra, {})\n", type)));
  }
  CHECK(run({"traps", "new", (fresh_folder("new") / "mine.toml").string(), "--type", "riddle"}).status == 2);
}

TEST_CASE("statistics count what there is") {
  const Json json = parse_json(run({"traps", "stats", "--json", "--quiet"}).output, {});
  std::size_t sum = 0;
  for (const auto& [topic, types] : json["topics"].items()) {
    for (const auto& [type, count] : types.items()) sum += count.get<std::size_t>();
  }
  CHECK(json["problems"] == sum);
  CHECK(json["concepts"]["true"] == json["concepts"]["false"]);
  const Outcome table = run({"traps", "stats", "--quiet"});
  CHECK(table.output.find("number_theory") != std::string::npos);
}

TEST_CASE("findings are lines with file and field, and status 1") {
  const fs::path file = fresh_folder("lint") / "mine.toml";
  REQUIRE(run({"traps", "new", file.string(), "--quiet"}).status == 0);
  std::string text = read_file(file);
  const std::string from = "difference 4. What is the greater one?";
  text.replace(text.find(from), from.size(), "difference $4. What is the greater one?");
  write_file_atomically(file, text);
  const Outcome outcome = run({"traps", "lint", file.string(), "--quiet"});
  CHECK(outcome.status == 1);
  CHECK(outcome.output.find("mine.toml: original.problem: '$' is never closed [latex]\n") != std::string::npos);
  CHECK(outcome.output.find("1 problems: 1 findings\n") != std::string::npos);

  const Outcome overlap =
      run({"traps", "lint", "open", "--against", resource("datasets/open/algebra").string(), "--json", "--quiet"});
  CHECK(overlap.status == 1);
  CHECK(parse_json(overlap.output, {})["findings"].size() >= 4);
}
