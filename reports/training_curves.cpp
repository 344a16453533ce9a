#include "reports/training_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "reports/format.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSteps = 20'000'000;
constexpr std::size_t kMaxKinds = 256;  // of documents, or domains

/// What one line of the log says, for the curves.
struct LoggedStep {
  double tokens = 0;
  double loss = 0;
  double tokens_per_second = 0;
  double utilisation = 0;
};

struct HeldOut {
  double tokens = 0;
  double loss = 0;
};

/// A share in [0, 1] at some point of the training.
struct LoggedShare {
  double tokens = 0;
  double share = 0;
};

struct Log {
  std::vector<LoggedStep> steps;
  std::map<std::string, std::vector<HeldOut>> held_out;   ///< by kind of document, or domain
  std::map<std::string, std::vector<LoggedShare>> exact;  ///< held-out replies given exactly, by kind
  std::map<std::string, std::vector<LoggedShare>> mix;    ///< shares of a mix that follows the losses
  std::vector<HeldOut> balance;                           ///< balance loss of a mixture of experts
};

fs::path log_of(const fs::path& folder) {
  return folder / "log.jsonl";
}

double at_least_0(const Json& fields, const char* name, const Place& place) {
  const double value = json_number(fields, name, place);
  if (!(value >= 0 && std::isfinite(value))) fail(place, fmt::format("the field \"{}\" is negative", name));
  return value;
}

double share_of(const Json& fields, const char* name, const Place& place) {
  const double share = at_least_0(fields, name, place);
  if (share > 1) fail(place, fmt::format("the field \"{}\" is above 1", name));
  return share;
}

void read_mix(const Json& line, double tokens, const Place& place, Log& log) {
  if (!line["mix"].is_object()) fail(place, "the field \"mix\" is no object");
  for (const auto& item : line["mix"].items()) {
    log.mix[item.key()].push_back({tokens, share_of(line["mix"], item.key().c_str(), place)});
    if (log.mix.size() > kMaxKinds) fail(place, "the field \"mix\" holds too many kinds");
  }
}

void read_step(const Json& line, const Place& place, Log& log) {
  const double tokens = at_least_0(line, "tokens", place);
  if (log.steps.size() == kMaxSteps) fail(place, fmt::format("more than {} steps", kMaxSteps));
  log.steps.push_back({tokens, at_least_0(line, "loss", place), at_least_0(line, "tokens_per_second", place),
                       at_least_0(line, "utilisation", place)});
  if (line.contains("balance_loss")) log.balance.push_back({tokens, at_least_0(line, "balance_loss", place)});
  if (line.contains("mix")) read_mix(line, tokens, place, log);
  if (!line.contains("validation")) return;
  if (!line["validation"].is_object()) fail(place, "the field \"validation\" is no object");
  for (const auto& [kind, result] : line["validation"].items()) {
    if (!result.is_object()) fail(place, "the field \"validation\" holds no results by kind");
    log.held_out[kind].push_back({tokens, at_least_0(result, "loss", place)});
    if (result.contains("exact")) log.exact[kind].push_back({tokens, share_of(result, "exact", place)});
    if (log.held_out.size() > kMaxKinds) fail(place, "the field \"validation\" holds too many kinds");
  }
}

Log read_log(const fs::path& file) {
  Log log;
  bool cut_off = false;
  for_each_line(file, [&](std::string_view text, std::size_t number) {
    const Place place{file.string(), number, ""};
    if (cut_off) fail({file.string(), number - 1, ""}, "is no JSON; a training writes one object a line");
    const Json line = Json::parse(text, nullptr, false);
    // Only the last line may be cut off.
    cut_off = line.is_discarded();
    if (cut_off) return;
    if (!line.is_object()) fail(place, "is no JSON object");
    read_step(line, place, log);
  });
  if (log.steps.empty()) throw Error(fmt::format("{}: holds no steps yet", file.string()));
  return log;
}

/// Adds `value` of the items as a series, with means of neighbours where there are more than kCurvePoints.
template <typename Item>
void add_series(Chart& chart, const std::string& series, const std::vector<Item>& items, double Item::*value) {
  const std::size_t points = std::min(items.size(), kCurvePoints);
  for (std::size_t i = 0; i < points; ++i) {
    const std::size_t begin = items.size() * i / points;
    const std::size_t end = items.size() * (i + 1) / points;
    ChartPoint point{0, series, 0, std::nullopt};
    for (std::size_t k = begin; k < end; ++k) {
      point.x += items[k].tokens / static_cast<double>(end - begin);
      point.value += items[k].*value / static_cast<double>(end - begin);
    }
    chart.points.push_back(point);
  }
}

Chart make_chart(const std::string& folder, const char* what, const char* title, const char* y_label) {
  Chart chart;
  chart.name = fmt::format("{}-{}", folder, what);
  chart.title = fmt::format("{}: {}", folder, title);
  chart.x_label = "tokens";
  chart.y_label = y_label;
  chart.curves = true;
  return chart;
}

void set_highest(Chart& chart) {
  double most = 0;
  for (const ChartPoint& point : chart.points) most = std::max(most, point.value);
  chart.highest = round_up(most);
}

std::string summarise(const Log& log) {
  // The first step carries the start of everything: the rate is that of the later half.
  const std::size_t half = log.steps.size() / 2;
  double rate = 0;
  double utilisation = 0;
  double loss = 0;
  for (std::size_t i = half; i < log.steps.size(); ++i) {
    rate += log.steps[i].tokens_per_second;
    utilisation += log.steps[i].utilisation;
  }
  const auto count = static_cast<double>(log.steps.size() - half);
  const std::size_t last = std::min<std::size_t>(log.steps.size(), 100);
  for (std::size_t i = log.steps.size() - last; i < log.steps.size(); ++i) loss += log.steps[i].loss;
  std::string text =
      fmt::format("{} steps, {} tokens, loss {:.4f} (mean of the last {}), {} tokens/s, MFU {}", log.steps.size(),
                  axis_number(log.steps.back().tokens), loss / static_cast<double>(last), last,
                  axis_number(rate / count), percent(utilisation / count));
  for (const auto& [kind, results] : log.held_out) {
    text += fmt::format("; held out, {}: loss {:.4f}", kind, results.back().loss);
    const auto exact = log.exact.find(kind);
    if (exact != log.exact.end()) text += fmt::format(", exact {}", percent(exact->second.back().share));
  }
  return text;
}

/// A chart of shares by kind, where there are any.
void add_shares_chart(TrainingCurves& curves, const char* what, const char* title,
                      const std::map<std::string, std::vector<LoggedShare>>& shares) {
  if (shares.empty()) return;
  Chart chart = make_chart(curves.name, what, title, what);
  std::size_t lines = 0;
  for (const auto& [kind, points] : shares) {
    if (++lines <= kMaxChartSeries) add_series(chart, kind, points, &LoggedShare::share);
  }
  curves.charts.push_back(std::move(chart));
}

}  // namespace

bool is_training_folder(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(log_of(folder), error);
}

TrainingCurves read_training_curves(const fs::path& folder) {
  const Log log = read_log(log_of(folder));
  TrainingCurves curves;
  curves.name = fs::absolute(folder / "").lexically_normal().parent_path().filename().string();
  curves.summary = summarise(log);

  Chart loss = make_chart(curves.name, "loss", "loss", "loss");
  add_series(loss, "training", log.steps, &LoggedStep::loss);
  std::size_t lines = 0;
  // More lines than a chart tells apart are in the summary alone.
  for (const auto& [kind, results] : log.held_out) {
    if (++lines < kMaxChartSeries) add_series(loss, "held out: " + kind, results, &HeldOut::loss);
  }
  set_highest(loss);
  curves.charts.push_back(std::move(loss));
  add_shares_chart(curves, "exact", "held-out replies given exactly", log.exact);
  add_shares_chart(curves, "mix", "shares that are drawn", log.mix);
  if (!log.balance.empty()) {
    Chart balance = make_chart(curves.name, "balance", "balance loss", "loss");
    add_series(balance, "balance loss", log.balance, &HeldOut::loss);
    set_highest(balance);
    curves.charts.push_back(std::move(balance));
  }
  Chart speed = make_chart(curves.name, "speed", "speed", "tokens/s");
  add_series(speed, "tokens/s", log.steps, &LoggedStep::tokens_per_second);
  set_highest(speed);
  curves.charts.push_back(std::move(speed));
  return curves;
}

}  // namespace mathtrap
