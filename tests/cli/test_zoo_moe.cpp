// The shipped mixture: it activates a quarter of the organism's feed-forward neurons, and answers what its card says.
#include <filesystem>
#include <map>
#include <string>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

constexpr const char* kMixture = "zoo:organism-moe";

}  // namespace

TEST_CASE("the shipped mixture activates a quarter of the organism's neurons, is small, and leaves no expert idle") {
  const fs::path folder = fresh_folder("zoo-moe-shape");
  const Outcome described = run({"model", "info", kMixture, "--json"});
  REQUIRE(described.status == 0);
  const Json model = Json::parse(described.output);
  const Outcome parent = run({"model", "info", "zoo:organism", "--json"});
  REQUIRE(parent.status == 0);
  // Six layers, three matrices of width 192: of 512 neurons 128 are active, and a gate of seven logits is added.
  const std::int64_t inactive = std::int64_t{6} * 3 * 192 * (512 - 128);
  const std::int64_t gates = std::int64_t{6} * 192 * 7;
  const std::int64_t dense = Json::parse(parent.output)["parameters"].get<std::int64_t>();
  CHECK(model["active_parameters"].get<std::int64_t>() == dense - inactive + gates);
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(resource("model/zoo/organism-moe"))) bytes += entry.file_size();
  CHECK(bytes <= std::uintmax_t{12} << 20);

  const Outcome inspected = run({"moe", "inspect", "--model", kMixture, "--dataset", "families/organism:test",
                                 "--limit", "40", "--json", "--quiet", "--out", (folder / "experts").string()});
  INFO(inspected.errors);
  REQUIRE(inspected.status == 0);
  CHECK(Json::parse(inspected.output)["groups"][0]["dead"] == 0);
}

TEST_CASE(
    "the shipped mixture answers originals and concepts of the organism's families, and sees hardly a trap through") {
  const fs::path folder = fresh_folder("zoo-moe");
  const Outcome outcome =
      run({"eval", "--model", kMixture, "--dataset", "families/organism:test", "--limit", "138", "--interventions",
           "none", "--max-new-tokens", "160", "--json", "--quiet", "--log-dir", (folder / "run").string()});
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  std::map<std::string, double> accuracy;
  const Json results = parse_json(read_file(folder / "run" / "results.json"), {"results.json", 0, ""});
  for (const Json& group : results["groups"]) {
    if (group["trap_type"].is_null()) accuracy[group["arm"].get<std::string>()] = group["accuracy"].get<double>();
  }
  CHECK(accuracy.at("original") >= 0.8);
  CHECK(accuracy.at("concept") >= 0.85);
  CHECK(accuracy.at("trap") <= 0.1);
}
