// What few-shot examples give away: problems of the run that are among the possible shots.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

/// Places of the records whose cluster, original or trap is one of a shot's; texts are compared by their letters and
/// digits, in lower case.
std::vector<std::size_t> contaminated_records(std::span<const Record> records, std::span<const Record> shots);

/// Throws Error with the ids, or with `drop` takes the records out and returns a note; "" when there is nothing to do.
std::string leave_out_contaminated(std::vector<Record>& records, std::span<const Record> shots, bool drop);

}  // namespace mathtrap
