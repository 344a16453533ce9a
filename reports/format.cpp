#include "reports/format.h"

#include <fmt/format.h>

#include <algorithm>

namespace mathtrap {
namespace {

std::string spaced(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

/// A value of run.json by its path, as text; empty when it is absent.
std::string value_at(const Json& run, std::initializer_list<const char*> path) {
  const Json* value = &run;
  for (const char* name : path) {
    if (!value->is_object() || !value->contains(name)) return {};
    value = &(*value)[name];
  }
  return value->is_string() ? value->get<std::string>() : value->dump();
}

std::string short_hash(const std::string& hash) {
  return hash.substr(0, 12);
}

}  // namespace

std::string percent(double part) {
  return fmt::format("{:.1f}%", 100 * part);
}

std::string percent_range(const Interval& interval) {
  return fmt::format("{:.1f}–{:.1f}%", 100 * interval.low, 100 * interval.high);
}

std::string ratio_text(const std::optional<Ratio>& ratio) {
  if (!ratio) return "–";
  const std::string high = ratio->high ? fmt::format("{:.1f}%", 100 * *ratio->high) : "∞";
  return fmt::format("{} ({:.1f}–{})", percent(ratio->value), 100 * ratio->low, high);
}

std::string bootstrap_text(const BootstrapInterval& interval) {
  return fmt::format("{:.1f}–{}", 100 * interval.low, interval.high ? percent(*interval.high) : "∞");
}

std::string accuracy_text(const Proportion& accuracy) {
  if (accuracy.n == 0) return "–";
  return fmt::format("{} ({})", percent(accuracy.value), percent_range(accuracy.ci95));
}

std::string points_text(double difference, const Interval& interval) {
  return fmt::format("{:+.1f} ({:+.1f} to {:+.1f})", 100 * difference, 100 * interval.low, 100 * interval.high);
}

std::string pass_text(const EpochResults& epochs) {
  std::string text;
  for (const auto& [k, value] : epochs.pass_at) {
    text += fmt::format("{}pass@{} {}", text.empty() ? "" : " · ", k, percent(value));
  }
  return text;
}

std::string kind_of(const Composition& composition) {
  return composition.spontaneous ? "spontaneous" : "passive";
}

std::string words(Verdict verdict) {
  return spaced(to_string(verdict));
}
std::string words(TrapType type) {
  return spaced(to_string(type));
}

std::vector<Verdict> verdicts_of(Arm arm) {
  if (arm == Arm::trap)
    return {Verdict::flaw_named, Verdict::refused, Verdict::answered, Verdict::cut_off,
            Verdict::unscored,   Verdict::failed,  Verdict::unjudged};
  return {Verdict::correct,  Verdict::incorrect, Verdict::no_answer, Verdict::cut_off,
          Verdict::unscored, Verdict::failed,    Verdict::unjudged};
}

std::size_t count_of(const Group& group, Verdict verdict) {
  const auto found = group.verdicts.find(verdict);
  return found == group.verdicts.end() ? 0 : found->second;
}

std::vector<const Group*> overall_groups(const Results& results) {
  std::vector<const Group*> groups;
  for (const Group& group : results.groups) {
    if (!group.trap_type) groups.push_back(&group);
  }
  return groups;
}

const Group* find_group(const Results& results, Arm arm, std::string_view intervention, std::optional<TrapType> type) {
  const auto found = std::find_if(results.groups.begin(), results.groups.end(), [&](const Group& group) {
    return group.arm == arm && group.intervention == intervention && group.trap_type == type;
  });
  return found == results.groups.end() ? nullptr : &*found;
}

std::vector<NamedComparison> name_comparisons(const Results& results) {
  std::vector<NamedComparison> named;
  for (const ConditionComparison& row : results.comparisons) {
    named.push_back({fmt::format("{} → {}", row.before, row.after), &row, false});
  }
  return named;
}

std::vector<TypeRow> type_rows(const Results& results) {
  std::vector<TypeRow> rows;
  for (const Group& group : results.groups) {
    if (group.arm == Arm::trap && group.trap_type) rows.push_back({*group.trap_type, group.intervention});
  }
  return rows;
}

std::vector<Fact> run_facts(const Json& run) {
  const std::string parameters = value_at(run, {"model", "parameters"});
  const std::vector<Fact> facts = {
      {"Model", value_at(run, {"model", "name"})},
      {"Server", value_at(run, {"model", "url"})},
      {"Parameters", parameters},
      {"Model hash", short_hash(value_at(run, {"model", "sha256"}))},
      {"Arithmetic", value_at(run, {"model", "dtype"})},
      {"Device", value_at(run, {"model", "device"})},
      {"Data set", value_at(run, {"dataset", "name"})},
      {"Records", value_at(run, {"dataset", "records"})},
      {"Data hash", short_hash(value_at(run, {"dataset", "sha256"}))},
      {"Prompt form", value_at(run, {"prompts", "form"})},
      {"Replies", value_at(run, {"plan", "replies"})},
      {"Longest reply", value_at(run, {"generation", "max_new_tokens"})},
      {"Temperature", value_at(run, {"generation", "temperature"})},
      {"Seed", value_at(run, {"seed"})},
      {"mathtrap", value_at(run, {"mathtrap"})},
  };
  std::vector<Fact> known;
  std::copy_if(facts.begin(), facts.end(), std::back_inserter(known),
               [](const Fact& fact) { return !fact.value.empty(); });
  return known;
}

}  // namespace mathtrap
