// Curves of a training: the log's figures, thinned by means, and logs that are not right.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "reports/html_sections.h"
#include "reports/training_curves.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/reports/text.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

fs::path training_of(const std::string& log) {
  fs::path folder = fs::temp_directory_path() / fmt::format("mathtrap-curves-{}", ::getpid()) / "adapter";
  fs::create_directories(folder);
  write_file_atomically(folder / "log.jsonl", log);
  return folder;
}

std::string line_of(int step, double loss, const std::string& more = "") {
  return fmt::format(R"({{"step":{},"tokens":{},"loss":{},"tokens_per_second":{},"utilisation":0.25{}}})"
                     "\n",
                     step, step * 100, loss, 1000 + step, more);
}

std::string error_of(const std::string& log) {
  try {
    read_training_curves(training_of(log));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<ChartPoint> points_of(const Chart& chart, const std::string& series) {
  std::vector<ChartPoint> points;
  for (const ChartPoint& point : chart.points) {
    if (point.series == series) points.push_back(point);
  }
  return points;
}

}  // namespace

TEST_CASE("a short log becomes curves point by point, with what was held out") {
  const fs::path folder =
      training_of(line_of(1, 4) + line_of(2, 2.5, R"(,"validation":{"trap":{"loss":3,"exact":0.25}})") +
                  line_of(3, 0.5, R"(,"validation":{"trap":{"loss":1,"exact":0.75}})"));
  REQUIRE(is_training_folder(folder));
  CHECK_FALSE(is_training_folder(folder.parent_path()));
  const TrainingCurves curves = read_training_curves(folder / "");
  CHECK(curves.name == "adapter");
  REQUIRE(curves.charts.size() == 3);
  const std::vector<ChartPoint> loss = points_of(curves.charts[0], "training");
  REQUIRE(loss.size() == 3);
  CHECK(loss[1].x == 200);
  CHECK(loss[1].value == 2.5);
  CHECK(curves.charts[0].highest == 5);
  const std::vector<ChartPoint> held_out = points_of(curves.charts[0], "held out: trap");
  REQUIRE(held_out.size() == 2);
  CHECK(held_out[0].x == 200);
  CHECK(held_out[1].value == 1);
  CHECK(points_of(curves.charts[1], "trap")[1].value == 0.75);
  CHECK_FALSE(curves.charts[1].highest);
  CHECK(points_of(curves.charts[2], "tokens/s")[2].value == 1003);
  CHECK(curves.summary ==
        "3 steps, 300 tokens, loss 2.3333 (mean of the last 3), 1002 tokens/s, MFU 25.0%; held out, trap: loss 1.0000, "
        "exact 75.0%");
  // The line's height is the loss's share of the highest value, between the lines of 0 and of it.
  const std::string svg = chart_svg(curves.charts[0]);
  std::smatch line;
  REQUIRE(std::regex_search(svg, line, std::regex("polyline[^>]*points=\"[0-9.]+,([0-9.]+) [0-9.]+,([0-9.]+)")));
  const std::regex grid("class=\"grid\" d=\"M58\\.0 ([0-9.]+)H");
  const std::sregex_iterator first(svg.begin(), svg.end(), grid);
  const double bottom = std::stod((*first)[1]);
  const double fifth = std::stod((*std::next(first))[1]);
  CHECK((bottom - std::stod(line[1])) / (bottom - fifth) == Approx(4).margin(0.01));
  CHECK((bottom - std::stod(line[2])) / (bottom - fifth) == Approx(2.5).margin(0.01));
}

TEST_CASE("a long log is thinned by means of neighbours that lose no step") {
  std::string log;
  double sum = 0;
  for (int step = 1; step <= 1234; ++step) {
    log += line_of(step, 1.0 / step);
    sum += 1.0 / step;
  }
  const TrainingCurves curves = read_training_curves(training_of(log));
  const std::vector<ChartPoint> loss = points_of(curves.charts[0], "training");
  REQUIRE(loss.size() == kCurvePoints);
  // 1234 = 300 × 4 + 34: groups of four and five steps. Steps times means is the sum of all.
  double total = 0;
  for (std::size_t i = 0; i < loss.size(); ++i) {
    const std::size_t steps = 1234 * (i + 1) / kCurvePoints - 1234 * i / kCurvePoints;
    CHECK((steps == 4 || steps == 5));
    total += loss[i].value * static_cast<double>(steps);
  }
  CHECK(total == Approx(sum));
  CHECK(loss.front().value == Approx((1.0 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4) / 4));
  CHECK(loss.front().x == Approx(250));
  CHECK(curves.charts.size() == 2);
  CHECK(contains(curves.charts[0].title, "adapter"));
  CHECK_FALSE(contains(chart_section(curves.charts[0]), "<table"));
}

TEST_CASE("domains have no exact replies; their shares, the balance loss, and more domains than lines are told") {
  std::string held_out;
  for (int i = 0; i < 9; ++i) {
    held_out += fmt::format(R"({}"d{}":{{"windows":4,"loss":{},"perplexity":2}})", i == 0 ? "" : ",", i, i + 1);
  }
  const TrainingCurves curves = read_training_curves(training_of(
      line_of(1, 4, R"(,"balance_loss":0.5)") +
      line_of(2, 3,
              fmt::format(R"(,"balance_loss":0.25,"validation":{{{}}},"mix":{{"d0":0.75,"d1":0.25}})", held_out))));
  REQUIRE(curves.charts.size() == 4);  // loss, mix, balance, speed
  CHECK(contains(curves.charts[0].title, "loss"));
  CHECK(contains(curves.charts[1].title, "shares that are drawn"));
  REQUIRE(curves.charts[1].points.size() == 2);
  CHECK(curves.charts[1].points[0].value == 0.75);
  CHECK(contains(curves.charts[2].title, "balance loss"));
  CHECK(curves.charts[2].points.size() == 2);
  CHECK(contains(curves.summary, "d8: loss 9.0000"));
  CHECK_FALSE(contains(curves.summary, "exact"));
  CHECK_FALSE(contains(chart_section(curves.charts[0]), "held out: d8"));
}

TEST_CASE("round numbers") {
  for (const auto& [most, rounded] :
       {std::pair{8.36, 10.0}, {4.2, 5.0}, {0.021, 0.025}, {250.0, 250.0}, {1.0, 1.0}, {1300.0, 2000.0}, {0.0, 1.0}}) {
    CHECK(round_up(most) == Approx(rounded));
  }
}

TEST_CASE("a log that still grows is read; one that is no log is refused with its place") {
  CHECK(read_training_curves(training_of(line_of(1, 4) + R"({"step":2,"tok)")).charts[0].points.size() == 1);
  CHECK(contains(error_of(""), "log.jsonl: holds no steps yet"));
  CHECK(contains(error_of("{\"st\n" + line_of(2, 1)), "log.jsonl:1: is no JSON"));
  CHECK(contains(error_of("3\n"), "log.jsonl:1: is no JSON object"));
  CHECK(contains(error_of(line_of(1, 1) + line_of(2, -1)), "log.jsonl:2: the field \"loss\" is negative"));
  CHECK(contains(error_of("{\"step\":1,\"tokens\":5}\n"), "loss"));
  CHECK(contains(error_of(line_of(1, 1, R"(,"validation":7)")), "\"validation\" is no object"));
  CHECK(contains(error_of(line_of(1, 1, R"(,"validation":{"trap":7})")), "no results by kind"));
  CHECK(contains(error_of(line_of(1, 1, R"(,"validation":{"trap":{"loss":1,"exact":2}})")), "\"exact\" is above 1"));
  CHECK(contains(error_of(line_of(1, 1, R"(,"mix":{"a":1.5})")), "\"a\" is above 1"));
  std::string kinds;
  for (int i = 0; i < 257; ++i) kinds += fmt::format(R"({}"k{}":{{"loss":1,"exact":0}})", i == 0 ? "" : ",", i);
  CHECK(contains(error_of(line_of(1, 1, fmt::format(R"(,"validation":{{{}}})", kinds))), "too many kinds"));
}
