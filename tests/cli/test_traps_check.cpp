// mathtrap traps check, run as an author and as a script run it.
#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "datasets/record.h"
#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

/// The shortest shipped triple with one text replaced and without its flaw, as a file.
fs::path rainy_days(const std::string& from, const std::string& to) {
  std::string text = read_file(resource("datasets/open/prealgebra/rainy_days.toml"));
  text.resize(text.find("\n# Found by the prover"));
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  fs::path file = fresh_folder("check") / "rainy_days.toml";
  write_file_atomically(file, text);
  return file;
}

}  // namespace

TEST_CASE("what conflicts is stored with a problem, shown, and found to be stale when the problem changes") {
  const fs::path folder = fresh_folder("flaw");
  const std::string file = (folder / "mine.toml").string();
  REQUIRE(run({"traps", "new", file, "--quiet", "--json"}).status == 0);
  const std::string authored = read_file(file);
  REQUIRE(run({"traps", "check", file, "--store", "--quiet"}).status == 0);
  const std::string stored = read_file(file);
  CHECK(stored.starts_with(authored));
  CHECK(stored.find("[[flaw.core]]") != std::string::npos);
  const Record record = read_toml_record(file);
  REQUIRE(record.flaw.core.size() >= 2);
  CHECK(parse_json_record(write_json_record(record), {}).flaw.core.size() == record.flaw.core.size());

  REQUIRE(run({"traps", "check", file, "--store", "--quiet"}).status == 0);
  CHECK(read_file(file) == stored);

  std::string renamed = stored;
  const std::string name = record.flaw.core[0].statement;
  renamed.replace(renamed.find(":named " + name), 7 + name.size(), ":named " + name + "_too");
  write_file_atomically(file, renamed);
  const Outcome stale = run({"traps", "check", file, "--quiet"});
  CHECK(stale.status == 1);
  CHECK(stale.output.find("--store") != std::string::npos);
  CHECK(read_file(file) == renamed);
  CHECK(run({"traps", "check", file, "--store", "--quiet"}).status == 0);
  CHECK(read_toml_record(file).flaw.core[0].statement == name + "_too");
}

TEST_CASE("everything that ships is proved: traps check open families --json") {
  const Outcome outcome = run({"traps", "check", "open", "families", "--json", "--quiet"});
  INFO(outcome.errors);
  CHECK(outcome.status == 0);
  const Json json = parse_json(outcome.output, {});
  CHECK(json["refuted"] == 0);
  CHECK(json["undecided"] == 0);
  CHECK(json["unproved"] == 0);
  CHECK(json["proved"] == json["items"].size());
  CHECK(json["items"].size() >= 700);
  CHECK(json["stale"].empty());
  std::size_t sentences = 0;
  for (const Json& item : json["items"]) {
    INFO(item.dump());
    CHECK(item["trap"] == "proved");
    CHECK(item["core"].size() == item["sentences"].size());
    for (const Json& sentence : item["sentences"]) sentences += sentence.get<std::string>().empty() ? 0 : 1;
  }
  CHECK(sentences >= json["items"].size());
}

TEST_CASE("every authored trap that ships carries its flaw") {
  for (const Record& record : read_dataset(resource("datasets/open").string())) {
    INFO(record.place.file);
    if (record.trap_type == TrapType::missing_condition) {
      const std::vector<std::string>& answers = record.flaw.answers;
      CHECK(std::set<std::string>(answers.begin(), answers.end()).size() == 2);
    } else {
      CHECK_FALSE(record.flaw.core.empty());
    }
  }
}

TEST_CASE("traps check says what conflicts, and exits 1 when a problem does not hold") {
  const fs::path sound = rainy_days("twelve_rainy_days", "it_rains_on_twelve");
  const Outcome proved = run({"traps", "check", sound.string(), "--quiet"});
  CHECK(proved.status == 0);
  CHECK(proved.output.find("it_rains_on_twelve") != std::string::npos);
  CHECK(proved.output.find("1 problems: 1 proved") != std::string::npos);

  const fs::path wrong = rainy_days("(= rainy 12)", "(= rainy 10)");
  const Outcome refuted = run({"traps", "check", wrong.string(), "--quiet"});
  INFO(refuted.output);
  CHECK(refuted.status == 1);
  CHECK(refuted.output.find("rainy_days.toml: refuted\n") != std::string::npos);
  // 10 + 18 days are a February: now the trap is none, and April has too few days.
  CHECK(refuted.output.find("original: refuted: the original's statements cannot hold together") != std::string::npos);
  CHECK(refuted.output.find("april_has_30_days") != std::string::npos);
  CHECK(refuted.output.find("trap: refuted: the trap's statements agree with common sense") != std::string::npos);
}

TEST_CASE("traps check refuses what is no proof text with file, field and line") {
  const fs::path broken = rainy_days("(declare-const dry Int)", "(eval dry)");
  const Outcome outcome = run({"traps", "check", broken.string(), "--quiet"});
  CHECK(outcome.status == 2);
  CHECK(outcome.errors.find("rainy_days.toml: proof.givens: line 3 of the text has '(eval dry)'") != std::string::npos);
}
