// mathtrap traps check: proves that originals have exactly their answers and traps none, for the reason of their type.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "harness/dataset_choice.h"
#include "model/runtime.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "support/progress.h"
#include "traps/proof/proof_json.h"
#include "traps/proof/prover.h"

namespace mathtrap {
namespace {

struct CheckOptions {
  std::vector<std::string> data;
  std::size_t count = 0;
  ProofLimits limits;
};

/// Ends the work of the prover from within.
struct Interrupted {};

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
void print_proof(const ProofResult& result) {
  const Obligation& trap = result.trap;
  if (trap.verdict != ProofVerdict::proved) return;
  if (!trap.core.empty()) fmt::print("  trap: these statements conflict: {}\n", fmt::join(trap.core, ", "));
  for (const Witness& witness : trap.witnesses) fmt::print("  trap: {}\n", describe_witness(witness));
}

void print_results(const std::vector<ProofResult>& results, const std::map<ProofVerdict, std::size_t>& counts) {
  const bool few = results.size() <= 5;
  for (const ProofResult& result : results) {
    if (result.verdict == ProofVerdict::proved && !few) continue;
    fmt::print("{}: {}\n", where(result), to_string(result.verdict));
    print_obligation("original", result.original);
    print_obligation("trap", result.trap);
    if (few) print_proof(result);
  }
  std::vector<std::string> parts;
  for (const ProofVerdict verdict : kVerdicts) {
    parts.push_back(fmt::format("{} {}", counts.at(verdict), to_string(verdict)));
  }
  fmt::print("{} problems: {}\n", results.size(), fmt::join(parts, ", "));
}

void print_json(const std::vector<ProofResult>& results, const std::map<ProofVerdict, std::size_t>& counts) {
  Json json = Json::object();
  for (const ProofVerdict verdict : kVerdicts) json[std::string(to_string(verdict))] = counts.at(verdict);
  json["items"] = Json::array();
  for (const ProofResult& result : results) json["items"].push_back(to_json(result));
  fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

int check(const CheckOptions& options, const CommonOptions& common) {
  const std::vector<Record> records = choose_records(options.data, options.count, common.seed);
  const int workers = common.threads > 0 ? common.threads : available_threads();
  std::vector<ProofResult> results;
  try {
    Progress progress("prove", records.size(), "problems");
    results = prove_all(records, options.limits, workers, [&](std::size_t finished) {
      if (interrupted()) throw Interrupted();
      progress.update(finished);
    });
  } catch (const Interrupted&) {
    note("interrupted; nothing was reported");
    return 1;
  }
  std::map<ProofVerdict, std::size_t> counts;
  for (const ProofVerdict verdict : kVerdicts) counts[verdict] = 0;
  for (const ProofResult& result : results) ++counts[result.verdict];
  common.json ? print_json(results, counts) : print_results(results, counts);
  return counts[ProofVerdict::refuted] == 0 ? 0 : 1;
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
  command->callback([options, &common, &action] { action = [options, &common] { return check(*options, common); }; });
}

}  // namespace mathtrap
