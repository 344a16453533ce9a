// Domains of text, their shares, and the rules by which shares follow losses.
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "finetune/domains.h"
#include "support/error.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"

using namespace mathtrap;

namespace {

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

std::vector<Domain> named(const std::vector<std::string>& names) {
  std::vector<Domain> domains;
  for (const std::string& name : names) domains.push_back({name, "", "", 1, {}});
  return domains;
}

template <typename Function>
std::string domain_error(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("dynamic: softmax of log share and excess loss, with a ten-thousandth of uniform") {
  // By hand: 0.5 e^0.2, 0.3 e^-0.1, 0.2 e^0.6 over their sum.
  const double a = 0.5 * 1.2214027581601699;
  const double b = 0.3 * 0.9048374180359595;
  const double c = 0.2 * 1.8221188003905089;
  const std::vector<double> weights =
      updated_weights(SamplingRule::softmax, {0.5, 0.3, 0.2}, {2.2, 1.4, 1.6}, {2.0, 1.5, 1.0});
  CHECK(weights[0] == Approx(0.9999 * a / (a + b + c) + 1e-4 / 3));
  CHECK(weights[1] == Approx(0.9999 * b / (a + b + c) + 1e-4 / 3));
  CHECK(weights[2] == Approx(0.9999 * c / (a + b + c) + 1e-4 / 3));
  CHECK(sum_of(weights) == Approx(1));
}

TEST_CASE("dynamic-excess: shares grow by the excess where there is any, as in Sheared-LLaMA") {
  const double a = 0.5 * 1.2214027581601699;
  const double b = 0.3;  // below its reference
  const double c = 0.2 * 1.8221188003905089;
  const std::vector<double> weights =
      updated_weights(SamplingRule::excess, {0.5, 0.3, 0.2}, {2.2, 1.4, 1.6}, {2.0, 1.5, 1.0});
  CHECK(weights[0] == Approx(a / (a + b + c)));
  CHECK(weights[1] == Approx(b / (a + b + c)));
  CHECK(weights[2] == Approx(c / (a + b + c)));
}

TEST_CASE("a share of 0 stays 0, static shares stay, and huge losses are no trouble") {
  for (const SamplingRule rule : {SamplingRule::softmax, SamplingRule::excess}) {
    const std::vector<double> weights = updated_weights(rule, {0, 0.5, 0.5}, {9e9, 5000, 3}, {0, 1, 1});
    CHECK(weights[0] == 0);
    CHECK(std::isfinite(weights[1]));
    CHECK(sum_of(weights) == Approx(1));
    CHECK(weights[1] > 0.999);
  }
  CHECK(updated_weights(SamplingRule::fixed, {0.7, 0.3}, {9, 1}, {1, 1}) == std::vector<double>{0.7, 0.3});
}

TEST_CASE("published shares are those of the paper's table") {
  const std::vector<Domain> domains = named({"arxiv", "book", "c4", "cc", "github", "stackexchange", "wiki"});
  const std::vector<std::int64_t> tokens(7, 1);
  CHECK(choose_weights("llama", domains, tokens)[3] == Approx(0.67));
  CHECK(choose_weights("sheared", domains, tokens)[2] == Approx(0.492));
  CHECK(sum_of(choose_weights("sheared", domains, tokens)) == Approx(1));
  CHECK_THAT(domain_error([&] {
               choose_weights("llama", named({"cc", "manuals"}), {1, 1});
             }),
             Catch::Matchers::Contains("'manuals'"));
}

TEST_CASE("shares by name, by size, by file, or all alike") {
  std::vector<Domain> domains = named({"a", "b"});
  domains[1].weight = 3;
  CHECK(choose_weights("uniform", domains, {10, 30}) == std::vector<double>{0.5, 0.5});
  CHECK(choose_weights("size", domains, {10, 30}) == std::vector<double>{0.25, 0.75});
  CHECK(choose_weights("file", domains, {10, 30}) == std::vector<double>{0.25, 0.75});
  CHECK(choose_weights("b:4,a:1", domains, {10, 30}) == std::vector<double>{0.2, 0.8});
  CHECK(choose_weights("b:4", domains, {10, 30}) == std::vector<double>{0, 1});
  for (const char* wrong : {"c:1", "a", "a:x", "a:-1", "a:0"}) {
    CHECK_THAT(domain_error([&] { choose_weights(wrong, domains, {1, 1}); }), Catch::Matchers::Contains("--weights"));
  }
}

TEST_CASE("domains come from a folder, or a file that says more of them") {
  const ScratchFolder folder;
  folder.write("b.train.jsonl", "");
  folder.write("a.train.jsonl", "");
  folder.write("a.validation.jsonl", "");
  const std::vector<Domain> found = read_domains(folder / "");
  REQUIRE(found.size() == 2);
  CHECK(found[0].name == "a");
  CHECK(found[0].validation.ends_with("a.validation.jsonl"));
  CHECK(found[1].name == "b");
  CHECK(found[1].validation.empty());

  const std::string file =
      folder.write("domains.toml",
                   "[[domain]]\nname = \"wiki\"\ntrain = \"a.train.jsonl\"\nweight = 0.25\n"
                   "reference_loss = 1.5899\n[[domain]]\nname = \"b\"\ntrain = \"b.train.jsonl\"\n");
  const std::vector<Domain> described = read_domains(file);
  REQUIRE(described.size() == 2);
  CHECK(described[0].train.ends_with("/a.train.jsonl"));
  CHECK(described[0].weight == 0.25);
  CHECK(described[0].reference_loss == 1.5899);
  CHECK_FALSE(described[1].reference_loss);
}

TEST_CASE("a file of domains that makes no sense is refused with field and line") {
  const ScratchFolder folder;
  const auto expect = [&](const std::string& text, const std::string& part) {
    const std::string file = folder.write("domains.toml", text);
    CHECK_THAT(domain_error([&] { read_domains(file); }), Catch::Matchers::Contains(part));
  };
  expect("", "no [[domain]]");
  expect("[[domain]]\nname = \"a\"\n", "train");
  expect("[[domain]]\nname = \"a\"\ntrain = \"x\"\nweight = -1\n", "domains.toml:4");
  expect("[[domain]]\nname = \"a\"\ntrain = \"x\"\nwieght = 1\n", "weight");
  expect("[[domain]]\nname = \"../a\"\ntrain = \"x\"\n", "cannot name a domain");
  expect("[[domain]]\nname = \"a\"\ntrain = \"x\"\n[[domain]]\nname = \"a\"\ntrain = \"y\"\n", "two domains");
  CHECK_THAT(domain_error([&] { read_domains(folder / "none.toml"); }), Catch::Matchers::Contains("none.toml"));
}
