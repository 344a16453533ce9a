// mathtrap data import and export, run as a user runs them.
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

const std::string kGood = R"({"question":"Ann has 3 figs and buys 4. How many has she?","answer":"3+4=7\n#### 7"})";

std::string written(const fs::path& folder, const std::string& name, const std::string& text) {
  write_file_atomically(folder / name, text);
  return (folder / name).string();
}

}  // namespace

TEST_CASE("import keeps or names every record, and eval reads what it wrote") {
  const fs::path folder = fresh_folder("import");
  const std::string file = written(folder, "set.jsonl", kGood + "\n{\"question\":\"q\"}\n" + kGood + "\n");
  const std::string out = (folder / "out.jsonl").string();

  const Outcome strict = run({"data", "import", file, "-o", out});
  CHECK(strict.status == 2);
  CHECK(strict.output.empty());
  CHECK(strict.errors == fmt::format("mathtrap: {}:2: the field \"answer\" is missing\n", file));
  CHECK_FALSE(fs::exists(out));

  const Outcome lenient = run({"data", "import", file, "-o", out, "--skip-bad"});
  CHECK(lenient.status == 0);
  CHECK(lenient.output ==
        fmt::format("{}:2: the field \"answer\" is missing\nread 3 records, kept 2, skipped 1\n", file));

  const Json json =
      parse_json(run({"data", "import", "--from", "gsm8k", file, "-o", out, "--skip-bad", "--json"}).output, {});
  CHECK(json["read"] == 3);
  CHECK(json["kept"] == 2);
  CHECK(json["skipped"][0]["line"] == 2);
  CHECK(json["skipped"][0]["file"] == file);
  CHECK(json["output"] == out);
  const Outcome shown = run({"traps", "show", out, "--json", "--quiet"});
  CHECK(shown.status == 0);
  CHECK(shown.output == read_file(out));
}

TEST_CASE("a set with records that have no place is imported, and eval says how many it leaves out") {
  const fs::path folder = fresh_folder("import");
  const std::string judging =
      R"({"task_type":"outcome_judging","question_type":"s","group_id":"0","question":"q","answer":"Correct"})";
  const std::string solving =
      R"({"task_type":"solving","question_type":"s","group_id":"0","question":"What is 1 + 1?","answer":2.0})";
  const std::string file = written(folder, "set.jsonl", judging + "\n" + solving + "\n");
  const Outcome outcome = run({"data", "import", file, "-o", (folder / "out.jsonl").string()});
  CHECK(outcome.status == 0);
  CHECK(outcome.output.find("read 2 records, kept 1, skipped 1\n") != std::string::npos);
  const Outcome evaluated = run({"eval", "--dataset", file, "--arms", "original", "--interventions", "none",
                                 "--log-dir", (folder / "run").string(), "--json"});
  CHECK(evaluated.status == 0);
  CHECK(evaluated.errors.find("1 of 2 records have no place here") != std::string::npos);
}

TEST_CASE("export writes each form, from shipped and imported data") {
  const fs::path folder = fresh_folder("export");
  const Outcome triples =
      run({"data", "export", "--to", "mathtrap", "open", "-o", (folder / "open.json").string(), "--json"});
  REQUIRE(triples.status == 0);
  const Json json = parse_json(triples.output, {});
  CHECK(json["left_out"].empty());
  const std::string back = (folder / "back.jsonl").string();
  const Outcome imported = run({"data", "import", (folder / "open.json").string(), "-o", back, "--json"});
  CHECK(parse_json(imported.output, {})["kept"] == json["written"][0]["count"]);

  for (const char* format : {"lm-eval", "inspect"}) {
    const fs::path out = folder / format;
    const Outcome outcome =
        run({"data", "export", "--to", format, "families:test", "-o", out.string(), "--arms", "original,trap"});
    INFO(outcome.errors);
    CHECK(outcome.status == 0);
    CHECK(outcome.output.find("trap.jsonl: 500\n") != std::string::npos);
    CHECK(fs::exists(out / "original.jsonl"));
    CHECK_FALSE(fs::exists(out / "concept.jsonl"));
  }
}

TEST_CASE("wrong use of data is one line and status 2") {
  const fs::path folder = fresh_folder("wrong");
  const std::string file = written(folder, "set.jsonl", kGood);
  const std::string out = (folder / "out").string();
  const std::vector<std::vector<std::string>> wrong = {
      {"data"},
      {"data", "import", file},
      {"data", "import", "-o", out},
      {"data", "import", file, "-o", file},
      {"data", "import", file, "--from", "gsm", "-o", out},
      {"data", "import", file, "--from", "umwp", "-o", out},
      {"data", "import", folder.string(), "-o", out},
      {"data", "import", file, "-o", (folder / "no" / "out").string()},
      {"data", "export", "open", "-o", out},
      {"data", "export", "open", "--to", "csv", "-o", out},
      {"data", "export", "open", "open", "--to", "jsonl", "-o", out},
      {"data", "export", "open", "--to", "inspect", "-o", folder.string()},
  };
  for (const auto& arguments : wrong) {
    const Outcome outcome = run(arguments);
    INFO(fmt::format("{} -> {}", fmt::join(arguments, " "), outcome.errors));
    CHECK(outcome.status == 2);
    CHECK(outcome.output.empty());
    CHECK(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 1);
  }
  CHECK_FALSE(fs::exists(out));
  CHECK(read_file(file) == kGood);
}
