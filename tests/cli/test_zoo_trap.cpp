// The shipped adapter: it sees traps of the families it was taught through, and its originals pay little for it.
#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

constexpr const char* kAdapter = "adapter:zoo:organism-trap";

/// Fresh problems of the families whose traps it was taught.
fs::path fresh_problems(const fs::path& folder) {
  fs::create_directories(folder / "families");
  for (const char* family : {"addition_shopping", "ages_years", "boxes_multiplication", "average_score", "coins_values",
                             "integer_equation", "calendar_weeks", "counting_colours", "money_change"}) {
    const std::string name = fmt::format("{}.toml", family);
    fs::copy_file(fs::path(MATHTRAP_SOURCE_DIR) / "datasets/families/organism" / name, folder / "families" / name);
  }
  fs::path problems = folder / "problems.jsonl";
  REQUIRE(run({"traps", "generate", "--families", (folder / "families").string(), "--split", "test", "--count", "180",
               "--seed", "77", "-o", problems.string()})
              .status == 0);
  return problems;
}

}  // namespace

TEST_CASE(
    "the shipped adapter sees at least 70% of the traps it was taught through, for at most 5 points of originals") {
  const fs::path folder = fresh_folder("zoo-trap");
  const Outcome outcome = run({"eval", "--dataset", fresh_problems(folder).string(), "--arms", "original,trap",
                               "--interventions", fmt::format("none,{}", kAdapter), "--max-new-tokens", "160", "--json",
                               "--quiet", "--log-dir", (folder / "run").string()});
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  std::map<std::string, double> accuracy;
  const Json results = parse_json(read_file(folder / "run" / "results.json"), {"results.json", 0, ""});
  for (const Json& group : results["groups"]) {
    if (!group["trap_type"].is_null()) continue;
    accuracy[fmt::format("{} {}", group["arm"].get<std::string>(), group["intervention"].get<std::string>())] =
        group["accuracy"].get<double>();
  }
  const std::string adapted = fmt::format(" {}", kAdapter);
  CHECK(accuracy.at("trap none") <= 0.02);
  CHECK(accuracy.at("trap" + adapted) >= 0.7);
  CHECK(accuracy.at("original none") - accuracy.at("original" + adapted) <= 0.05);
}
