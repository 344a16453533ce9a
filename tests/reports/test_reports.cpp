// Reports of a run: every figure that they show is the results' own, and nothing from outside gets to act.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "reports/format.h"
#include "reports/html.h"
#include "reports/html_page.h"
#include "reports/markdown.h"
#include "reports/reports.h"
#include "reports/table.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/reports/text.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

Sample sample(int number, Arm arm, const std::string& intervention, Verdict verdict) {
  Sample made;
  made.id = fmt::format("p-{}/{}/{}", number, to_string(arm), intervention);
  made.arm = arm;
  made.intervention = intervention;
  made.trap_type = TrapType::missing_condition;
  made.cluster = fmt::format("p-{}", number);
  made.prompt = "Question: How many?\nAnswer:";
  made.reply = " The answer is 5.";
  made.finish_reason = "stop";
  made.verdict = verdict;
  made.reference = "It is not said.";
  made.reason = "answer by \"the answer is\"";
  return made;
}

/// Ten originals, eight right; ten traps, one named and two refused.
StoredRun small_run() {
  StoredRun run;
  run.run = {{"model", {{"name", "zoo:small"}, {"sha256", std::string(64, 'a')}}},
             {"dataset", {{"name", "families:test"}, {"records", 10}}},
             {"seed", 3}};
  for (int i = 0; i < 10; ++i) {
    run.samples.push_back(sample(i, Arm::original, "none", i < 8 ? Verdict::correct : Verdict::incorrect));
  }
  for (int i = 0; i < 10; ++i) {
    run.samples.push_back(sample(i, Arm::trap, "none",
                                 i < 1   ? Verdict::flaw_named
                                 : i < 3 ? Verdict::refused
                                         : Verdict::answered));
  }
  run.results = summarise("zoo:small", "families:test", run.samples);
  return run;
}

}  // namespace

TEST_CASE("the table shows accuracy, interval, verdicts and ratio") {
  const std::string table = results_table(small_run().results);
  CHECK(contains(table, "zoo:small on families:test"));
  CHECK(contains(table, "original  none          10    80.0%  49.0–94.3%  8 correct · 2 incorrect"));
  CHECK(contains(table, "trap      none          10    10.0%   1.8–40.4%  1 flaw named · 2 refused · 7 answered"));
  CHECK(contains(table, "trap / original, none: 12.5% ("));
  CHECK(contains(table, "missing condition  none             10     80.0%        –  10.0%"));
}

TEST_CASE("the Markdown report holds the same figures, and the lenient count") {
  const std::string report = markdown_report(small_run());
  CHECK(contains(report, "# zoo:small on families:test"));
  CHECK(contains(report, "| original | none | 10 | 80.0% | 49.0–94.3% |"));
  CHECK(contains(report, "1 flaw named, 2 refused, 7 answered, 0 cut off"));
  CHECK(contains(report, "Counting every refusal (none): 30.0%"));
  CHECK(contains(report, "| Seed | 3 |"));
}

TEST_CASE("the page holds every reply, loads nothing, and closes what it opens") {
  const StoredRun run = small_run();
  const std::string page = html_report(run);
  CHECK(count(page, "\"id\":\"p-") == run.samples.size());
  CHECK_FALSE(std::regex_search(page, std::regex("(src|href)\\s*=|https?://|@import|url\\(")));
  CHECK(contains(page, "default-src 'none'"));
  for (const char* tag : {"table", "tbody", "tr", "td", "div", "script", "style", "ul", "dl", "main", "body", "html"}) {
    const std::regex opening(fmt::format("<{}[ >]", tag));
    const auto opened = std::distance(std::sregex_iterator(page.begin(), page.end(), opening), std::sregex_iterator());
    CHECK(static_cast<std::size_t>(opened) == count(page, fmt::format("</{}>", tag)));
  }
}

TEST_CASE("text of models and data sets stays text") {
  StoredRun run = small_run();
  const std::string hostile = "</script><script>alert(1)</script><img onerror='x'>\"&";
  for (Sample& each : run.samples) {
    each.reply = each.prompt = each.reference = each.reason = each.answer = each.id = each.cluster = hostile;
    each.intervention = hostile;
  }
  run.run["model"]["name"] = hostile;
  run.results = summarise(hostile, hostile, run.samples);
  const std::string page = html_report(run);
  CHECK_FALSE(contains(page, "<script>alert"));
  CHECK_FALSE(contains(page, "<img"));
  CHECK(count(page, "</script>") == 2);
  const std::string report = markdown_report(run);
  CHECK_FALSE(std::regex_search(report, std::regex("(^|[^\\\\])<script")));
  CHECK(contains(markdown_report(run), "\\<script\\>"));
}

TEST_CASE("escaped text has none of HTML's marks") {
  CHECK(escape_html("<a href=\"x\">'&'</a>") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

TEST_CASE("ratios without a value or a limit say so") {
  CHECK(ratio_text(std::nullopt) == "–");
  CHECK(ratio_text(Ratio{0.5, 0.25, std::nullopt}) == "50.0% (25.0–∞)");
}

TEST_CASE("both reports are written beside the run") {
  const fs::path folder = fs::temp_directory_path() / fmt::format("mathtrap-reports-{}", ::getpid());
  fs::create_directories(folder);
  const ReportFiles files = write_reports(small_run(), folder);
  CHECK(read_file(files.html).starts_with("<!DOCTYPE html>"));
  CHECK(read_file(files.markdown).starts_with("# "));
}
