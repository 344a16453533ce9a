// The text filter: how often its rules are right on the labelled sample, what the duplicate finder promises against
// brute force, and files that are broken.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "moe/advertisement_rule.h"
#include "moe/duplicate_texts.h"
#include "moe/fluency_rule.h"
#include "moe/text_filter.h"
#include "moe/words.h"
#include "support/files.h"
#include "support/json.h"
#include "support/random.h"
#include "tests/catch.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

fs::path filter_folder() {
  fs::path folder = fs::temp_directory_path() / fmt::format("mathtrap-text-filter-{}", ::getpid());
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::string json_line(const std::string& text) {
  return Json{{"text", text}}.dump() + "\n";
}

std::vector<Json> json_lines(const fs::path& file) {
  std::vector<Json> lines;
  for_each_line(file, [&](std::string_view line, std::size_t) { lines.push_back(parse_json(line, {})); });
  return lines;
}

struct Counts {
  int right = 0;
  int said = 0;
  int there = 0;
};

/// By rule: of the texts that it rejects, and of those that carry its label.
std::map<std::string, Counts> measure_sample(const std::string& part) {
  const fs::path folder = filter_folder();
  const std::string file = fmt::format("{}/tests/golden/text_filter/{}.jsonl", MATHTRAP_SOURCE_DIR, part);
  TextFilterOptions options;
  options.output = (folder / "kept").string();
  options.rejected = (folder / "rejected").string();
  const TextFilterResult result = filter_texts({file}, options);
  const std::vector<Json> sample = json_lines(file);
  CHECK(result.read == sample.size());
  std::map<std::string, Counts> counts;
  for (const Json& line : sample) ++counts[line["label"].get<std::string>()].there;
  for (const Json& line : json_lines(options.rejected)) {
    Counts& rule = counts[line["rule"].get<std::string>()];
    const Json& labelled = sample[line["line"].get<std::size_t>() - 1];
    CHECK(labelled["text"] == line["text"]);
    CHECK_FALSE(line["reason"].get<std::string>().empty());
    ++rule.said;
    if (labelled["label"] == line["rule"]) ++rule.right;
  }
  return counts;
}

/// Resemblance from its definition, on sets of strings.
double resemblance_by_sets(const std::string& a, const std::string& b) {
  const auto shingles = [](const std::string& text) {
    const std::vector<std::string> words = comparable_words(text);
    std::set<std::string> result;
    for (std::size_t i = 0; i + 5 <= words.size(); ++i) {
      std::string shingle;
      for (std::size_t j = i; j < i + 5; ++j) shingle += words[j] + " ";
      result.insert(shingle);
    }
    return result;
  };
  const std::set<std::string> left = shingles(a);
  const std::set<std::string> right = shingles(b);
  std::set<std::string> all = left;
  all.insert(right.begin(), right.end());
  const std::size_t shared = left.size() + right.size() - all.size();
  return static_cast<double>(shared) / static_cast<double>(all.size());
}

/// `count` texts of 40 to 200 words; half of them are earlier ones with some words replaced.
std::vector<std::string> random_texts(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::vector<std::string>> texts;
  const auto word = [&] { return fmt::format("w{}", random.uniform_int(0, 5000)); };
  while (texts.size() < count) {
    std::vector<std::string> words;
    if (texts.size() % 2 == 1) {
      words = texts[static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(texts.size()) - 1))];
      const std::int64_t changes = random.uniform_int(0, 6);
      for (std::int64_t i = 0; i < changes; ++i) {
        words[static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(words.size()) - 1))] = word();
      }
    } else {
      words.resize(static_cast<std::size_t>(random.uniform_int(40, 200)));
      for (std::string& each : words) each = word();
    }
    texts.push_back(words);
  }
  std::vector<std::string> result;
  for (const auto& words : texts) result.push_back(fmt::format("{}", fmt::join(words, " ")));
  return result;
}

const std::string kProse =
    "The ferry leaves at six in the morning, when most of the village is still asleep, and comes back with the milk.";

}  // namespace

// The figures of docs/text-filter.md.
TEST_CASE("text filter: precision and recall on the labelled sample are what the page says") {
  auto [part, rule, least_right, most_wrong, there] = GENERATE(table<std::string, std::string, int, int, int>({
      {"tuning", "advertisement", 32, 0, 32},
      {"tuning", "disfluent", 22, 0, 31},
      {"tuning", "duplicate", 10, 0, 10},
      {"held_out", "advertisement", 27, 0, 32},
      {"held_out", "disfluent", 24, 0, 31},
      {"held_out", "duplicate", 9, 0, 10},
  }));
  INFO(part << " " << rule);
  const Counts counts = measure_sample(part)[rule];
  CHECK(counts.there == there);
  CHECK(counts.right >= least_right);
  CHECK(counts.said - counts.right <= most_wrong);
}

TEST_CASE("text filter: the resemblance of two texts is that of their sets of 5-grams") {
  const std::vector<std::string> texts = random_texts(60, 3);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      CHECK(resemblance(fingerprint(texts[i]), fingerprint(texts[j])) ==
            Approx(resemblance_by_sets(texts[i], texts[j])).margin(1e-9));
    }
  }
}

TEST_CASE("text filter: duplicates are those that comparing all pairs finds") {
  const std::vector<std::string> texts = random_texts(600, 4);
  DuplicateTexts finder;
  std::vector<std::size_t> kept;
  std::size_t duplicates = 0;
  std::size_t missed = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    double nearest = 0;
    for (const std::size_t other : kept) nearest = std::max(nearest, resemblance_by_sets(texts[i], texts[other]));
    const std::optional<Duplicate> found = finder.add(fingerprint(texts[i]));
    if (nearest >= kNearDuplicate) ++duplicates;
    if (nearest >= kNearDuplicate && !found) ++missed;
    if (found) {
      CHECK(nearest >= kNearDuplicate);
      CHECK(found->share == Approx(nearest));
      CHECK(resemblance_by_sets(texts[i], texts[kept.at(found->of)]) == Approx(nearest));
    } else {
      kept.push_back(i);
    }
  }
  CHECK(finder.size() == kept.size());
  CHECK(duplicates > 100);
  CHECK(missed <= duplicates / 100);
}

TEST_CASE("text filter: blanks, case and punctuation make no other text, numbers and signs of formulas do") {
  DuplicateTexts finder;
  CHECK_FALSE(finder.add(fingerprint("If x + 1 = 3, then x is 2.")));
  CHECK(finder.add(fingerprint("if  X + 1 = 3\nthen \"x\" is 2")).value().of == 0);
  CHECK_FALSE(finder.add(fingerprint("If x - 1 = 3, then x is 2.")));
  CHECK_FALSE(finder.add(fingerprint("If x + 1 = 4, then x is 2.")));
  CHECK_FALSE(finder.add(fingerprint("")));
  CHECK(finder.add(fingerprint(" ...")).value().of == 3);
}

TEST_CASE("text filter: kept lines are as they were, in their order, whatever the number of threads") {
  const fs::path folder = filter_folder();
  std::string first;
  std::string second;
  std::vector<std::string> texts = random_texts(3000, 5);
  for (std::size_t i = 0; i < texts.size(); ++i) (i < 2500 ? first : second) += json_line(texts[i]);
  const std::string odd =
      R"({ "text":"Whoever \u0067oes to the mill in the morning has the wind in his back, and meets nobody." ,"n": 1.50 })";
  write_file_atomically(folder / "a", first);
  write_file_atomically(folder / "b", odd + "\n" + second + odd + "\n");
  std::string one;
  for (const int threads : {1, 2, 5}) {
    TextFilterOptions options;
    options.rules = {TextRule::duplicate};
    options.threads = threads;
    options.output = (folder / "kept").string();
    options.rejected = (folder / "rejected").string();
    const TextFilterResult result = filter_texts({(folder / "a").string(), (folder / "b").string()}, options);
    CHECK(result.read == 3002);
    CHECK(result.kept + result.rejected[2] == 3002);
    const std::string both = read_file(options.output) + "|" + read_file(options.rejected);
    if (one.empty()) one = both;
    CHECK(both == one);
  }
  const std::string kept = read_file(folder / "kept");
  CHECK(kept.find(odd + "\n") != std::string::npos);
  CHECK(kept.find(odd, kept.find(odd) + 1) == std::string::npos);
  CHECK(json_lines(folder / "rejected").back()["reason"] ==
        fmt::format("the same words as {}:1", (folder / "b").string()));
}

TEST_CASE("text filter: broken lines are told with their place, or left out and counted") {
  const fs::path folder = filter_folder();
  const std::string file = (folder / "in").string();
  write_file_atomically(file, json_line(kProse) + "{\"text\": \"a\xff\"}\n" + "{\"text\": 3}\n" +
                                  "{\"title\": \"x\"}\n" + std::string(300, '[') + "\n" + "{\"text\": \"cut\n" +
                                  json_line("") + "{\"text\": \"" + std::string(std::size_t{17} << 20, 'x') + "\"}\n");
  TextFilterOptions options;
  options.output = (folder / "out").string();
  CHECK_THROWS_WITH(filter_texts({file}, options), Catch::StartsWith(file + ":2: "));
  CHECK_FALSE(fs::exists(options.output));
  options.skip_bad = true;
  const TextFilterResult result = filter_texts({file}, options);
  CHECK(result.read == 8);
  CHECK(result.kept == 1);
  CHECK(result.skipped_count == 6);
  CHECK(result.skipped.size() == 6);
  CHECK(read_file(options.output) == json_line(kProse));
  options.output = file;
  CHECK_THROWS_WITH(filter_texts({file}, options), Catch::Contains("would be overwritten"));
}

TEST_CASE("text filter: rules take any bytes") {
  Random random(9);
  for (int round = 0; round < 400; ++round) {
    std::string text = round % 2 == 0 ? kProse : "";
    const std::int64_t bytes = random.uniform_int(0, 300);
    for (std::int64_t i = 0; i < bytes; ++i) {
      const auto at = static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(text.size())));
      text.insert(at, 1, static_cast<char>(random.uniform_int(0, 255)));
    }
    advertisement_reason(text);
    disfluency_reason(text);
    fingerprint(text);
  }
  const std::string long_text(std::size_t{1} << 20, 'a');
  CHECK(disfluency_reason(long_text));
  CHECK_FALSE(advertisement_reason(long_text));
  CHECK_FALSE(disfluency_reason(kProse));
  CHECK_FALSE(advertisement_reason(kProse));
}
