// Several runs side by side, and what a run's reports say of composition, comparisons and epochs.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "reports/format.h"
#include "reports/html.h"
#include "reports/markdown.h"
#include "reports/overview.h"
#include "reports/table.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/reports/text.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

void add(std::vector<Sample>& samples, int number, Arm arm, const std::string& intervention, bool right,
         int epoch = 0) {
  Sample made;
  const std::string part = arm == Arm::conceptual ? "concept.1" : std::string(to_string(arm));
  made.id = fmt::format("p-{}/{}/{}{}", number, part, intervention, epoch == 0 ? "" : fmt::format("#{}", epoch + 1));
  made.arm = arm;
  made.intervention = intervention;
  made.epoch = epoch;
  made.cluster = fmt::format("p-{}", number);
  const Verdict wrong = arm == Arm::trap ? Verdict::answered : Verdict::incorrect;
  made.verdict = !right ? wrong : arm == Arm::trap ? Verdict::flaw_named : Verdict::correct;
  samples.push_back(made);
}

/// Twenty items, of which the model solves and knows 16; it sees through `none` traps without help and `hint` with it.
StoredRun run_of(const std::string& model, int none, int hint, const std::string& data = "d") {
  StoredRun run;
  run.run = {{"model", {{"name", model}}}, {"dataset", {{"name", "families:test"}, {"sha256", data}}}};
  for (const char* intervention : {"none", "hint"}) {
    for (int i = 0; i < 20; ++i) {
      add(run.samples, i, Arm::original, intervention, i < 18);
      add(run.samples, i, Arm::conceptual, intervention, i >= 2);
      add(run.samples, i, Arm::trap, intervention,
          i >= 2 && i < 2 + (intervention == std::string("none") ? none : hint));
    }
  }
  run.results = summarise(model, "families:test", run.samples);
  return run;
}

/// Every element that is opened is closed, in order.
bool is_balanced(const std::string& page) {
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-z][a-z0-9]*)([^>]*)>");
  for (std::sregex_iterator it(page.begin(), page.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2];
    const std::string rest = (*it)[3];
    if (rest.ends_with("/") || name == "meta" || name == "br" || name == "input") continue;
    if ((*it)[1].length() == 0) {
      open.push_back(name);
      continue;
    }
    if (open.empty() || open.back() != name) return false;
    open.pop_back();
  }
  return open.empty();
}

std::vector<NamedRun> named(std::vector<StoredRun> runs) {
  std::vector<NamedRun> made;
  for (std::size_t i = 0; i < runs.size(); ++i) made.push_back({fmt::format("runs/{}", i), std::move(runs[i])});
  return made;
}

}  // namespace

TEST_CASE("composition is in all three reports, spontaneous and passive, with its gap") {
  const StoredRun run = run_of("small", 2, 12);
  const std::string spontaneous = accuracy_text(run.results.compositions.at(0).composed);
  const std::string gap = points_text(run.results.compositions.at(0).gap, run.results.compositions.at(0).gap_ci95);
  CHECK(contains(spontaneous, "12.5% ("));
  CHECK(contains(gap, "-71.0 ("));  // 10% of traps against 90% × 90%
  const std::string table = results_table(run.results);
  CHECK(contains(table, "none         spontaneous   16 of 20   " + spontaneous));
  CHECK(contains(table, "passive       16 of 20  75.0% ("));
  CHECK(contains(table, gap));
  const std::string markdown = markdown_report(run);
  CHECK(contains(markdown, fmt::format("| none | spontaneous | 20 | 16 | {} | 0.0% (0.0–49.0%) | 10.0% | 81.0% | {} |",
                                       spontaneous, gap)));
  const std::string page = html_report(run);
  CHECK(contains(page, "<span class=\"kind spontaneous\">spontaneous</span>"));
  CHECK(contains(page, "<span class=\"kind passive\">passive</span>"));
  CHECK(contains(page, "<b>" + spontaneous + "</b>"));
  CHECK(contains(page, "trap 10.0%, if independent 81.0%"));
  CHECK(contains(page, gap));
}

TEST_CASE("the page shows the interventions compared, as the table and Markdown do") {
  const StoredRun run = run_of("small", 2, 12);
  const ConditionComparison& trap = run.results.comparisons.at(2);
  REQUIRE(trap.arm == Arm::trap);
  const std::string change = points_text(trap.paired.difference, trap.paired.ci95);
  CHECK(contains(change, "+50.0 ("));
  const std::string page = html_report(run);
  CHECK(contains(page, "<h2>Interventions compared</h2>"));
  CHECK(contains(page, "<td>none → hint</td>"));
  CHECK(contains(page, change));
  CHECK(contains(page, fmt::format("<b>{:.2g}</b>", trap.paired.holm_p)));
  CHECK(contains(markdown_report(run), change));
  CHECK(contains(results_table(run.results), "none → hint, trap: +50.0 points"));
}

TEST_CASE("mean, majority and pass@k of several epochs are in all three reports") {
  StoredRun run;
  for (int epoch = 0; epoch < 4; ++epoch) {
    for (int i = 0; i < 5; ++i) add(run.samples, i, Arm::original, "none", i < 3 || epoch == 0, epoch);
  }
  run.results = summarise("m", "d", run.samples);
  // Of five questions three are always right and two once in four.
  const std::string passes = "pass@1 70.0% · pass@2 80.0% · pass@4 100.0%";
  CHECK(pass_text(run.results.epochs.at(0)) == passes);
  for (const std::string& report : {results_table(run.results), markdown_report(run), html_report(run)}) {
    CHECK(contains(report, passes));
    CHECK(contains(report, "70.0% ("));  // mean
    CHECK(contains(report, "60.0% ("));  // majority
  }
  CHECK_FALSE(contains(html_report(run_of("small", 2, 12)), "Several epochs"));
}

TEST_CASE("runs stand side by side, and are paired with the first") {
  const Overview overview = make_overview(named({run_of("before", 2, 12), run_of("after", 10, 12)}), {}, false);
  REQUIRE(overview.comparisons.size() == 1);
  const std::string change = points_text(0.4, overview.comparisons[0].rows.at(2).paired.ci95);
  for (const std::string& report : {overview_table(overview), markdown_overview(overview), html_overview(overview)}) {
    CHECK(contains(report, "before on families:test"));
    CHECK(contains(report, "after on families:test"));
    CHECK(contains(report, "10.0% ("));
    CHECK(contains(report, "50.0% ("));
    CHECK(contains(report, change));
    CHECK(contains(report, "gap to independence"));
    CHECK(contains(report, "none: A → B"));
  }
  const std::string page = html_overview(overview);
  CHECK(contains(page, "none: A → B: 8 of 20 questions changed"));
  CHECK(contains(page, "p-4/trap: answered → flaw named"));
  CHECK(count(page, "<li>") == 8);
}

TEST_CASE("p values of several comparisons are corrected together") {
  const Overview two = make_overview(named({run_of("a", 2, 12), run_of("b", 10, 12)}), {}, false);
  const Overview three = make_overview(named({run_of("a", 2, 12), run_of("b", 10, 12), run_of("c", 9, 12)}), {}, false);
  const PairedComparison& in_two = two.comparisons[0].rows.at(2).paired;
  const PairedComparison& in_three = three.comparisons[0].rows.at(2).paired;
  CHECK(in_two.permutation_p == in_three.permutation_p);
  CHECK(in_two.holm_p == Approx(6 * in_two.permutation_p));
  CHECK(in_three.holm_p == Approx(12 * in_two.permutation_p));
}

TEST_CASE("runs on other data stand side by side unpaired, unless that is asked for") {
  const Overview apart = make_overview(named({run_of("a", 2, 12), run_of("b", 10, 12, "other")}), {}, false);
  CHECK(apart.comparisons.at(0).rows.empty());
  CHECK(contains(html_overview(apart), "B is not paired with A"));
  CHECK_FALSE(contains(html_overview(apart), "Runs compared"));
  const Overview paired = make_overview(named({run_of("a", 2, 12), run_of("b", 10, 12, "other")}), {}, true);
  CHECK(paired.comparisons.at(0).rows.size() == 6);
  std::vector<StoredRun> many;
  for (std::size_t i = 0; i <= kMaxRunsSideBySide; ++i) many.push_back(run_of("a", 2, 12));
  CHECK_THROWS_AS(make_overview(named(std::move(many)), {}, false), Error);
}

TEST_CASE("pages close what they open and load nothing, and names stay text") {
  const std::string hostile = "</td><script>alert(1)</script><img onerror='x'>\"&";
  StoredRun bad = run_of(hostile, 2, 12);
  for (Sample& sample : bad.samples) {
    if (sample.intervention == "hint") sample.intervention = hostile;
    sample.id = fmt::format("{}{}", sample.id, hostile);
  }
  bad.results = summarise(hostile, hostile, bad.samples);
  Chart chart;
  chart.name = "chart";
  chart.title = hostile;
  chart.points = {{1, hostile, 0.5, Interval{0.4, 0.6}}, {2, "b", 0.25, std::nullopt}};
  StoredRun good = bad;
  for (Sample& sample : good.samples) sample.verdict = Verdict::correct;
  good.results = summarise("good", hostile, good.samples);
  const Overview overview = make_overview(named({bad, good}), {chart}, false);
  const std::string page = html_overview(overview);
  CHECK(contains(page, "questions changed"));
  CHECK(is_balanced(page));
  CHECK_FALSE(contains(page, "<script"));
  CHECK_FALSE(contains(page, "<img"));
  CHECK_FALSE(std::regex_search(page, std::regex("(src|href)\\s*=|@import|url\\(")));
  CHECK(contains(page, "default-src 'none'"));
  CHECK_FALSE(std::regex_search(markdown_overview(overview), std::regex("(^|[^\\\\])<script")));
}

TEST_CASE("the overview and its charts are written to a folder that is made for them") {
  const fs::path folder = fs::temp_directory_path() / fmt::format("mathtrap-overview-{}", ::getpid()) / "deep";
  Chart chart;
  chart.name = "curve";
  chart.title = "A curve";
  chart.points = {{1, "trap", 0.5, std::nullopt}};
  const ReportFiles files = write_overview(make_overview({}, {chart}, false), folder);
  CHECK(contains(read_file(files.html), "<h1>A curve</h1>"));
  CHECK(contains(read_file(files.markdown), "| 1 | trap | 50.0% | – |"));
  CHECK(read_file(folder / "curve.svg").starts_with("<svg"));
}
