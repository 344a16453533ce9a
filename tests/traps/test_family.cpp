// Families: what their files may hold, and one line with file, line and field for what they may not.
#include <set>

#include "tests/catch.h"
#include "tests/traps/scratch_family.h"
#include "traps/family.h"
#include "traps/instance.h"

using namespace mathtrap;

namespace {

/// The error of reading the family and drawing one instance of it.
std::string error_of_family(const std::string& text) {
  const ScratchFile file(text);
  return error_of([&] {
    const Family family = read_family(file.path());
    Random random(1);
    draw_problem(family, family.traps[0], Split::train, random);
    for (const bool answer : {true, false}) draw_concept(family, family.traps[0], answer, Split::train, random);
  });
}

struct Mistake {
  std::string_view from;
  std::string_view to;
  const char* named;
};

void check_mistake(const Mistake& mistake) {
  INFO(mistake.to);
  const std::string message = error_of_family(edited(std::string(kSmallFamily), {{mistake.from, mistake.to}}));
  INFO(message);
  CHECK(message.find("small.toml") != std::string::npos);
  CHECK(message.find(mistake.named) != std::string::npos);
  CHECK(message.find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("an instance has all slots filled, in texts and in proofs") {
  const ScratchFile file(kSmallFamily);
  const Family family = read_family(file.path());
  Random random(1);
  const Record record = draw_problem(family, family.traps[0], Split::train, random);
  CHECK(family.id == "small");
  CHECK(record.trap_type == TrapType::missing_condition);
  const std::string& problem = record.original->problem;
  const int a = std::stoi(problem.substr(8, 2));
  const int b = std::stoi(problem.substr(problem.find("gives ") + 6, 2));
  CHECK(record.original->solution == fmt::format("{0} - {1} = {2}. The answer is {2}.", a, b, a - b));
  CHECK(record.original->answer == fmt::format("{}", a - b));
  CHECK(record.proof.original == fmt::format("(assert (= left (- {} {})))", a, b));
  CHECK(record.proof.trap == fmt::format("(assert (< left (- {})))", a - b));
  CHECK(record.proof.ask == "left");
  const bool pens = problem.find("pens") != std::string::npos;
  CHECK((record.trap->problem.find("pens") != std::string::npos) == pens);
  CHECK((record.trap->explanation.find("apples") != std::string::npos) != pens);
}

TEST_CASE("a conceptual question without a solution is answered in one word") {
  const ScratchFile file(kSmallFamily);
  const Family family = read_family(file.path());
  Random random(1);
  CHECK(draw_concept(family, family.traps[0], true, Split::train, random).solution == "True.");
  CHECK(draw_concept(family, family.traps[0], false, Split::train, random).solution.ends_with(" is less. False."));
}

TEST_CASE("computed values stand in the order of the file, and conditions guard them") {
  CHECK(error_of_family(edited(std::string(kSmallFamily), {{"left = \"a - b\"", "z = \"a - b\"\nleft = \"z\""}}))
            .empty());
  CHECK(error_of_family(edited(std::string(kSmallFamily), {{"left = \"a - b\"", "left = \"(a - b) // (a - b)\""}}))
            .empty());
  CHECK(error_of_family(
            edited(std::string(kSmallFamily), {{"left = \"a - b\"", "left = \"1 / (a - b)\"\nx = \"left > 0\""},
                                               {"\"a > b\"", "\"x\", \"a > b\""}}))
            .empty());
}

TEST_CASE("braces around an expression are LaTeX's") {
  const ScratchFile file(
      edited(std::string(kSmallFamily), {{"answer = '{{left}}'", "answer = '\\frac{{{left}}}{2^{{{a - a}}}}'"}}));
  const Family family = read_family(file.path());
  Random random(1);
  const Record record = draw_problem(family, family.traps[0], Split::train, random);
  CHECK(record.original->answer.starts_with("\\frac{"));
  CHECK(record.original->answer.ends_with("}{2^{0}}"));
}

TEST_CASE("wordings of the same place belong together") {
  const ScratchFile file(edited(std::string(kSmallFamily),
                                {{"'''Tom has {{a}} {{item.many}} and gives {{b}} away. How many has he left?'''",
                                  "['first {{a}}', 'other {{a}}']"},
                                 {"'''Tom has {{a}} {{item.many}} and gives some away. How many has he left?'''",
                                  "['first {{b}}', 'other {{b}}']"}}));
  const Family family = read_family(file.path());
  Random random(1);
  std::set<std::string> drawn;
  for (int i = 0; i < 20; ++i) {
    const Record record = draw_problem(family, family.traps[0], Split::train, random);
    drawn.insert(record.original->problem.substr(0, 5) + "/" + record.trap->problem.substr(0, 5));
  }
  CHECK(drawn == std::set<std::string>{"first/first", "other/other"});
}

TEST_CASE("mistakes in the parts of a family") {
  check_mistake(GENERATE(values<Mistake>({
      {"topic = \"arithmetic\"", "", "topic: the field is missing"},
      {"topic =", "topc =", "1: unknown field \"topc\"; is \"topic\" meant?"},
      {"[original]", "[originl]", "9: unknown field \"originl\"; is \"original\" meant?"},
      {"answer = '{{left}}'", "", "original.answer: the field is missing"},
      {"answer = '{{left}}'", "answer = 12", "original.answer: a string is wanted"},
      {"answer = '{{left}}'", "answer = ''", "original.answer: the text is empty"},
      {"type = \"missing_condition\"", "type = \"riddle\"", "trap[0].type: \"riddle\" is not a trap type"},
      {"evidence = ['(?i)not said']", "evidence = ['(']", "trap[0].evidence: not an RE2 pattern"},
      {"evidence = ['(?i)not said']", "evidence = ['{{a}}']", "trap[0].evidence: patterns hold no slots"},
      {"evidence = ['(?i)not said']", "", "trap[0].evidence: at least one pattern"},
      {"trap = '''(assert (< left {{b - a}}))'''", "", "trap[0]: the proof lacks \"trap\""},
      {"ask = 'left'", "", "trap[0]: the proof lacks \"ask\""},
      {"ask = 'left'", "asks = 'left'", "proof: unknown field \"asks\"; is \"ask\" meant?"},
      {"answer = false", "answer = true", "trap[0]: there is no concept with answer = false"},
      {"answer = false", "answer = 'no'", "trap[0].concept[1].answer: true or false is wanted"},
      {"answer = false", "answer = false\nsplit_by = 'words'", "split_by: must be \"numbers\" or \"text\""},
      {"explanation =", "explanaton =", "trap[0]: unknown field \"explanaton\"; is \"explanation\" meant?"},
  })));
}

TEST_CASE("mistakes in slots") {
  check_mistake(GENERATE(values<Mistake>({
      {"a = { from = 10, to = 99 }", "a = { from = 99, to = 10 }", "4: slots.a: the range from 99 to 10 is empty"},
      {"a = { from = 10, to = 99 }", "a = { from = 1, to = 9, step = 0 }", "slots.a: the step is not positive"},
      {"a = { from = 10, to = 99 }", "a = { from = 1 }", "slots.a: a range is"},
      {"a = { from = 10, to = 99 }", "a = { from = 1, to = 2.5 }", "slots.a: \"to\" is no whole number"},
      {"a = { from = 10, to = 99 }", "a = { from = 1, to = 9223372036854775807 }", "slots.a: \"to\" is beyond"},
      {"a = { from = 10, to = 99 }", "a = { from = 1, too = 9 }", "slots.a: unknown field \"too\"; is \"to\" meant?"},
      {"a = { from = 10, to = 99 }", "a = 12", "slots.a: a slot is a range {from, to} or a list of choices"},
      {"a = { from = 10, to = 99 }", "a = []", "slots.a: a slot is a range {from, to} or a list of choices"},
      {"a = { from = 10, to = 99 }", "a = [1.5]", "slots.a: a choice is a string, a whole number"},
      {"a = { from = 10, to = 99 }", "a = [1979-05-27]", "slots.a: a choice is a string, a whole number"},
      {"a = { from = 10, to = 99 }", "and = [1]\na = { from = 10, to = 99 }", "slots.and: \"and\" is not a name"},
      {"a = { from = 10, to = 99 }", "\"a b\" = [1]", "\"a b\" is not a name"},
      {"many = \"pens\" }", "some = \"pens\" }", "6: slots.item: a choice lacks the field \"many\""},
      {", many = \"pens\" }", " }", "6: slots.item: all choices must have the same fields"},
      {", many = \"pens\" }", ", many = [] }", "6: slots.item: a choice is a string"},
      {"left = \"a - b\"", "left = \"a - b\"\nb = \"3\"", "let.b: \"b\" is already defined"},
  })));
}

TEST_CASE("mistakes in expressions") {
  check_mistake(GENERATE(values<Mistake>({
      {"left = \"a - b\"", "left = \"a - c\"", "8: let.left: unknown name \"c\""},
      {"left = \"a - b\"", "left = \"right\"\nright = \"a\"", "8: let.left: unknown name \"right\""},
      {"left = \"a - b\"", "left = 5", "8: let.left: a string is wanted"},
      {"left = \"a - b\"", "left = \"a / (b - b)\"", "8: let.left: in \"a / (b - b)\": division by zero"},
      {"left = \"a - b\"", "left = \"a ^ 99\"", "8: let.left: in \"a ^ 99\": a value beyond 64 bits"},
      {"where = [\"a > b\"]", "where = [\"a - b\"]", "2: where: \"a - b\" is"},
      {"where = [\"a > b\"]", "where = [\"a >\"]", "2: where: a value is wanted at the end"},
      {"where = [\"a > b\"]", "where = [\"a < 0\"]", "the conditions (where) of the problem were not met in"},
      {"{{left}}. The", "{{lef}}. The", "11: original.solution: in {{lef}}: unknown name \"lef\"; is \"left\" meant?"},
      {"{{left}}. The", "{{left}. The", "original.solution: in {{left}. The answer is {{left}}"},
      {"answer is {{left}}.'''", "answer is {{left.'''", "original.solution: {{ is never closed"},
      {"{{item.many}} and gives {{b}}", "{{item}} and gives {{b}}", "\"item\" is a table; say \"item.many\""},
      {"answer = '{{left}}'", "answer = '{{1 / (b - b)}}'",
       "12: original.answer: in {{1 / (b - b)}}: division by zero"},
      {"Is {{n}} + 1", "Is {{a}} + 1", "trap[0].concept[0].question: in {{a}}: unknown name \"a\""},
      {"n = { from = 1, to = 500 }", "n = [1]", "conceptual question of 200000 draws belongs to the split train"},
  })));
}

TEST_CASE("hostile families end in an error") {
  std::string long_word(100'000, 'x');
  std::string many_slots = "a = [\"" + long_word + "\"]";
  std::string uses = "answer = '";
  for (int i = 0; i < 1000; ++i) uses += "{{a}}";
  const std::string huge =
      edited(std::string(kSmallFamily), {{"a = { from = 10, to = 99 }", many_slots},
                                         {"where = [\"a > b\"]\n", ""},
                                         {"left = \"a - b\"", "left = \"1\""},
                                         {"trap = '''(assert (< left {{b - a}}))'''", "trap = 'x'"},
                                         {"answer = '{{left}}'", uses + "'"}});
  CHECK(error_of_family(huge).find("a text of more than") != std::string::npos);
  CHECK(error_of_family(std::string(kSmallFamily) + "\xff").find("not valid TOML") != std::string::npos);
  CHECK(error_of_family(std::string(2 << 20, '#')).find("larger than") != std::string::npos);
  CHECK(error_of_family("a = " + std::string(50'000, '[')).find("not valid TOML") != std::string::npos);
  CHECK(error_of([] { read_families("/nonexistent"); }).find("there is no such file") != std::string::npos);
}
