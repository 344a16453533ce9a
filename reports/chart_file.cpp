// Reading the points of a chart.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "reports/chart.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 20;
constexpr std::size_t kMaxNameBytes = 80;
constexpr std::string_view kLinear = "linear";
constexpr std::string_view kLog = "log";
constexpr std::string_view kHeader = "x,series,value,lo,hi";

std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t begin = 0;;) {
    const std::size_t end = line.find(',', begin);
    fields.push_back(trim_blanks(line.substr(begin, end == std::string_view::npos ? end : end - begin)));
    if (end == std::string_view::npos) return fields;
    begin = end + 1;
  }
}

double parse_number(std::string_view text, const Place& place) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) fail(place, fmt::format("\"{}\" is no number", text));
  return value;
}

/// `highest`: of the chart's values, 1 where they are shares.
void check_point(const ChartPoint& point, double highest, const Place& place) {
  if (!std::isfinite(point.x)) fail(place, "x is not finite");
  if (point.series.empty() || point.series.size() > kMaxNameBytes) {
    fail(place, fmt::format("the series wants a name of 1 to {} bytes", kMaxNameBytes));
  }
  if (!(point.value >= 0 && point.value <= highest)) {
    fail(place, fmt::format("the value is not between 0 and {}", highest));
  }
  if (!point.ci95) return;
  if (!(point.ci95->low >= 0 && point.ci95->low <= point.value && point.value <= point.ci95->high &&
        point.ci95->high <= highest)) {
    fail(place, fmt::format("lo <= value <= hi, all between 0 and {}, does not hold", highest));
  }
}

ChartPoint parse_csv_point(std::string_view line, const Place& place) {
  if (line.find('"') != std::string_view::npos) fail(place, "quoted fields are not read; use the JSON form");
  const std::vector<std::string_view> fields = split_fields(line);
  if (fields.size() != 5) fail(place, fmt::format("has {} fields; wanted are 5: {}", fields.size(), kHeader));
  const auto number = [&](std::size_t i, const char* name) {
    return parse_number(fields[i], {place.file, place.line, name});
  };
  ChartPoint point{number(0, "x"), std::string(fields[1]), number(2, "value"), std::nullopt};
  if (!fields[3].empty() || !fields[4].empty()) point.ci95 = Interval{number(3, "lo"), number(4, "hi")};
  check_point(point, 1, place);
  return point;
}

void read_csv(const std::filesystem::path& file, Chart& chart) {
  const std::string text = read_file(file, kMaxBytes);
  Place place{file.string(), 0, ""};
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = trim_blanks(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    ++place.line;
    if (place.line == 1) {
      if (line != kHeader) fail(place, fmt::format("the first line is not {}", kHeader));
    } else if (!line.empty()) {
      chart.points.push_back(parse_csv_point(line, place));
    }
    if (chart.points.size() > kMaxChartPoints) fail(place, fmt::format("more than {} points", kMaxChartPoints));
  }
}

ChartPoint parse_json_point(const Json& fields, double highest, const Place& place) {
  if (!fields.is_object()) fail(place, "is no object");
  ChartPoint point{json_number(fields, "x", place), json_string(fields, "series", place),
                   json_number(fields, "value", place), std::nullopt};
  if (fields.contains("lo") || fields.contains("hi")) {
    point.ci95 = Interval{json_number(fields, "lo", place), json_number(fields, "hi", place)};
  }
  check_point(point, highest, place);
  return point;
}

void read_json(const std::filesystem::path& file, Chart& chart) {
  Place place{file.string(), 0, ""};
  const Json json = parse_json(read_file(file, kMaxBytes), place);
  if (!json.is_object() || !json.contains("points") || !json["points"].is_array()) {
    fail(place, "the field \"points\" is no list");
  }
  const auto read_text = [&](const char* field, std::string& into) {
    if (json.contains(field)) into = json_string(json, field, place);
  };
  read_text("title", chart.title);
  read_text("x_label", chart.x_label);
  read_text("y_label", chart.y_label);
  std::string scale(kLinear);
  read_text("x_scale", scale);
  if (scale != kLinear && scale != kLog) fail(place, "the field \"x_scale\" is neither linear nor log");
  chart.log_x = scale == kLog;
  if (json.contains("curves")) chart.curves = json_bool(json, "curves", place);
  if (json.contains("highest")) {
    chart.highest = json_number(json, "highest", place);
    if (!(*chart.highest > 0 && std::isfinite(*chart.highest))) fail(place, "the field \"highest\" is not positive");
  }
  const Json& points = json["points"];
  if (points.size() > kMaxChartPoints) fail(place, fmt::format("more than {} points", kMaxChartPoints));
  for (std::size_t i = 0; i < points.size(); ++i) {
    place.field = fmt::format("points[{}]", i);
    chart.points.push_back(parse_json_point(points[i], chart.highest.value_or(1), place));
  }
}

void check_chart(const Chart& chart, const Place& place) {
  if (chart.points.empty()) fail(place, "holds no points");
  const std::size_t series = series_of(chart).size();
  if (series > kMaxChartSeries) {
    fail(place, fmt::format("{} series; a chart tells {} apart: make several files", series, kMaxChartSeries));
  }
  std::set<std::pair<std::string, double>> seen;
  for (const ChartPoint& point : chart.points) {
    if (!seen.emplace(point.series, point.x).second) {
      fail(place, fmt::format("the point of {} at x = {} stands twice", point.series, point.x));
    }
    if (chart.log_x && point.x <= 0) fail(place, fmt::format("x = {} has no place on a log scale", point.x));
  }
}

}  // namespace

Chart read_chart(const std::filesystem::path& file) {
  Chart chart;
  chart.name = chart.title = file.stem().string();
  const std::string ending = file.extension().string();
  if (ending != ".csv" && ending != ".json") {
    throw Error(fmt::format("{}: the points of a chart are wanted as .csv or .json", file.string()));
  }
  ending == ".csv" ? read_csv(file, chart) : read_json(file, chart);
  check_chart(chart, {file.string(), 0, ""});
  return chart;
}

std::vector<std::string> series_of(const Chart& chart) {
  std::vector<std::string> names;
  for (const ChartPoint& point : chart.points) {
    if (std::find(names.begin(), names.end(), point.series) == names.end()) names.push_back(point.series);
  }
  return names;
}

}  // namespace mathtrap
