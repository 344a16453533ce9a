// A chart of accuracy over an ordered variable, such as traps seen in training, with intervals, or of a training's
// curves: drawn as SVG that needs no script.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/statistics.h"

namespace mathtrap {

struct ChartPoint {
  double x = 0;
  std::string series;  ///< such as an arm
  double value = 0;    ///< 0 to 1, shown as per cent; or to the chart's highest
  std::optional<Interval> ci95;
};

struct Chart {
  std::string name;  ///< the file's, without folder and ending
  std::string title;
  std::string x_label = "x";
  std::string y_label = "accuracy";
  bool log_x = false;              ///< then every x is above 0
  std::optional<double> highest;   ///< values are plain numbers from 0 to this, not shares
  bool curves = false;             ///< many points: lines without marks, and no table of figures
  std::vector<ChartPoint> points;  ///< in the file's order
};

/// Told apart by dashes and marks, which are as many.
inline constexpr std::size_t kMaxChartSeries = 8;
inline constexpr std::size_t kMaxChartPoints = 2000;

/// Reads a .csv file with the header x,series,value,lo,hi (lo and hi may be empty together, fields hold no quotes), or
/// a .json file {"title","x_label","y_label","x_scale":"linear|log","highest","curves","points":[{"x","series","value",
/// "lo","hi"}]} of which only the points are needed; with "highest" values are plain numbers up to it. Throws Error
/// with file, line or field: on what is no number, on values outside of [0, 1 or highest] or of their interval, on a
/// point that stands twice, on no points or too many, on more than kMaxChartSeries series.
Chart read_chart(const std::filesystem::path& file);

/// Names of the series in the order in which they first appear.
std::vector<std::string> series_of(const Chart& chart);

/// One <svg> element: light or dark as the reader's screen is, series told apart by dash and mark as well as by colour
/// and named at their last point, each point with its figures as a tooltip and in the attributes data-series, data-x,
/// data-value, data-low and data-high.
std::string chart_svg(const Chart& chart);

/// A value as the chart shows it: "42.5%", or a plain number.
std::string chart_value(const Chart& chart, double value);
/// An interval as the chart shows it: "39.1–45.9%", or "0.1–0.2".
std::string chart_range(const Chart& chart, const Interval& interval);

/// The least of 1, 2, 2.5 and 5 times a power of ten that is not below `most`; 1 of what is not above 0.
double round_up(double most);

/// "12k", "0.5".
std::string axis_number(double x);

}  // namespace mathtrap
