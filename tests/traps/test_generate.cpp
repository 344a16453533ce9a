// Instances: the same from the same seed, whatever else is drawn; no text in two splits; nothing twice while there is
// something new.
#include <algorithm>
#include <map>
#include <set>

#include "tests/catch.h"
#include "tests/traps/scratch_family.h"
#include "traps/generate.h"

using namespace mathtrap;

namespace {

/// Another family: other numbers, fewer of them. About 900 pairs.
std::string few_family() {
  return edited(std::string(kSmallFamily), {{"a = { from = 10, to = 99 }", "a = { from = 10, to = 39 }"},
                                            {"b = { from = 10, to = 99 }", "b = { from = 10, to = 39 }"},
                                            {"Tom has {{a}}", "Ann has {{a}}"},
                                            {"Tom has {{a}}", "Ann has {{b}}, or {{a}},"}});
}

/// With a thousand numbers in each slot, so that every split has plenty.
std::string many_family() {
  return edited(std::string(kSmallFamily), {{"a = { from = 10, to = 99 }", "a = { from = 10, to = 999 }"},
                                            {"b = { from = 10, to = 99 }", "b = { from = 10, to = 999 }"}});
}

std::vector<std::string> lines(const std::vector<Family>& families, Split split, std::uint64_t count,
                               std::uint64_t seed) {
  std::vector<std::string> written;
  for (const Record& record : generate_records(families, split, count, seed))
    written.push_back(write_json_record(record));
  return written;
}

std::set<std::string> problems(const std::vector<Record>& records) {
  std::set<std::string> texts;
  for (const Record& record : records) {
    texts.insert(record.original->problem);
    texts.insert(record.trap->problem);
  }
  return texts;
}

std::set<std::string> questions(const std::vector<Record>& records) {
  std::set<std::string> texts;
  for (const Record& record : records) texts.insert(record.concepts.at(0).question);
  return texts;
}

std::vector<std::string> common(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace

TEST_CASE("the same seed gives the same records, another seed others") {
  const ScratchFile file(kSmallFamily);
  const std::vector<Family> families = read_families(file.path());
  CHECK(lines(families, Split::train, 50, 7) == lines(families, Split::train, 50, 7));
  CHECK(lines(families, Split::train, 50, 7) != lines(families, Split::train, 50, 8));
}

TEST_CASE("a family's records depend neither on the count nor on other families") {
  const ScratchFile one(many_family(), "one");
  const ScratchFile two(few_family(), "two");
  const std::vector<Family> alone = {read_family(one.path())};
  const std::vector<Family> both = {read_family(two.path()), read_family(one.path())};
  const std::vector<std::string> expected = lines(alone, Split::validation, 20, 3);
  const std::vector<std::string> more = lines(alone, Split::validation, 60, 3);
  CHECK(std::equal(expected.begin(), expected.end(), more.begin()));
  std::vector<std::string> mixed = lines(both, Split::validation, 40, 3);
  std::erase_if(mixed, [](const std::string& line) { return line.find("\"family\":\"two\"") != std::string::npos; });
  REQUIRE(mixed.size() >= expected.size());
  CHECK(std::equal(expected.begin(), expected.end(), mixed.begin()));
}

TEST_CASE("ids are unique, and equal originals share a cluster") {
  const ScratchFile file(few_family());
  std::set<std::string> ids;
  std::map<std::string, std::string> clusters;
  for (const Record& record : generate_records(read_families(file.path()), Split::train, 2000, 1)) {
    CHECK(ids.insert(record.id).second);
    CHECK(record.family == "small");
    CHECK(clusters.emplace(record.original->problem, record.cluster).first->second == record.cluster);
  }
  std::set<std::string> names;
  for (const auto& [text, cluster] : clusters) names.insert(cluster);
  CHECK(names.size() == clusters.size());
}

TEST_CASE("splits share no problem and no question") {
  const ScratchFile file(many_family());
  const std::vector<Family> families = read_families(file.path());
  const std::vector<Record> train = generate_records(families, Split::train, 3000, 1);
  const std::vector<Record> validation = generate_records(families, Split::validation, 20, 1);
  const std::vector<Record> test = generate_records(families, Split::test, 20, 1);
  CHECK(common(problems(train), problems(test)).empty());
  CHECK(common(problems(train), problems(validation)).empty());
  CHECK(common(problems(validation), problems(test)).empty());
  CHECK(common(questions(train), questions(test)).empty());
}

TEST_CASE("a split is the numbers' in their order, and about 80, 10 and 10 in a hundred") {
  CHECK(split_by_numbers("Tom has 12 apples and 7 pens") == split_by_numbers("12,7"));
  CHECK(split_by_text("12") == split_by_text("12"));
  std::map<Split, int> counts;
  for (int i = 0; i < 20000; ++i) ++counts[split_by_numbers(fmt::format("{} and {}", i, 7 * i))];
  CHECK(std::abs(counts[Split::train] - 16000) < 300);
  CHECK(std::abs(counts[Split::validation] - 2000) < 200);
  CHECK(std::abs(counts[Split::test] - 2000) < 200);
}

TEST_CASE("no original and no trap comes twice while there are fresh ones") {
  const ScratchFile file(kSmallFamily);
  std::set<std::string> texts;
  const GenerationReport report =
      generate_records(read_families(file.path()), Split::train, 100, 5, [&](const Record& record) {
        CHECK(texts.insert(record.original->problem).second);
        CHECK(texts.insert(record.trap->problem).second);
      });
  CHECK(report.repeats == 0);
  CHECK(report.exhausted.empty());
}

TEST_CASE("a family that ran out repeats in the train split, and says so") {
  const ScratchFile file(few_family());
  std::set<std::string> texts;
  std::uint64_t repeats = 0;
  const GenerationReport report =
      generate_records(read_families(file.path()), Split::train, 3000, 5,
                       [&](const Record& record) { repeats += texts.insert(record.original->problem).second ? 0 : 1; });
  CHECK(report.exhausted == std::vector<std::string>{"small"});
  CHECK(repeats > 0);
  CHECK(report.repeats >= repeats);
}

TEST_CASE("a family that ran out leaves its turn to the others in the test split") {
  const ScratchFile few(few_family(), "few");
  const ScratchFile more(many_family(), "more");
  const std::vector<Family> families = {read_family(few.path()), read_family(more.path())};
  std::map<std::string, int> counts;
  std::set<std::string> texts;
  const GenerationReport report = generate_records(families, Split::test, 60, 5, [&](const Record& record) {
    ++counts[record.family];
    CHECK(texts.insert(record.original->problem).second);
  });
  CHECK(counts["few"] < 30);
  CHECK(counts["few"] + counts["more"] == 60);
  CHECK(report.repeats == 0);
  CHECK(report.exhausted == std::vector<std::string>{"few"});
}

TEST_CASE("more than all families hold is an error that says how much there is") {
  const ScratchFile file(few_family());
  const std::vector<Family> families = read_families(file.path());
  const std::string message = error_of([&] { generate_records(families, Split::test, 1000, 1); });
  INFO(message);
  CHECK(message.find("fresh instances in the split test, 1000 are wanted") != std::string::npos);
}

TEST_CASE("an unknown split is an error") {
  CHECK(parse_split("validation") == Split::validation);
  CHECK(error_of([] { parse_split("dev"); }).find("train, validation or test") != std::string::npos);
}

TEST_CASE("reply forms: half of the examples have no answer, and each gets its turn") {
  const std::string form = R"(
[slots]
box = ["red", "blue", "green", "white", "black", "pink"]
n = { from = 1, to = 500 }
[[example]]
question = ['Box {{n}} is {{box}}. What colour is box {{n}}?']
reply = ['It is {{box}}.', '{{upper(box)}}.']
[[example]]
question = 'Box {{n}} is {{box}}. What colour is box {{n + 1}}?'
reply = 'This has no answer, because there is no box {{n + 1}}.'
)";
  const ScratchFile file(form);
  int unanswerable = 0;
  std::set<std::string> asked;
  generate_replies(read_reply_forms(file.path()), Split::train, 100, 1, [&](const FormedReply& reply) {
    unanswerable += reply.response.starts_with(kNoAnswer) ? 1 : 0;
    CHECK(asked.insert(reply.instruction).second);
    CHECK(reply.instruction.find("{{") == std::string::npos);
  });
  CHECK(unanswerable == 50);

  const ScratchFile lopsided(
      edited(form, {{"'This has no answer, because there is no box {{n + 1}}.'", "'Box {{n}}.'"}}));
  CHECK(error_of([&] { read_reply_forms(lopsided.path()); }).find("0 of 2 examples have no answer") !=
        std::string::npos);
  const ScratchFile mixed(edited(form, {{"'{{upper(box)}}.'", "'This has no answer.'"}}));
  CHECK(error_of([&] { read_reply_forms(mixed.path()); }).find("example[0].reply: either all") != std::string::npos);
}
