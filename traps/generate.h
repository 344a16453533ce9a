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

/// Calls `take` for `count` records, the families in turn. A family's records depend on the seed, the split and the
/// family alone: more of them, other families or another order of files leave them as they are. A record is drawn anew
/// when its original stood in an earlier one of this call, as long as fresh ones are found. Returns how many repeat an
/// earlier original. Throws Error naming a family whose conditions are (nearly) never met.
std::uint64_t generate_records(const std::vector<Family>& families, Split split, std::uint64_t count,
                               std::uint64_t seed, const std::function<void(const Record&)>& take);

/// The same, kept.
std::vector<Record> generate_records(const std::vector<Family>& families, Split split, std::uint64_t count,
                                     std::uint64_t seed);

/// The same for reply forms.
std::uint64_t generate_replies(const std::vector<ReplyForm>& forms, Split split, std::uint64_t count,
                               std::uint64_t seed, const std::function<void(const FormedReply&)>& take);

}  // namespace mathtrap
