// Charts: the figures in the drawing are those of the file, and files that are not right are refused.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>

#include "reports/chart.h"
#include "reports/html_sections.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/reports/text.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

fs::path file_of(const std::string& name, const std::string& text) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("mathtrap-chart-{}", ::getpid());
  fs::create_directories(folder);
  write_file_atomically(folder / name, text);
  return folder / name;
}

std::string error_of(const std::string& name, const std::string& text) {
  try {
    read_chart(file_of(name, text));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

constexpr const char* kCurve =
    "x,series,value,lo,hi\n"
    "0,trap,0.04,0.025,0.0625\n"
    "100,trap,0.35,0.3,0.41\n"
    "1000,trap,0.625,0.58,0.67\n"
    "\n"
    "0,original,0.97,0.95,0.985\n"
    "1000,original,0.9,,\n"
    "100,original,0.95,0.93,0.97\n";

/// The attributes of each point, by their names.
std::vector<std::map<std::string, std::string>> points_of(const std::string& svg) {
  std::vector<std::map<std::string, std::string>> points;
  const std::regex group("<g class=\"point\"([^>]*)>");
  const std::regex attribute("data-([a-z]+)=\"([^\"]*)\"");
  for (std::sregex_iterator it(svg.begin(), svg.end(), group), end; it != end; ++it) {
    const std::string attributes = (*it)[1];
    points.emplace_back();
    for (std::sregex_iterator field(attributes.begin(), attributes.end(), attribute); field != end; ++field) {
      points.back()[(*field)[1]] = (*field)[2];
    }
  }
  return points;
}

}  // namespace

TEST_CASE("every point of a file is in the chart with its figures, and at its height") {
  const Chart chart = read_chart(file_of("curve.csv", kCurve));
  CHECK(chart.title == "curve");
  REQUIRE(chart.points.size() == 6);
  const std::string svg = chart_svg(chart);
  const auto drawn = points_of(svg);
  REQUIRE(drawn.size() == 6);
  for (const ChartPoint& point : chart.points) {
    const auto found = std::find_if(drawn.begin(), drawn.end(), [&](const auto& fields) {
      return fields.at("series") == point.series && std::stod(fields.at("x")) == point.x;
    });
    REQUIRE(found != drawn.end());
    CHECK(std::stod(found->at("value")) == point.value);
    CHECK(found->contains("low") == point.ci95.has_value());
    if (point.ci95) CHECK(std::stod(found->at("low")) == point.ci95->low);
    if (point.ci95) CHECK(std::stod(found->at("high")) == point.ci95->high);
  }
  CHECK(contains(svg, "<title>trap, 1000: 62.5% (58.0–67.0%)</title>"));
  // Marks stand between the grid lines of 0% and 100% as far up as their values say.
  const std::regex grid("<path class=\"grid\" d=\"M58\\.0 ([0-9.]+)H");
  std::vector<double> lines;
  for (std::sregex_iterator it(svg.begin(), svg.end(), grid), end; it != end; ++it)
    lines.push_back(std::stod((*it)[1]));
  REQUIRE(lines.size() == 6);
  const std::regex mark(
      "data-value=\"([0-9.]+)\"[\\s\\S]*?class=\"mark\" transform=\"translate\\([0-9.]+ ([0-9.]+)\\)");
  int marks = 0;
  for (std::sregex_iterator it(svg.begin(), svg.end(), mark), end; it != end; ++it, ++marks) {
    const double part = (lines.front() - std::stod((*it)[2])) / (lines.front() - lines.back());
    CHECK(part == Approx(std::stod((*it)[1])).margin(0.001));
  }
  CHECK(marks == 6);
}

TEST_CASE("the JSON form says what the axes are, and may want a log scale") {
  const Chart chart = read_chart(file_of("learning.json", R"({"title": "Traps in training", "x_label": "traps",
    "y_label": "strict accuracy", "x_scale": "log",
    "points": [{"x": 10, "series": "trap", "value": 0.1, "lo": 0.05, "hi": 0.2}, {"x": 1000, "series": "trap", "value": 0.5},
               {"x": 100, "series": "trap", "value": 0.3}]})"));
  CHECK(chart.log_x);
  CHECK(chart.name == "learning");
  const std::string svg = chart_svg(chart);
  for (const char* text :
       {">Traps in training<", ">traps<", ">strict accuracy<", "stroke-dasharray", "prefers-color-scheme"})
    CHECK(contains(svg, text));
  // On a log scale 100 lies in the middle between 10 and 1000, and the line goes by x.
  std::smatch line;
  REQUIRE(std::regex_search(
      svg, line, std::regex("polyline class=\"line\" points=\"([0-9.]+),[0-9.]+ ([0-9.]+),[0-9.]+ ([0-9.]+),")));
  CHECK(std::stod(line[2]) == Approx((std::stod(line[1]) + std::stod(line[3])) / 2).margin(0.06));
}

TEST_CASE("the JSON form may hold plain numbers up to a highest, as curves") {
  const Chart chart = read_chart(file_of("loss.json", R"({"title": "Loss", "highest": 4, "curves": true,
    "points": [{"x": 1, "series": "a", "value": 3.5}, {"x": 2, "series": "a", "value": 2.25}]})"));
  CHECK(chart.curves);
  CHECK(chart.highest == 4.0);
  CHECK_FALSE(contains(chart_svg(chart), "350"));
  for (const char* bad : {R"({"highest": 0, "points": [{"x": 1, "series": "a", "value": 0}]})",
                          R"({"highest": 2, "points": [{"x": 1, "series": "a", "value": 3}]})",
                          R"({"curves": 1, "points": [{"x": 1, "series": "a", "value": 0}]})"}) {
    CHECK_THROWS_AS(read_chart(file_of("bad.json", bad)), Error);
  }
}

TEST_CASE("series are told apart without colour") {
  std::string csv = "x,series,value,lo,hi\n";
  for (std::size_t i = 0; i < kMaxChartSeries; ++i) csv += fmt::format("1,s{},0.5,,\n2,s{},0.5,,\n", i, i);
  const std::string svg = chart_svg(read_chart(file_of("many.csv", csv)));
  std::map<std::string, int> dashes;
  const std::regex dash("stroke-dasharray=\"([^\"]*)\"");
  for (std::sregex_iterator it(svg.begin(), svg.end(), dash), end; it != end; ++it) ++dashes[(*it)[1]];
  CHECK(dashes.size() == kMaxChartSeries);
  // Names that end at one height do not lie on each other.
  const std::regex name("<text x=\"[0-9.]+\" y=\"([0-9.]+)\">s[0-7]</text>");
  double previous = -100;
  int names = 0;
  for (std::sregex_iterator it(svg.begin(), svg.end(), name), end; it != end; ++it, ++names) {
    CHECK(std::stod((*it)[1]) >= previous + 12);
    previous = std::stod((*it)[1]);
  }
  CHECK(names == static_cast<int>(kMaxChartSeries));
}

TEST_CASE("files that are not right are refused with their place") {
  const std::string head = "x,series,value,lo,hi\n";
  CHECK(contains(error_of("a.csv", "a,b\n"), "a.csv:1: the first line is not x,series,value,lo,hi"));
  CHECK(contains(error_of("a.csv", head + "1,trap,0.5\n"), "a.csv:2: has 3 fields"));
  CHECK(contains(error_of("a.csv", head + "1,trap,half,,\n"), "a.csv:2: value: \"half\" is no number"));
  CHECK(contains(error_of("a.csv", head + "1,trap,1.5,,\n"), "not between 0 and 1"));
  CHECK(contains(error_of("a.csv", head + "1,trap,nan,,\n"), "not between 0 and 1"));
  CHECK(contains(error_of("a.csv", head + "inf,trap,0.5,,\n"), "not finite"));
  CHECK(contains(error_of("a.csv", head + "1,trap,0.5,0.6,0.7\n"), "does not hold"));
  CHECK(contains(error_of("a.csv", head + "1,trap,0.5,0.4,\n"), "hi: \"\" is no number"));
  CHECK(contains(error_of("a.csv", head + "1,,0.5,,\n"), "wants a name"));
  CHECK(contains(error_of("a.csv", head + "1,\"a\",0.5,,\n"), "JSON form"));
  CHECK(contains(error_of("a.csv", head + "1,a,0.5,,\n1,a,0.6,,\n"), "stands twice"));
  CHECK(contains(error_of("a.csv", head), "holds no points"));
  CHECK(contains(error_of("a.csv", ""), "holds no points"));
  CHECK(contains(error_of("a.txt", head), "wanted as .csv or .json"));
  std::string many = head;
  for (int i = 0; i < 9; ++i) many += fmt::format("1,s{},0.5,,\n", i);
  CHECK(contains(error_of("a.csv", many), "9 series"));
  std::string long_one = head;
  for (std::size_t i = 0; i <= kMaxChartPoints; ++i) long_one += fmt::format("{},a,0.5,,\n", i);
  CHECK(contains(error_of("a.csv", long_one), "more than 2000 points"));
  CHECK(contains(error_of("a.json", "[]"), "\"points\" is no list"));
  CHECK(contains(error_of("a.json", R"({"points": [3]})"), "points[0]: is no object"));
  CHECK(contains(error_of("a.json", R"({"points": [{"x": 1, "series": "a", "value": 0.5, "lo": 0.1}]})"), "hi"));
  CHECK(contains(error_of("a.json", R"({"x_scale": "log", "points": [{"x": 0, "series": "a", "value": 0.5}]})"),
                 "log scale"));
  CHECK(contains(error_of("a.json", R"({"x_scale": "cubic", "points": []})"), "neither linear nor log"));
}

TEST_CASE("names of series, titles and axes stay text, and far numbers stay on the chart") {
  const Chart chart = read_chart(file_of("hostile.json", R"({"title": "</svg><script>", "x_label": "<b>",
    "points": [{"x": -1e308, "series": "\"><script>", "value": 0}, {"x": 1e308, "series": "\"><script>", "value": 1}]})"));
  const std::string html = chart_section(chart);
  CHECK_FALSE(contains(html, "<script>"));
  CHECK_FALSE(contains(html, "<b>"));
  CHECK_FALSE(contains(html, "nan"));
  CHECK_FALSE(contains(html, "inf\""));
  CHECK(axis_number(0.5) == "0.5");
  CHECK(axis_number(1000) == "1000");
  CHECK(axis_number(25000) == "25k");
  CHECK(axis_number(2850000) == "2.85M");
}
