#include "model/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "model/byte_reader.h"
#include "support/error.h"

namespace mathtrap {
namespace {

// 50,000 tensors take about a million values.
constexpr std::size_t kMaxValues = 2'000'000;
constexpr std::size_t kMaxNameBytes = 64;  // of a storage's type and key: short, and copied into every tensor
constexpr std::size_t kMaxDimensions = 8;

/// Opcodes of pickle protocols 2 to 4 that torch.save writes for tensors (Python's Lib/pickle.py).
enum class Opcode : unsigned char {
  mark = '(',
  stop = '.',
  bin_int = 'J',
  bin_int1 = 'K',
  bin_int2 = 'M',
  none = 'N',
  bin_persistent_id = 'Q',
  reduce = 'R',
  bin_unicode = 'X',
  append = 'a',
  build = 'b',
  global = 'c',
  append_all = 'e',
  bin_get = 'h',
  long_bin_get = 'j',
  empty_list = ']',
  bin_put = 'q',
  long_bin_put = 'r',
  set_item = 's',
  tuple = 't',
  empty_tuple = ')',
  set_items = 'u',
  empty_dict = '}',
  bin_float = 'G',
  protocol = 0x80,
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  new_true = 0x88,
  new_false = 0x89,
  long1 = 0x8a,
  short_bin_unicode = 0x8c,
  stack_global = 0x93,
  memoize = 0x94,
  frame = 0x95,
};

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kSize = "torch.Size";
constexpr std::string_view kStoragePrefix = "torch.";
constexpr std::string_view kStorageSuffix = "Storage";

enum class Kind : unsigned char { other, integer, string, sequence, dict, global, storage, tensor };

/// Values refer to each other by their number: a dict may contain itself, and nothing is freed recursively.
using ValueNumber = std::uint32_t;

struct Value {
  Kind kind = Kind::other;
  std::int64_t integer = 0;  ///< of a global, a tensor: its place in the list of these; of a storage: its elements
  std::string_view text;     ///< of a string, and a storage's key; lies in the pickle
  std::vector<ValueNumber> items;  ///< of a sequence; of a dict, keys and values in turn; of a storage, its type
};

bool is_storage_type(std::string_view name) {
  return name.size() <= kMaxNameBytes && name.starts_with(kStoragePrefix) && name.ends_with(kStorageSuffix) &&
         name.find('.', kStoragePrefix.size()) == name.npos;
}

bool is_known(std::string_view name) {
  constexpr std::array kKnown = {kOrderedDict, kRebuildTensor, kRebuildParameter, kSize};
  return is_storage_type(name) || std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
}

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> pickle, const std::string& path)
      : reader_(pickle, {path, 0, "data.pkl"}, "pickle"), place_{path, 0, "data.pkl"} {}

  std::map<std::string, PickledTensor> run() {
    while (step(static_cast<Opcode>(reader_.take_number<unsigned char>()))) {
    }
    const Value& root = values_[pop()];
    if (root.kind != Kind::dict) fail(place_, "holds something else than a dict of tensors");
    std::map<std::string, PickledTensor> tensors;
    for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const Value& key = values_[root.items[i]];
      const Value& value = values_[root.items[i + 1]];
      if (key.kind != Kind::string || value.kind != Kind::tensor) continue;
      tensors.insert_or_assign(std::string(key.text), tensors_[static_cast<std::size_t>(value.integer)]);
    }
    if (tensors.empty()) fail(place_, "the dict holds no tensors");
    return tensors;
  }

 private:
  /// Performs one instruction; false at the end of the program.
  bool step(Opcode opcode) {
    switch (opcode) {
      case Opcode::stop:
        return false;
      case Opcode::protocol:
        reader_.take(1);
        return true;
      case Opcode::frame:
        reader_.take(8);
        return true;
      case Opcode::mark:
        marks_.push_back(stack_.size());
        return true;
      default:
        if (!step_scalar(opcode) && !step_container(opcode) && !step_memory(opcode) && !step_object(opcode)) {
          fail(place_, fmt::format("instruction {:#04x} is not one that tensors are pickled with",
                                   static_cast<unsigned>(opcode)));
        }
        return true;
    }
  }

  bool step_scalar(Opcode opcode) {
    switch (opcode) {
      case Opcode::none:
      case Opcode::new_true:
      case Opcode::new_false:
        push({});
        return true;
      case Opcode::bin_float:
        reader_.take(8);
        push({});
        return true;
      case Opcode::bin_int:
        push_integer(reader_.take_number<std::int32_t>());
        return true;
      case Opcode::bin_int1:
        push_integer(reader_.take_number<std::uint8_t>());
        return true;
      case Opcode::bin_int2:
        push_integer(reader_.take_number<std::uint16_t>());
        return true;
      case Opcode::long1:
        push_integer(take_long());
        return true;
      case Opcode::bin_unicode:
        push_string(reader_.take_text(reader_.take_number<std::uint32_t>()));
        return true;
      case Opcode::short_bin_unicode:
        push_string(reader_.take_text(reader_.take_number<std::uint8_t>()));
        return true;
      default:
        return false;
    }
  }

  bool step_container(Opcode opcode) {
    switch (opcode) {
      case Opcode::empty_tuple:
      case Opcode::empty_list:
        push_sequence({});
        return true;
      case Opcode::empty_dict:
        push_kind(Kind::dict);
        return true;
      case Opcode::tuple:
        push_sequence(pop_to_mark());
        return true;
      case Opcode::tuple1:
      case Opcode::tuple2:
      case Opcode::tuple3:
        push_sequence(pop_many(static_cast<std::size_t>(opcode) - static_cast<std::size_t>(Opcode::tuple1) + 1));
        return true;
      case Opcode::append:
        extend(pop_many(1), Kind::sequence);
        return true;
      case Opcode::append_all:
        extend(pop_to_mark(), Kind::sequence);
        return true;
      case Opcode::set_item:
        extend(pop_many(2), Kind::dict);
        return true;
      case Opcode::set_items:
        extend(pop_to_mark(), Kind::dict);
        return true;
      default:
        return false;
    }
  }

  bool step_memory(Opcode opcode) {
    switch (opcode) {
      case Opcode::bin_put:
        remember(reader_.take_number<std::uint8_t>());
        return true;
      case Opcode::long_bin_put:
        remember(reader_.take_number<std::uint32_t>());
        return true;
      case Opcode::memoize:
        remember(static_cast<std::uint32_t>(memo_.size()));
        return true;
      case Opcode::bin_get:
        recall(reader_.take_number<std::uint8_t>());
        return true;
      case Opcode::long_bin_get:
        recall(reader_.take_number<std::uint32_t>());
        return true;
      default:
        return false;
    }
  }

  bool step_object(Opcode opcode) {
    switch (opcode) {
      case Opcode::global: {
        const std::string_view module = reader_.take_line();
        push_global(module, reader_.take_line());
        return true;
      }
      case Opcode::stack_global: {
        const std::vector<ValueNumber> parts = pop_many(2);
        push_global(text_of(parts[0]), text_of(parts[1]));
        return true;
      }
      case Opcode::bin_persistent_id:
        push_storage(pop());
        return true;
      case Opcode::reduce: {
        const std::vector<ValueNumber> call = pop_many(2);
        push_result(call[0], call[1]);
        return true;
      }
      case Opcode::build:
        pop();  // attributes of an OrderedDict (its "_metadata"): not needed
        if (values_[top()].kind != Kind::dict) malformed("sets attributes of something else than a dict");
        return true;
      default:
        return false;
    }
  }

  [[noreturn]] void malformed(const char* what) const { fail(place_, fmt::format("malformed pickle: {}", what)); }

  void push(Value value) {
    if (values_.size() >= kMaxValues) fail(place_, fmt::format("more than {} values", kMaxValues));
    stack_.push_back(static_cast<ValueNumber>(values_.size()));
    values_.push_back(std::move(value));
  }
  void push_kind(Kind kind) {
    Value value;
    value.kind = kind;
    push(std::move(value));
  }
  void push_integer(std::int64_t integer) {
    Value value;
    value.kind = Kind::integer;
    value.integer = integer;
    push(std::move(value));
  }
  void push_string(std::string_view text) {
    Value value;
    value.kind = Kind::string;
    value.text = text;
    push(std::move(value));
  }
  void push_sequence(std::vector<ValueNumber> items) {
    Value value;
    value.kind = Kind::sequence;
    value.items = std::move(items);
    push(std::move(value));
  }

  void push_global(std::string_view module, std::string_view name) {
    std::string whole = fmt::format("{}.{}", module, name);
    if (!is_known(whole)) fail(place_, fmt::format("names {}, which is no part of a tensor: refused", whole));
    Value value;
    value.kind = Kind::global;
    value.integer = static_cast<std::int64_t>(globals_.size());
    globals_.push_back(std::move(whole));
    push(std::move(value));
  }

  /// ("storage", type, key, device, elements)
  void push_storage(ValueNumber persistent_id) {
    const std::vector<ValueNumber>& parts = sequence_of(persistent_id);
    if (parts.size() != 5 || text_of(parts[0]) != "storage") malformed("a reference to something else than a storage");
    if (!is_storage_type(global_of(parts[1]))) malformed("a storage without a type");
    Value value;
    value.kind = Kind::storage;
    value.items = {parts[1]};
    value.text = text_of(parts[2]);
    value.integer = integer_of(parts[4]);
    if (value.text.size() > kMaxNameBytes) malformed("a storage's name is too long");
    push(std::move(value));
  }

  void push_result(ValueNumber callable, ValueNumber arguments_number) {
    const std::string_view name = global_of(callable);
    const std::vector<ValueNumber>& arguments = sequence_of(arguments_number);
    if (name == kOrderedDict && arguments.empty()) {
      push_kind(Kind::dict);
    } else if (name == kRebuildTensor && arguments.size() >= 4) {
      push_tensor(arguments);
    } else if (name == kRebuildParameter && !arguments.empty() && values_[arguments[0]].kind == Kind::tensor) {
      stack_.push_back(arguments[0]);
    } else if (name == kSize && arguments.size() == 1) {
      sequence_of(arguments[0]);
      stack_.push_back(arguments[0]);
    } else {
      malformed("a tensor is made from the wrong parts");
    }
  }

  /// (storage, offset, shape, strides, …)
  void push_tensor(const std::vector<ValueNumber>& arguments) {
    const Value& storage = values_[arguments[0]];
    if (storage.kind != Kind::storage) malformed("a tensor without a storage");
    PickledTensor tensor;
    tensor.storage_type = global_of(storage.items.front()).substr(kStoragePrefix.size());
    tensor.storage_key = storage.text;
    tensor.storage_elements = storage.integer;
    tensor.offset = integer_of(arguments[1]);
    tensor.shape = integers_of(arguments[2]);
    tensor.strides = integers_of(arguments[3]);
    if (tensor.shape.size() != tensor.strides.size()) malformed("a tensor with more or fewer strides than sizes");
    Value value;
    value.kind = Kind::tensor;
    value.integer = static_cast<std::int64_t>(tensors_.size());
    tensors_.push_back(std::move(tensor));
    push(std::move(value));
  }

  std::int64_t take_long() {
    const auto size = reader_.take_number<std::uint8_t>();
    if (size > sizeof(std::int64_t)) malformed("an integer of more than 64 bits");
    const std::span<const std::byte> bytes = reader_.take(size);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
    const bool negative = size != 0 && (static_cast<unsigned>(bytes.back()) & 0x80U) != 0;
    if (negative && size < sizeof(value)) value |= ~std::uint64_t{0} << (8 * size);
    return static_cast<std::int64_t>(value);
  }

  /// Values above the last mark are those of the innermost open container.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  ValueNumber top() const {
    if (stack_.size() <= floor()) malformed("takes a value where there is none");
    return stack_.back();
  }
  ValueNumber pop() {
    const ValueNumber value = top();
    stack_.pop_back();
    return value;
  }
  std::vector<ValueNumber> pop_many(std::size_t count) {
    if (stack_.size() - floor() < count) malformed("takes a value where there is none");
    std::vector<ValueNumber> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }
  std::vector<ValueNumber> pop_to_mark() {
    if (marks_.empty()) malformed("ends a container that was not begun");
    std::vector<ValueNumber> values = pop_many(stack_.size() - marks_.back());
    marks_.pop_back();
    return values;
  }

  void extend(const std::vector<ValueNumber>& items, Kind kind) {
    Value& container = values_[top()];
    if (container.kind != kind) malformed("adds items to something that holds none");
    if (kind == Kind::dict && items.size() % 2 != 0) malformed("a key without a value");
    container.items.insert(container.items.end(), items.begin(), items.end());
  }

  void remember(std::uint32_t key) {
    if (memo_.size() >= kMaxValues) fail(place_, fmt::format("more than {} values", kMaxValues));
    memo_[key] = top();
  }
  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) malformed("recalls what was not stored");
    if (stack_.size() >= kMaxValues) fail(place_, fmt::format("more than {} values", kMaxValues));
    stack_.push_back(found->second);
  }

  std::string_view text_of(ValueNumber number) const {
    if (values_[number].kind != Kind::string) malformed("a string is wanted");
    return values_[number].text;
  }
  std::int64_t integer_of(ValueNumber number) const {
    if (values_[number].kind != Kind::integer) malformed("an integer is wanted");
    return values_[number].integer;
  }
  /// Valid until the next global.
  std::string_view global_of(ValueNumber number) const {
    if (values_[number].kind != Kind::global) malformed("a name is wanted");
    return globals_[static_cast<std::size_t>(values_[number].integer)];
  }
  /// Valid until the next value.
  const std::vector<ValueNumber>& sequence_of(ValueNumber number) const {
    if (values_[number].kind != Kind::sequence) malformed("a tuple is wanted");
    return values_[number].items;
  }
  std::vector<std::int64_t> integers_of(ValueNumber number) const {
    std::vector<std::int64_t> integers;
    if (sequence_of(number).size() > kMaxDimensions) malformed("a tensor of too many dimensions");
    for (const ValueNumber item : sequence_of(number)) integers.push_back(integer_of(item));
    return integers;
  }

  ByteReader reader_;
  Place place_;
  std::vector<Value> values_;
  std::vector<std::string> globals_;  ///< "module.name"
  std::vector<PickledTensor> tensors_;
  std::vector<ValueNumber> stack_;
  std::vector<std::size_t> marks_;  ///< heights of the stack where containers begin
  std::unordered_map<std::uint32_t, ValueNumber> memo_;
};

}  // namespace

std::map<std::string, PickledTensor> unpickle_tensors(std::span<const std::byte> pickle, const std::string& path) {
  return Unpickler(pickle, path).run();
}

}  // namespace mathtrap
