// PyTorch's zip files: tensors in every layout, Meta's names, and pickles that are refused.
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <filesystem>

#include "model/checkpoint.h"
#include "model/pytorch_file.h"
#include "support/error.h"
#include "support/log.h"
#include "tests/catch.h"
#include "tests/model/pytorch_writer.h"
#include "tests/model/scratch.h"
#include "tests/model/small_checkpoint.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

using Tensors = std::map<std::string, at::Tensor>;

Tensors read(const std::string& bytes) {
  const ScratchFolder folder;
  return read_pytorch_file(folder.write("model.bin", bytes));
}

std::string error_of_bytes(const std::string& bytes) {
  return error_of([&] { read(bytes); });
}

/// A file of one pickle and one storage, "0", of 6 floats.
std::string file_of(const PickleWriter& pickle) {
  return make_zip({{"saved/data.pkl", pickle.bytes()}, {"saved/data/0", std::string(24, '\0')}});
}

std::string error_of_tensor(std::string_view type, std::string_view key, std::int64_t elements, std::int64_t offset,
                            const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
  PickleWriter pickle;
  pickle.raw("\x80\x02}").string("x").tensor(type, key, elements, offset, shape, strides).raw("s.");
  return error_of_bytes(file_of(pickle));
}

void check_message(const std::string& message, const char* wanted) {
  INFO(message << "\nwanted: " << wanted);
  CHECK(contains(message, wanted));
  CHECK(contains(message, "model.bin: "));
  CHECK_FALSE(contains(message, "\n"));
}

}  // namespace

TEST_CASE("tensors that torch.save wrote are read, with and without zip64") {
  Tensors tensors;
  tensors["float"] = at::arange(6, at::kFloat).view({2, 3});
  tensors["half"] = at::arange(6, at::kHalf);
  tensors["bfloat16"] = at::arange(6, at::kFloat).to(at::kBFloat16);
  tensors["long"] = at::full({}, 7, at::kLong);
  tensors["transposed"] = at::arange(6, at::kFloat).view({2, 3}).t();
  tensors["empty"] = at::empty({0, 3});
  for (const bool zip64 : {false, true}) {
    const Tensors again = read(make_pytorch_file(tensors, zip64));
    REQUIRE(again.size() == tensors.size());
    for (const auto& [name, tensor] : tensors) {
      INFO(name);
      CHECK(again.at(name).scalar_type() == tensor.scalar_type());
      CHECK(again.at(name).is_contiguous());
      CHECK(again.at(name).equal(tensor));
    }
  }
}

TEST_CASE("tensors may share a storage, be parameters, and stand beside other values") {
  PickleWriter pickle;
  pickle.raw("\x80\x02").global("collections", "OrderedDict").raw(")R(");
  pickle.string("first").tensor("FloatStorage", "0", 6, 0, {2}, {1});
  pickle.string("rest").tensor("FloatStorage", "0", 6, 2, {2, 2}, {2, 1});
  pickle.string("parameter").global("torch._utils", "_rebuild_parameter").raw("(");
  pickle.tensor("FloatStorage", "0", 6, 5, {1}, {1}).raw("\x88}tR");
  pickle.string("epoch").integer(3).string("none").raw("N").string("list").raw(
      "](K\x01K\x02"
      "eu");
  pickle.raw("}").string("_metadata").raw("}sb.");
  const float values[] = {0, 1, 2, 3, 4, 5};
  const std::string storage(reinterpret_cast<const char*>(values), sizeof(values));
  const Tensors tensors = read(make_zip({{"a/data.pkl", pickle.bytes()}, {"a/data/0", storage}}));
  REQUIRE(tensors.size() == 3);
  CHECK(tensors.at("first").equal(at::arange(2, at::kFloat)));
  CHECK(tensors.at("rest").equal(at::arange(2, 6, at::kFloat).view({2, 2})));
  CHECK(tensors.at("parameter").equal(at::full({1}, 5.F)));
}

TEST_CASE("a model of PyTorch files loads: in a folder, as one file, with Meta's names") {
  set_quiet(true);
  const Checkpoint checkpoint = small_checkpoint();
  const ScratchFolder folder;
  folder.write("config.json", write_hugging_face_config(checkpoint.config));
  folder.write("tokenizer.model", checkpoint.tokenizer_model);
  const auto check = [&](const std::string& path) {
    const Checkpoint again = read_checkpoint(path);
    REQUIRE(again.tensors.size() == checkpoint.tensors.size());
    for (const auto& [name, tensor] : checkpoint.tensors) CHECK(again.tensors.at(name).equal(tensor));
    CHECK(again.config.num_attention_heads == 4);
    CHECK(again.config.num_key_value_heads == 2);
    CHECK(again.tokenizer_model == checkpoint.tokenizer_model);
  };
  folder.write("pytorch_model.bin", make_pytorch_file(checkpoint.tensors));
  check(folder.path());
  check(folder / "pytorch_model.bin");

  Tensors meta = meta_tensors(checkpoint);
  check(folder.write("consolidated.00.pth", make_pytorch_file(meta)));
  // Old files of Meta's hold the frequencies, which tell the size of a head.
  meta["rope.freqs"] = at::ones({4});
  check(folder.write("consolidated.00.pth", make_pytorch_file(meta)));
  folder.write("params.json", R"({"dim": 32, "n_heads": 4, "n_layers": 2, "norm_eps": 1e-6, "vocab_size": -1})");
  check(folder / "consolidated.00.pth");
  CHECK(read_checkpoint(folder / "consolidated.00.pth").config.rms_norm_eps == 1e-6);
  for (const auto& [params, message] : std::map<std::string, std::string>{
           {R"({"n_heads": 5})", "n_heads: 5 does not divide 32"},
           {R"({"n_heads": 0})", "n_heads: 0 does not divide 32"},
           {R"({"n_layers": 3})", "n_layers: is 3, the weights say 2"},
           {R"({"n_heads": 1})", "queries of 32 and keys of 16 are no whole heads of 32"},
           {R"({"n_heads": 4, "n_kv_heads": 4})", "n_kv_heads: is 4, the weights say 2"},
           {R"({"use_scaled_rope": true})", "use_scaled_rope: is not supported"},
       }) {
    folder.write("params.json", params);
    const std::string error = error_of([&] { read_checkpoint(folder / "consolidated.00.pth"); });
    INFO(error);
    CHECK(contains(error, message));
  }
}

TEST_CASE("a pickle that would run something is refused") {
  for (const char* name : {"posix\nsystem", "builtins\neval", "torch\nload", "torch.nn\nFloatStorage", "\n"}) {
    PickleWriter pickle;
    pickle
        .raw(
            "\x80\x02"
            "c")
        .raw(name)
        .raw("\n(")
        .string("true")
        .raw("tR.");
    check_message(error_of_bytes(file_of(pickle)), "which is no part of a tensor: refused");
  }
  PickleWriter stacked;
  stacked.raw("\x80\x04").string("os").string("system").raw("\x93.");
  check_message(error_of_bytes(file_of(stacked)), "names os.system, which is no part of a tensor: refused");
}

TEST_CASE("a tensor that does not fit its storage is refused") {
  REQUIRE(error_of_tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1}) == "no error");
  constexpr std::int64_t kHuge = INT64_MAX;
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, {7}, {1}), "x: shape [7] at offset 0 does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, 4, {3}, {1}), "x: shape [3] at offset 4 does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, -1, {3}, {1}), "does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, kHuge, {3}, {1}), "does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, {-3}, {1}), "does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, {3}, {-1}), "does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, {3}, {kHuge}), "does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, {3, 3}, {kHuge / 2, kHuge / 2}), "does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, {kHuge, kHuge}, {0, 0}), "does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, {1000}, {0}), "does not fit");
  check_message(error_of_tensor("FloatStorage", "0", 7, 0, {7}, {1}),
                "its storage holds 6 elements, the pickle says 7");
  check_message(error_of_tensor("DoubleStorage", "0", 6, 0, {6}, {1}), "its storage holds 3 elements");
  check_message(error_of_tensor("FloatStorage", "0", -1, 0, {0}, {1}), "the pickle says -1");
  check_message(error_of_tensor("FloatStorage", "1", 6, 0, {6}, {1}), "x: its storage 1 is missing");
  check_message(error_of_tensor("QInt8Storage", "0", 6, 0, {6}, {1}), "x: QInt8Storage is not supported");
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, {6}, {}), "more or fewer strides");
  check_message(error_of_tensor("FloatStorage", "0", 6, 0, std::vector<std::int64_t>(9, 1), {}), "too many dimensions");
}

TEST_CASE("a malformed pickle is refused in one line") {
  struct Case {
    std::string pickle;
    const char* message;
  };
  const std::string ordered = "ccollections\nOrderedDict\n";
  const Case cases[] = {
      {"", "the pickle is cut off"},
      {"\x80", "the pickle is cut off"},
      {".", "takes a value where there is none"},
      {"}", "the pickle is cut off"},
      {"}.", "the dict holds no tensors"},
      {"N.", "something else than a dict"},
      {"(.", "takes a value where there is none"},
      {"}(.", "takes a value where there is none"},
      {"I1\n.", "instruction 0x49 is not one"},
      {std::string("X\xff\xff\xff\xff", 5) + "a.", "the pickle is cut off: 4294967295 bytes"},
      {"ccollections", "cut off in a line"},
      {"t.", "ends a container that was not begun"},
      {"\x86.", "takes a value where there is none"},
      {"h\x05.", "recalls what was not stored"},
      {"q\x05.", "takes a value where there is none"},
      {"}(K\x01u.", "a key without a value"},
      {"}K\x01"
       "a.",
       "adds items to something that holds none"},
      {"](K\x01K\x02u.", "adds items to something that holds none"},
      {"K\x01K\x02R.", "a name is wanted"},
      {ordered + "K\x01R.", "a tuple is wanted"},
      {ordered + "K\x01\x85R.", "a tensor is made from the wrong parts"},
      {"NNb.", "sets attributes of something else"},
      {"K\x01Q.", "a tuple is wanted"},
      {")Q.", "a reference to something else than a storage"},
      {"\x8a\x09"
       "123456789.",
       "an integer of more than 64 bits"},
      {std::string(3'000'000, 'N'), "more than 2000000 values"},
  };
  for (const Case& bad : cases) {
    check_message(error_of_bytes(make_zip({{"saved/data.pkl", bad.pickle}})), bad.message);
  }
  PickleWriter itself;  // a dict that holds itself
  itself.raw("}q\x01").string("x").raw("h\x01s.");
  check_message(error_of_bytes(file_of(itself)), "the dict holds no tensors");
}

TEST_CASE("a damaged zip file is refused in one line") {
  const std::string good = make_pytorch_file({{"x", at::ones({4})}});
  REQUIRE(error_of_bytes(good) == "no error");
  const auto changed = [&](std::size_t from_end, std::string_view bytes) {
    std::string file = good;
    return error_of_bytes(file.replace(file.size() - from_end, bytes.size(), bytes));
  };
  check_message(error_of_bytes(""), "not a PyTorch zip file");
  check_message(error_of_bytes("\x80\x02\x8a\x0a"), "not a PyTorch zip file");
  check_message(error_of_bytes(good.substr(0, good.size() / 2)), "not a PyTorch zip file");
  check_message(changed(6, "\xf0\xff\xff\x7f"), "the zip directory lies outside of the file");
  check_message(changed(10, "\xf0\xff\xff\x7f"), "the zip directory lies outside of the file");
  check_message(changed(12, "\xf0\x7f"), "the zip directory is cut off");
  check_message(changed(6, "\xff\xff\xff\xff"), "the zip64 record is missing");
  check_message(error_of_bytes(make_zip({})), "without data.pkl");
  check_message(error_of_bytes(make_zip({{"a/b/data.pkl", "."}})), "without data.pkl");
  check_message(error_of_bytes(make_zip({{"a/data.pkl", "."}, {"a/data.pkl", "."}})), "is there twice");
  check_message(error_of_bytes(make_zip({{"a/data.pkl", "."}, {"a/byteorder", "big"}})), "only little-endian");
  const std::size_t entry = good.find("PK\x01\x02");
  const auto in_entry = [&](std::size_t at, std::string_view bytes) {
    std::string file = good;
    return error_of_bytes(file.replace(entry + at, bytes.size(), bytes));
  };
  check_message(in_entry(0, "XX"), "the zip directory is damaged");
  check_message(in_entry(8, "\x01"), "the zip entry is encrypted");
  check_message(in_entry(10, "\x08"), "the zip entry is compressed");
  check_message(in_entry(20, std::string_view("\x00\x00\x00\x40\x00\x00\x00\x40", 8)), "lies outside of the file");
  check_message(in_entry(42, "\xf0\xff\xff\x7f"), "lies outside of the file");
  check_message(in_entry(42, "\x01"), "the zip entry is damaged");
}
