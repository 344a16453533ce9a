#include "finetune/domains.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>
#include <string_view>

#include "datasets/toml_fields.h"
#include "support/error.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr double kUniformPart = 1e-4;  // of the softmax rule: no domain dies out
constexpr std::size_t kMaxDomains = 256;

struct PublishedShares {
  std::string_view domain;
  double llama;
  double sheared;
};
constexpr PublishedShares kPublished[] = {
    {"cc", 0.67, 0.361},    {"c4", 0.15, 0.492},     {"github", 0.045, 0.008},      {"wiki", 0.045, 0.031},
    {"book", 0.045, 0.091}, {"arxiv", 0.025, 0.007}, {"stackexchange", 0.02, 0.01},
};

constexpr std::string_view kTrainEnding = ".train.jsonl";

std::vector<Domain> domains_of_folder(const std::string& folder) {
  std::vector<Domain> domains;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(kTrainEnding)) continue;
    const std::string name = file.substr(0, file.size() - kTrainEnding.size());
    const fs::path validation = entry.path().parent_path() / (name + ".validation.jsonl");
    domains.push_back({name, entry.path().string(), fs::exists(validation) ? validation.string() : "", 1, {}});
  }
  if (domains.empty()) fail({folder, 0, ""}, "has no NAME.train.jsonl; give a folder of domains or a TOML file");
  std::sort(domains.begin(), domains.end(), [](const Domain& a, const Domain& b) { return a.name < b.name; });
  return domains;
}

std::optional<double> optional_number(const TomlTable& table, std::string_view key) {
  const toml::node* node = table.table->get(key);
  if (node == nullptr) return std::nullopt;
  const std::optional<double> number = node->value<double>();
  if (!number || !std::isfinite(*number) || *number < 0) fail(place_of(table, key), "must be a number of at least 0");
  return number;
}

std::vector<Domain> domains_of_file(const std::string& path) {
  const toml::table root = read_toml_file(path);
  const TomlTable table{&root, path, ""};
  refuse_unknown(table, {"domain"});
  const fs::path folder = fs::path(path).parent_path();
  std::vector<Domain> domains;
  for (const TomlTable& entry : subtables(table, "domain")) {
    refuse_unknown(entry, {"name", "train", "validation", "weight", "reference_loss"});
    Domain domain;
    domain.name = required_text(entry, "name");
    domain.train = (folder / required_text(entry, "train")).string();
    const std::string validation = optional_text(entry, "validation");
    if (!validation.empty()) domain.validation = (folder / validation).string();
    domain.weight = optional_number(entry, "weight").value_or(1);
    domain.reference_loss = optional_number(entry, "reference_loss");
    domains.push_back(std::move(domain));
  }
  if (domains.empty()) fail({path, 0, "domain"}, "no [[domain]] is there");
  return domains;
}

/// Names become parts of file names.
void check_domains(const std::vector<Domain>& domains, const std::string& path) {
  if (domains.size() > kMaxDomains) fail({path, 0, ""}, fmt::format("more than {} domains", kMaxDomains));
  std::set<std::string_view> seen;
  for (const Domain& domain : domains) {
    const bool plain = !domain.name.empty() && domain.name.front() != '.' &&
                       domain.name.find_first_of(std::string_view("/\\:,\0", 5)) == std::string::npos;
    if (!plain) fail({path, 0, "name"}, fmt::format("'{}' cannot name a domain: no / \\ : , are allowed", domain.name));
    if (!seen.insert(domain.name).second) {
      fail({path, 0, "name"}, fmt::format("two domains are named '{}'", domain.name));
    }
  }
}

std::vector<double> published_weights(const std::vector<Domain>& domains, bool sheared) {
  std::vector<double> weights;
  for (const Domain& domain : domains) {
    const auto* const found = std::find_if(std::begin(kPublished), std::end(kPublished),
                                           [&](const PublishedShares& row) { return row.domain == domain.name; });
    if (found == std::end(kPublished)) {
      throw Error(
          fmt::format("--weights {}: there is no such share of a domain '{}', only of cc, c4, github, wiki, book, "
                      "arxiv, stackexchange; give NAME:SHARE,…, uniform or size",
                      sheared ? "sheared" : "llama", domain.name));
    }
    weights.push_back(sheared ? found->sheared : found->llama);
  }
  return weights;
}

std::vector<double> listed_weights(const std::string& text, const std::vector<Domain>& domains) {
  std::vector<double> weights(domains.size(), 0);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    const std::size_t colon = part.find(':');
    const auto domain = std::find_if(domains.begin(), domains.end(),
                                     [&](const Domain& one) { return one.name == part.substr(0, colon); });
    double share = -1;
    if (colon != std::string_view::npos) {
      const std::string_view number = part.substr(colon + 1);
      const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), share);
      if (problem != std::errc() || end != number.data() + number.size()) share = -1;
    }
    if (domain == domains.end() || !(share >= 0 && share <= 1e6)) {
      throw Error(
          fmt::format("--weights: '{}' is not NAME:SHARE of a domain that there is; or give file, uniform, "
                      "size, llama, sheared",
                      part));
    }
    weights[static_cast<std::size_t>(domain - domains.begin())] = share;
  }
  return weights;
}

void normalise(std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
}

}  // namespace

std::vector<Domain> read_domains(const std::string& path) {
  std::vector<Domain> domains = fs::is_directory(path) ? domains_of_folder(path) : domains_of_file(path);
  check_domains(domains, path);
  return domains;
}

std::vector<double> choose_weights(const std::string& wanted, const std::vector<Domain>& domains,
                                   const std::vector<std::int64_t>& tokens) {
  std::vector<double> weights;
  if (wanted == "file") {
    for (const Domain& domain : domains) weights.push_back(domain.weight);
  } else if (wanted == "uniform") {
    weights.assign(domains.size(), 1);
  } else if (wanted == "size") {
    for (const std::int64_t count : tokens) weights.push_back(static_cast<double>(count));
  } else if (wanted == "llama" || wanted == "sheared") {
    weights = published_weights(domains, wanted == "sheared");
  } else {
    weights = listed_weights(wanted, domains);
  }
  if (std::all_of(weights.begin(), weights.end(), [](double weight) { return weight == 0; })) {
    throw Error("--weights: at least one share must be above 0");
  }
  normalise(weights);
  return weights;
}

SamplingRule parse_sampling(const std::string& text) {
  for (const SamplingRule rule : {SamplingRule::fixed, SamplingRule::softmax, SamplingRule::excess}) {
    if (text == to_string(rule)) return rule;
  }
  throw Error(fmt::format("--sampling: '{}' is not static, dynamic or dynamic-excess", text));
}

std::string to_string(SamplingRule rule) {
  if (rule == SamplingRule::fixed) return "static";
  return rule == SamplingRule::softmax ? "dynamic" : "dynamic-excess";
}

std::vector<double> updated_weights(SamplingRule rule, const std::vector<double>& weights,
                                    const std::vector<double>& losses, const std::vector<double>& references) {
  std::vector<double> updated = weights;
  if (rule == SamplingRule::fixed) return updated;
  double largest = -INFINITY;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0) largest = std::max(largest, losses[i] - references[i]);
  }
  // exp(excess - largest) cannot overflow, and the normalisation takes the factor away again.
  const double shift = rule == SamplingRule::excess ? std::max(0.0, largest) : largest;
  double drawn = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;  // its losses may be anything
    ++drawn;
    const double excess = losses[i] - references[i];
    updated[i] = weights[i] * std::exp((rule == SamplingRule::excess ? std::max(0.0, excess) : excess) - shift);
  }
  normalise(updated);
  if (rule == SamplingRule::softmax) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] > 0) updated[i] = (1 - kUniformPart) * updated[i] + kUniformPart / drawn;
    }
    normalise(updated);
  }
  return updated;
}

}  // namespace mathtrap
