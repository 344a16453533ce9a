// Bringing sets in: every record of the files is kept or named with the reason why not.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

struct ImportOptions {
  std::string format = "auto";  ///< a name of import_formats.h, or auto: each file by the fields of its records
  bool skip_bad = false;        ///< broken records are left out and named; else the first is an error
};

struct SkippedRecord {
  Place place;
  std::string reason;
};

/// read == records.size() + skipped.size(). The skipped are in the order of the files.
struct ImportResult {
  std::vector<Record> records;
  std::vector<SkippedRecord> skipped;
  std::size_t read = 0;
};

/// Reads JSON arrays and JSON lines. Ids are unique over all files and stay: "<file>-<number of the record>", or the
/// record's own in our exchange form. A trap gets the original that its set holds elsewhere; records of one original,
/// in whatever file, share a cluster. Records that are sound and have no place here (MathCheck's judgings of solutions)
/// are skipped. Throws Error naming file, line and field: for a file that cannot be read, and without `skip_bad` for a
/// broken record.
ImportResult import_dataset(const std::vector<std::string>& files, const ImportOptions& options);

}  // namespace mathtrap
