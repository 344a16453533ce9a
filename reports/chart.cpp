// Drawing a chart.
#include "reports/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "reports/format.h"
#include "reports/html_page.h"

namespace mathtrap {
namespace {

// Pixels.
constexpr double kWidth = 760;
constexpr double kHeight = 420;
constexpr double kLeft = 58;
constexpr double kRight = 170;  // names of the series
constexpr double kTop = 18;
constexpr double kBottom = 56;
constexpr double kPadding = 22;       // between the axis and the outermost points
constexpr double kLineHeight = 16;    // of the names
constexpr double kTickDistance = 46;  // ticks closer than this are left out
constexpr double kDodge = 3;          // moves series aside, so that intervals do not hide each other

/// Two colours a series, for light and dark: Okabe and Ito's, told apart by colour-blind readers, made lighter for
/// dark.
constexpr std::string_view kStyle = R"(<style>
.chart { --paper: #fbfaf7; --ink: #1d2129; --faint: #626a76; --grid: #dfdcd3; --s0: #0064a4; --s1: #b34a00; --s2: #00795a; --s3: #a13d77; --s4: #7a6400; --s5: #2f7fb0; --s6: #1d2129; --s7: #6b5bb5; background: var(--paper); font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .chart { --paper: #15181d; --ink: #e7e9ec; --faint: #9aa3b0; --grid: #333942; --s0: #6cb8f0; --s1: #f09a55; --s2: #3ccaa0; --s3: #e79ac6; --s4: #d9c04a; --s5: #9ad4f5; --s6: #e7e9ec; --s7: #b7aaf2; } }
.chart text { fill: var(--ink); } .chart .faint { fill: var(--faint); } .chart .grid { stroke: var(--grid); stroke-width: 1; }
.chart .line { fill: none; stroke-width: 2; } .chart .interval { fill: none; stroke-width: 1.3; } .chart .mark { stroke-width: 1.5; }
)";

/// Of the lines; as many as kMaxChartSeries.
constexpr std::array<std::string_view, kMaxChartSeries> kDashes = {"none", "7 4",     "2 3", "10 3 2 3",
                                                                   "14 4", "5 2 1 2", "3 6", "12 3 3 3 3 3"};
/// Marks around 0, 0; every second one is hollow.
constexpr std::array<std::string_view, kMaxChartSeries> kMarks = {"M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
                                                                  "M-4.5-4.5h9v9h-9z",
                                                                  "M0-6L5.5 4.5h-11z",
                                                                  "M0-6.5L6 0L0 6.5L-6 0z",
                                                                  "M0 6L5.5-4.5h-11z",
                                                                  "M-5 0h10M0-5v10",
                                                                  "M-4.5-4.5l9 9M4.5-4.5l-9 9",
                                                                  "M-2-5h4v3h3v4h-3v3h-4v-3h-3v-4h3z"};

struct Scale {
  double low = 0;
  double high = 0;
  bool log = false;
};

double measure(const Scale& scale, double x) {
  return scale.log ? std::log10(x) : x;
}

Scale x_scale(const Chart& chart) {
  const auto [least, most] = std::minmax_element(chart.points.begin(), chart.points.end(),
                                                 [](const auto& a, const auto& b) { return a.x < b.x; });
  Scale scale{0, 0, chart.log_x};
  scale.low = measure(scale, least->x);
  scale.high = measure(scale, most->x);
  return scale;
}

/// Half of everything first: the distance of two finite numbers need not be one.
double x_pixel(const Scale& scale, double x) {
  const double begin = kLeft + kPadding;
  const double end = kWidth - kRight - kPadding;
  if (scale.high <= scale.low) return (begin + end) / 2;
  const double part = (measure(scale, x) / 2 - scale.low / 2) / (scale.high / 2 - scale.low / 2);
  return begin + part * (end - begin);
}

double y_pixel(const Chart& chart, double value) {
  return kHeight - kBottom - value / chart.highest.value_or(1) * (kHeight - kBottom - kTop);
}

/// Every x of a chart; round numbers of curves, whose points are many.
std::set<double> x_ticks(const Chart& chart, const Scale& scale) {
  std::set<double> places;
  if (!chart.curves || chart.log_x || scale.high <= scale.low) {
    for (const ChartPoint& point : chart.points) places.insert(point.x);
    return places;
  }
  constexpr int kTicks = 8;
  const double step = round_up((scale.high - scale.low) / kTicks);
  for (int i = 0; i <= kTicks + 1; ++i) {
    const double x = (std::ceil(scale.low / step) + i) * step;
    if (x <= scale.high) places.insert(x);
  }
  return places;
}

std::string axes(const Chart& chart, const Scale& scale) {
  std::string svg;
  constexpr int kTicks = 5;
  for (int tick = 0; tick <= kTicks; ++tick) {
    const double value = chart.highest.value_or(1) * tick / kTicks;
    const double y = y_pixel(chart, value);
    svg += fmt::format(
        R"(<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/><text class="faint" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)",
        kLeft, y, kWidth - kRight, kLeft - 8, y + 4,
        chart.highest ? axis_number(value) : fmt::format("{:.0f}%", 100 * value));
  }
  double previous = -kWidth;
  for (const double x : x_ticks(chart, scale)) {
    const double at = x_pixel(scale, x);
    if (at - previous < kTickDistance) continue;
    previous = at;
    svg += fmt::format(
        R"(<path class="grid" d="M{0:.1f} {1:.1f}v5"/><text class="faint" x="{0:.1f}" y="{2:.1f}" text-anchor="middle">{3}</text>)",
        at, kHeight - kBottom, kHeight - kBottom + 20, axis_number(x));
  }
  svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)", (kLeft + kWidth - kRight) / 2,
                     kHeight - 12, escape_html(chart.x_label));
  return svg + fmt::format(R"svg(<text transform="translate(14 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>)svg",
                           (kTop + kHeight - kBottom) / 2, escape_html(chart.y_label));
}

std::string point_svg(const Chart& chart, const ChartPoint& point, std::size_t series, double at) {
  const double y = y_pixel(chart, point.value);
  const std::string range = point.ci95 ? fmt::format(" ({})", chart_range(chart, *point.ci95)) : "";
  std::string svg =
      fmt::format(R"(<g class="point" data-series="{}" data-x="{}" data-value="{}"{}><title>{}, {}: {}{}</title>)",
                  escape_html(point.series), point.x, point.value,
                  point.ci95 ? fmt::format(R"( data-low="{}" data-high="{}")", point.ci95->low, point.ci95->high) : "",
                  escape_html(point.series), axis_number(point.x), chart_value(chart, point.value), range);
  if (point.ci95) {
    svg +=
        fmt::format(R"svg(<path class="interval" d="M{0:.1f} {1:.1f}h6m-3 0V{2:.1f}m-3 0h6" stroke="var(--s{3})"/>)svg",
                    at - 3, y_pixel(chart, point.ci95->high), y_pixel(chart, point.ci95->low), series);
  }
  return svg +
         fmt::format(
             R"svg(<path class="mark" transform="translate({:.1f} {:.1f})" d="{}" stroke="var(--s{})" fill="{}"/></g>)svg",
             at, y, kMarks[series], series, series % 2 == 0 ? fmt::format("var(--s{})", series) : std::string("none"));
}

/// A series, and where its name would stand.
struct DrawnSeries {
  std::string svg;
  std::string name;
  std::size_t place = 0;
  double end_x = 0;
  double end_y = 0;
};

DrawnSeries draw_series(const Chart& chart, const Scale& scale, const std::string& name, std::size_t place,
                        std::size_t count) {
  std::vector<ChartPoint> points;
  std::copy_if(chart.points.begin(), chart.points.end(), std::back_inserter(points),
               [&](const ChartPoint& point) { return point.series == name; });
  std::sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
  const double aside = chart.curves ? 0 : kDodge * (static_cast<double>(place) - static_cast<double>(count - 1) / 2);
  DrawnSeries drawn{"", name, place, 0, 0};
  std::string line;
  std::string marks;
  for (const ChartPoint& point : points) {
    drawn.end_x = x_pixel(scale, point.x) + aside;
    drawn.end_y = y_pixel(chart, point.value);
    line += fmt::format("{}{:.1f},{:.1f}", line.empty() ? "" : " ", drawn.end_x, drawn.end_y);
    if (!chart.curves) marks += point_svg(chart, point, place, drawn.end_x);
  }
  drawn.svg = fmt::format(R"svg(<polyline class="line" points="{}" stroke="var(--s{})" stroke-dasharray="{}"/>)svg",
                          line, place, kDashes[place]) +
              marks;
  return drawn;
}

/// Names beside the last points, moved apart where they would overlap, each with its mark.
std::string series_names(const Chart& chart, std::vector<DrawnSeries> series) {
  std::stable_sort(series.begin(), series.end(), [](const auto& a, const auto& b) { return a.end_y < b.end_y; });
  std::string svg;
  const auto rest = [&](std::size_t i) { return kLineHeight * static_cast<double>(series.size() - i); };
  double lowest = kTop;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const double y = std::max(lowest, std::min(series[i].end_y, kHeight - kBottom + kLineHeight - rest(i)));
    lowest = y + kLineHeight;
    const std::size_t place = series[i].place;
    svg +=
        chart.curves
            ? fmt::format(
                  R"svg(<path class="line" d="M{:.1f} {:.1f}h18" stroke="var(--s{})" stroke-dasharray="{}"/>)svg",
                  kWidth - kRight + 3, y, place, kDashes[place])
            : fmt::format(
                  R"svg(<path class="mark" transform="translate({:.1f} {:.1f})" d="{}" stroke="var(--s{})" fill="{}"/>)svg",
                  kWidth - kRight + 12, y, kMarks[place], place,
                  place % 2 == 0 ? fmt::format("var(--s{})", place) : std::string("none"));
    svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}">{}</text>)", kWidth - kRight + 24, y + 4,
                       escape_html(series[i].name));
  }
  return svg;
}

}  // namespace

std::string chart_value(const Chart& chart, double value) {
  return chart.highest ? axis_number(value) : percent(value);
}

std::string chart_range(const Chart& chart, const Interval& interval) {
  return chart.highest ? fmt::format("{}–{}", axis_number(interval.low), axis_number(interval.high))
                       : percent_range(interval);
}

double round_up(double most) {
  if (most <= 0) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(most)));
  for (const double step : {1.0, 2.0, 2.5, 5.0}) {
    if (step * power >= most) return step * power;
  }
  return 10 * power;
}

std::string axis_number(double x) {
  constexpr double kThousand = 1e3;
  constexpr double kMillion = 1e6;
  if (std::fabs(x) >= kMillion && std::fabs(x) < kMillion * kMillion) return fmt::format("{:.4g}M", x / kMillion);
  if (std::fabs(x) >= 10 * kThousand && std::fabs(x) < kMillion) return fmt::format("{:.4g}k", x / kThousand);
  return fmt::format("{:.4g}", x);
}

std::string chart_svg(const Chart& chart) {
  const Scale scale = x_scale(chart);
  const std::vector<std::string> names = series_of(chart);
  std::vector<DrawnSeries> series;
  std::string lines;
  for (std::size_t i = 0; i < names.size(); ++i) {
    series.push_back(draw_series(chart, scale, names[i], i, names.size()));
    lines += series.back().svg + "\n";
  }
  return fmt::format(
             R"(<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img"><title>{}</title>)",
             kWidth, kHeight, escape_html(chart.title)) +
         std::string(kStyle) + "</style>\n" + axes(chart, scale) + "\n" + lines + series_names(chart, series) +
         "</svg>\n";
}

}  // namespace mathtrap
