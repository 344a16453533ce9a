#include "model/mixture_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::int64_t kMaxExperts = 65536;
constexpr std::int64_t kMaxExpertsOfAllLayers = std::int64_t{1} << 22;
constexpr std::int64_t kMaxExpertSize = std::int64_t{1} << 24;
constexpr const char* kDroppingCalculator = "SwitchDropTokenCalculator";
constexpr const char* kSharedField = "shared_expert_intermediate_size";

struct GateName {
  GateKind kind;
  const char* name;
};

constexpr GateName kGateNames[] = {
    {GateKind::top_k_balanced_noisy, "TopKBalancedNoisyGate"},
    {GateKind::switch_balanced, "SwitchBalancedGate"},
    {GateKind::uniform_plain, "UniformPlainGate"},
    {GateKind::uniform_learnable, "UniformLearnableGate"},
    {GateKind::random_plain, "RandomPlainGate"},
    {GateKind::random_learnable, "RandomLearnableGate"},
};

struct NetworkName {
  GateNetwork network;
  const char* name;
};

constexpr NetworkName kNetworkNames[] = {
    {GateNetwork::linear, "linear"}, {GateNetwork::mlp, "mlp"}, {GateNetwork::analytic, "analytic"}};

bool has(const Json& json, const char* field) {
  return json.contains(field) && !json.at(field).is_null();
}

Place field_of(const Place& place, const char* field) {
  return {place.file, 0, field};
}

double number_or(const Json& json, const char* field, double otherwise, const Place& place) {
  return has(json, field) ? json_number(json, field, place) : otherwise;
}

bool bool_or(const Json& json, const char* field, bool otherwise, const Place& place) {
  return has(json, field) ? json_bool(json, field, place) : otherwise;
}

std::string string_or(const Json& json, const char* field, const char* otherwise, const Place& place) {
  return has(json, field) ? json_string(json, field, place) : otherwise;
}

bool is_plain(GateKind kind) {
  return kind == GateKind::uniform_plain || kind == GateKind::random_plain;
}

bool takes_all(GateKind kind) {
  return kind == GateKind::uniform_plain || kind == GateKind::uniform_learnable;
}

GateKind read_gate(const Json& json, const Place& place) {
  const std::string name = string_or(json, "gate_type", "TopKBalancedNoisyGate", place);
  std::string known;
  for (const GateName& row : kGateNames) {
    if (row.name == name) return row.kind;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  }
  fail(field_of(place, "gate_type"), fmt::format("\"{}\" is not supported; {} are", name, known));
}

GateNetwork read_network(const Json& json, GateKind kind, const Place& place) {
  if (is_plain(kind)) return GateNetwork::none;
  const std::string name = string_or(json, "gate_network", "mlp", place);
  for (const NetworkName& row : kNetworkNames) {
    if (row.name == name) return row.network;
  }
  fail(field_of(place, "gate_network"), fmt::format("\"{}\" is not supported; linear, mlp and analytic are", name));
}

std::int64_t size_of(const Json& json, const Place& place) {
  if (!json.is_number_integer()) fail(place, fmt::format("{} is no whole number", json.dump()));
  return json.get<std::int64_t>();
}

/// "size_experts": [layers][experts].
std::vector<std::vector<std::int64_t>> read_sizes(const Json& lists, const Place& place) {
  if (!lists.is_array()) fail(place, "a list of the experts' sizes for each layer is wanted");
  std::vector<std::vector<std::int64_t>> sizes;
  for (const Json& list : lists) {
    if (!list.is_array()) fail(place, "a list of the experts' sizes for each layer is wanted");
    std::vector<std::int64_t>& layer = sizes.emplace_back();
    for (const Json& size : list) layer.push_back(size_of(size, place));
  }
  return sizes;
}

/// Experts of one size in all layers. What a few digits of a file ask for is bounded before memory is taken.
std::vector<std::vector<std::int64_t>> same_sizes(std::int64_t layers, std::int64_t experts, std::int64_t size,
                                                  const Place& place) {
  if (experts > kMaxExpertsOfAllLayers / layers) {
    fail(place, fmt::format("{} experts in {} layers are too many", experts, layers));
  }
  const std::vector<std::int64_t> layer(static_cast<std::size_t>(experts), size);
  return {static_cast<std::size_t>(layers), layer};
}

/// What an even cut gives, where the sizes are not listed.
std::vector<std::vector<std::int64_t>> even_sizes(std::int64_t layers, std::int64_t experts, std::int64_t intermediate,
                                                  const Place& place) {
  if (experts < 1 || experts > kMaxExperts || intermediate % experts != 0) {
    fail(field_of(place, "num_experts"),
         fmt::format("{} does not cut intermediate_size {} evenly, and size_experts is not given", experts,
                     intermediate));
  }
  return same_sizes(layers, experts, intermediate / experts, field_of(place, "num_experts"));
}

std::vector<double> read_scale(const Json& json, const Place& place) {
  constexpr const char* kField = "score_scale_factor";
  if (!has(json, kField)) return {1.0};
  const Json& value = json.at(kField);
  if (!value.is_array()) return {json_number(json, kField, place)};
  std::vector<double> scales;
  for (const Json& scale : value) {
    if (!scale.is_number()) fail(field_of(place, kField), fmt::format("{} is no number", scale.dump()));
    scales.push_back(scale.get<double>());
  }
  return scales;
}

/// Of the calculator only whether it drops tokens matters here: the others compute the same in other ways.
double read_capacity(const Json& json, const Place& place) {
  const std::string calculator = string_or(json, "calculator_type", "UniversalCalculator", place);
  if (calculator == "UniversalCalculator") return 0;
  if (calculator != kDroppingCalculator) {
    fail(field_of(place, "calculator_type"),
         fmt::format("\"{}\" is not supported; UniversalCalculator and {} are", calculator, kDroppingCalculator));
  }
  if (!bool_or(json, "drop_tokens", true, place)) return 0;
  const std::string padding = string_or(json, "dropped_padding", "zero", place);
  if (padding != "zero") {
    fail(field_of(place, "dropped_padding"), fmt::format("\"{}\" is not supported, only zero is", padding));
  }
  return number_or(json, "capacity_factor", 1.25, place);
}

}  // namespace

double score_scale_of(const MixtureConfig& mixture, std::size_t layer) {
  return mixture.score_scale.size() == 1 ? mixture.score_scale.front() : mixture.score_scale.at(layer);
}

double active_neurons(const MixtureConfig& mixture, std::size_t layer) {
  const std::vector<std::int64_t>& sizes = mixture.expert_sizes.at(layer);
  const auto all = static_cast<double>(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
  return static_cast<double>(mixture.shared_size) +
         all * static_cast<double>(mixture.num_selects) / static_cast<double>(mixture.num_experts);
}

void check_mixture(const MixtureConfig& mixture, std::int64_t layers, const std::string& source) {
  if (mixture.is_dense()) return;
  const auto refuse = [&](const char* field, const std::string& what) { fail({source, 0, field}, what); };
  if (mixture.num_experts < 1 || mixture.num_experts > kMaxExperts) {
    refuse("num_experts", fmt::format("is {}, must be from 1 to {}", mixture.num_experts, kMaxExperts));
  }
  if (mixture.num_selects < 1 || mixture.num_selects > mixture.num_experts) {
    refuse("num_selects",
           fmt::format("is {}, must be from 1 to the {} experts", mixture.num_selects, mixture.num_experts));
  }
  if (takes_all(mixture.gate) && mixture.num_selects != mixture.num_experts) {
    refuse("num_selects", fmt::format("is {}, but a {} takes all {} experts", mixture.num_selects,
                                      gate_name(mixture.gate), mixture.num_experts));
  }
  if (static_cast<std::int64_t>(mixture.expert_sizes.size()) != layers) {
    refuse("size_experts", fmt::format("lists {} layers of {}", mixture.expert_sizes.size(), layers));
  }
  for (const std::vector<std::int64_t>& layer : mixture.expert_sizes) {
    if (static_cast<std::int64_t>(layer.size()) != mixture.num_experts) {
      refuse("size_experts", fmt::format("lists {} experts of {} in a layer", layer.size(), mixture.num_experts));
    }
    for (const std::int64_t size : layer) {
      if (size < 1 || size > kMaxExpertSize) {
        refuse("size_experts",
               fmt::format("an expert of {} neurons; from 1 to {} are supported", size, kMaxExpertSize));
      }
    }
  }
  if (mixture.shared_size < 0 || mixture.shared_size > kMaxExpertSize) {
    refuse(kSharedField, fmt::format("is {}, must be from 0 to {}", mixture.shared_size, kMaxExpertSize));
  }
  const auto scales = static_cast<std::int64_t>(mixture.score_scale.size());
  if (scales != 1 && scales != layers) {
    refuse("score_scale_factor", fmt::format("lists {} layers of {}", scales, layers));
  }
  for (const double scale : mixture.score_scale) {
    if (!std::isfinite(scale)) refuse("score_scale_factor", "is not finite");
  }
  if (!std::isfinite(mixture.capacity_factor) || mixture.capacity_factor < 0) {
    refuse("capacity_factor", fmt::format("is {}, must be positive", mixture.capacity_factor));
  }
}

MixtureConfig read_llama_moe(const Json& json, std::int64_t layers, std::int64_t intermediate_size,
                             const Place& place) {
  MixtureConfig mixture;
  mixture.num_experts = json_int(json, "num_experts", place);
  mixture.num_selects = json_int(json, "num_selects", place);
  mixture.gate = read_gate(json, place);
  mixture.gate_network = read_network(json, mixture.gate, place);
  mixture.expert_sizes = has(json, "size_experts")
                             ? read_sizes(json.at("size_experts"), field_of(place, "size_experts"))
                             : even_sizes(layers, mixture.num_experts, intermediate_size, place);
  if (has(json, kSharedField)) mixture.shared_size = json_int(json, kSharedField, place);
  if (!bool_or(json, "gate_use_softmax", true, place)) {
    fail(field_of(place, "gate_use_softmax"), "is false; scores without a softmax are not supported");
  }
  if (bool_or(json, "add_weight_norm", false, place)) fail(field_of(place, "add_weight_norm"), "is not supported");
  mixture.multiply_scores = bool_or(json, "multiply_gate_scores", true, place);
  mixture.score_scale = read_scale(json, place);
  // The other gates have no weights of the noise.
  mixture.add_noise = mixture.gate == GateKind::top_k_balanced_noisy && bool_or(json, "gate_add_noise", true, place);
  mixture.noise_epsilon = number_or(json, "gate_noise_epsilon", 1e-2, place);
  const bool balanced = bool_or(json, "gate_use_balance", true, place);
  mixture.balance_loss_weight = balanced ? number_or(json, "gate_balance_loss_weight", 1e-2, place) : 0;
  mixture.capacity_factor = read_capacity(json, place);
  mixture.selection_bias = bool_or(json, "gate_selection_bias", false, place);
  mixture.learned_scale = bool_or(json, "score_scale_learned", false, place);
  return mixture;
}

MixtureConfig read_mixtral(const Json& json, std::int64_t layers, std::int64_t intermediate_size, const Place& place) {
  if (bool_or(json, "use_attn_moe", false, place)) {
    fail(field_of(place, "use_attn_moe"), "is true; experts in attention are not supported");
  }
  MixtureConfig mixture;
  mixture.num_experts = has(json, "num_local_experts") ? json_int(json, "num_local_experts", place) : 8;
  mixture.num_selects = has(json, "num_experts_per_tok") ? json_int(json, "num_experts_per_tok", place) : 2;
  mixture.gate_network = GateNetwork::linear;
  mixture.balance_loss_weight = number_or(json, "router_aux_loss_coef", 1e-3, place);
  mixture.score_scale = {number_or(json, "scale_factor", 1, place)};
  if (mixture.num_experts < 1 || mixture.num_experts > kMaxExperts) {
    fail(field_of(place, "num_local_experts"),
         fmt::format("is {}, must be from 1 to {}", mixture.num_experts, kMaxExperts));
  }
  mixture.expert_sizes =
      same_sizes(layers, mixture.num_experts, intermediate_size, field_of(place, "num_local_experts"));
  return mixture;
}

Json llama_moe_json(const MixtureConfig& mixture) {
  Json json = {{"num_experts", mixture.num_experts},
               {"num_selects", mixture.num_selects},
               {"size_experts", mixture.expert_sizes},
               {"gate_type", gate_name(mixture.gate)},
               {"gate_use_softmax", true},
               {"gate_use_balance", mixture.balance_loss_weight > 0},
               {"gate_balance_loss_weight", mixture.balance_loss_weight},
               {"gate_add_noise", mixture.add_noise},
               {"gate_noise_epsilon", mixture.noise_epsilon},
               {"calculator_type", mixture.capacity_factor > 0 ? kDroppingCalculator : "UniversalCalculator"},
               {"multiply_gate_scores", mixture.multiply_scores},
               {"add_weight_norm", false},
               {"drop_tokens", mixture.capacity_factor > 0},
               {"dropped_padding", "zero"}};
  for (const NetworkName& row : kNetworkNames) {
    // Published configurations carry it under both names.
    if (row.network == mixture.gate_network) json["gate_network"] = json["gates"] = row.name;
  }
  if (mixture.capacity_factor > 0) json["capacity_factor"] = mixture.capacity_factor;
  json["score_scale_factor"] =
      mixture.score_scale.size() == 1 ? Json(mixture.score_scale.front()) : Json(mixture.score_scale);
  // Fields of this program's own, written only where they say something.
  if (mixture.shared_size > 0) json[kSharedField] = mixture.shared_size;
  if (mixture.selection_bias) json["gate_selection_bias"] = true;
  if (mixture.learned_scale) json["score_scale_learned"] = true;
  return json;
}

Json mixtral_json(const MixtureConfig& mixture) {
  Json json = {{"num_local_experts", mixture.num_experts},
               {"num_experts_per_tok", mixture.num_selects},
               {"router_aux_loss_coef", mixture.balance_loss_weight}};
  if (mixture.score_scale.front() != 1) json["scale_factor"] = mixture.score_scale.front();
  return json;
}

const char* gate_name(GateKind kind) {
  return std::find_if(std::begin(kGateNames), std::end(kGateNames),
                      [kind](const GateName& row) { return row.kind == kind; })
      ->name;
}

}  // namespace mathtrap
