#include "harness/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <set>

#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"

namespace mathtrap {
namespace {

constexpr std::array kOrder = {Verdict::correct, Verdict::incorrect, Verdict::no_answer, Verdict::flaw_named,
                               Verdict::refused, Verdict::answered,  Verdict::cut_off};

bool possible(Arm arm, Verdict label) {
  switch (label) {
    case Verdict::cut_off:
      return true;
    case Verdict::unscored:
      return false;
    case Verdict::flaw_named:
    case Verdict::refused:
    case Verdict::answered:
      return arm == Arm::trap;
    default:
      return arm != Arm::trap;
  }
}

void check_label(const JudgeInput& input, const std::string& file) {
  std::string known;
  for (const Verdict verdict : kOrder) {
    if (!possible(input.reference.arm, verdict)) continue;
    if (input.label == to_string(verdict)) return;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", to_string(verdict));
  }
  fail({file, 0, "label"}, fmt::format("\"{}\" of \"{}\" is none of {}", input.label, input.id, known));
}

Json part(std::size_t some, std::size_t all) {
  return all == 0 ? Json() : Json(static_cast<double>(some) / static_cast<double>(all));
}

std::string percent(std::size_t some, std::size_t all) {
  return all == 0 ? "–" : fmt::format("{:.1f}%", 100 * static_cast<double>(some) / static_cast<double>(all));
}

std::size_t count_of(const Agreement& agreement, Verdict label, Verdict verdict) {
  const auto found = agreement.confusion.find({label, verdict});
  return found == agreement.confusion.end() ? 0 : found->second;
}

/// What a table of counts comes to, as parts of all cases.
struct Shares {
  double all = 0;  ///< the cases
  double agreed = 0;
  double chance = 0;  ///< what would agree if labels and verdicts had nothing to do with each other
  std::map<Verdict, double> labels;
  std::map<Verdict, double> verdicts;
};

Shares shares_of(const std::map<std::pair<Verdict, Verdict>, std::size_t>& confusion) {
  Shares shares;
  for (const auto& [pair, count] : confusion) shares.all += static_cast<double>(count);
  if (shares.all == 0) return shares;
  for (const auto& [pair, count] : confusion) {
    const double share = static_cast<double>(count) / shares.all;
    shares.labels[pair.first] += share;
    shares.verdicts[pair.second] += share;
    if (pair.first == pair.second) shares.agreed += share;
  }
  for (const auto& [label, share] : shares.labels) shares.chance += share * shares.verdicts[label];
  return shares;
}

}  // namespace

bool held_back(std::string_view id) {
  return hash64(fmt::format("calibration {}", id)) % 2 == 1;
}

double cohens_kappa(const std::map<std::pair<Verdict, Verdict>, std::size_t>& confusion) {
  const Shares shares = shares_of(confusion);
  if (shares.all == 0) return 0;
  // Only when everything on both sides is one verdict.
  if (shares.chance >= 1) return 1;
  return (shares.agreed - shares.chance) / (1 - shares.chance);
}

KappaInterval kappa_interval(const std::map<std::pair<Verdict, Verdict>, std::size_t>& confusion) {
  constexpr double kTwoSided95 = 1.959963984540054;
  Shares shares = shares_of(confusion);
  if (shares.all == 0) return {-1, 1};
  if (shares.chance >= 1) return {1, 1};
  const double kappa = cohens_kappa(confusion);
  const double rest = 1 - kappa;
  double spread = 0;
  for (const auto& [pair, count] : confusion) {
    const double share = static_cast<double>(count) / shares.all;
    if (pair.first == pair.second) {
      const double both = 1 - (shares.labels[pair.first] + shares.verdicts[pair.first]) * rest;
      spread += share * both * both;
    } else {
      const double crossed = (shares.verdicts[pair.first] + shares.labels[pair.second]) * rest;
      spread += share * crossed * crossed;
    }
  }
  const double offset = kappa - shares.chance * rest;
  const double variance = std::max(0.0, spread - offset * offset) / shares.all;
  const double half = kTwoSided95 * std::sqrt(variance) / (1 - shares.chance);
  return {std::max(-1.0, kappa - half), std::min(1.0, kappa + half)};
}

Agreement agreement_of(const std::vector<LabelledVerdict>& verdicts) {
  Agreement agreement;
  for (const LabelledVerdict& item : verdicts) {
    if (item.verdict == Verdict::unscored) {
      ++agreement.unscored;
      continue;
    }
    ++agreement.n;
    ++agreement.confusion[{item.label, item.verdict}];
    ++agreement.retrieval[item.label].labelled;
    ++agreement.retrieval[item.verdict].given;
    if (item.label != item.verdict) continue;
    ++agreement.agreed;
    ++agreement.retrieval[item.label].both;
  }
  agreement.kappa = cohens_kappa(agreement.confusion);
  agreement.interval = kappa_interval(agreement.confusion);
  return agreement;
}

std::vector<std::string> calibration_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(resource("datasets/calibration"))) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<JudgeInput> read_calibration(const std::vector<std::string>& files) {
  std::vector<JudgeInput> inputs;
  std::set<std::string> ids;
  for (const std::string& file : files) {
    for (JudgeInput& input : read_judge_input(file)) {
      check_label(input, file);
      if (!ids.insert(input.id).second) {
        fail({file, 0, "id"}, fmt::format("\"{}\" is in an earlier file too", input.id));
      }
      inputs.push_back(std::move(input));
    }
  }
  return inputs;
}

Json to_json(const Agreement& agreement) {
  Json confusion = Json::object();
  for (const auto& [pair, count] : agreement.confusion) {
    confusion[std::string(to_string(pair.first))][std::string(to_string(pair.second))] = count;
  }
  Json verdicts = Json::object();
  for (const auto& [verdict, found] : agreement.retrieval) {
    verdicts[std::string(to_string(verdict))] = {{"labelled", found.labelled},
                                                 {"given", found.given},
                                                 {"precision", part(found.both, found.given)},
                                                 {"recall", part(found.both, found.labelled)}};
  }
  return {{"n", agreement.n},
          {"unscored", agreement.unscored},
          {"agreed", agreement.agreed},
          {"kappa", agreement.kappa},
          {"kappa_low", agreement.interval.low},
          {"kappa_high", agreement.interval.high},
          {"confusion", confusion},
          {"verdicts", verdicts}};
}

std::string agreement_table(const Agreement& agreement) {
  std::string text = fmt::format("{} replies, {} agree ({}), κ {:.3f} (95%: {:.3f} to {:.3f})", agreement.n,
                                 agreement.agreed, percent(agreement.agreed, agreement.n), agreement.kappa,
                                 agreement.interval.low, agreement.interval.high);
  if (agreement.unscored != 0) text += fmt::format("; {} more are unscored", agreement.unscored);
  text += fmt::format("\n{:<12}", "label");
  for (const Verdict verdict : kOrder) text += fmt::format("{:>12}", to_string(verdict));
  text += fmt::format("{:>12}{:>12}\n", "precision", "recall");
  for (const Verdict label : kOrder) {
    const auto found = agreement.retrieval.find(label);
    if (found == agreement.retrieval.end()) continue;
    text += fmt::format("{:<12}", to_string(label));
    for (const Verdict verdict : kOrder) {
      const std::size_t count = count_of(agreement, label, verdict);
      text += fmt::format("{:>12}", count == 0 ? "·" : std::to_string(count));
    }
    const Retrieval& retrieval = found->second;
    text += fmt::format("{:>12}{:>12}\n", percent(retrieval.both, retrieval.given),
                        percent(retrieval.both, retrieval.labelled));
  }
  return text;
}

}  // namespace mathtrap
