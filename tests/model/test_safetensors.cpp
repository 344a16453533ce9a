// safetensors files: written and read, and what is refused.
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <cstdint>
#include <fstream>

#include "model/mapped_tensor.h"
#include "model/safetensors.h"
#include "support/error.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"

using namespace mathtrap;

namespace {

using Tensors = std::map<std::string, at::Tensor>;

/// A file of a header and `data_bytes` zero bytes behind it.
std::string file_of(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + std::string(data_bytes, '\0');
}

std::string error_of_file(const std::string& bytes) {
  const ScratchFolder folder;
  const std::string path = folder.write("model.safetensors", bytes);
  return error_of([&] { read_safetensors(path); });
}

}  // namespace

TEST_CASE("tensors of every dtype are written and read back") {
  Tensors tensors;
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort,
                                    at::kChar, at::kByte, at::kBool}) {
    tensors[c10::toString(type)] = at::arange(15, at::kFloat).remainder(2).view({3, 5}).to(type);
  }
  tensors["scalar"] = at::full({}, 2.5);
  tensors["nothing"] = at::empty({0, 4});
  tensors["transposed"] = at::arange(6, at::kFloat).view({2, 3}).t();
  const ScratchFolder folder;
  write_safetensors(folder / "a", tensors, {{"format", "pt"}});
  const Tensors again = read_safetensors(folder / "a");
  REQUIRE(again.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    REQUIRE(again.at(name).scalar_type() == tensor.scalar_type());
    REQUIRE(again.at(name).sizes() == tensor.sizes());
    CHECK(again.at(name).equal(tensor));
  }
  write_safetensors(folder / "b", again, {{"format", "pt"}});
  CHECK(read_file(folder / "a") == read_file(folder / "b"));
}

TEST_CASE("tensors outlive their file's name and the map they came in") {
  at::Tensor kept;
  {
    const ScratchFolder folder;
    write_safetensors(folder / "a", {{"x", at::ones({1000})}, {"y", at::zeros({1000})}}, {});
    kept = read_safetensors(folder / "a").at("x");
  }
  CHECK(kept.sum().item<float>() == 1000);
}

TEST_CASE("pages of a mapped tensor leave memory when they are not needed, and come back with their values") {
  const ScratchFolder folder;
  const at::Tensor values = at::arange(1 << 22, at::kInt);  // 16 MB
  write_safetensors(folder / "large", {{"x", values}}, {});
  // Pages of files that are mapped here, by the third number of statm.
  const auto mapped_pages = [] {
    std::int64_t size = 0;
    std::int64_t resident = 0;
    std::int64_t shared = 0;
    std::ifstream("/proc/self/statm") >> size >> resident >> shared;
    return shared;
  };
  const at::Tensor x = read_safetensors(folder / "large").at("x");
  CHECK(x.equal(values));
  const std::int64_t before = mapped_pages();
  page_out(x);
  if (mapped_pages() == before) {
    WARN("[skipped] this kernel keeps the pages: it is older than 5.4");
  } else {
    CHECK(mapped_pages() < before - 3000);  // of 4,096
  }
  CHECK(x.equal(values));
  // Memory of the process itself keeps its values as well.
  page_out(values);
  CHECK(values[12345].item<int>() == 12345);
}

TEST_CASE("a tensor that is not aligned for its dtype is read") {
  // The header's length of 65 puts the data on an odd address.
  std::string header = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  header.resize(65, ' ');
  std::string bytes = file_of(header, 0);
  const float values[] = {1.5F, -2.0F};
  bytes.append(reinterpret_cast<const char*>(values), sizeof(values));
  const ScratchFolder folder;
  const at::Tensor x = read_safetensors(folder.write("a", bytes)).at("x");
  CHECK(x[0].item<float>() == 1.5F);
  CHECK(x[1].item<float>() == -2.0F);
}

TEST_CASE("a damaged safetensors file is refused in one line") {
  const std::string good = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  REQUIRE(error_of_file(file_of(good, 8)) == "no error");
  struct Case {
    std::string bytes;
    const char* message;
  };
  const auto x = [](const char* dtype, const char* shape, const char* places) {
    return fmt::format(R"({{"x":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape, places);
  };
  const auto two = [](const char* first, const char* second) {
    return fmt::format(R"({{"x":{{"dtype":"F32","shape":[2],"data_offsets":{}}},)"
                       R"("y":{{"dtype":"F32","shape":[2],"data_offsets":{}}}}})",
                       first, second);
  };
  const Case cases[] = {
      {"", "too short"},
      {"\x08", "too short"},
      {std::string(8, '\xff'), "its header of 18446744073709551615 bytes is longer than the file"},
      {file_of(good, 8).substr(0, 20), "is longer than the file"},
      {file_of(good, 7), "do not lie in the file's 7 bytes"},
      {file_of(good, 9), "1 bytes behind the last tensor"},
      {file_of("[]", 0), "a JSON object is wanted"},
      {file_of("{", 0), "not valid JSON"},
      {file_of(std::string(1000, '['), 0), "nested deeper"},
      {file_of(R"({"x":1})", 0), "x: a JSON object is wanted"},
      {file_of(R"({"a\nb":1})", 0), "a?b: a JSON object is wanted"},
      {file_of(x(R"("F8_E4M3")", "[2]", "[0,2]"), 2), "x: dtype \"F8_E4M3\" is not supported"},
      {file_of(x("7", "[2]", "[0,8]"), 8), "x: dtype is missing or of the wrong type"},
      {file_of(x(R"("F32")", "[-2]", "[0,8]"), 8), "x: shape is missing or of the wrong type"},
      {file_of(x(R"("F32")", "2", "[0,8]"), 8), "x: shape is missing or of the wrong type"},
      {file_of(x(R"("F32")", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8), "x: shape is missing or of the wrong type"},
      {file_of(x(R"("F32")", "[2]", "[0]"), 8), "x: data_offsets does not hold two numbers"},
      {file_of(x(R"("F32")", "[2]", "[0,-8]"), 8), "x: data_offsets is missing"},
      {file_of(x(R"("F32")", "[2]", "[8,0]"), 8), "x: data_offsets [8, 0] do not lie"},
      {file_of(x(R"("F32")", "[2]", "[0,9223372036854775807]"), 8), "do not lie in the file's 8 bytes"},
      {file_of(x(R"("F32")", "[3]", "[0,8]"), 8), "x: dtype and shape [3] do not agree with its 8 bytes"},
      {file_of(x(R"("F64")", "[2]", "[0,8]"), 8), "do not agree with its 8 bytes"},
      {file_of(x(R"("F32")", "[]", "[0,7]"), 7), "do not agree with its 7 bytes"},
      {file_of(x(R"("F32")", "[4294967296,4294967296,4294967296]", "[0,0]"), 0), "do not agree with its 0 bytes"},
      {file_of(x(R"("F32")", "[0,9223372036854775807,9223372036854775807]", "[0,0]"), 0), "do not agree"},
      {file_of(two("[0,8]", "[4,12]"), 12), "y: its data overlaps"},
      {file_of(two("[0,8]", "[0,8]"), 8), "y: its data overlaps"},
      {file_of(two("[0,8]", "[12,20]"), 20), "y: 4 unused bytes before it"},
  };
  for (const Case& bad : cases) {
    const std::string message = error_of_file(bad.bytes);
    INFO(message << "\nwanted: " << bad.message);
    CHECK(contains(message, bad.message));
    CHECK(contains(message, "model.safetensors: "));
    CHECK_FALSE(contains(message, "\n"));
  }
}
