#include "harness/load_divergence.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include "harness/paired_statistics.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr std::size_t kPartners = 8;
/// How far siblings are looked for, where many pairs of a unit are of one problem.
constexpr std::size_t kMaxSteps = 256;
constexpr std::size_t kResamples = 2000;
constexpr std::size_t kExchanges = 2000;
constexpr double kTail = 0.025;

double entropy_term(double share) {
  return share > 0 ? share * std::log2(share) : 0;
}

std::vector<double> as_shares(std::vector<double> load) {
  const double sum = std::accumulate(load.begin(), load.end(), 0.0);
  for (double& value : load) value = sum > 0 ? value / sum : 0;
  return load;
}

void add(std::vector<double>& total, const std::vector<double>& more, double factor) {
  for (std::size_t i = 0; i < total.size(); ++i) total[i] += factor * more[i];
}

/// Whom a pair's original is compared with: places in the list of pairs.
struct Partners {
  std::vector<std::size_t> siblings;
  std::vector<std::size_t> strangers;
};

/// Each pair, and the pairs of each unit as numbers in the order in which units first appear.
struct Units {
  std::vector<std::size_t> of;                    ///< [pairs]
  std::vector<std::vector<std::size_t>> members;  ///< [units]
};

Units units_of(std::span<const PairedLoads> pairs) {
  Units units;
  std::map<std::string_view, std::size_t> numbers;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [found, fresh] = numbers.emplace(pairs[i].unit, units.members.size());
    if (fresh) units.members.emplace_back();
    units.of.push_back(found->second);
    units.members[found->second].push_back(i);
  }
  return units;
}

/// Siblings are the next ones of the unit in an order drawn once; strangers are drawn from a list of all pairs by unit,
/// with the pair's own unit passed over.
std::vector<Partners> draw_partners(std::span<const PairedLoads> pairs, const Units& units, std::uint64_t seed) {
  Random random(seed, "partners of loads");
  std::vector<Partners> partners(pairs.size());
  std::vector<std::size_t> by_unit;
  std::vector<std::size_t> begins;
  for (std::vector<std::size_t> members : units.members) {
    begins.push_back(by_unit.size());
    by_unit.insert(by_unit.end(), members.begin(), members.end());
    random.shuffle(std::span(members));
    for (std::size_t i = 0; i < members.size(); ++i) {
      std::vector<std::size_t>& siblings = partners[members[i]].siblings;
      for (std::size_t step = 1; step < std::min(members.size(), kMaxSteps) && siblings.size() < kPartners; ++step) {
        const std::size_t other = members[(i + step) % members.size()];
        if (pairs[other].problem != pairs[members[i]].problem) siblings.push_back(other);
      }
    }
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::size_t own = units.members[units.of[i]].size();
    for (std::size_t k = 0; own < pairs.size() && k < kPartners; ++k) {
      auto place = static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(pairs.size() - own) - 1));
      if (place >= begins[units.of[i]]) place += own;
      partners[i].strangers.push_back(by_unit[place]);
    }
  }
  return partners;
}

/// Sums of a unit; what has no siblings does not count there.
struct UnitSums {
  double value = 0;
  double count = 0;
};

/// `values`: one a pair, or nothing. Nothing where no pair has a value.
std::optional<MeanDivergence> mean_of(std::span<const std::optional<double>> values, const Units& units,
                                      std::uint64_t seed) {
  std::vector<UnitSums> sums;
  for (const std::vector<std::size_t>& members : units.members) {
    UnitSums own;
    for (const std::size_t member : members) {
      if (!values[member]) continue;
      own.value += *values[member];
      own.count += 1;
    }
    if (own.count > 0) sums.push_back(own);
  }
  UnitSums all;
  for (const UnitSums& own : sums) all = {all.value + own.value, all.count + own.count};
  if (sums.empty()) return std::nullopt;
  MeanDivergence result{all.value / all.count, std::nullopt};
  if (sums.size() < 2) return result;
  Random random(seed, "bootstrap of loads");
  std::vector<double> means;
  means.reserve(kResamples);
  for (std::size_t i = 0; i < kResamples; ++i) {
    UnitSums drawn;
    for (std::size_t k = 0; k < sums.size(); ++k) {
      const UnitSums& own =
          sums[static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(sums.size()) - 1))];
      drawn = {drawn.value + own.value, drawn.count + own.count};
    }
    means.push_back(drawn.value / drawn.count);
  }
  std::sort(means.begin(), means.end());
  const auto tail = static_cast<std::size_t>(kTail * kResamples);
  result.ci95 = Interval{means[tail], means[kResamples - 1 - tail]};
  return result;
}

/// Shift and p of one layer; `shares` of originals and traps, [pairs][E].
void test_shift(const std::vector<std::vector<double>>& originals, const std::vector<std::vector<double>>& traps,
                const Units& units, std::uint64_t seed, LoadDivergence& layer) {
  const std::size_t experts = originals.front().size();
  const double each = 1.0 / static_cast<double>(originals.size());
  std::vector<double> centre(experts, 0);  // half of trap + original
  std::vector<std::vector<double>> halves(units.members.size(), std::vector<double>(experts, 0));  // of trap - original
  for (std::size_t i = 0; i < originals.size(); ++i) {
    add(centre, originals[i], each / 2);
    add(centre, traps[i], each / 2);
    add(halves[units.of[i]], traps[i], each / 2);
    add(halves[units.of[i]], originals[i], -each / 2);
  }
  const auto loads_with = [&](const auto& sign_of) {
    std::vector<double> trap = centre;
    std::vector<double> original = centre;
    for (const std::vector<double>& half : halves) {
      const double sign = sign_of();
      add(trap, half, sign);
      add(original, half, -sign);
    }
    // Differences of sums may fall below 0 by rounding.
    for (std::vector<double>* load : {&trap, &original}) {
      for (double& value : *load) value = std::max(value, 0.0);
    }
    return std::pair(std::move(original), std::move(trap));
  };
  std::tie(layer.original_load, layer.trap_load) = loads_with([] { return 1.0; });
  layer.shift = jensen_shannon(layer.original_load, layer.trap_load);
  Random random(seed, "exchange of loads");
  std::size_t as_large = 1;
  constexpr double kRounding = 1e-12;
  for (std::size_t i = 0; i < kExchanges; ++i) {
    const auto [original, trap] = loads_with([&] { return random.uniform_int(0, 1) == 0 ? 1.0 : -1.0; });
    if (jensen_shannon(original, trap) >= layer.shift - kRounding) ++as_large;
  }
  layer.shift_p = static_cast<double>(as_large) / static_cast<double>(kExchanges + 1);
}

std::size_t common_ending(const RoutedPrompt& a, const RoutedPrompt& b) {
  const auto [first, second] = std::mismatch(a.tokens.rbegin(), a.tokens.rend(), b.tokens.rbegin(), b.tokens.rend());
  return static_cast<std::size_t>(first - a.tokens.rbegin());
}

/// Tokens with which a pair and the siblings of its original end.
std::vector<std::size_t> endings_of(std::span<const PairedLoads> pairs, std::span<const Partners> partners) {
  std::vector<std::size_t> endings;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    std::size_t ending = common_ending(*pairs[i].original, *pairs[i].trap);
    for (const std::size_t sibling : partners[i].siblings) {
      ending = std::min(ending, common_ending(*pairs[i].original, *pairs[sibling].original));
    }
    endings.push_back(ending);
  }
  return endings;
}

/// One value a pair, or nothing.
using Values = std::vector<std::optional<double>>;

/// The mean of distance(pair, other) over others; nothing without them.
template <typename Distance>
std::optional<double> mean_distance(std::size_t pair, std::span<const std::size_t> others, const Distance& distance) {
  if (others.empty()) return std::nullopt;
  double sum = 0;
  for (const std::size_t other : others) sum += distance(pair, other);
  return sum / static_cast<double>(others.size());
}

Values differences(const Values& a, const Values& b) {
  Values result(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] && b[i]) result[i] = *a[i] - *b[i];
  }
  return result;
}

/// What all layers share.
struct Design {
  std::span<const PairedLoads> pairs;
  Units units;
  std::vector<Partners> partners;
  std::vector<std::size_t> endings;
  std::uint64_t seed = 0;
};

void compare_endings(const Design& design, std::size_t layer, LoadDivergence& result) {
  const std::span<const PairedLoads> pairs = design.pairs;
  Values trap(pairs.size());
  Values siblings(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::size_t ending = design.endings[i];
    if (ending == 0) continue;
    trap[i] = rerouted_share(*pairs[i].original, *pairs[i].trap, layer, ending);
    siblings[i] = mean_distance(i, design.partners[i].siblings, [&](std::size_t own, std::size_t other) {
      return rerouted_share(*pairs[own].original, *pairs[other].original, layer, ending);
    });
  }
  result.rerouted = mean_of(trap, design.units, design.seed);
  result.rerouted_siblings = mean_of(siblings, design.units, design.seed);
  result.rerouted_less_siblings = mean_of(differences(trap, siblings), design.units, design.seed);
}

LoadDivergence compare_layer(const Design& design, std::size_t layer) {
  std::vector<std::vector<double>> originals;
  std::vector<std::vector<double>> traps;
  for (const PairedLoads& pair : design.pairs) {
    originals.push_back(as_shares(pair.original->load[layer]));
    traps.push_back(as_shares(pair.trap->load[layer]));
  }
  const auto distance = [&](std::size_t own, std::size_t other) {
    return jensen_shannon(originals[own], originals[other]);
  };
  Values trap(originals.size());
  Values siblings(originals.size());
  Values strangers(originals.size());
  for (std::size_t i = 0; i < originals.size(); ++i) {
    trap[i] = jensen_shannon(originals[i], traps[i]);
    siblings[i] = mean_distance(i, design.partners[i].siblings, distance);
    strangers[i] = mean_distance(i, design.partners[i].strangers, distance);
  }
  LoadDivergence result;
  result.trap = mean_of(trap, design.units, design.seed).value_or(MeanDivergence{});
  result.siblings = mean_of(siblings, design.units, design.seed);
  result.strangers = mean_of(strangers, design.units, design.seed);
  result.trap_less_siblings = mean_of(differences(trap, siblings), design.units, design.seed);
  compare_endings(design, layer, result);
  test_shift(originals, traps, design.units, design.seed, result);
  return result;
}

}  // namespace

double jensen_shannon(std::span<const double> p, std::span<const double> q) {
  const double p_sum = std::accumulate(p.begin(), p.end(), 0.0);
  const double q_sum = std::accumulate(q.begin(), q.end(), 0.0);
  if (p_sum <= 0 || q_sum <= 0) return 0;
  double bits = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double a = p[i] / p_sum;
    const double b = q[i] / q_sum;
    bits += (entropy_term(a) + entropy_term(b)) / 2 - entropy_term((a + b) / 2);
  }
  return std::clamp(bits, 0.0, 1.0);
}

double rerouted_share(const RoutedPrompt& a, const RoutedPrompt& b, std::size_t layer, std::size_t ending) {
  if (ending == 0) return 0;
  const std::size_t select = a.routes[layer].size() / a.tokens.size();
  const auto first = [&](const RoutedPrompt& prompt) {
    return prompt.routes[layer].end() - static_cast<std::ptrdiff_t>(ending * select);
  };
  std::vector<std::uint16_t> both;
  for (std::size_t token = 0; token < ending; ++token) {
    const auto begin = static_cast<std::ptrdiff_t>(token * select);
    const auto end = static_cast<std::ptrdiff_t>((token + 1) * select);
    std::set_intersection(first(a) + begin, first(a) + end, first(b) + begin, first(b) + end, std::back_inserter(both));
  }
  return 1 - static_cast<double>(both.size()) / static_cast<double>(ending * select);
}

LoadDivergences compare_loads(std::span<const PairedLoads> pairs, std::uint64_t seed) {
  LoadDivergences result;
  result.pairs = pairs.size();
  if (pairs.empty()) return result;
  Design design;
  design.pairs = pairs;
  design.seed = seed;
  design.units = units_of(pairs);
  design.partners = draw_partners(pairs, design.units, seed);
  design.endings = endings_of(pairs, design.partners);
  result.units = design.units.members.size();
  result.ending = static_cast<double>(std::accumulate(design.endings.begin(), design.endings.end(), std::size_t{0})) /
                  static_cast<double>(pairs.size());
  std::vector<double> p_values;
  for (std::size_t layer = 0; layer < pairs.front().original->load.size(); ++layer) {
    result.layers.push_back(compare_layer(design, layer));
    p_values.push_back(result.layers.back().shift_p);
  }
  const std::vector<double> corrected = holm_corrected(p_values);
  for (std::size_t layer = 0; layer < corrected.size(); ++layer) result.layers[layer].shift_holm_p = corrected[layer];
  return result;
}

}  // namespace mathtrap
