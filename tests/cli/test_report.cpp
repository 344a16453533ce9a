// mathtrap report: stored runs shown again, several side by side, and charts.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

/// A run as it lies in its folder, of which `right` of 10 traps are seen through.
fs::path stored_run(const std::string& name, int right) {
  fs::path folder = fresh_folder(name);
  const Json run = {{"model", {{"name", name}}}, {"dataset", {{"name", "d"}, {"sha256", "x"}}}};
  write_file_atomically(folder / "run.json", run.dump());
  std::string lines;
  for (int i = 0; i < 10; ++i) {
    for (const char* arm : {"original", "trap"}) {
      const bool is_trap = arm == std::string("trap");
      const bool good = !is_trap || i < right;
      lines += Json{{"id", fmt::format("r{}/{}/none", i, arm)},
                    {"arm", arm},
                    {"intervention", "none"},
                    {"trap_type", nullptr},
                    {"cluster", fmt::format("r{}", i)},
                    {"prompt", ""},
                    {"reply", ""},
                    {"prompt_tokens", 1},
                    {"completion_tokens", 1},
                    {"finish_reason", "stop"},
                    {"verdict", !good     ? "answered"
                                : is_trap ? "flaw_named"
                                          : "correct"},
                    {"answer", ""},
                    {"reason", ""},
                    {"reference", ""}}
                   .dump() +
               "\n";
    }
  }
  write_file_atomically(folder / "samples.jsonl", lines);
  return folder;
}

}  // namespace

TEST_CASE("report makes the reports of a run again") {
  const fs::path folder = stored_run("report-one", 3);
  const Outcome outcome = run({"report", folder.string()});
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.output.find("report-one on d") != std::string::npos);
  CHECK(outcome.output.find("30.0%") != std::string::npos);
  CHECK(read_file(folder / "report.html").find("30.0%") != std::string::npos);
  CHECK(read_file(folder / "report.md").starts_with("# report-one on d"));
}

TEST_CASE("report puts several runs side by side, and draws points") {
  const fs::path before = stored_run("report-before", 1);
  const fs::path after = stored_run("report-after", 9);
  const fs::path out = fresh_folder("report-out");
  write_file_atomically(out / "curve.csv", "x,series,value,lo,hi\n0,trap,0.125,0.1,0.2\n100,trap,0.5,0.4,0.6\n");
  const Outcome outcome = run({"report", before.string(), after.string(), "--chart", (out / "curve.csv").string(),
                               "--out", (out / "made").string(), "--json"});
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  const Json json = parse_json(outcome.output, {"stdout", 0, ""});
  CHECK(json["runs"].size() == 2);
  CHECK(json["comparisons"][0]["rows"][1]["gained"] == 8);
  const std::string page = read_file(json_string(json, "overview", {}));
  CHECK(page.find("+80.0 (") != std::string::npos);
  CHECK(page.find("data-value=\"0.125\"") != std::string::npos);
  CHECK(fs::exists(out / "made" / "curve.svg"));
  CHECK(fs::exists(out / "made" / "overview.md"));

  const fs::path html = out / "compared.html";
  CHECK(run({"compare", before.string(), after.string(), "--html", html.string(), "--quiet"}).status == 0);
  CHECK(read_file(html).find("8 of 10 questions changed") != std::string::npos);
}

TEST_CASE("wrong use of report is one line and status 2") {
  const fs::path folder = stored_run("report-wrong", 3);
  const fs::path points = fresh_folder("report-points") / "points.csv";
  write_file_atomically(points, "x,y\n");
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"report"},
                                                    {"report", "/no/such/run"},
                                                    {"report", "--chart", points.string()},
                                                    {"report", folder.string(), "--chart", "/no/such/points.csv"}}) {
    const Outcome outcome = run(arguments);
    INFO(outcome.errors);
    CHECK(outcome.status == 2);
    CHECK(outcome.output.empty());
    CHECK(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 1);
  }
}
