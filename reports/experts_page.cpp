// The inspection of experts as a web page.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "reports/chart.h"
#include "reports/experts.h"
#include "reports/html_page.h"
#include "reports/html_sections.h"

namespace mathtrap {
namespace {

/// Experts whose cells have figures in them; with more they have tooltips alone.
constexpr std::size_t kMaxFigures = 32;
constexpr double kDeep = 55;  // per cent of colour from which figures are light

/// A table of coloured cells.
struct HeatMap {
  std::string title;
  std::string row_name;                             ///< "layer", "expert"
  std::string corner;                               ///< above the names of the rows
  std::vector<Json> rows;                           ///< numbers, null for cells without one
  double most = 1;                                  ///< has the full colour; -most the full colour of what is below 0
  std::function<std::string(double)> figure = {};   ///< in the cell
  std::function<std::string(double)> tooltip = {};  ///< the figure in the tooltip
};

std::string heat_cell(const HeatMap& map, std::size_t row, std::size_t column) {
  const Json& value = map.rows[row][column];
  if (value.is_null()) return "<td class=\"none\">–</td>";
  const auto number = value.get<double>();
  const double heat = map.most > 0 ? 100 * std::min(1.0, std::fabs(number) / map.most) : 0;
  const bool has_figures = map.rows[row].size() <= kMaxFigures;
  return fmt::format(R"(<td class="{}{}" style="--heat:{:.0f}%" title="{} {}, expert {}: {}">{}</td>)",
                     number < 0 ? "less" : "more", heat >= kDeep ? " deep" : "", heat, map.row_name, row, column,
                     map.tooltip(number), has_figures ? map.figure(number) : "");
}

/// Cells beyond kMaxHeatCells are no help on a page.
bool fits(const std::vector<HeatMap>& maps) {
  std::size_t cells = 0;
  for (const HeatMap& map : maps) cells += map.rows.empty() ? 0 : map.rows.size() * map.rows.front().size();
  return cells <= kMaxHeatCells;
}

std::string heat_table(const HeatMap& map) {
  const std::size_t columns = map.rows.front().size();
  std::string html = fmt::format("<figure><figcaption>{}</figcaption><div class=\"scroll\"><table class=\"heat{}\">",
                                 map.title, columns <= kMaxFigures ? "" : " small");
  if (columns <= kMaxFigures) {
    html += fmt::format("<thead><tr><th>{}</th>", map.corner);
    for (std::size_t column = 0; column < columns; ++column) html += fmt::format("<th>{}</th>", column);
    html += "</tr></thead>";
  }
  html += "<tbody>";
  for (std::size_t row = 0; row < map.rows.size(); ++row) {
    html += fmt::format("<tr><th>{}</th>", row);
    for (std::size_t column = 0; column < columns; ++column) html += heat_cell(map, row, column);
    html += "</tr>";
  }
  return html + "</tbody></table></div></figure>";
}

std::string heat_tables(const std::vector<HeatMap>& maps) {
  if (!fits(maps)) {
    return fmt::format("<p class=\"sub\">More than {} cells: they are in inspect.json.</p>", kMaxHeatCells);
  }
  std::string html = "<div class=\"maps\">";
  for (const HeatMap& map : maps) html += heat_table(map);
  return html + "</div>";
}

std::string details(const std::string& summary, const std::string& html) {
  return fmt::format("<details><summary>{}</summary>{}</details>\n", summary, html);
}

/// A field [E] of every layer.
HeatMap layers_map(const Json& layers, const char* field, const std::string& title, double most) {
  HeatMap map;
  map.title = title;
  map.row_name = map.corner = "layer";
  for (const Json& layer : layers) map.rows.push_back(layer[field]);
  map.most = most;
  map.figure = [](double value) { return value == 0 ? std::string("×") : fmt::format("{:.0f}", 100 * value); };
  map.tooltip = [](double value) { return fmt::format("{:.2f}%", 100 * value); };
  return map;
}

double largest(const Json& inspection, const char* field) {
  double most = 0;
  for (const Json& group : inspection["groups"]) {
    for (const Json& layer : group["layers"]) {
      for (const Json& value : layer[field]) most = std::max(most, value.get<double>());
    }
  }
  return most;
}

std::string number_cell(const Json& value, int digits) {
  return html_cell(value.is_null() ? "–" : fmt::format("{:.{}f}", value.get<double>(), digits), true);
}

std::string share_cell(const Json& value) {
  return html_cell(value.is_null() ? "–" : fmt::format("{:.1f}%", 100 * value.get<double>()), true);
}

std::string head_of(const std::vector<const char*>& names) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (std::size_t i = 0; i < names.size(); ++i) {
    html += fmt::format("<th{}>{}</th>", i == 0 ? "" : " class=\"number\"", names[i]);
  }
  return html + "</tr></thead><tbody>";
}

constexpr const char* kTableEnd = "</tbody></table></div>\n";

std::string list_of(const Json& numbers) {
  std::string text;
  for (const Json& number : numbers) text += (text.empty() ? "" : ", ") + number.dump();
  return text.empty() ? "–" : text;
}

std::string load_section(const Json& inspection) {
  const Json& layers = inspection["groups"][0]["layers"];
  const auto experts = inspection["experts"].get<double>();
  std::string html =
      "<h2>Load and importance</h2>" +
      heat_tables({layers_map(layers, "load", "load, per cent of assignments", largest(inspection, "load")),
                   layers_map(layers, "importance", "importance, per cent of a score of 1",
                              largest(inspection, "importance"))}) +
      fmt::format(
          "<p class=\"sub\">Load: the share of all assignments of tokens to experts that an expert gets; even "
          "would be {:.1f}%. Importance: the score that a token gives the expert on average, before the layer's "
          "scale. ×: never.</p>\n",
          100 / experts);
  html += head_of({"layer", "gate entropy", "of most", "load entropy", "of most", "max / mean", "CV", "dead experts"});
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Json& layer = layers[i];
    html += fmt::format("<tr><td>{}</td>", i) + number_cell(layer["gate_entropy"], 3) +
            share_cell(layer["gate_entropy_share"]) + number_cell(layer["load_entropy"], 3) +
            share_cell(layer["load_entropy_share"]) + number_cell(layer["max_over_mean"], 2) +
            number_cell(layer["variation"], 2) + html_cell(list_of(layer["dead"]), true) + "</tr>";
  }
  return html + kTableEnd +
         "<p class=\"sub\">Gate entropy: of the softmax over all experts' logits, in bits, on average over tokens. "
         "Load "
         "entropy: of the load. The most is the logarithm of the number of experts. Max / mean: the largest load over "
         "the even one; CV: standard deviation of the load over its mean.</p>\n";
}

std::string groups_section(const Json& inspection) {
  const Json& groups = inspection["groups"];
  if (groups.size() < 2) return {};
  std::string html =
      "<h2>By arm and type of trap</h2>" +
      head_of({"prompts of", "prompts", "tokens", "gate entropy", "load entropy", "max / mean", "worst layer", "dead"});
  const double most = largest(inspection, "load");
  std::vector<HeatMap> maps;
  for (const Json& group : groups) {
    const auto mean = [&](const char* field) { return group[field].is_null() ? Json() : group[field]["mean"]; };
    const std::string name = escape_html(expert_group_name(group));
    html += fmt::format("<tr><td>{}</td>", name) + html_cell(group["prompts"].dump(), true) +
            html_cell(group["tokens"].dump(), true) + share_cell(mean("gate_entropy_share")) +
            share_cell(mean("load_entropy_share")) + number_cell(mean("max_over_mean"), 2) +
            number_cell(group["max_over_mean"]["max"], 2) + html_cell(group["dead"].dump(), true) + "</tr>";
    if (!group["arm"].is_null()) maps.push_back(layers_map(group["layers"], "load", name, most));
  }
  return html + kTableEnd +
         "<p class=\"sub\">Means over layers; entropies as shares of the most possible; dead: experts of all layers "
         "that no token of these prompts was sent to.</p>\n" +
         details("Load by arm and type of trap", heat_tables(maps));
}

/// A mean with its interval, times `factor`.
void add_point(Chart& chart, std::size_t layer, const char* series, const Json& mean, double factor) {
  if (mean.is_null()) return;
  ChartPoint point{static_cast<double>(layer), series, factor * mean["mean"].get<double>(), std::nullopt};
  if (!mean["ci95"].is_null()) {
    point.ci95 = Interval{factor * mean["ci95"][0].get<double>(), factor * mean["ci95"][1].get<double>()};
  }
  chart.points.push_back(point);
}

Chart layers_chart(const char* name, const char* title, const char* y_label) {
  Chart chart;
  chart.name = name;
  chart.title = title;
  chart.x_label = "layer";
  chart.y_label = y_label;
  return chart;
}

void set_highest(Chart& chart) {
  double most = 0;
  for (const ChartPoint& point : chart.points) most = std::max(most, point.ci95 ? point.ci95->high : point.value);
  chart.highest = round_up(most);
}

Chart divergence_chart(const Json& layers) {
  constexpr double kThousand = 1000;  // figures of few digits beside the axis
  Chart chart = layers_chart("divergence", "Does a trap reach other experts than its original?",
                             "divergence of loads, thousandths of a bit");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    add_point(chart, i, "trap", layers[i]["trap"], kThousand);
    add_point(chart, i, "other numbers", layers[i]["siblings"], kThousand);
    add_point(chart, i, "other problem", layers[i]["strangers"], kThousand);
  }
  set_highest(chart);
  return chart;
}

Chart ending_chart(const Json& layers) {
  constexpr double kPercent = 100;
  Chart chart =
      layers_chart("ending", "The same last tokens, after another problem", "assignments that change, per cent");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    add_point(chart, i, "trap", layers[i]["rerouted"], kPercent);
    add_point(chart, i, "other numbers", layers[i]["rerouted_siblings"], kPercent);
  }
  set_highest(chart);
  return chart;
}

HeatMap shift_map(const Json& layers) {
  HeatMap map;
  map.title = "load of traps less load of originals, in points";
  map.row_name = map.corner = "layer";
  map.most = 0;
  for (const Json& layer : layers) {
    Json& row = map.rows.emplace_back(Json::array());
    for (std::size_t expert = 0; expert < layer["trap_load"].size(); ++expert) {
      row.push_back(layer["trap_load"][expert].get<double>() - layer["original_load"][expert].get<double>());
      map.most = std::max(map.most, std::fabs(row.back().get<double>()));
    }
  }
  map.figure = [](double value) { return fmt::format("{:+.1f}", 100 * value); };
  map.tooltip = [](double value) { return fmt::format("{:+.3f} points", 100 * value); };
  return map;
}

std::string ending_section(const Json& divergence) {
  const Chart chart = ending_chart(divergence["layers"]);
  if (chart.points.empty()) return {};
  return chart_section(chart) +
         fmt::format(
             "<p class=\"sub\">Over the tokens with which a trap, its original and the originals with other "
             "numbers all end, {:.1f} on average: of their assignments to experts, those that one prompt has "
             "and the other has not. The tokens are the same; what stands before them is not.</p>\n",
             divergence["ending"].get<double>());
}

std::string divergence_section(const Json& divergence) {
  if (divergence.is_null()) return {};
  const Json& layers = divergence["layers"];
  std::string html = chart_section(divergence_chart(layers)) +
                     fmt::format("<p>{}</p>", escape_html(divergence_summary(divergence))) +
                     head_of({"layer", "trap − other numbers, bits (95%)", "of the ending, points (95%)", "shift, bits",
                              "p", "p (Holm)"});
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Json& layer = layers[i];
    html += fmt::format("<tr><td>{}</td>", i) + html_cell(difference_text(layer["trap_less_siblings"], 1, 4), true) +
            html_cell(difference_text(layer["rerouted_less_siblings"], 100, 1), true) +
            html_cell(fmt::format("{:.1e}", layer["shift"].get<double>()), true) +
            html_cell(fmt::format("{:.2g}", layer["shift_p"].get<double>()), true) +
            html_cell(fmt::format("<b>{:.2g}</b>", layer["shift_holm_p"].get<double>()), true) + "</tr>";
  }
  return html + kTableEnd +
         "<p class=\"sub\">Points are Jensen–Shannon divergences, means over pairs, with 95% bootstrap intervals over "
         "families (of what belongs to "
         "none: over problems). <i>Trap</i>: a trap beside its original; <i>other numbers</i>: originals of one "
         "family; "
         "<i>other problem</i>: of different ones. Two prompts differ by chance as well, so read the first against the "
         "second. Shift: the divergence between the mean load of all traps and that of all originals; its p is of a "
         "test that exchanges traps and originals at random, whole families at once.</p>\n" +
         ending_section(divergence) + heat_tables({shift_map(layers)});
}

HeatMap pairs_map(const Json& rows, std::size_t layer, double most, bool is_share) {
  HeatMap map;
  map.title = fmt::format("layer {}", layer);
  map.row_name = "expert";
  map.rows = std::vector<Json>(rows.begin(), rows.end());
  map.most = most;
  map.figure = [is_share](double value) {
    return is_share ? fmt::format("{:.0f}", 100 * value) : fmt::format("{:.1f}", value);
  };
  map.tooltip = [is_share](double value) {
    return is_share ? fmt::format("{:.2f}%", 100 * value) : fmt::format("{:.3f}", value);
  };
  return map;
}

std::string pairs_section(const Json& inspection) {
  std::string html = "<h2>Overlap of experts</h2>\n";
  std::vector<HeatMap> maps;
  constexpr double kFullLift = 2;
  for (const Json& layer : inspection["co_selection"]) {
    maps.push_back(pairs_map(layer["lift"], maps.size(), kFullLift, false));
  }
  if (maps.empty()) {
    html += "<p class=\"sub\">No experts are chosen together, or there are too many of them for tables.</p>\n";
  } else {
    html +=
        details("Chosen for the same token", heat_tables(maps)) +
        "<p class=\"sub\">Tokens that both experts are chosen for, over those expected of experts without a "
        "preference for each other and with the same loads: above 1 they go together. –: fewer than 5 expected.</p>\n";
  }
  maps.clear();
  for (const Json& layer : inspection["weight_overlap"]) maps.push_back(pairs_map(layer, maps.size(), 1, true));
  if (maps.empty()) return html;
  return html + details("Neurons in common", heat_tables(maps)) +
         "<p class=\"sub\">Per cent of the smaller expert's neurons (rows of up_proj, equal to the bit) that the other "
         "has too.</p>\n";
}

std::string facts_section(const Json& inspection) {
  std::string html = "<h2>The inspection</h2><dl class=\"facts\">";
  const auto add = [&](const char* name, const std::string& value) {
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, escape_html(value));
  };
  add("Model", inspection["model"]);
  add("Gate", inspection["gate"]);
  add("Experts", experts_summary(inspection));
  if (inspection.contains("data")) add("Text", inspection["data"]);
  if (inspection.contains("dataset")) {
    add("Data set", inspection["dataset"]["name"]);
    add("Records", inspection["dataset"]["records"].dump());
    add("SHA-256", inspection["dataset"]["sha256"]);
    add("Prompt form", inspection["prompt_form"]);
  }
  add("Seed", inspection["seed"].dump());
  return html + "</dl>\n";
}

}  // namespace

std::string experts_page(const Json& inspection) {
  const std::string title = escape_html(fmt::format("Experts of {}", inspection["model"].get<std::string>()));
  return html_page(title,
                   fmt::format("<h1>{}</h1>\n<p class=\"faint\">{}; {}</p>\n", title,
                               escape_html(experts_summary(inspection)), escape_html(inspected_text(inspection))) +
                       load_section(inspection) + groups_section(inspection) +
                       divergence_section(inspection["divergence"]) + pairs_section(inspection) +
                       facts_section(inspection),
                   "");
}

}  // namespace mathtrap
