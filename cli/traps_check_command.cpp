// mathtrap traps check: proves that originals have exactly their answers and traps none, for the reason of their type.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "harness/dataset_choice.h"
#include "model/runtime.h"
#include "support/files.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "support/progress.h"
#include "traps/proof/flaw.h"
#include "traps/proof/proof_json.h"
#include "traps/proof/prover.h"

namespace mathtrap {
namespace {

struct CheckOptions {
  std::vector<std::string> data;
  std::size_t count = 0;
  ProofLimits limits;
  bool store = false;
};

/// What came out, in the order of the records.
struct Checked {
  std::vector<ProofResult> results;
  std::vector<ProvedFlaw> flaws;
  std::vector<std::string> stale;  ///< places where another flaw is stored
  std::size_t stored = 0;          ///< files that were rewritten
};

constexpr ProofVerdict kVerdicts[] = {ProofVerdict::proved, ProofVerdict::refuted, ProofVerdict::undecided,
                                      ProofVerdict::unproved};

std::string where(const ProofResult& result) {
  if (result.place.file.empty()) return result.id;
  return result.place.line == 0 ? result.place.file : fmt::format("{}:{}", result.place.file, result.place.line);
}

std::string describe_witness(const Witness& witness) {
  std::vector<std::string> parts;
  for (const NamedValue& value : witness.values) parts.push_back(fmt::format("{} = {}", value.name, value.value));
  std::string values = fmt::format("{}", fmt::join(parts, ", "));
  if (witness.ask.empty()) return values;
  return fmt::format("what is asked for is {} with {}", witness.ask, values);
}

void print_obligation(const char* name, const Obligation& obligation) {
  if (obligation.verdict == ProofVerdict::proved) return;
  fmt::print("  {}: {}: {}\n", name, to_string(obligation.verdict), obligation.message);
  if (!obligation.core.empty()) {
    fmt::print("    these statements conflict: {}\n", fmt::join(obligation.core, ", "));
  }
  for (const Witness& witness : obligation.witnesses) fmt::print("    for example {}\n", describe_witness(witness));
}

/// What a reader of one file wants to see of a proof.
void print_flaw(const ProofResult& result, const ProvedFlaw& flaw) {
  if (!flaw.core.empty()) fmt::print("  trap: these statements conflict:\n");
  for (const CoreStatement& item : flaw.core) {
    fmt::print("    {}{}{}\n", item.statement, item.sentence.empty() ? "" : ": ", item.sentence);
  }
  if (result.trap.verdict != ProofVerdict::proved) return;
  for (const Witness& witness : result.trap.witnesses) fmt::print("  trap: {}\n", describe_witness(witness));
}

void print_results(const Checked& checked, const std::map<ProofVerdict, std::size_t>& counts) {
  const std::vector<ProofResult>& results = checked.results;
  const bool few = results.size() <= 5;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const ProofResult& result = results[i];
    if (result.verdict == ProofVerdict::proved && !few) continue;
    fmt::print("{}: {}\n", where(result), to_string(result.verdict));
    print_obligation("original", result.original);
    print_obligation("trap", result.trap);
    if (few) print_flaw(result, checked.flaws[i]);
  }
  for (const std::string& file : checked.stale) {
    fmt::print("{}: flaw: what is stored is not what the proof says now; run mathtrap traps check --store\n", file);
  }
  std::vector<std::string> parts;
  for (const ProofVerdict verdict : kVerdicts) {
    parts.push_back(fmt::format("{} {}", counts.at(verdict), to_string(verdict)));
  }
  fmt::print("{} problems: {}\n", results.size(), fmt::join(parts, ", "));
}

Json item_json(const ProofResult& result, const ProvedFlaw& flaw) {
  Json details = to_json(result);
  Json item = {{"id", result.id}};
  if (result.trap_type) item["trap_type"] = to_string(*result.trap_type);
  item["verdict"] = to_string(result.verdict);
  item["original"] = to_string(result.original.verdict);
  item["trap"] = to_string(result.trap.verdict);
  item["core"] = result.trap.core;
  item["sentences"] = Json::array();
  for (const CoreStatement& statement : flaw.core) item["sentences"].push_back(statement.sentence);
  item["details"] = {{"original", details["original"]}, {"trap", details["trap"]}};
  return item;
}

void print_json(const Checked& checked, const std::map<ProofVerdict, std::size_t>& counts) {
  Json json = Json::object();
  for (const ProofVerdict verdict : kVerdicts) json[std::string(to_string(verdict))] = counts.at(verdict);
  json["stale"] = checked.stale;
  json["items"] = Json::array();
  for (std::size_t i = 0; i < checked.results.size(); ++i) {
    json["items"].push_back(item_json(checked.results[i], checked.flaws[i]));
  }
  fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

bool same_core(const ProvedFlaw& a, const ProvedFlaw& b) {
  return std::equal(a.core.begin(), a.core.end(), b.core.begin(), b.core.end(),
                    [](const CoreStatement& x, const CoreStatement& y) {
                      return x.statement == y.statement && x.sentence == y.sentence;
                    });
}

/// Writes what was found into the authored files, or notes where another flaw is stored. The answers of a missing
/// condition are examples, and may differ from one version of Z3 to another.
void compare_stored(const std::vector<Record>& records, bool store, Checked& checked) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const ProvedFlaw& stored = records[i].flaw;
    const ProvedFlaw& found = checked.flaws[i];
    const std::string& file = records[i].place.file;
    const bool authored = records[i].family.empty() && file.ends_with(".toml");
    const bool same = same_core(stored, found) && stored.answers.empty() == found.answers.empty();
    if (store && authored && !same) {
      write_file_atomically(file, with_flaw(read_file(file), found));
      ++checked.stored;
    } else if (!same && !(stored.core.empty() && stored.answers.empty())) {
      checked.stale.push_back(where(checked.results[i]));
    }
  }
}

int check(const CheckOptions& options, const CommonOptions& common) {
  const std::vector<Record> records = choose_records(options.data, options.count, common.seed);
  const int workers = common.threads > 0 ? common.threads : available_threads();
  Checked checked;
  {
    Progress progress("prove", records.size(), "problems");
    checked.results = prove_all(records, options.limits, workers, [&](std::size_t finished) {
      if (interrupted()) throw Interrupted("interrupted; nothing was reported");
      progress.update(finished);
    });
  }
  std::map<ProofVerdict, std::size_t> counts;
  for (const ProofVerdict verdict : kVerdicts) counts[verdict] = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    ++counts[checked.results[i].verdict];
    checked.flaws.push_back(flaw_of(records[i], checked.results[i]));
  }
  compare_stored(records, options.store, checked);
  if (options.store) note(fmt::format("{} files were given what was found", checked.stored));
  common.json ? print_json(checked, counts) : print_results(checked, counts);
  return counts[ProofVerdict::refuted] == 0 && checked.stale.empty() ? 0 : 1;
}

}  // namespace

void add_traps_check_command(CLI::App& traps, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<CheckOptions>();
  options->data = {"open", "families"};
  CLI::App* command = traps.add_subcommand("check", "Prove that originals have their answers and traps none");
  add_common_options(*command, common);
  command->add_option("data", options->data, "open, families[/GROUP][:SPLIT], files or folders")->capture_default_str();
  command->add_option("--count", options->count, "Instances of the families (default: 500); of other sets, so many");
  command->add_option("--timeout", options->limits.seconds, "Seconds for one question to the solver")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->add_option("--memory", options->limits.megabytes, "Megabytes for the solver")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  command->add_flag("--store", options->store, "Write what conflicts into the authored files, for judges and readers");
  command->callback([options, &common, &action] { action = [options, &common] { return check(*options, common); }; });
}

}  // namespace mathtrap
