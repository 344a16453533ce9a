#include "traps/proof/flaw.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "traps/proof/prover.h"
#include "traps/proof/sentences.h"

namespace mathtrap {
namespace {

/// The statements that stand in the trap's problem or behind it.
std::vector<Statement> statements_of_trap(const Record& record) {
  const Proof& proof = record.proof;
  std::vector<Statement> statements;
  for (const auto& [part, text] : {std::pair<const char*, const std::string&>{"givens", proof.givens},
                                   {"trap", proof.trap},
                                   {"requirement", proof.requirement},
                                   {"common_sense", proof.common_sense}}) {
    const SmtText smt = read_smt_text(text, part, record.place);
    statements.insert(statements.end(), smt.statements.begin(), smt.statements.end());
  }
  return statements;
}

bool is_empty(const ProvedFlaw& flaw) {
  return flaw.core.empty() && flaw.answers.empty();
}

std::string reason_of(const ProofResult& result) {
  const Obligation& failed = result.original.verdict == ProofVerdict::proved ? result.trap : result.original;
  return fmt::format("the {} is {}: {}", &failed == &result.trap ? "trap" : "original", to_string(failed.verdict),
                     failed.message);
}

}  // namespace

ProvedFlaw flaw_of(const Record& record, const ProofResult& result) {
  ProvedFlaw flaw;
  if (!record.trap || result.trap.verdict != ProofVerdict::proved) return flaw;
  const std::vector<Statement> statements = statements_of_trap(record);
  for (const std::string& name : result.trap.core) {
    const auto found =
        std::find_if(statements.begin(), statements.end(), [&](const Statement& item) { return item.name == name; });
    const bool known = found != statements.end();
    flaw.core.push_back({name, known ? std::string(sentence_of(*found, record.trap->problem)) : ""});
  }
  for (const Witness& witness : result.trap.witnesses) flaw.answers.push_back(witness.ask);
  return flaw;
}

void prove_instances(std::vector<Record>& records, int workers) {
  std::vector<std::size_t> places;
  std::vector<Record> instances;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].family.empty() || !is_empty(records[i].flaw)) continue;
    places.push_back(i);
    instances.push_back(records[i]);
  }
  const std::vector<ProofResult> results = prove_all(instances, {}, workers);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Record& instance = instances[i];
    if (results[i].verdict != ProofVerdict::proved && instance.proof.unproved.empty()) {
      fail(instance.place, fmt::format("the instance {} is not proved: {}; see mathtrap traps check", instance.id,
                                       reason_of(results[i])));
    }
    records[places[i]].flaw = flaw_of(instance, results[i]);
  }
}

std::string with_flaw(const std::string& toml, const ProvedFlaw& flaw) {
  constexpr std::string_view kHeading = "\n# Found by the prover";
  std::string text = toml.substr(0, toml.find(kHeading));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  text += '\n';
  const std::string block = write_toml_flaw(flaw);
  if (block.empty()) return text;
  return text + std::string(kHeading) + "; rewritten by mathtrap traps check --store.\n" + block;
}

}  // namespace mathtrap
