// Imports of broken and hostile files: one clear message each, and with --skip-bad the good records around them.
#include <fstream>

#include "datasets/import_dataset.h"
#include "datasets/json_array_scanner.h"
#include "tests/catch.h"
#include "tests/datasets/scratch.h"

using namespace mathtrap;

namespace {

const std::string kGood = R"({"question":"q","answer":"#### 1"})";

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

ImportResult import_file(const std::string& file, bool skip_bad) {
  ImportResult result = import_dataset({file}, {"auto", skip_bad});
  CHECK(result.read == result.records.size() + result.skipped.size());
  return result;
}

struct Broken {
  std::string text;  ///< a record that stands between two good ones
  std::string reason;
};

const std::vector<Broken>& broken_records() {
  static const std::vector<Broken> cases = {
      {"{\"question\":\"q\"}", "the field \"answer\" is missing"},
      {"{\"question\":7,\"answer\":\"#### 1\"}", "the field \"question\" is a number, a string is wanted"},
      {"{\"question\":\" \",\"answer\":\"#### 1\"}", "the field \"question\" is empty"},
      {"{\"question\":\"q\",\"answer\":\"1\"}", "answer: no final answer"},
      {"{\"question\":null,\"answer\":\"#### 1\"}", "the field \"question\" is a null"},
      {"{\"question\":\"\xff\",\"answer\":\"#### 1\"}", "not UTF-8"},
      {"{\"question\":\"\xc3\",\"answer\":\"#### 1\"}", "not UTF-8"},
      {"{\"question\":\"\xed\xa0\x80\",\"answer\":\"#### 1\"}", "not valid JSON"},
      {"{\"question\":\"\\ud800\",\"answer\":\"#### 1\"}", "not valid JSON"},
      {std::string("{\"question\":\"a\0b\",\"answer\":\"#### 1\"}", 36), "not valid JSON"},
      {std::string(20, '\0'), "not valid JSON"},
      {"{\"question\" \"q\"}", "not valid JSON"},
      {"{\"question\":NaN,\"answer\":\"#### 1\"}", "not valid JSON"},
      {"\"a text\"", "a JSON object is wanted"},
      {"7", "a JSON object is wanted"},
      {repeated("[", 100'000) + repeated("]", 100'000), "JSON nested deeper than 100"},
      {"{\"question\":" + repeated("[", 100'000) + repeated("]", 100'000) + "}", "JSON nested deeper than 100"},
  };
  return cases;
}

}  // namespace

TEST_CASE("a broken line is an error with file and line, or is left out and named") {
  const ScratchFolder folder;
  for (const Broken& broken : broken_records()) {
    const std::string file = folder.write("a.jsonl", fmt::format("{0}\n{1}\n{0}\n", kGood, broken.text));
    const std::string message = error_of([&] { import_file(file, false); });
    INFO(message);
    CHECK(message.find("a.jsonl:2: " + broken.reason) != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
    const ImportResult result = import_file(file, true);
    CHECK(result.records.size() == 2);
    CHECK(result.records.back().id == "a-3");
    REQUIRE(result.skipped.size() == 1);
    CHECK(result.skipped[0].place.line == 2);
    CHECK(result.skipped[0].reason.starts_with(broken.reason));
  }
}

TEST_CASE("a broken element of an array costs no other") {
  const ScratchFolder folder;
  for (const Broken& broken : broken_records()) {
    const std::string file = folder.write("a.json", fmt::format("[\n  {0},\n  {1},\n  {0}\n]\n", kGood, broken.text));
    const std::string message = error_of([&] { import_file(file, false); });
    INFO(message);
    CHECK(message.find("a.json:3: " + broken.reason) != std::string::npos);
    const ImportResult result = import_file(file, true);
    CHECK(result.records.size() == 2);
    CHECK(result.skipped.size() == 1);
  }
}

TEST_CASE("the next element is found after one whose end cannot be told") {
  const std::string broken = GENERATE(values<std::string>({
      R"({"question":"never closed,"answer":"#### 1"},)",
      R"({"question":"q","answer":"#### 1",)",
      R"({"question":["q","answer":"#### 1"},)",
      R"({"question":{"q","answer":"#### 1"},)",
      R"({"question":"q"]},)",
  }));
  const ScratchFolder folder;
  const std::string file =
      folder.write("a.json", "[\n" + kGood + ",\n" + broken + "\n" + kGood + ",\n" + kGood + "\n]");
  CHECK(error_of([&] { import_file(file, false); }).find("not valid JSON") != std::string::npos);
  const ImportResult result = import_file(file, true);
  CHECK(result.records.size() == 3);
  CHECK(result.records.back().place.line == 5);
  CHECK(result.skipped.size() == 1);
}

TEST_CASE("elements over several lines are found again by their indentation") {
  const ScratchFolder folder;
  const std::string good = "    {\n        \"question\": \"q\",\n        \"answer\": \"#### 1\"\n    }";
  const std::string bad = "    {\n        \"question\": \"never closed,\n        \"answer\": \"#### 1\"\n    }";
  const ImportResult result =
      import_file(folder.write("a.json", "[\n" + good + ",\n" + bad + ",\n" + good + "\n]\n"), true);
  REQUIRE(result.records.size() == 2);
  CHECK(result.records[1].place.line == 10);
  REQUIRE(result.skipped.size() == 1);
  CHECK(result.skipped[0].place.line == 7);
}

TEST_CASE("whatever byte is changed, an array is taken apart to its end") {
  const std::string array = "[\n  {\"a\": [1, \"\\\"}\"]},\n  2,\n  {\"b\": {}}\n]\n";
  for (std::size_t at = 1; at < array.size(); ++at) {
    for (const char byte : std::string_view("{}[]\",\\\n \0x", 11)) {
      std::string changed = array;
      changed[at] = byte;
      JsonArrayScanner scanner(changed);
      std::size_t items = 0;
      while (scanner.next() && items < 100) ++items;
      INFO(changed);
      CHECK(items >= 1);
      CHECK(items <= 8);
    }
  }
}

TEST_CASE("what ends an array wrongly is named, and what stood before it is kept") {
  struct Ending {
    const char* text;
    const char* reason;
    std::size_t kept;
    std::size_t skipped;
  };
  const Ending ending = GENERATE(values<Ending>({
      {"", "the array is never closed", 1, 1},
      {",", "the array is never closed", 1, 1},
      {",\n{\"question\":\"cut of", "a string is never closed", 1, 1},
      {",]", "an element is wanted after the comma", 1, 1},
      {"] []", "something follows the array", 1, 1},
      {"}]", "a bracket closes that was never opened", 0, 1},
      {" {\"question\":\"r\",\"answer\":\"#### 2\"}]", "there is no comma before it", 1, 1},
  }));
  const ScratchFolder folder;
  const std::string file = folder.write("a.json", "[" + kGood + ending.text);
  const std::string message = error_of([&] { import_file(file, false); });
  INFO(message);
  CHECK(message.find(ending.reason) != std::string::npos);
  const ImportResult result = import_file(file, true);
  CHECK(result.records.size() == ending.kept);
  CHECK(result.skipped.size() == ending.skipped);
}

TEST_CASE("a byte order mark, CRLF and blank lines are no harm") {
  const std::string text = GENERATE_COPY(values<std::string>({
      "\xef\xbb\xbf" + kGood + "\r\n\r\n" + kGood + "\r\n",
      "\xef\xbb\xbf[\r\n" + kGood + ",\r\n" + kGood + "\r\n]\r\n",
      "\n \n[" + kGood + "," + kGood + "]",
  }));
  const ScratchFolder folder;
  CHECK(import_file(folder.write("a.json", text), false).records.size() == 2);
}

TEST_CASE("files that hold no records are one message, whatever is to be skipped") {
  struct File {
    std::string text;
    const char* reason;
  };
  const File file = GENERATE(values<File>({
      {"", "the file is empty"},
      {" \n\n", "the file is empty"},
      {"\xef\xbb\xbf", "the file is empty"},
      {"[]", "no records are there"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a Git LFS pointer"},
      {std::string("\xff\xfe[\0", 4), "is UTF-16"},
      {"PAR1...", "is Parquet"},
      {"\x1f\x8b...", "is compressed"},
      {"{\n  \"data\": []\n}\n", "a JSON array is wanted"},
  }));
  const ScratchFolder folder;
  const std::string path = folder.write("a.json", file.text);
  for (const bool skip_bad : {false, true}) {
    const std::string message = error_of([&] { import_file(path, skip_bad); });
    INFO(message);
    CHECK(message.find(file.reason) != std::string::npos);
  }
}

TEST_CASE("a folder and an absent file are named") {
  const ScratchFolder folder;
  CHECK(error_of([&] { import_file(folder.path(), true); }).find("is a folder") != std::string::npos);
  CHECK(error_of([&] { import_file(folder.path() + "/no.jsonl", true); }).find("no such file") != std::string::npos);
}

TEST_CASE("records of unknown fields are named") {
  const ScratchFolder folder;
  const std::string file = folder.write("a.jsonl", "{\"text\":\"q\"}\n" + kGood);
  CHECK(error_of([&] { import_file(file, false); }).find("a.jsonl:1: no known data set") != std::string::npos);
  CHECK(import_file(file, true).records.size() == 1);
}

TEST_CASE("an id of ours that repeats is named where it repeats") {
  const ScratchFolder folder;
  const std::string line = R"({"id":"x","trap":{"problem":"p"}})";
  const std::string file = folder.write("a.jsonl", line + "\n" + line);
  CHECK(error_of([&] { import_file(file, false); }).find("a.jsonl:2: id: \"x\" is already the id of") !=
        std::string::npos);
  CHECK(import_file(file, true).skipped[0].reason.starts_with("id: \"x\" is already"));
}

TEST_CASE("a line of 100 MB is passed over without being held") {
  const ScratchFolder folder;
  const std::string file = folder.write("a.jsonl", kGood + "\n");
  {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(0, std::ios::end);
    stream << "{\"question\":\"";
    stream.seekp(100'000'000);  // a hole: NUL bytes that take no room
    stream << "\"}\n" << kGood << "\n";
  }
  CHECK(error_of([&] { import_file(file, false); }).find("a.jsonl:2: longer than the 16777216 bytes") !=
        std::string::npos);
  const ImportResult result = import_file(file, true);
  CHECK(result.records.size() == 2);
  CHECK(result.skipped.size() == 1);
}
