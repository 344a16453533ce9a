// Records for tests.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "datasets/record.h"
#include "support/files.h"

namespace mathtrap {

/// An original "What is N + 1?", its trap "What is N + some?", and one conceptual question.
inline Record sum_record(int n) {
  Record record;
  record.id = fmt::format("sum-{}", n);
  record.cluster = record.id;
  record.topic = "arithmetic";
  record.trap_type = n % 2 == 0 ? TrapType::missing_condition : TrapType::direct_contradiction;
  record.original = Original{fmt::format("What is {} + 1?", n), "", std::to_string(n + 1)};
  record.trap = Trap{fmt::format("What is {} + some?", n), "It is not said how much is added.", {"(?i)not said"}};
  record.concepts = {{fmt::format("Is {} even?", n), n % 2 == 0, ""}};
  return record;
}

/// A fresh, empty place in the temporary folder.
inline std::filesystem::path fresh_path(std::string_view name) {
  std::filesystem::path path = std::filesystem::temp_directory_path() / fmt::format("mathtrap-{}-{}", name, ::getpid());
  std::filesystem::remove_all(path);
  return path;
}

/// A data set file of `count` sum records.
inline std::filesystem::path sum_dataset(int count) {
  std::filesystem::path file = fresh_path("sums");
  file += ".jsonl";
  std::string lines;
  for (int n = 1; n <= count; ++n) lines += write_json_record(sum_record(n)) + "\n";
  write_file_atomically(file, lines);
  return file;
}

}  // namespace mathtrap
