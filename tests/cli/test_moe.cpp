// A mixture of experts as a user makes and uses it: constructed, described, evaluated and fine-tuned like any model.
#include <filesystem>
#include <string>
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

TEST_CASE("moe construct says which methods there are, and what is wrong, in one line") {
  const Outcome help = run({"moe", "construct", "--help"});
  CHECK(help.output.find("cmoe") != std::string::npos);
  const Outcome wrong =
      run({"moe", "construct", "--from", "zoo:organism", "--method", "cmoe", "--out", "/nonexistent/x"});
  CHECK(wrong.status == 2);
  CHECK(wrong.errors.find("--data FILE.txt") != std::string::npos);
}
