// Quantised formats of GGUF: the value of every element, to the bit, as another program has it.
#include <bit>
#include <cstring>
#include <filesystem>
#include <set>
#include <sstream>
#include <vector>

#include "model/quantized/block_format.h"
#include "support/files.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

std::vector<std::uint8_t> from_hexadecimal(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

const BlockFormat* format_named(const std::string& name) {
  for (std::uint32_t type = 0; type < 64; ++type) {
    const BlockFormat* format = find_block_format(type);
    if (format != nullptr && format->name == name) return format;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("blocks of every quantised format give the published values, to the bit") {
  const std::filesystem::path path = std::filesystem::path(MATHTRAP_SOURCE_DIR) / "tests/golden/gguf/blocks.txt";
  std::set<std::string> formats;
  for_each_line(path, [&](std::string_view line, std::size_t number) {
    if (line.starts_with("#")) return;
    std::istringstream words{std::string(line)};
    std::string name;
    std::string stored;
    std::string expected_values;
    words >> name >> stored >> expected_values;
    INFO("line " << number << ": " << name);
    const BlockFormat* format = format_named(name);
    REQUIRE(format != nullptr);
    const std::vector<std::uint8_t> block = from_hexadecimal(stored);
    const std::vector<std::uint8_t> expected = from_hexadecimal(expected_values);
    REQUIRE(static_cast<std::int64_t>(block.size()) == format->bytes);
    REQUIRE(static_cast<std::int64_t>(expected.size()) == format->elements * 4);
    std::vector<float> values(static_cast<std::size_t>(format->elements), -1.0F);
    format->dequantise(block.data(), values.data());
    std::size_t differing = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint32_t wanted = 0;
      std::memcpy(&wanted, expected.data() + 4 * i, 4);
      if (std::bit_cast<std::uint32_t>(values[i]) != wanted) ++differing;
    }
    CHECK(differing == 0);
    formats.insert(name);
  });
  CHECK(formats.size() == 10);
}
