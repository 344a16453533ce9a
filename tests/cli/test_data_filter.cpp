// mathtrap data filter, run as a user runs it.
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

TEST_CASE("data filter keeps good lines as they are, and says why of the others") {
  const fs::path folder = fresh_folder("filter");
  const std::string good =
      R"({"text": "The ferry leaves at six in the morning, when most of the village is still asleep.", "n": 1})";
  const std::string same =
      R"({"text":"the ferry leaves at six in the morning when most of the village is still asleep"})";
  const std::string selling =
      R"({"text":"Order now and save 50% on all shoes! Free shipping, while stocks last. Visit our website today!"})";
  const std::string shuffled =
      R"({"text":"morning the of is when the still village in. the a The six most at, asleep leaves the of and ferry."})";
  const std::string file = (folder / "in.jsonl").string();
  const std::string out = (folder / "out.jsonl").string();
  const std::string rejected = (folder / "rejected.jsonl").string();
  write_file_atomically(file, fmt::format("{}\n{}\n{}\n{}\n", good, selling, shuffled, same));

  const Outcome outcome = run({"data", "filter", file, "--out", out, "--rejected", rejected, "--quiet"});
  CHECK(outcome.status == 0);
  CHECK(outcome.output.find("read 4 texts, kept 1 (") == 0);
  CHECK(outcome.output.find("advertisement: 1\ndisfluent: 1\nduplicate: 1\n") != std::string::npos);
  CHECK(read_file(out) == good + "\n");
  std::string rules;
  for_each_line(rejected, [&](std::string_view line, std::size_t number) {
    const Json json = parse_json(line, {rejected, number, ""});
    rules += json["rule"].get<std::string>() + " ";
    CHECK(json["file"] == file);
    CHECK(json["line"] == number + 1);
  });
  CHECK(rules == "advertisement disfluent duplicate ");

  const Json json =
      parse_json(run({"data", "filter", file, "--out", out, "--rules", "duplicate,disfluent", "--json"}).output, {});
  CHECK(json["kept"] == 2);
  CHECK(json["rejected"] == Json{{"duplicate", 1}, {"disfluent", 1}});
}

TEST_CASE("data filter refuses what it cannot do, in a line") {
  const fs::path folder = fresh_folder("filter");
  const std::string file = (folder / "in.jsonl").string();
  const std::string out = (folder / "out.jsonl").string();
  write_file_atomically(file, "{\"text\": 1}\n");
  const Outcome rule = run({"data", "filter", file, "--out", out, "--rules", "spam"});
  CHECK(rule.status == 2);
  CHECK(rule.errors == "mathtrap: --rules: unknown rule 'spam'; known: advertisement, disfluent, duplicate\n");
  const Outcome field = run({"data", "filter", file, "--out", out, "--quiet"});
  CHECK(field.status == 2);
  CHECK(field.errors.find(file + ":1") != std::string::npos);
  CHECK(field.errors.find("text") != std::string::npos);
  CHECK_FALSE(fs::exists(out));
  CHECK(run({"data", "filter", (folder / "none").string(), "--out", out}).status == 2);
  CHECK(run({"data", "filter", file, "--out", file, "--skip-bad"}).status == 2);
  CHECK(read_file(file) == "{\"text\": 1}\n");
}
