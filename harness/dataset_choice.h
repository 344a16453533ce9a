// The data set that a run is made on, by the name that --dataset gives.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

struct DatasetChoice {
  std::string name;    ///< as given
  std::string sha256;  ///< of the records in exchange form: it does not depend on where they were read from
  std::vector<Record> records;
};

/// How many instances `families` gives without a limit.
inline constexpr std::size_t kDefaultInstances = 500;

/// `name` is "open" (the shipped triples), "families[/GROUP][:SPLIT]" (fresh instances made from `seed`; GROUP is a
/// folder of datasets/families, SPLIT train, validation or test, the default), or the path of anything that
/// read_dataset reads. `limit` (0: none) is the number of instances of families; of other sets it picks so many records
/// with `seed`, which keep their order, and a larger limit picks the same ones and more. Throws Error that names
/// `option`, the flag that gave the name.
DatasetChoice choose_dataset(const std::string& name, std::size_t limit, std::uint64_t seed,
                             const char* option = "--dataset");

/// The records of several data sets, one after the other. Throws Error.
std::vector<Record> choose_records(const std::vector<std::string>& names, std::size_t limit, std::uint64_t seed);

}  // namespace mathtrap
