// Writes the seeds of every fuzz target: make_seeds FOLDER gives FOLDER/<target>/seed-N.
#include <fmt/format.h>

#include <filesystem>

#include "support/files.h"
#include "tests/model/fuzz_targets.h"

int main(int argument_count, char** arguments) {
  if (argument_count != 2) return 2;
  for (const mathtrap::FuzzTarget& target : mathtrap::fuzz_targets()) {
    const std::filesystem::path folder = std::filesystem::path(arguments[1]) / target.name;
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const std::string& seed : target.seeds()) {
      mathtrap::write_file_atomically(folder / fmt::format("seed-{}", number++), seed);
    }
  }
  return 0;
}
