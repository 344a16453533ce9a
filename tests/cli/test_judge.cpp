// mathtrap judge, as a user runs it.
#include <filesystem>
#include <string>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

const char* const kReplies =
    R"({"id":"o","arm":"original","problem":"What is 2 + 3?","reference":"2 + 3 = 5","answer":"5","response":"The answer is 5."})"
    "\n"
    R"({"id":"t","arm":"trap","problem":"What is 2 + some?","reference":"It is not said how much is added.","evidence":["(?i)not said"],"response":"This has no answer: how much?"})"
    "\n"
    R"({"id":"c","arm":"concept","problem":"Is 2 even?","answer":true,"reference":"","response":"No, it isn't."})"
    "\n"
    R"({"id":"cut","arm":"original","problem":"What is 2 + 3?","answer":"5","response":"Let us","cut":true})"
    "\n";

std::string replies_file(const fs::path& folder) {
  const fs::path file = folder / "replies.jsonl";
  write_file_atomically(file, kReplies);
  return file.string();
}

Json verdicts_of(const Outcome& outcome) {
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  return parse_json(outcome.output, {})["verdicts"];
}

}  // namespace

TEST_CASE("judge gives a verdict on each line, as JSON, as a file and as a table") {
  const fs::path folder = fresh_folder("judge");
  const std::string file = replies_file(folder);
  const std::string output = (folder / "verdicts.jsonl").string();
  const Json verdicts = verdicts_of(run({"judge", file, "--json", "--quiet", "-o", output}));
  REQUIRE(verdicts.size() == 4);
  CHECK(verdicts[0]["verdict"] == "correct");
  CHECK(verdicts[0]["correct"] == true);
  CHECK(verdicts[1]["verdict"] == "refused");
  CHECK(verdicts[2]["verdict"] == "incorrect");
  CHECK(verdicts[2]["correct"] == false);
  CHECK(verdicts[3]["verdict"] == "cut_off");
  CHECK(read_file(output).find("\"id\":\"cut\"") != std::string::npos);
  const Outcome table = run({"judge", file, "--quiet"});
  CHECK(table.output.find("1 refused") != std::string::npos);
}

TEST_CASE("a broken line of replies is named by file, line and field") {
  const fs::path folder = fresh_folder("judge-broken");
  const auto error_of = [&](const std::string& line) {
    const fs::path file = folder / "broken.jsonl";
    write_file_atomically(file, std::string(kReplies).substr(0, std::string(kReplies).find('\n') + 1) + line + "\n");
    const Outcome outcome = run({"judge", file.string(), "--quiet"});
    CHECK(outcome.status == 2);
    return outcome.errors;
  };
  CHECK(error_of("{").find("broken.jsonl:2: ") != std::string::npos);
  CHECK(error_of(R"({"id":"x","arm":"trick"})").find("broken.jsonl:2: arm: ") != std::string::npos);
  CHECK(error_of(R"({"id":"x","arm":"original","problem":"p","answer":"1"})").find("response") != std::string::npos);
  CHECK(error_of(R"({"id":"x","arm":"trap","problem":"p","reference":"r","evidence":["("],"response":""})")
            .find(":2: evidence: ") != std::string::npos);
  CHECK(error_of(R"({"id":"x","arm":"concept","problem":"p","answer":"maybe","response":""})").find(":2: answer: ") !=
        std::string::npos);
  CHECK(error_of(R"({"id":"o","arm":"original","problem":"p","answer":"1","response":""})").find("twice") !=
        std::string::npos);
}

TEST_CASE("a replayed model judges: its readable verdicts count, the other is unscored") {
  const fs::path folder = fresh_folder("judge-replay");
  const std::string file = replies_file(folder);
  // A replay that knows no prompt says in its error what it was asked; so the prompts are had from the templates.
  const auto prompt = [](const std::string& arm, const std::string& problem, const std::string& reference,
                         const std::string& reply) {
    std::string text = read_file(fs::path(MATHTRAP_SOURCE_DIR) / "prompts" / "judges" / (arm + ".txt"));
    const auto put = [&](const std::string& slot, const std::string& value) {
      text.replace(text.find(slot), slot.size(), value);
    };
    put("{{problem}}", problem);
    put("{{reference}}", reference);
    put("{{reply}}", "| " + reply);
    return text;
  };
  std::string replay;
  const auto add = [&](const std::string& asked, const std::string& reply) {
    replay += Json{{"prompt", asked}, {"reply", reply}}.dump() + "\n";
  };
  add(prompt("original", "What is 2 + 3?", "5\n\nA worked solution:\n2 + 3 = 5", "The answer is 5."),
      "It is 5.\nVERDICT: A");
  add(prompt("trap", "What is 2 + some?", "It is not said how much is added.", "This has no answer: how much?"),
      "It asks how much.\nVERDICT: A");
  add(prompt("concept", "Is 2 even?", "true", "No, it isn't."), "VERDICT: A\nVERDICT: B");
  write_file_atomically(folder / "replay.jsonl", replay);
  const std::string judge = "llm:replay:" + (folder / "replay.jsonl").string();
  const Json verdicts = verdicts_of(run({"judge", file, "--judge", judge, "--json", "--quiet"}));
  CHECK(verdicts[0]["verdict"] == "correct");
  CHECK(verdicts[1]["verdict"] == "flaw_named");
  CHECK(verdicts[2]["verdict"] == "unscored");
  CHECK(verdicts[2]["correct"].is_null());
  CHECK(verdicts[3]["verdict"] == "cut_off");
  const Json cascade = verdicts_of(run({"judge", file, "--judge", "cascade:rules," + judge, "--json", "--quiet"}));
  CHECK(cascade[1]["verdict"] == "flaw_named");
  CHECK(cascade[2]["verdict"] == "incorrect");
}

TEST_CASE("judge --calibrate reports both halves, and judges a run's samples again") {
  const Outcome outcome = run({"judge", "--calibrate", "--json", "--quiet"});
  REQUIRE(outcome.status == 0);
  const Json judge = parse_json(outcome.output, {})["judges"][0];
  CHECK(judge["judge"] == "rules");
  CHECK(judge["overall"]["n"] == judge["held_back"]["n"].get<int>() + judge["tuning"]["n"].get<int>());
  const fs::path folder = fresh_folder("judge-run");
  const std::string log = (folder / "run").string();
  REQUIRE(run({"eval", "--limit", "3", "--interventions", "none", "--log-dir", log, "--quiet"}).status == 0);
  const std::string samples = log + "/samples.jsonl";
  const Json verdicts = verdicts_of(run({"judge", samples, "--json", "--quiet"}));
  std::size_t same = 0;
  for_each_line(samples, [&](std::string_view line, std::size_t number) {
    same += static_cast<std::size_t>(parse_json(line, {})["verdict"] == verdicts.at(number - 1)["verdict"]);
  });
  CHECK(same == verdicts.size());
}
