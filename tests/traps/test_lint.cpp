// What an editor objects to, and what not.
#include <algorithm>
#include <set>

#include "datasets/record.h"
#include "support/files.h"
#include "support/random.h"
#include "tests/catch.h"
#include "tests/shared_data.h"
#include "traps/lint/latex_balance.h"
#include "traps/lint/lint.h"
#include "traps/lint/text_overlap.h"

using namespace mathtrap;

namespace {

Record triple(const std::string& id, const std::string& problem, const std::string& trap) {
  Record record;
  record.id = id;
  record.cluster = id;
  record.original = Original{problem, "So it is $\\boxed{12}$.", "12"};
  record.trap = Trap{trap, "This number is odd.", {"(?i)\\bodd\\b"}};
  record.concepts = {{"Is 3 odd?", true, ""}, {"Is 4 odd?", false, ""}};
  return record;
}

Record garden(const std::string& id = "garden") {
  return triple(id, "A gardener plants 36 tulips in 3 equal rows beside a wall. How many tulips stand in each row?",
                "A gardener plants 37 tulips in 3 equal rows beside a wall. How many tulips stand in each row?");
}

std::vector<std::string> rules(const std::vector<Record>& records, const std::vector<ForeignText>& foreign = {}) {
  std::vector<std::string> found;
  for (const Finding& finding : lint(records, foreign)) found.push_back(finding.rule);
  return found;
}

using Rules = std::vector<std::string>;

/// Jaccard index by sets, as the definition has it.
double jaccard_by_sets(const std::set<std::uint64_t>& a, const std::set<std::uint64_t>& b) {
  std::set<std::uint64_t> all = a;
  all.insert(b.begin(), b.end());
  std::size_t shared = 0;
  for (const std::uint64_t item : a) shared += b.count(item);
  return static_cast<double>(shared) / static_cast<double>(all.size());
}

}  // namespace

TEST_CASE("a sound triple has no findings") {
  CHECK(rules({garden()}).empty());
}

TEST_CASE("each rule finds its own fault") {
  Record record = garden();
  record.original->problem += " Take $x.";
  CHECK(rules({record}) == Rules{"latex"});

  record = garden();
  record.original->answer = "13";
  CHECK(rules({record}) == Rules{"answer"});

  record = garden();
  record.trap->evidence.emplace_back("(?i)so it is");
  CHECK(rules({record}) == Rules{"evidence"});

  record = garden();
  record.trap->evidence = {"(?i)negative"};
  CHECK(rules({record}) == Rules{"evidence"});

  record = garden();
  record.trap->problem =
      "Some ducks swim on a pond near the mill, and nine of them fly away at noon. How many are left there?";
  CHECK(rules({record}) == Rules{"far_trap"});

  record = garden();
  record.trap->problem = record.original->problem;
  CHECK(rules({record}) == Rules{"no_trap"});

  record = garden();
  record.concepts[0].question = "Can 37 tulips stand in 3 equal rows?";
  CHECK(rules({record}).empty());
  record.concepts[0].question = "A gardener plants 37 tulips in 3 equal rows beside a wall. Is this possible?";
  CHECK(rules({record}) == Rules{"gives_away"});
}

TEST_CASE("near-duplicates are found whatever their numbers, but not among variants of one original") {
  Record other = garden("orchard");
  other.original->problem =
      "A gardener plants 48 tulips in 4 equal rows beside a wall. How many tulips stand in each row?";
  CHECK(rules({garden(), other}) == Rules{"near_duplicate"});
  other.cluster = "garden";
  CHECK(rules({garden(), other}).empty());
  const Record different = triple("bus", "A bus has 48 seats, and 36 people sit. How many seats are free on it?",
                                  "A bus has 48 seats, and 56 people sit. How many seats are free on it?");
  CHECK(rules({garden(), different}).empty());
}

TEST_CASE("overlap with other sets is found by similarity and by thirteen words in a row") {
  CHECK(rules({garden()}, {{"set", garden().original->problem}}) == Rules{"overlap", "overlap", "overlap", "overlap"});
  const std::string quoted =
      "Long before that, people said many things of it; plants 36 tulips in 3 equal rows beside a wall. How many, "
      "asked "
      "the king of the distant land who had neither tulips nor walls but a great love of counting all he saw.";
  const auto findings = lint({garden()}, {{"chronicle", quoted}});
  REQUIRE(findings.empty());
  const std::string run =
      "Long before that, people said much of it; gardener plants 36 tulips in 3 equal rows beside a wall. How many "
      "tulips "
      "there were was asked by the king of the distant land who had neither tulips nor walls but loved to count.";
  const auto found = lint({garden()}, {{"chronicle", run}});
  REQUIRE(found.size() == 1);
  CHECK(found[0].place.field == "original.problem");
  CHECK(found[0].message == "has 13 words in a row of chronicle");
}

TEST_CASE("a set that is true or false too often is unbalanced") {
  Record other = triple("bus", "A bus has 48 seats, and 36 people sit. How many seats are free on it?",
                        "A bus has 48 seats, and 56 people sit. How many seats are free on it?");
  other.concepts[1].answer = true;
  CHECK(rules({garden(), other}) == Rules{"balance"});
}

TEST_CASE("LaTeX that pairs and that does not") {
  for (const char* text : {"", "$x$ and $$y$$", "\\{ and \\}, \\$5", "\\left( \\frac{a}{b} \\right)",
                           "\\begin{cases} x \\\\ y \\end{cases}", "costs \\$3 or {3}"}) {
    INFO(text);
    CHECK(unbalanced_latex(text).empty());
  }
  const std::pair<const char*, const char*> wrong[] = {{"$x", "'$' is never closed"},
                                                       {"{a", "'{' is never closed"},
                                                       {"a}", "a '}' without its '{'"},
                                                       {"\\left( x", "'\\left' is never closed"},
                                                       {"x \\right)", "a \\right without its \\left"},
                                                       {"\\begin{a} \\end{b}", "an \\end without its \\begin"},
                                                       {"$\\frac{a}{b$", "'$' is never closed"}};
  for (const auto& [text, message] : wrong) {
    INFO(text);
    CHECK(unbalanced_latex(text) == message);
  }
}

TEST_CASE("words, runs and edits") {
  CHECK(words_of("In $\\frac{12}{x}$, x2 is A.") ==
        std::vector<std::string>{"in", "frac", "12", "x", "x", "2", "is", "a"});
  const auto a = words_of("one two three four five");
  const auto b = words_of("zero two three four six five");
  CHECK(longest_common_run(a, b) == 3);
  CHECK(changed_words(a, b) == 3);
  CHECK(changed_words(a, a) == 0);
  CHECK(changed_words(a, {}) == 5);
}

TEST_CASE("MinHash finds the pairs that comparing all of them finds") {
  // Texts of 60 shingles that share more and more with the first.
  Random random(5);
  std::vector<std::uint64_t> first(60);
  for (auto& item : first) item = random.next();
  SimilarTexts texts;
  std::vector<std::vector<std::uint64_t>> all;
  for (std::size_t i = 0; i < 400; ++i) {
    std::vector<std::uint64_t> other(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(i % 61));
    while (other.size() < 60) other.push_back(random.next());
    std::sort(other.begin(), other.end());
    texts.add(other);
    all.push_back(other);
  }
  std::sort(first.begin(), first.end());
  const std::set<std::uint64_t> first_set(first.begin(), first.end());
  std::size_t wanted = 0;
  for (const auto& other : all) {
    const double index = jaccard_by_sets(first_set, {other.begin(), other.end()});
    CHECK(jaccard(first, other) == Approx(index));
    wanted += index >= 0.6 ? 1 : 0;
  }
  const auto found = texts.find(first, 0.6);
  CHECK(wanted > 50);
  CHECK(found.size() <= wanted);
  CHECK(static_cast<double>(found.size()) >= 0.95 * static_cast<double>(wanted));
  for (const auto& [index, similarity] : found) CHECK(similarity >= 0.6);
}

TEST_CASE("the shipped triples have no findings") {
  const std::vector<Record> records = read_dataset(resource("datasets/open").string());
  CHECK(records.size() >= 200);
  for (const Finding& finding : lint(records, {})) {
    INFO(describe(finding.place, finding.message));
    CHECK(false);
  }
}

TEST_CASE("the shipped triples resemble none of GSM8K, MATH-500 and MathTrap's public set") {
  std::vector<ForeignText> foreign;
  for (const char* file : {"data/gsm8k/train.jsonl", "data/gsm8k/test.jsonl", "data/math/math500_test.jsonl",
                           "data/mathtrap/MathTrap_Public.json"}) {
    if (!has_shared_data(file)) return;
    for (const Record& record : read_dataset(shared_data(file).string())) {
      if (record.original) foreign.push_back({file, record.original->problem});
      if (record.trap) foreign.push_back({file, record.trap->problem});
    }
  }
  REQUIRE(foreign.size() > 9000);
  for (const Finding& finding : lint(read_dataset(resource("datasets/open").string()), foreign)) {
    INFO(describe(finding.place, finding.message));
    CHECK(false);
  }
}
