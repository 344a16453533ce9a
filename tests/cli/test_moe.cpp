// A mixture of experts as a user makes and uses it: constructed, described, evaluated and fine-tuned like any model.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

TEST_CASE("a mixture is constructed from the organism, described, evaluated, and fine-tuned by either method") {
  const fs::path folder = fresh_folder("moe");
  const std::string model = (folder / "model").string();
  const Outcome made = run({"moe", "construct", "--from", "zoo:organism", "--experts", "4", "--select", "4", "--out",
                            model, "--json", "--quiet", "--threads", "2"});
  REQUIRE(made.status == 0);
  const Json construction = Json::parse(made.output);
  CHECK(construction["method"] == "random");
  CHECK(construction["experts"] == 4);
  CHECK(construction["select"] == 4);
  CHECK(construction["layers"].size() == 6);
  CHECK(construction["layers"][0]["neurons"] == 128);
  CHECK(construction["peak_bytes"] > 1 << 20);

  const Outcome described = run({"model", "info", model, "--json"});
  REQUIRE(described.status == 0);
  CHECK(Json::parse(described.output)["active_parameters"] == 2853312);

  // With all experts selected it gives the dense model's replies.
  const auto replies = [&](const std::string& name, const std::string& path) {
    const Outcome outcome =
        run({"eval", "--model", path, "--dataset", "families/organism:test", "--limit", "6", "--arms", "original,trap",
             "--interventions", "none", "--quiet", "--json", "--threads", "2", "--log-dir", (folder / name).string()});
    REQUIRE(outcome.status == 0);
    std::vector<std::string> found;
    for_each_line(folder / name / "samples.jsonl",
                  [&](std::string_view line, std::size_t /*number*/) { found.push_back(Json::parse(line)["reply"]); });
    return found;
  };
  CHECK(replies("mixture", model) == replies("dense", "zoo:organism"));

  const std::string routed = (folder / "routed").string();
  REQUIRE(
      run({"moe", "construct", "--from", "zoo:organism", "--experts", "4", "--select", "2", "--out", routed, "--quiet"})
          .status == 0);
  const auto finetune = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"finetune",
                                          "--from",
                                          routed,
                                          "--data",
                                          "families/organism:train",
                                          "--quiet",
                                          "--json",
                                          "--instances",
                                          "6",
                                          "--threads",
                                          "2",
                                          "--steps",
                                          "2",
                                          "--batch-tokens",
                                          "300",
                                          "--out",
                                          (folder / name).string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  REQUIRE(finetune("full", {"--method", "full"}).status == 0);
  CHECK(Json::parse(
            read_file(folder / "full" / "log.jsonl").substr(0, read_file(folder / "full" / "log.jsonl").find('\n')))
            .contains("balance_loss"));
  REQUIRE(finetune("adapter", {}).status == 0);
  CHECK(run({"model", "info", (folder / "adapter").string()}).status == 0);
  const Outcome refused = finetune("refused", {"--targets", "up_proj"});
  CHECK(refused.status == 2);
  CHECK(refused.errors.find("--targets up_proj") != std::string::npos);
}

TEST_CASE("a mixture is trained on over domains of text, gates first, and is a model; a dry run shows windows") {
  const fs::path folder = fresh_folder("moe-pretrain");
  const std::string model = (folder / "model").string();
  REQUIRE(
      run({"moe", "construct", "--from", "zoo:organism", "--experts", "4", "--select", "2", "--out", model, "--quiet"})
          .status == 0);
  fs::create_directories(folder / "domains");
  for (const char* name : {"cc.train", "cc.validation", "book.train", "book.validation"}) {
    std::string lines;
    for (int i = 0; i < 30; ++i)
      lines += fmt::format("{{\"text\":\"{} says that {} and {} are numbers.\"}}\n", name, i, i + 1);
    write_file_atomically(folder / "domains" / fmt::format("{}.jsonl", name), lines);
  }
  std::vector<std::string> arguments = {"moe",
                                        "pretrain",
                                        "--from",
                                        model,
                                        "--domains",
                                        (folder / "domains").string(),
                                        "--weights",
                                        "sheared",
                                        "--sampling",
                                        "dynamic",
                                        "--reference",
                                        "zoo:organism",
                                        "--max-length",
                                        "32",
                                        "--batch-tokens",
                                        "256",
                                        "--steps",
                                        "3",
                                        "--gate-warmup",
                                        "2",
                                        "--bias-rate",
                                        "0.001",
                                        "--validation-steps",
                                        "2",
                                        "--validation-documents",
                                        "4",
                                        "--threads",
                                        "2",
                                        "--quiet",
                                        "--json",
                                        "--out",
                                        (folder / "trained").string()};
  const Outcome trained = run(arguments);
  INFO(trained.errors);
  REQUIRE(trained.status == 0);
  const Json result = Json::parse(trained.output);
  CHECK(result["steps"] == 3);
  CHECK(result["validation"]["book"]["perplexity"].get<double>() > 1);
  std::vector<Json> log;
  for_each_line(folder / "trained" / "log.jsonl",
                [&](std::string_view line, std::size_t /*number*/) { log.push_back(Json::parse(line)); });
  REQUIRE(log.size() == 3);
  CHECK_FALSE(log[0]["losses"].empty());
  CHECK(log[1]["mix"]["cc"].get<double>() + log[1]["mix"]["book"].get<double>() == Approx(1));
  CHECK(log[1]["experts"]["load"].size() == 6);
  CHECK(Json::parse(read_file(folder / "trained" / "config.json"))["gate_selection_bias"] == true);
  CHECK(run({"model", "info", (folder / "trained").string()}).status == 0);
  const Outcome reported =
      run({"report", (folder / "trained").string(), "--quiet", "--out", (folder / "page").string()});
  CHECK(reported.status == 0);

  arguments = {"moe",          "pretrain",
               "--from",       model,
               "--domains",    (folder / "domains").string(),
               "--max-length", "32",
               "--shards",     (folder / "shards").string(),
               "--dry-run",    "2",
               "--quiet"};
  const Outcome shown = run(arguments);
  REQUIRE(shown.status == 0);
  CHECK(shown.output.find("window") != std::string::npos);
  CHECK(shown.output.find("are numbers.") != std::string::npos);
}

TEST_CASE("while it tokenises, moe pretrain stops when asked to, with status 1, and keeps no list of shards") {
  const fs::path folder = fresh_folder("moe-pretrain-stopped");
  const fs::path streams = fresh_folder("moe-pretrain-stopped-streams");
  std::string lines;
  for (int i = 0; i < 300'000; ++i) lines += fmt::format("{{\"text\":\"Text {} of a long list.\"}}\n", i);
  write_file_atomically(folder / "long.train.jsonl", lines);
  const fs::path shards = folder / "shards";
  const pid_t child = start({"moe", "pretrain", "--from", "zoo:organism", "--domains", folder.string(), "--steps", "1",
                             "--shards", shards.string(), "--out", (folder / "trained").string()},
                            streams);
  for (int i = 0; i < 6000 && !fs::exists(shards); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(read_file(streams / "stderr").find("interrupted; of ") != std::string::npos);
  CHECK_FALSE(fs::exists(shards / "long.json"));
  CHECK_FALSE(fs::exists(folder / "trained" / "config.json"));
}

TEST_CASE("moe pretrain says what is wrong in one line") {
  const fs::path folder = fresh_folder("moe-pretrain-wrong");
  const auto expect = [&](const std::vector<std::string>& more, const std::string& part) {
    std::vector<std::string> arguments = {
        "moe", "pretrain", "--quiet", "--steps", "1", "--out", (folder / "x").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(arguments);
    CHECK(outcome.status == 2);
    INFO(outcome.errors);
    CHECK(outcome.errors.find(part) != std::string::npos);
    CHECK(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 1);
  };
  expect({}, "--from: a model is needed");
  expect({"--from", "zoo:organism"}, "--data");
  expect({"--from", "zoo:organism", "--domains", "/nonexistent"}, "/nonexistent");
  expect({"--from", "zoo:organism", "--domains", folder.string()}, "NAME.train.jsonl");
  expect({"--from", "zoo:organism", "--data", "families/organism:train", "--bias-rate", "0.1"},
         "no mixture of experts");
  expect({"--from", "zoo:organism", "--data", "families/organism:train", "--sampling", "sometimes"}, "--sampling");
  expect({"--from", "zoo:organism", "--data", "missing.jsonl"}, "--data missing.jsonl: no such file");
  CHECK_FALSE(fs::exists(folder / "x" / "config.json"));
}

TEST_CASE("moe construct says which methods there are, and what is wrong, in one line") {
  const Outcome help = run({"moe", "construct", "--help"});
  CHECK(help.output.find("cmoe") != std::string::npos);
  const Outcome wrong =
      run({"moe", "construct", "--from", "zoo:organism", "--method", "cmoe", "--out", "/nonexistent/x"});
  CHECK(wrong.status == 2);
  CHECK(wrong.errors.find("--data FILE.txt") != std::string::npos);
}
