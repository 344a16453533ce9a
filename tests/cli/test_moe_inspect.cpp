// What the experts of a mixture do, as a user sees it: text, JSON and page, for problems and for a text.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

Outcome inspect(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"moe", "inspect", "--quiet"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run(all);
}

}  // namespace

TEST_CASE("moe inspect tells load, overlap and where traps go, in text, JSON and a page, whatever the threads") {
  const fs::path folder = fresh_folder("inspect");
  const std::string model = (folder / "<model>").string();
  REQUIRE(run({"moe", "construct", "--from", "zoo:organism", "--method", "clustering", "--experts", "4", "--select",
               "2", "--out", model, "--quiet"})
              .status == 0);
  const std::string report = (folder / "report").string();
  const std::vector<std::string> arguments = {"--model", model, "--dataset", "families/organism:test", "--limit", "46"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), more.begin(), more.end());
    return inspect(all);
  };
  const Outcome json = with({"--json", "--threads", "2", "--out", report});
  REQUIRE(json.status == 0);
  CHECK(with({"--json", "--threads", "1"}).output == json.output);
  CHECK(read_file(fs::path(report) / "inspect.json") == json.output);

  const Json found = Json::parse(json.output);
  CHECK(found["experts"] == 4);
  CHECK(found["select"] == 2);
  CHECK(found["dataset"]["records"] == 46);
  const Json& groups = found["groups"];
  REQUIRE(groups.size() > 4);
  CHECK(groups[0]["arm"].is_null());
  CHECK(groups[1]["arm"] == "original");
  CHECK(groups[2]["arm"] == "trap");
  CHECK(groups[3]["arm"] == "concept");
  CHECK(groups[4]["trap_type"].is_string());
  std::int64_t tokens = 0;
  for (std::size_t i = 1; i < 4; ++i) tokens += groups[i]["tokens"].get<std::int64_t>();
  CHECK(groups[0]["tokens"] == tokens);
  std::int64_t traps = 0;
  for (std::size_t i = 4; i < groups.size(); ++i) traps += groups[i]["prompts"].get<std::int64_t>();
  CHECK(groups[2]["prompts"] == traps);
  REQUIRE(groups[0]["layers"].size() == 6);
  for (const Json& layer : groups[0]["layers"]) {
    double load = 0;
    double importance = 0;
    for (std::size_t expert = 0; expert < 4; ++expert) {
      load += layer["load"][expert].get<double>();
      importance += layer["importance"][expert].get<double>();
    }
    CHECK(load == Approx(1));
    CHECK(importance == Approx(1).epsilon(1e-5));  // scores sum to 1 over those chosen
    CHECK(layer["gate_entropy_share"] > 0);
    CHECK(layer["gate_entropy_share"] <= 1);
  }
  REQUIRE(found["co_selection"].size() == 6);
  CHECK(found["co_selection"][0]["lift"][0][0].is_null());
  CHECK(found["weight_overlap"][5][0] == Json{1.0, 0.0, 0.0, 0.0});  // clustering shares nothing
  CHECK(found["divergence"]["pairs"] == 46);
  CHECK(found["divergence"]["units"] > 10);
  for (const Json& layer : found["divergence"]["layers"]) {
    CHECK(layer["trap"]["mean"] < layer["strangers"]["mean"]);
    CHECK(layer["rerouted"]["mean"] >= 0);
    CHECK(layer["siblings"]["mean"] < layer["strangers"]["mean"]);
  }

  const std::string page = read_file(fs::path(report) / "inspect.html");
  CHECK(page.find("&lt;model&gt;") != std::string::npos);
  CHECK(page.find("<model>") == std::string::npos);

  const Outcome text = with({});
  REQUIRE(text.status == 0);
  CHECK(text.output.find("4 experts, 2 for each token, 6 layers") != std::string::npos);
  CHECK(text.output.find("distance of loads in bits") != std::string::npos);

  write_file_atomically(folder / "text.txt", std::string(4000, 'x') + " and 3 apples");
  const Outcome windows =
      inspect({"--model", model, "--data", (folder / "text.txt").string(), "--window", "32", "--json"});
  REQUIRE(windows.status == 0);
  CHECK(Json::parse(windows.output)["groups"].size() == 1);
  CHECK(Json::parse(windows.output)["divergence"].is_null());
}

TEST_CASE("moe inspect says in one line that a dense model has no experts, and that a text excludes a data set") {
  const Outcome dense = inspect({"--model", "zoo:organism", "--limit", "3"});
  CHECK(dense.status == 2);
  CHECK(dense.errors.find("has no experts") != std::string::npos);
  CHECK(std::count(dense.errors.begin(), dense.errors.end(), '\n') == 1);
  CHECK(inspect({"--model", "zoo:organism", "--data", "x", "--dataset", "open"}).status == 2);
  CHECK(inspect({"--model", "/nonexistent/model"}).status == 2);
}
