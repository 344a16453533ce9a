// Methods and attributes of values, as Python has them, and arithmetic.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "prompts/jinja/builtins.h"
#include "prompts/jinja/characters.h"

namespace mathtrap::jinja {
namespace {

/// What Python's str, list, tuple and dict can do: a name that is no key of a template's author.
constexpr std::array<std::string_view, 47> kTextMethods = {
    "capitalize",   "casefold",   "center",    "count",       "encode",    "endswith",     "expandtabs",   "find",
    "format",       "format_map", "index",     "isalnum",     "isalpha",   "isascii",      "isdecimal",    "isdigit",
    "isidentifier", "islower",    "isnumeric", "isprintable", "isspace",   "istitle",      "isupper",      "join",
    "ljust",        "lower",      "lstrip",    "maketrans",   "partition", "removeprefix", "removesuffix", "replace",
    "rfind",        "rindex",     "rjust",     "rpartition",  "rsplit",    "rstrip",       "split",        "splitlines",
    "startswith",   "strip",      "swapcase",  "title",       "translate", "upper",        "zfill"};
constexpr std::array<std::string_view, 11> kListMethods = {"append", "clear", "copy",   "count",   "extend", "index",
                                                           "insert", "pop",   "remove", "reverse", "sort"};
constexpr std::array<std::string_view, 11> kMappingMethods = {
    "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"};

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool has_method(const Value& object, std::string_view name) {
  if (text_of(object) != nullptr) return contains(kTextMethods, name);
  if (list_of(object) != nullptr) return contains(kListMethods, name);
  return mapping_of(object) != nullptr && contains(kMappingMethods, name);
}

[[noreturn]] void refuse_undefined(const Value& object) {
  throw Failure(fmt::format("\"{}\" is undefined", std::get<Undefined>(object.data).name));
}

const std::string& wanted_text(const Value* value, std::string_view what) {
  const std::string* text = value == nullptr ? nullptr : text_of(*value);
  if (text == nullptr) throw Failure(fmt::format("{} wants a str", what));
  return *text;
}

Value make_text_list(const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const std::string_view part : parts) items.push_back(make_text(std::string(part)));
  return make_list(std::move(items));
}

/// An optional count; nothing when it is absent or negative: no limit.
std::optional<std::int64_t> limit_of(const Value* value, std::string_view what) {
  if (value == nullptr) return std::nullopt;
  const std::int64_t count = integer_of(*value, what);
  return count < 0 ? std::nullopt : std::optional(count);
}

Value split(std::string_view text, std::string_view name, const Arguments& arguments, Work& work) {
  const auto bound = bind_arguments(arguments, {"sep", "maxsplit"}, name);
  const auto limit = limit_of(bound[1], name);
  if (bound[0] == nullptr || is_none(*bound[0])) {
    if (limit) throw Failure(fmt::format("{} with a limit and without a separator is not supported", name));
    work.charge(32 * text.size());
    return make_text_list(split_at_blanks(text));
  }
  const std::string& separator = wanted_text(bound[0], name);
  if (separator.empty()) throw Failure(fmt::format("{} at an empty separator", name));
  work.charge(16 * text.size());
  work.charge_search(text.size(), separator.size());
  const bool from_right = name == "rsplit";
  std::vector<std::string_view> parts;
  while (!limit || static_cast<std::int64_t>(parts.size()) < *limit) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == text.npos) break;
    parts.push_back(from_right ? text.substr(at + separator.size()) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(at + separator.size());
  }
  parts.push_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return make_text_list(parts);
}

/// Lines without their ends.
Value split_lines(std::string_view text, const Arguments& arguments, Work& work) {
  bind_arguments(arguments, {}, "splitlines");
  if (text.find_first_of("\v\f\x1c\x1d\x1e\x85") != text.npos || text.find("\u2028") != text.npos ||
      text.find("\u2029") != text.npos) {
    throw Failure("splitlines at line ends other than \\n and \\r is not supported");
  }
  work.charge(32 * text.size());
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
    if (text.starts_with("\r\n")) text.remove_prefix(1);
    if (!text.empty()) text.remove_prefix(1);
  }
  return make_text_list(lines);
}

Value replace(std::string_view text, const Arguments& arguments, Work& work) {
  const auto bound = bind_arguments(arguments, {"old", "new", "count"}, "replace");
  const std::string& from = wanted_text(bound[0], "replace");
  const std::string& to = wanted_text(bound[1], "replace");
  const auto limit = limit_of(bound[2], "replace");
  if (from.empty()) throw Failure("replacing an empty text is not supported");
  work.charge_search(text.size(), from.size());
  std::string replaced;
  for (std::int64_t count = 0; !limit || count < *limit; ++count) {
    const std::size_t at = text.find(from);
    if (at == text.npos) break;
    replaced.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
    work.charge(to.size());
    if (replaced.size() > kMaxWeight) break;  // make_text says so
  }
  return make_text(replaced.append(text));
}

/// startswith and endswith, which take a text or a tuple of texts.
Value matches_end(std::string_view text, std::string_view name, const Arguments& arguments) {
  const auto bound = bind_arguments(arguments, {"prefix"}, name);
  const auto matches = [&](const Value& part) {
    const std::string& wanted = wanted_text(&part, name);
    return name == "startswith" ? text.starts_with(wanted) : text.ends_with(wanted);
  };
  const List* several = bound[0] == nullptr ? nullptr : list_of(*bound[0]);
  if (several != nullptr && several->kind == Sequence::tuple) {
    return make_bool(std::any_of(several->items.begin(), several->items.end(), matches));
  }
  return make_bool(matches(bound[0] == nullptr ? make_none() : *bound[0]));
}

/// Python's title(): a capital behind whatever is no letter. Jinja2's filter of that name parts words otherwise.
std::string title(std::string_view text) {
  std::string changed = to_lower(text);
  bool begins = true;
  for (char& c : changed) {
    const bool is_letter = c >= 'a' && c <= 'z';
    if (begins && is_letter) c = static_cast<char>(c + ('A' - 'a'));
    begins = !is_letter;
  }
  return changed;
}

/// Where a part begins, in characters; -1 when it is not there.
std::int64_t position_in(std::string_view text, std::string_view part, bool last) {
  const std::size_t at = last ? text.rfind(part) : text.find(part);
  return at == text.npos ? -1 : static_cast<std::int64_t>(count_characters(text.substr(0, at)));
}

Value call_text_method(std::string_view text, std::string_view name, const Arguments& arguments, Work& work) {
  work.charge(text.size());
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const auto bound = bind_arguments(arguments, {"chars"}, name);
    const bool plain = bound[0] == nullptr || is_none(*bound[0]);
    if (!plain && wanted_text(bound[0], name).empty()) return make_text(std::string(text));
    const std::string_view set = plain ? std::string_view() : wanted_text(bound[0], name);
    work.charge_search(text.size(), 8 * set.size());
    const Ends ends = name == "strip" ? Ends::both : (name == "lstrip" ? Ends::left : Ends::right);
    return make_text(std::string(strip(text, ends, set)));
  }
  if (name == "split" || name == "rsplit") return split(text, name, arguments, work);
  if (name == "splitlines") return split_lines(text, arguments, work);
  if (name == "replace") return replace(text, arguments, work);
  if (name == "startswith" || name == "endswith") return matches_end(text, name, arguments);
  if (name == "find" || name == "rfind" || name == "count") {
    const std::string& part = wanted_text(bind_arguments(arguments, {"sub"}, name)[0], name);
    work.charge_search(text.size(), part.size());
    if (name != "count") return make_integer(position_in(text, part, name == "rfind"));
    if (part.empty()) throw Failure("counting an empty text is not supported");
    std::int64_t count = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++count;
    return make_integer(count);
  }
  if (name == "join") {
    const auto bound = bind_arguments(arguments, {"iterable"}, name);
    Arguments separator;
    separator.positional.push_back(make_text(std::string(text)));
    if (bound[0] == nullptr) throw Failure("join wants a list");
    std::vector<Value> parts = elements_of(*bound[0]);
    for (const Value& part : parts) wanted_text(&part, name);
    return apply_filter("join", make_list(std::move(parts)), separator, work);
  }
  if (name == "title") {
    bind_arguments(arguments, {}, name);
    return make_text(title(text));
  }
  if (name == "upper" || name == "lower" || name == "capitalize") {
    return apply_filter(name, make_text(std::string(text)), arguments, work);
  }
  throw Failure(fmt::format("the method \"{}\" of a str is not supported", name));
}

Value call_mapping_method(const Mapping& mapping, std::string_view name, const Arguments& arguments, Work& work) {
  work.charge(mapping.items.size() + 1);
  if (name == "get") {
    const auto bound = bind_arguments(arguments, {"key", "default"}, name);
    if (bound[0] == nullptr) throw Failure("get wants a key");
    const Value* found = text_of(*bound[0]) == nullptr ? nullptr : find_key(mapping, *text_of(*bound[0]));
    if (found != nullptr) return *found;
    return bound[1] == nullptr ? make_none() : *bound[1];
  }
  if (name != "items" && name != "keys" && name != "values") {
    throw Failure(fmt::format("the method \"{}\" of a dict is not supported", name));
  }
  bind_arguments(arguments, {}, name);
  work.charge(mapping.weight);
  std::vector<Value> items;
  for (const auto& [key, value] : mapping.items) {
    if (name == "items") {
      items.push_back(make_list({make_text(key), value}, Sequence::tuple));
    } else {
      items.push_back(name == "keys" ? make_text(key) : value);
    }
  }
  return make_list(std::move(items), Sequence::view);
}

Value integer_result(std::string_view operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (operation == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (operation == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (operation == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else {
    if (b == 0) throw Failure("a division by zero");
    if (b == -1) return integer_result(operation == "%" ? "*" : "-", 0, operation == "%" ? 0 : a);
    const bool down = a % b != 0 && (a < 0) != (b < 0);  // Python rounds down
    result = operation == "//" ? a / b - (down ? 1 : 0) : a % b + (down ? b : 0);
  }
  if (overflow) throw Failure("a number too large");
  return make_integer(result);
}

Value number_result(std::string_view operation, const Value& a, const Value& b) {
  const bool real = std::holds_alternative<double>(a.data) || std::holds_alternative<double>(b.data);
  if (!real && operation != "/") return integer_result(operation, integer_of(a, "a"), integer_of(b, "b"));
  const double x = number_of(a);
  const double y = number_of(b);
  if (operation == "+") return {x + y};
  if (operation == "-") return {x - y};
  if (operation == "*") return {x * y};
  if (y == 0) throw Failure("a division by zero");
  if (operation == "/") return {x / y};
  throw Failure(fmt::format("\"{}\" of floats is not supported", operation));
}

Value repeat(const Value& value, std::int64_t times, Work& work) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  const std::string* text = text_of(value);
  const std::size_t each = text != nullptr ? text->size() + 1 : weight(value);
  if (count > kMaxWeight / each) throw Failure("a value repeated too often");
  work.charge(count * each);
  if (text != nullptr) {
    std::string repeated;
    for (std::size_t i = 0; i < count; ++i) repeated += *text;
    return make_text(std::move(repeated));
  }
  const List* list = list_of(value);
  std::vector<Value> items;
  for (std::size_t i = 0; i < count; ++i) items.insert(items.end(), list->items.begin(), list->items.end());
  return make_list(std::move(items), list->kind);
}

bool can_repeat(const Value& value) {
  return text_of(value) != nullptr || placed_list_of(value) != nullptr;
}

/// The places that a slice takes, in its order.
std::vector<std::size_t> slice_places(std::size_t size, const Value& first, const Value& last, const Value& step) {
  const auto length = static_cast<std::int64_t>(size);
  const std::int64_t stride = is_none(step) ? 1 : integer_of(step, "a slice's step");
  if (stride == 0) throw Failure("a slice's step is 0");
  const auto bound = [&](const Value& value, std::int64_t absent) {
    if (is_none(value)) return absent;
    std::int64_t place = integer_of(value, "a slice's bound");
    if (place < 0) place = std::max<std::int64_t>(place, -length - 1) + length;
    return std::clamp<std::int64_t>(place, stride < 0 ? -1 : 0, stride < 0 ? length - 1 : length);
  };
  const std::int64_t begin = bound(first, stride > 0 ? 0 : length - 1);
  const std::int64_t end = bound(last, stride > 0 ? length : -1);
  std::vector<std::size_t> places;
  // One step beyond either end is enough, whatever the stride.
  const std::int64_t move = std::clamp<std::int64_t>(stride, -length - 1, length + 1);
  for (std::int64_t at = begin; move > 0 ? at < end : at > end; at += move) {
    places.push_back(static_cast<std::size_t>(at));
  }
  return places;
}

/// The place of an item that may be counted from the end; nothing when it is outside.
std::optional<std::size_t> place_of(const Value& key, std::size_t size) {
  std::int64_t place = integer_of(key, "an index");
  if (place < 0) place += static_cast<std::int64_t>(size);
  if (place < 0 || place >= static_cast<std::int64_t>(size)) return std::nullopt;
  return static_cast<std::size_t>(place);
}

std::string shown_key(const Value& key) {
  return text_of(key) != nullptr ? *text_of(key) : (is_number(key) ? to_text(key) : std::string(kind_name(key)));
}

}  // namespace

Value call_method(const Value& object, std::string_view name, const Arguments& arguments, Work& work) {
  if (is_undefined(object)) refuse_undefined(object);
  if (const std::string* text = text_of(object)) return call_text_method(*text, name, arguments, work);
  if (const Mapping* mapping = mapping_of(object)) return call_mapping_method(*mapping, name, arguments, work);
  throw Failure(fmt::format("the method \"{}\" of a {} is not supported", name, kind_name(object)));
}

Value attribute(const Value& object, std::string_view name) {
  if (is_undefined(object)) refuse_undefined(object);
  if (has_method(object, name))
    throw Failure(fmt::format("the method \"{}\" that is not called is not supported", name));
  if (const Mapping* mapping = mapping_of(object)) {
    if (const Value* found = find_key(*mapping, name)) return *found;
  }
  if (const Namespace* names = namespace_of(object)) {
    const auto found = names->attributes.find(std::string(name));
    if (found != names->attributes.end()) return found->second;
  }
  return make_undefined(std::string(name));
}

Value item(const Value& object, const Value& key) {
  if (is_undefined(object)) refuse_undefined(object);
  if (const Mapping* mapping = mapping_of(object); mapping != nullptr && text_of(key) != nullptr) {
    if (const Value* found = find_key(*mapping, *text_of(key))) return *found;
  }
  if (text_of(key) != nullptr) return attribute(object, *text_of(key));
  if (std::holds_alternative<bool>(key.data) || std::holds_alternative<std::int64_t>(key.data)) {
    if (const List* list = placed_list_of(object)) {
      if (const auto place = place_of(key, list->items.size())) return list->items[*place];
    }
    if (const std::string* text = text_of(object)) {
      const std::vector<std::string_view> all = characters(*text);
      if (const auto place = place_of(key, all.size())) return make_text(std::string(all[*place]));
    }
  }
  return make_undefined(shown_key(key));
}

Value slice(const Value& object, const Value& first, const Value& last, const Value& step, Work& work) {
  if (is_undefined(object)) refuse_undefined(object);
  work.charge(weight(object) * (text_of(object) != nullptr ? 16 : 1));
  if (const std::string* text = text_of(object)) {
    const std::vector<std::string_view> all = characters(*text);
    std::string part;
    for (const std::size_t place : slice_places(all.size(), first, last, step)) part += all[place];
    return make_text(std::move(part));
  }
  const List* list = placed_list_of(object);
  if (list == nullptr) throw Failure(fmt::format("a {} has no slices", kind_name(object)));
  std::vector<Value> part;
  for (const std::size_t place : slice_places(list->items.size(), first, last, step)) {
    part.push_back(list->items[place]);
  }
  return make_list(std::move(part), list->kind);
}

Value calculate(std::string_view operation, const Value& a, const Value& b, Work& work) {
  if (operation == "~") {
    work.charge(weight(a) + weight(b));
    return make_text(to_text(a) + to_text(b));
  }
  if (is_undefined(a)) refuse_undefined(a);
  if (is_undefined(b)) refuse_undefined(b);
  if (is_number(a) && is_number(b)) return number_result(operation, a, b);
  if (operation == "+" && text_of(a) != nullptr && text_of(b) != nullptr) {
    work.charge(weight(a) + weight(b));
    return make_text(*text_of(a) + *text_of(b));
  }
  const List* left = placed_list_of(a);
  const List* right = placed_list_of(b);
  if (operation == "+" && left != nullptr && right != nullptr && left->kind == right->kind) {
    work.charge(weight(a) + weight(b));
    std::vector<Value> items = left->items;
    items.insert(items.end(), right->items.begin(), right->items.end());
    return make_list(std::move(items), left->kind);
  }
  if (operation == "*" && can_repeat(a) && is_number(b)) return repeat(a, integer_of(b, "a repetition"), work);
  if (operation == "*" && can_repeat(b) && is_number(a)) return repeat(b, integer_of(a, "a repetition"), work);
  throw Failure(fmt::format("\"{}\" of {} and {} is not supported", operation, kind_name(a), kind_name(b)));
}

}  // namespace mathtrap::jinja
