// Instances of families: fresh triples with their proofs, and of reply forms: questions with replies.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "datasets/record.h"
#include "traps/family.h"
#include "traps/reply_form.h"
#include "traps/split.h"

namespace mathtrap {

/// What `generate_records` and `generate_replies` say of their work.
struct GenerationReport {
  std::uint64_t repeats = 0;           ///< instances whose texts stood in an earlier one
  std::vector<std::string> exhausted;  ///< families that ran out of fresh instances
};

/// Calls `take` for `count` records, the families in turn. Instance i of a family depends on the seed, the split, the
/// family and its earlier instances alone: other families, their order, or a larger count leave it as it is.
/// No original and no trap comes twice, as long as fresh ones are found. After that they repeat in the train split; in
/// the others the family (or its trap) drops out, and the families that remain make up the count.
/// Throws Error: a family whose conditions are (nearly) never met, or all families ran out.
GenerationReport generate_records(const std::vector<Family>& families, Split split, std::uint64_t count,
                                  std::uint64_t seed, const std::function<void(const Record&)>& take);

/// The same, kept.
std::vector<Record> generate_records(const std::vector<Family>& families, Split split, std::uint64_t count,
                                     std::uint64_t seed);

/// The same for reply forms; the split is that of the whole question.
GenerationReport generate_replies(const std::vector<ReplyForm>& forms, Split split, std::uint64_t count,
                                  std::uint64_t seed, const std::function<void(const FormedReply&)>& take);

}  // namespace mathtrap
