// The examples of docs/authoring.md are what they say: proved, of all five types, and without findings.
#include <set>
#include <string>

#include "datasets/record.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/traps/scratch_family.h"
#include "traps/lint/lint.h"
#include "traps/proof/proof_json.h"
#include "traps/proof/prover.h"

using namespace mathtrap;

TEST_CASE("every example of the authoring guide is proved, one of each type") {
  const std::string guide = read_file(resource("docs/authoring.md"));
  const std::string begin = "```toml\n";
  std::set<TrapType> types;
  for (std::size_t at = guide.find(begin); at != std::string::npos; at = guide.find(begin, at + 1)) {
    const std::size_t first = at + begin.size();
    const ScratchFile file(guide.substr(first, guide.find("```\n", first) - first), "example");
    const Record record = read_toml_record(file.path());
    REQUIRE(record.trap_type);
    types.insert(*record.trap_type);
    const ProofResult result = prove_all({record}, {}, 1).at(0);
    INFO(record.original->problem << " " << to_json(result).dump());
    CHECK(result.verdict == ProofVerdict::proved);
    for (const Finding& finding : lint({record}, {})) {
      INFO(finding.message);
      CHECK(false);
    }
  }
  CHECK(types.size() == 5);
}
