// What the fuzzers run, on a short corpus: seeds, the collection of bad files, and both with a few bytes changed.
#include <filesystem>

#include "support/files.h"
#include "support/log.h"
#include "support/random.h"
#include "tests/catch.h"
#include "tests/model/fuzz_targets.h"

using namespace mathtrap;
namespace fs = std::filesystem;

namespace {

constexpr int kChangesOfEach = 200;

std::vector<std::string> corpus_of(const FuzzTarget& target) {
  std::vector<std::string> corpus = target.seeds();
  for (const auto& entry : fs::directory_iterator(fs::path(MATHTRAP_SOURCE_DIR) / "tests/golden/bad")) {
    if (*target.ending != '\0' && entry.path().extension() == target.ending) corpus.push_back(read_file(entry.path()));
  }
  return corpus;
}

/// Sets some bytes to values that sizes and counts go wrong at, or cuts the end off.
std::string changed(std::string bytes, Random& random) {
  constexpr unsigned char kValues[] = {0, 1, 0x7f, 0x80, 0xff, '-', '9', '}'};
  const auto pick = [&](std::size_t count) {
    return static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(count) - 1));
  };
  if (bytes.empty()) return bytes;
  for (std::size_t i = 0; i <= pick(4); ++i) {
    bytes[pick(bytes.size())] = static_cast<char>(kValues[pick(std::size(kValues))]);
  }
  if (pick(8) == 0) bytes.resize(pick(bytes.size()));
  return bytes;
}

}  // namespace

TEST_CASE("every reader survives a short corpus of damaged inputs") {
  set_quiet(true);
  for (const FuzzTarget& target : fuzz_targets()) {
    INFO(target.name);
    Random random(1, target.name);
    for (const std::string& input : corpus_of(target)) {
      target.run(input);
      for (int i = 0; i < kChangesOfEach; ++i) target.run(changed(input, random));
    }
    SUCCEED();
  }
}
