// What holds among the records of a set: no two have one id, and those of one original share a cluster.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

class UniqueIds {
 public:
  /// Throws Error at the record's place when an earlier one has its id.
  void add(const Record& record);

 private:
  std::unordered_map<std::string, Place> seen_;
};

/// Records of one original are not independent: statistics must see them as one cluster. Those that share a cluster, or
/// the text of the original, all get the cluster of the first. `groups`, where given, holds for each record the text or
/// name of a problem that it belongs to besides ("": none).
void share_clusters(std::vector<Record>& records, const std::vector<std::string>& groups = {});

}  // namespace mathtrap
