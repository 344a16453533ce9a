// What ships: every family and reply form yields instances in all splits, and what a model is trained on holds no trap.
#include <map>
#include <unordered_set>

#include "tests/catch.h"
#include "tests/traps/scratch_family.h"
#include "traps/generate.h"

using namespace mathtrap;

namespace {

constexpr std::uint64_t kInstances = 200;  // of each family
constexpr Split kSplits[] = {Split::train, Split::validation, Split::test};

const std::vector<Family>& shipped() {
  static const std::vector<Family> families = read_families(resource("datasets/families").string());
  return families;
}

/// Some families have fewer instances than are wanted here; then all that they have.
std::vector<Record> instances(const Family& family, Split split) {
  std::vector<Record> records;
  try {
    generate_records({family}, split, kInstances, 1, [&](const Record& record) { records.push_back(record); });
  } catch (const Error&) {
    INFO(family.id);
    REQUIRE(records.size() >= 30);
  }
  return records;
}

/// For each length among the texts, their hashes: whether a text holds one of them is one pass per length.
class Texts {
 public:
  void add(const std::string& text) { by_length_[text.size()].insert(text); }

  /// One of the texts that `text` is or holds; "" when there is none.
  std::string held_by(const std::string& text) const {
    for (const auto& [length, texts] : by_length_) {
      for (std::size_t at = 0; at + length <= text.size(); ++at) {
        std::string part = text.substr(at, length);
        if (texts.contains(part)) return part;
      }
    }
    return "";
  }

 private:
  std::map<std::size_t, std::unordered_set<std::string>> by_length_;
};

}  // namespace

TEST_CASE("there are at least 50 families, and at least 10 traps of each type") {
  std::map<TrapType, int> types;
  for (const Family& family : shipped()) {
    for (const FamilyTrap& trap : family.traps) ++types[trap.type];
  }
  CHECK(shipped().size() >= 50);
  for (const TrapType type : kTrapTypes) {
    INFO(to_string(type));
    CHECK(types[type] >= 10);
  }
}

TEST_CASE("every family yields instances in every split, all of them filled") {
  for (const Family& family : shipped()) {
    for (const Split split : kSplits) {
      const std::vector<Record> records = instances(family, split);
      INFO(family.id << " " << to_string(split));
      for (const Record& record : records) {
        const std::string line = write_json_record(record);
        INFO(line);
        CHECK(line.find("{{") == std::string::npos);
        CHECK(write_json_record(parse_json_record(line, {})) == line);
        CHECK(record.original->problem != record.trap->problem);
        CHECK(record.original->solution.find(record.original->answer) != std::string::npos);
        CHECK(split_by_numbers(record.original->problem) == split);
        CHECK(split_by_numbers(record.trap->problem) == split);
      }
    }
  }
}

TEST_CASE("every family asks as many true as false conceptual questions, and their replies end so") {
  for (const Family& family : shipped()) {
    int truths = 0;
    const std::vector<Record> records = instances(family, Split::train);
    INFO(family.id);
    REQUIRE(records.size() == kInstances);
    for (const Record& record : records) {
      const Concept& question = record.concepts.at(0);
      truths += question.answer ? 1 : 0;
      INFO(question.question << " " << question.solution);
      CHECK(question.solution.ends_with(question.answer ? "True." : "False."));
    }
    // Four standard deviations of 200 fair coins.
    CHECK(std::abs(truths - 100) < 29);
  }
}

TEST_CASE("no conceptual question is true in one instance and false in another") {
  std::map<std::string, bool> answers;
  for (const Family& family : shipped()) {
    for (const Split split : kSplits) {
      for (const Record& record : instances(family, split)) {
        const Concept& question = record.concepts.at(0);
        INFO(question.question);
        CHECK(answers.emplace(question.question, question.answer).first->second == question.answer);
      }
    }
  }
}

TEST_CASE("the splits of all families together share no text") {
  std::map<std::string, Split> owners;
  for (const Family& family : shipped()) {
    for (const Split split : kSplits) {
      for (const Record& record : instances(family, split)) {
        for (const std::string& text :
             {record.original->problem, record.trap->problem, record.concepts.at(0).question}) {
          INFO(text);
          CHECK(owners.emplace(text, split).first->second == split);
        }
      }
    }
  }
}

TEST_CASE("no text of the train split is or holds a trap of any split") {
  Texts traps;
  for (const Family& family : shipped()) {
    for (const Split split : kSplits) {
      for (const Record& record : instances(family, split)) traps.add(record.trap->problem);
    }
  }
  const auto check_free = [&](const std::string& text) {
    const std::string trap = traps.held_by(text);
    INFO(text << "\nholds\n" << trap);
    CHECK(trap.empty());
  };
  for (const Family& family : shipped()) {
    for (const Record& record : instances(family, Split::train)) {
      check_free(record.original->problem + "\n" + record.original->solution);
      check_free(record.concepts.at(0).question + "\n" + record.concepts.at(0).solution);
    }
  }
  const auto forms = read_reply_forms(resource("datasets/corpora/reply_form").string());
  generate_replies(forms, Split::train, 2000, 1,
                   [&](const FormedReply& reply) { check_free(reply.instruction + "\n" + reply.response); });
}

TEST_CASE("reply forms yield in every split, each question in one") {
  const auto forms = read_reply_forms(resource("datasets/corpora/reply_form").string());
  for (const Split split : kSplits) {
    std::uint64_t replies = 0;
    generate_replies(forms, split, 500, 1, [&](const FormedReply& reply) {
      ++replies;
      CHECK(reply.instruction.find("{{") == std::string::npos);
      CHECK(split_by_text(reply.instruction) == split);
    });
    CHECK(replies == 500);
  }
}
