// The inspection of experts in the terminal.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "reports/experts.h"
#include "reports/table.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxFigures = 16;  ///< experts whose loads are written out
constexpr std::size_t kShadesInRow = 64;
constexpr double kSignificant = 0.05;

struct Shade {
  double below = 0;  ///< of the even load
  const char* sign = "";
};
constexpr std::array<Shade, 5> kShades = {{{0.25, " "}, {0.75, "░"}, {1.5, "▒"}, {3, "▓"}, {1e300, "█"}}};
constexpr const char* kDead = "×";

std::string shade_of(double load, std::size_t experts) {
  if (load <= 0) return kDead;
  const double ratio = load * static_cast<double>(experts);
  return std::find_if(kShades.begin(), kShades.end(), [&](const Shade& shade) { return ratio < shade.below; })->sign;
}

/// A figure of JSON, or "–".
std::string figure(const Json& value, int digits) {
  return value.is_null() ? "–" : fmt::format("{:.{}f}", value.get<double>(), digits);
}

std::string share(const Json& value) {
  return value.is_null() ? "–" : fmt::format("{:.1f}%", 100 * value.get<double>());
}

std::string mean_share(const Json& over_layers) {
  return over_layers.is_null() ? "–" : share(over_layers["mean"]);
}

std::string load_row(std::size_t number, const std::vector<double>& load) {
  std::string row = fmt::format("{:>5} ", number);
  if (load.size() <= kMaxFigures) {
    for (const double value : load) {
      row += fmt::format(" {}{:>2.0f}", shade_of(value, load.size()), 100 * value);
    }
    return row + "\n";
  }
  for (std::size_t expert = 0; expert < load.size(); ++expert) {
    if (expert > 0 && expert % kShadesInRow == 0) row += "\n      ";
    row += shade_of(load[expert], load.size());
  }
  return row + "\n";
}

std::string load_map(const Json& group) {
  const Json& layers = group["layers"];
  const std::size_t experts = layers[0]["load"].size();
  std::string text = fmt::format("load of experts, per cent of all assignments; even would be {:.1f}\n",
                                 100 / static_cast<double>(experts));
  if (experts <= kMaxFigures) {
    text += "layer ";
    for (std::size_t expert = 0; expert < experts; ++expert) text += fmt::format(" {:>3}", expert);
    text += "\n";
  }
  for (std::size_t i = 0; i < layers.size(); ++i) text += load_row(i, layers[i]["load"].get<std::vector<double>>());
  return text + fmt::format("shades: {} never; below 1/4 of the even load blank, 3/4 ░, 3/2 ▒, 3 ▓, above █\n", kDead);
}

/// The pair that is chosen together most beyond what is expected, "3+5 ×1.8"; "–" where none is.
std::string closest_pair(const Json& co_selection, std::size_t layer) {
  if (co_selection.is_null()) return "–";
  const Json& lift = co_selection[layer]["lift"];
  std::string text = "–";
  constexpr double kLeast = 1.005;  // what shows as more than 1
  double most = kLeast;
  for (std::size_t a = 0; a < lift.size(); ++a) {
    for (std::size_t b = a + 1; b < lift.size(); ++b) {
      if (lift[a][b].is_null() || lift[a][b].get<double>() <= most) continue;
      most = lift[a][b].get<double>();
      text = fmt::format("{}+{} ×{:.2f}", a, b, most);
    }
  }
  return text;
}

std::string layers_table(const Json& inspection) {
  const Json& layers = inspection["groups"][0]["layers"];
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Json& layer = layers[i];
    rows.push_back({std::to_string(i), share(layer["gate_entropy_share"]), share(layer["load_entropy_share"]),
                    figure(layer["max_over_mean"], 2), figure(layer["variation"], 2),
                    std::to_string(layer["dead"].size()), closest_pair(inspection["co_selection"], i)});
  }
  return render_table({{"layer", Align::right},
                       {"gate entropy", Align::right},
                       {"load entropy", Align::right},
                       {"max/mean", Align::right},
                       {"CV", Align::right},
                       {"dead", Align::right},
                       {"closest pair"}},
                      rows) +
         "entropies of the most possible; gate: of the softmax over all logits, by token\n";
}

std::string groups_table(const Json& inspection) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& group : inspection["groups"]) {
    rows.push_back({expert_group_name(group), group["prompts"].dump(), group["tokens"].dump(),
                    mean_share(group["gate_entropy_share"]), mean_share(group["load_entropy_share"]),
                    figure(group["max_over_mean"]["mean"], 2), group["dead"].dump()});
  }
  return render_table({{"prompts of"},
                       {"n", Align::right},
                       {"tokens", Align::right},
                       {"gate", Align::right},
                       {"load", Align::right},
                       {"max/mean", Align::right},
                       {"dead", Align::right}},
                      rows) +
         "gate, load: their entropies, of the most possible; means over layers\n";
}

/// Mean and largest share of neurons that two experts of a layer have in common.
std::string overlap_line(const Json& overlap) {
  if (overlap.is_null()) return {};
  double sum = 0;
  double most = 0;
  double pairs = 0;
  for (const Json& layer : overlap) {
    for (std::size_t a = 0; a < layer.size(); ++a) {
      for (std::size_t b = a + 1; b < layer.size(); ++b) {
        sum += layer[a][b].get<double>();
        most = std::max(most, layer[a][b].get<double>());
        pairs += 1;
      }
    }
  }
  if (most == 0) return "weights: no two experts of a layer share a neuron\n";
  return fmt::format("weights: two experts of a layer share {:.1f}% of their neurons, {:.1f}% at most\n",
                     100 * sum / pairs, 100 * most);
}

std::string mean_of(const Json& divergence) {
  return divergence.is_null() ? "–" : figure(divergence["mean"], 4);
}

std::string mean_percent(const Json& share) {
  return share.is_null() ? "–" : fmt::format("{:.1f}", 100 * share["mean"].get<double>());
}

std::string divergence_table(const Json& divergence) {
  std::vector<std::vector<std::string>> loads;
  std::vector<std::vector<std::string>> endings;
  for (std::size_t i = 0; i < divergence["layers"].size(); ++i) {
    const Json& layer = divergence["layers"][i];
    loads.push_back({std::to_string(i), mean_of(layer["trap"]), mean_of(layer["siblings"]), mean_of(layer["strangers"]),
                     difference_text(layer["trap_less_siblings"], 1, 4),
                     fmt::format("{:.1e}", layer["shift"].get<double>()),
                     fmt::format("{:.2g}", layer["shift_holm_p"].get<double>())});
    endings.push_back({std::to_string(i), mean_percent(layer["rerouted"]), mean_percent(layer["rerouted_siblings"]),
                       difference_text(layer["rerouted_less_siblings"], 100, 1)});
  }
  return "distance of loads in bits (Jensen–Shannon): a trap from its original; originals\n"
         "that differ in their numbers; originals of different problems\n" +
         render_table({{"layer", Align::right},
                       {"trap", Align::right},
                       {"numbers", Align::right},
                       {"others", Align::right},
                       {"trap - numbers (95%)", Align::right},
                       {"shift", Align::right},
                       {"p", Align::right}},
                      loads) +
         fmt::format(
             "\nper cent of assignments that change in the tokens with which both prompts end,\n"
             "{:.1f} on average: the tokens are the same, what stands before them is not\n",
             divergence["ending"].get<double>()) +
         render_table({{"layer", Align::right},
                       {"trap", Align::right},
                       {"numbers", Align::right},
                       {"trap - numbers (95%)", Align::right}},
                      endings);
}

/// Lines of at most 80 characters, broken at blanks.
std::string wrapped(const std::string& text) {
  constexpr std::size_t kColumns = 80;
  std::string lines;
  std::size_t column = 0;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const bool fits = column + 1 + word.size() <= kColumns;
    if (column > 0) lines += fits ? " " : "\n";
    column = column > 0 && fits ? column + 1 + word.size() : word.size();
    lines += word;
  }
  return lines;
}

}  // namespace

std::string difference_text(const Json& difference, double factor, int digits) {
  if (difference.is_null()) return "–";
  const auto text = [&](const Json& value) { return fmt::format("{:+.{}f}", factor * value.get<double>(), digits); };
  const Json& limits = difference["ci95"];
  return text(difference["mean"]) +
         (limits.is_null() ? "" : fmt::format(" ({} to {})", text(limits[0]), text(limits[1])));
}

std::string expert_group_name(const Json& group) {
  if (group["arm"].is_null()) return "all";
  std::string arm = group["arm"];
  if (group["trap_type"].is_null()) return arm;
  return arm + ": " + replace_all(group["trap_type"].get<std::string>(), "_", " ");
}

std::string experts_summary(const Json& inspection) {
  const auto shared = inspection["shared_neurons"].get<std::int64_t>();
  return fmt::format("{} experts, {} for each token{}, {} layers", inspection["experts"].get<std::int64_t>(),
                     inspection["select"].get<std::int64_t>(),
                     shared > 0 ? fmt::format(" and {} neurons that every token activates", shared) : "",
                     inspection["groups"][0]["layers"].size());
}

std::string inspected_text(const Json& inspection) {
  const Json& all = inspection["groups"][0];
  const bool is_text = inspection.contains("data");
  const std::string source = is_text ? inspection["data"] : inspection["dataset"]["name"];
  return fmt::format("{} {} ({} tokens) of {}{}", all["prompts"].get<std::size_t>(), is_text ? "windows" : "prompts",
                     all["tokens"].get<std::int64_t>(), source,
                     is_text ? "" : ", form " + inspection["prompt_form"].get<std::string>());
}

std::string divergence_summary(const Json& divergence) {
  if (divergence.is_null()) return {};
  const Json& layers = divergence["layers"];
  const auto shifted = std::count_if(layers.begin(), layers.end(), [](const Json& layer) {
    return layer["shift_holm_p"].get<double>() < kSignificant;
  });
  // Layers whose interval lies on one side of 0; sign is -1 or 1.
  const auto beyond = [&](const char* field, double sign) {
    return std::count_if(layers.begin(), layers.end(), [&](const Json& layer) {
      const Json& difference = layer[field];
      if (difference.is_null() || difference["ci95"].is_null()) return false;
      return sign * difference["ci95"][0].get<double>() > 0 && sign * difference["ci95"][1].get<double>() > 0;
    });
  };
  std::string text = fmt::format(
      "{} pairs of {} problems or families. Traps as a whole load the experts otherwise than their "
      "originals in {} of {} layers (p < 0.05, Holm).",
      divergence["pairs"].get<std::size_t>(), divergence["units"].get<std::size_t>(), shifted, layers.size());
  if (layers[0]["siblings"].is_null()) return text;
  text += fmt::format(
      " A trap's load is nearer to its original's than that of an original with other numbers in {} of "
      "{} layers, farther in {}.",
      beyond("trap_less_siblings", -1), layers.size(), beyond("trap_less_siblings", 1));
  return text + fmt::format(
                    " Of the ending that the prompts share, a trap sends fewer tokens to other experts than "
                    "other numbers do in {} layers, more in {}.",
                    beyond("rerouted_less_siblings", -1), beyond("rerouted_less_siblings", 1));
}

std::string experts_table(const Json& inspection) {
  std::string text = fmt::format("{}\n{}\n{}\n\n", inspection["model"].get<std::string>(), experts_summary(inspection),
                                 inspected_text(inspection));
  text += load_map(inspection["groups"][0]) + "\n" + layers_table(inspection) + "\n";
  if (inspection["groups"].size() > 1) text += groups_table(inspection) + "\n";
  text += overlap_line(inspection["weight_overlap"]);
  const Json& divergence = inspection["divergence"];
  if (divergence.is_null()) return text;
  return text + "\n" + divergence_table(divergence) + "\n" + wrapped(divergence_summary(divergence)) + "\n";
}

}  // namespace mathtrap
