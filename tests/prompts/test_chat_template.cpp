// Chat templates: what Jinja2 renders from the same templates (tests/golden/chat_templates), what is refused and where,
// and damaged templates.
#include <fmt/format.h>

#include <filesystem>

#include "prompts/chat_template.h"
#include "prompts/jinja/evaluation.h"
#include "prompts/jinja/syntax.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/random.h"
#include "tests/catch.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

const fs::path kFolder = fs::path(MATHTRAP_SOURCE_DIR) / "tests/golden/chat_templates";
const Place kPlace{"t.jinja", 0, ""};

std::string render_source(const std::string& source, const Json& variables, const Place& place = kPlace) {
  return jinja::render(jinja::parse_statements(source, place), variables, kTemplateDate, place);
}

std::string error_of(const std::string& source, const Json& variables = Json::object(), const Place& place = kPlace) {
  try {
    render_source(source, variables, place);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// The lines of a file of JSON objects.
std::vector<Json> lines_of(const char* name) {
  std::vector<Json> lines;
  for_each_line(kFolder / name, [&](std::string_view text, std::size_t number) {
    lines.push_back(parse_json(text, {name, number, ""}));
  });
  return lines;
}

std::vector<Json> conversations() {
  std::vector<Json> all;
  for (const Json& line : lines_of("conversations.jsonl")) {
    Json variables = {{"tools", nullptr}, {"documents", nullptr}, {"bos_token", "<s>"}, {"eos_token", "</s>"}};
    variables.update(line);
    all.push_back(std::move(variables));
  }
  return all;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("our templates render to what Jinja2 makes of them") {
  const std::vector<Json> given = conversations();
  std::size_t texts = 0;
  for (const Json& line : lines_of("expected.jsonl")) {
    const std::string name = line["template"].get<std::string>();
    const auto number = line["conversation"].get<std::size_t>();
    INFO(name << ", conversation " << number);
    const std::string source = read_file(kFolder / name);
    const Json& variables = given.at(number - 1);
    if (line.contains("text")) {
      ++texts;
      CHECK(render_source(source, variables) == line["text"].get<std::string>());
    } else {
      CHECK(contains(error_of(source, variables), line["refused"].get<std::string>()));
    }
  }
  CHECK(texts > 50);
}

TEST_CASE("what is refused names the construct and its place") {
  for (const Json& line : lines_of("refused.jsonl")) {
    const std::string source = line["template"].get<std::string>();
    INFO(source);
    const std::string message = error_of(source);
    INFO(message);
    CHECK(contains(message, line["message"].get<std::string>()));
    CHECK_FALSE(contains(message, "\n"));
  }
}

TEST_CASE("a template that is a field of a file is placed in it") {
  const Place place{"config.json", 0, "chat_template"};
  CHECK(error_of("\n{{ 1", {}, place) == "config.json: chat_template: line 2, column 1: the expression does not end");
}

TEST_CASE("templates are bounded in size and depth") {
  const auto repeated = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  const int many = 60000;
  CHECK(contains(error_of(repeated("a", 300000)), "at most 262144 are possible"));
  CHECK(contains(error_of("{{ " + repeated("(", many) + "1" + repeated(")", many) + " }}"), "nested deeper"));
  CHECK(contains(error_of("{{ " + repeated("[", many) + repeated("]", many) + " }}"), "nested deeper"));
  CHECK(contains(error_of("{{ 1" + repeated("+1", many) + " }}"), "nested deeper"));
  CHECK(contains(error_of("{{ x" + repeated(".y", many) + " }}"), "nested deeper"));
  CHECK(contains(error_of("{{ x" + repeated("|trim", 30000) + " }}"), "nested deeper"));
  CHECK(contains(error_of("{{ " + repeated("not ", many) + "1 }}"), "nested deeper"));
  CHECK(contains(error_of("{{ " + repeated("- ", many) + "1 }}"), "nested deeper"));
  CHECK(contains(error_of("{{ 1" + repeated(" if 1", 30000) + " }}"), "nested deeper"));
  CHECK(contains(error_of("{{ 1" + repeated(" if 1 else 1", 20000) + " }}"), "nested deeper"));
  CHECK(contains(error_of(repeated("{% if x %}", 20000)), "nested deeper"));
  CHECK(render_source(repeated("{% if x %}{% elif x %}{% endif %}", 5000), Json::object()).empty());
}

TEST_CASE("the conversation, the special tokens and the date reach the template") {
  const ChatTemplate made = parse_chat_template(
      "{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
      "{{ tools is none }} {{ documents is none }} {{ unk_token is defined }} {{ strftime_now('%d.%m.%Y') }}"
      "{% if add_generation_prompt %} go{% endif %}",
      kPlace);
  const TemplateVariables variables{{{"bos_token", "<s>"}}, "1999-12-31"};
  CHECK(render(made, {{{"user", "a"}, {"assistant", "b"}}, true}, variables) ==
        "<s>user:a;assistant:b;True True False 31.12.1999 go");
  CHECK(render(made, {{}, false}, variables) == "<s>True True False 31.12.1999");
}

TEST_CASE("texts that are no UTF-8 are taken byte by byte") {
  CHECK(render_source("{{ x | length }} {{ x[1:] }} {{ x | trim }}", {{"x", "\xff\xc3 "}}) == "3 \xc3  \xff\xc3");
}

TEST_CASE("the date of a template is a day") {
  CHECK_NOTHROW(check_template_date("2024-02-29"));
  for (const char* wrong :
       {"", "2024", "2024-13-01", "2024-00-01", "2024-01-32", "24-01-01", "2024-1-1", "2024-01-0x"}) {
    CHECK_THROWS_AS(check_template_date(wrong), Error);
  }
}

TEST_CASE("damaged templates end in a text or an error of one line") {
  static constexpr std::string_view kParts[] = {
      "{%", "%}", "{{",   "}}",         "-",    "|",           "(",         ")",      "[",    "]",        "{",
      "}",  "'",  "\n",   "if ",        "else", "endif",       "for x in ", "endfor", "set ", " is ",     ".",
      ",",  "=",  "not ", "in ",        "loop", "namespace()", "0",         "-1",     ":",    "messages", "~",
      "*",  "\\", "\xff", "macro f(x)", "%"};
  constexpr int kDamagedOfEach = 300;
  const std::vector<Json> given = conversations();
  Random random(1, "chat templates");
  const auto pick = [&](std::size_t count) {
    return static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(count) - 1));
  };
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string whole = read_file(entry.path());
    for (int i = 0; i < kDamagedOfEach; ++i) {
      std::string source = whole;
      for (std::size_t change = 0; change <= pick(4); ++change) {
        const std::size_t at = pick(source.size() + 1);
        const std::size_t length = pick(2) == 0 ? 0 : pick(12);
        source.replace(at, length, kParts[pick(std::size(kParts))]);
      }
      const std::string message = error_of(source, given[pick(given.size())]);
      if (contains(message, "\n")) FAIL(source << "\n" << message);
    }
  }
}
