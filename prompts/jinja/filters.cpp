// Filters and tests.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "prompts/jinja/builtins.h"
#include "prompts/jinja/characters.h"

namespace mathtrap::jinja {
namespace {

/// A filter's or test's name, its call, and what its parameters are called.
struct Call {
  std::string_view name;
  const Value& value;
  const Arguments& arguments;
  Work& work;

  std::vector<const Value*> bound(const std::vector<std::string_view>& names) const {
    return bind_arguments(arguments, names, name);
  }
};

std::string text_or(const Value* value, const char* otherwise) {
  return value == nullptr ? otherwise : to_text(*value);
}

std::string capitalised(std::string_view text) {
  std::string changed = to_lower(text);
  if (!changed.empty()) changed.front() = to_upper(changed.substr(0, 1)).front();
  return changed;
}

/// As Jinja2 does it: the first letter of each word, words being parted by white space, "-", "(", "{", "[" and "<".
std::string titled(std::string_view text) {
  std::string changed = to_lower(text);
  bool begins = true;
  for (char& c : changed) {
    if (begins) c = to_upper(std::string_view(&c, 1)).front();
    begins = leading_blanks({&c, 1}) == 1 || std::string_view("-({[<").find(c) != std::string_view::npos;
  }
  return changed;
}

Value filter_text(const Call& call) {
  const std::string text = to_text(call.value);
  call.work.charge(text.size());
  if (call.name == "trim") {
    const auto bound = call.bound({"chars"});
    return make_text(std::string(strip(text, Ends::both, text_or(bound[0], ""))));
  }
  call.bound({});
  if (call.name == "upper") return make_text(to_upper(text));
  if (call.name == "lower") return make_text(to_lower(text));
  if (call.name == "capitalize") return make_text(capitalised(text));
  if (call.name == "title") return make_text(titled(text));
  return make_text(text);  // string, safe
}

Value filter_replace(const Call& call) {
  const auto bound = call.bound({"old", "new", "count"});
  if (bound[0] == nullptr || bound[1] == nullptr) throw Failure("the filter replace needs an old and a new text");
  Arguments arguments;
  for (const Value* given : bound) {
    if (given == nullptr) continue;
    const bool is_count = given == bound[2];
    arguments.positional.push_back(is_count ? *given : make_text(to_text(*given)));
  }
  return call_method(make_text(to_text(call.value)), "replace", arguments, call.work);
}

/// Jinja2's indent: blanks before every line but the first and empty ones.
Value filter_indent(const Call& call) {
  const auto bound = call.bound({"width", "first", "blank"});
  constexpr std::int64_t kMaxWidth = 32;
  std::string margin(4, ' ');
  if (bound[0] != nullptr && text_of(*bound[0]) != nullptr) {
    margin = *text_of(*bound[0]);
  } else if (bound[0] != nullptr) {
    margin.assign(static_cast<std::size_t>(std::clamp<std::int64_t>(integer_of(*bound[0], "width"), 0, kMaxWidth)),
                  ' ');
  }
  const bool first = bound[1] != nullptr && is_true(*bound[1]);
  const bool blank = bound[2] != nullptr && is_true(*bound[2]);
  if (text_of(call.value) == nullptr) throw Failure(fmt::format("indent wants a str, not a {}", kind_name(call.value)));
  const std::string& text = *text_of(call.value);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  call.work.charge(text.size() + (lines + 1) * margin.size());
  std::string indented = first ? margin : "";
  for (std::size_t i = 0; i < text.size(); ++i) {
    indented += text[i];
    const bool empty_line = i + 1 >= text.size() || text[i + 1] == '\n';
    if (text[i] == '\n' && (blank || !empty_line)) indented += margin;
  }
  return make_text(indented);
}

Value filter_length(const Call& call) {
  call.bound({});
  call.work.charge(weight(call.value));
  if (const std::string* text = text_of(call.value)) {
    return make_integer(static_cast<std::int64_t>(count_characters(*text)));
  }
  if (const Mapping* mapping = mapping_of(call.value)) {
    return make_integer(static_cast<std::int64_t>(mapping->items.size()));
  }
  const List* list = list_of(call.value);
  if (list != nullptr && list->kind != Sequence::generator) {
    return make_integer(static_cast<std::int64_t>(list->items.size()));
  }
  if (is_undefined(call.value)) return make_integer(0);
  throw Failure(fmt::format("a {} has no length", kind_name(call.value)));
}

Value filter_default(const Call& call) {
  const auto bound = call.bound({"default_value", "boolean"});
  const bool also_false = bound[1] != nullptr && is_true(*bound[1]);
  if (!is_undefined(call.value) && (!also_false || is_true(call.value))) return call.value;
  return bound[0] == nullptr ? make_text("") : *bound[0];
}

Value filter_json(const Call& call) {
  const auto bound = call.bound({"indent", "ensure_ascii"});
  constexpr std::int64_t kMaxIndent = 8;
  std::int64_t indent = -1;
  if (bound[0] != nullptr && !is_none(*bound[0])) indent = integer_of(*bound[0], "indent");
  if (bound[1] != nullptr && is_true(*bound[1])) throw Failure("tojson with ensure_ascii is not supported");
  if (indent > kMaxIndent) throw Failure(fmt::format("tojson indents by {} at most", kMaxIndent));
  call.work.charge(weight(call.value) * (indent < 0 ? 1 : 4));
  return make_text(to_json_text(call.value, static_cast<int>(indent)));
}

/// The value at a path such as "function.name" or "0".
Value at_path(const Value& value, std::string_view path, Work& work) {
  Value found = value;
  while (true) {
    const std::size_t dot = path.find('.');
    const std::string part(path.substr(0, dot));
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    const bool is_index = error == std::errc() && end == part.data() + part.size() && number >= 0;
    work.charge(part.size() + 1);
    found = item(found, is_index ? make_integer(number) : make_text(part));
    if (dot == path.npos) return found;
    path.remove_prefix(dot + 1);
  }
}

std::vector<Value> elements(const Call& call) {
  call.work.charge(weight(call.value) * (text_of(call.value) != nullptr ? 32 : 1));
  return elements_of(call.value);
}

/// What the filters that take one item after the other take: of none, false and 0, nothing.
std::vector<Value> elements_or_none(const Call& call) {
  return is_true(call.value) ? elements(call) : std::vector<Value>{};
}

Value filter_join(const Call& call) {
  const auto bound = call.bound({"d", "attribute"});
  const std::string separator = text_or(bound[0], "");
  std::string joined;
  bool first = true;
  for (const Value& each : elements(call)) {
    if (!first) joined += separator;
    first = false;
    joined += to_text(bound[1] == nullptr ? each : at_path(each, to_text(*bound[1]), call.work));
    call.work.charge(separator.size());
    if (joined.size() > kMaxWeight) break;  // make_text says so
  }
  return make_text(std::move(joined));
}

Value filter_sequence(const Call& call) {
  call.bound({});
  if (call.name == "items") {
    if (is_undefined(call.value)) return make_list({}, Sequence::generator);
    if (mapping_of(call.value) == nullptr) throw Failure("the filter items wants a dict");
    return make_list(elements_of(call_method(call.value, "items", {}, call.work)), Sequence::generator);
  }
  std::vector<Value> items = elements(call);
  if (call.name == "list") return make_list(std::move(items));
  if (call.name == "reverse") {
    std::reverse(items.begin(), items.end());
    if (text_of(call.value) == nullptr) return make_list(std::move(items), Sequence::generator);
    return apply_filter("join", make_list(std::move(items)), {}, call.work);
  }
  const List* list = list_of(call.value);
  if (call.name == "last" && list != nullptr && list->kind == Sequence::generator) {
    throw Failure("a generator has no last item");
  }
  if (items.empty()) return make_undefined(fmt::format("the {} item of what is empty", call.name));
  return call.name == "first" ? items.front() : items.back();
}

/// select, reject, selectattr and rejectattr: the items for which a test holds or fails; without a test, truth.
Value filter_select(const Call& call) {
  const bool by_attribute = call.name.ends_with("attr");
  const bool wanted = call.name.starts_with("select");
  std::vector<Value> given = call.arguments.positional;
  std::string path;
  if (by_attribute) {
    if (given.empty()) throw Failure(fmt::format("the filter {} needs an attribute", call.name));
    path = to_text(given.front());
    given.erase(given.begin());
  }
  std::optional<std::string> test;
  if (!given.empty()) {
    test = to_text(given.front());
    given.erase(given.begin());
  }
  const Arguments rest{std::move(given), call.arguments.named};
  std::vector<Value> chosen;
  for (const Value& each : elements_or_none(call)) {
    const Value looked_at = by_attribute ? at_path(each, path, call.work) : each;
    const bool holds = test ? apply_test(*test, looked_at, rest, call.work) : is_true(looked_at);
    if (holds == wanted) chosen.push_back(each);
  }
  return make_list(std::move(chosen), Sequence::generator);
}

Value filter_map(const Call& call) {
  std::vector<Value> mapped;
  if (call.arguments.positional.empty()) {
    const auto bound = bind_arguments(call.arguments, {"", "attribute", "default"}, "map");
    if (bound[1] == nullptr) throw Failure("the filter map needs a filter or an attribute");
    for (const Value& each : elements_or_none(call)) {
      const Value found = at_path(each, to_text(*bound[1]), call.work);
      mapped.push_back(is_undefined(found) && bound[2] != nullptr ? *bound[2] : found);
    }
  } else {
    Arguments rest = call.arguments;
    const std::string filter = to_text(rest.positional.front());
    rest.positional.erase(rest.positional.begin());
    for (const Value& each : elements_or_none(call)) mapped.push_back(apply_filter(filter, each, rest, call.work));
  }
  return make_list(std::move(mapped), Sequence::generator);
}

Value filter_number(const Call& call) {
  if (call.name == "abs") {
    call.bound({});
    if (std::holds_alternative<double>(call.value.data)) return {std::abs(number_of(call.value))};
    const std::int64_t number = integer_of(call.value, "abs");
    return number < 0 ? calculate("-", make_integer(0), call.value, call.work) : make_integer(number);
  }
  const auto bound = call.bound({"default"});
  if (const std::string* text = text_of(call.value)) {
    const std::string_view digits = strip(*text, Ends::both);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (!digits.empty() && error == std::errc() && end == digits.data() + digits.size()) return make_integer(number);
    if (digits.find_first_of("0123456789") != digits.npos) throw Failure("the filter int wants plain digits");
    return bound[0] == nullptr ? make_integer(0) : *bound[0];
  }
  if (std::holds_alternative<double>(call.value.data)) throw Failure("the filter int of a float is not supported");
  if (!is_number(call.value)) return bound[0] == nullptr ? make_integer(0) : *bound[0];
  return make_integer(integer_of(call.value, "int"));
}

using Filter = Value (*)(const Call& call);

constexpr std::array<std::pair<std::string_view, Filter>, 27> kFilters = {{
    {"abs", filter_number},        {"capitalize", filter_text},   {"count", filter_length},
    {"d", filter_default},         {"default", filter_default},   {"first", filter_sequence},
    {"indent", filter_indent},     {"int", filter_number},        {"items", filter_sequence},
    {"join", filter_join},         {"last", filter_sequence},     {"length", filter_length},
    {"list", filter_sequence},     {"lower", filter_text},        {"map", filter_map},
    {"reject", filter_select},     {"rejectattr", filter_select}, {"replace", filter_replace},
    {"reverse", filter_sequence},  {"safe", filter_text},         {"select", filter_select},
    {"selectattr", filter_select}, {"string", filter_text},       {"title", filter_text},
    {"tojson", filter_json},       {"trim", filter_text},         {"upper", filter_text},
}};

bool is_whole(const Value& value) {
  return std::holds_alternative<std::int64_t>(value.data);
}

bool is_sequence(const Value& value) {
  return text_of(value) != nullptr || mapping_of(value) != nullptr || is_undefined(value) ||
         placed_list_of(value) != nullptr;
}

/// Tests without arguments; nothing when there is none of this name.
std::optional<bool> plain_test(std::string_view name, const Value& value) {
  const auto is_flag = [&](bool flag) {
    return std::holds_alternative<bool>(value.data) && std::get<bool>(value.data) == flag;
  };
  if (name == "defined") return !is_undefined(value);
  if (name == "undefined") return is_undefined(value);
  if (name == "none") return is_none(value);
  if (name == "boolean") return std::holds_alternative<bool>(value.data);
  if (name == "true") return is_flag(true);
  if (name == "false") return is_flag(false);
  if (name == "integer") return is_whole(value);
  if (name == "float") return std::holds_alternative<double>(value.data);
  if (name == "number") return is_number(value);
  if (name == "string") return text_of(value) != nullptr;
  if (name == "mapping") return mapping_of(value) != nullptr;
  if (name == "iterable") return is_sequence(value) || list_of(value) != nullptr;
  if (name == "sequence") return is_sequence(value);
  return std::nullopt;
}

/// Tests against one argument; nothing when there is none of this name.
std::optional<bool> binary_test(std::string_view name, const Value& value, const Value& other) {
  if (name == "eq" || name == "equalto" || name == "==") return are_equal(value, other);
  if (name == "ne" || name == "!=") return !are_equal(value, other);
  if (name == "lt" || name == "lessthan" || name == "<") return compare(value, other) < 0;
  if (name == "gt" || name == "greaterthan" || name == ">") return compare(value, other) > 0;
  if (name == "le" || name == "<=") return compare(value, other) <= 0;
  if (name == "ge" || name == ">=") return compare(value, other) >= 0;
  if (name == "in") return is_in(value, other);
  return std::nullopt;
}

bool divides(const Value& value, const Value& by, std::int64_t remainder, Work& work) {
  return are_equal(calculate("%", value, by, work), make_integer(remainder));
}

}  // namespace

void Work::charge(std::size_t units) {
  if (units > left_) throw Failure("the template does more work than any conversation needs");
  left_ -= units;
}

void Work::charge_search(std::size_t text, std::size_t part) {
  constexpr std::size_t kBytesAtOnce = 8;
  charge(text);
  if (part <= text) charge(text * (part / kBytesAtOnce));
}

std::vector<const Value*> bind_arguments(const Arguments& arguments, const std::vector<std::string_view>& names,
                                         std::string_view what) {
  if (arguments.positional.size() > names.size()) throw Failure(fmt::format("{} takes fewer arguments", what));
  std::vector<const Value*> bound(names.size(), nullptr);
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) throw Failure(fmt::format("{} has no argument \"{}\" that is supported", what, name));
    const Value*& place = bound[static_cast<std::size_t>(found - names.begin())];
    if (place != nullptr) throw Failure(fmt::format("{} has its argument \"{}\" twice", what, name));
    place = &value;
  }
  return bound;
}

Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments, Work& work) {
  const auto found =
      std::find_if(kFilters.begin(), kFilters.end(), [&](const auto& entry) { return entry.first == name; });
  if (found == kFilters.end()) {
    throw Failure(fmt::format("the filter \"{}\" is not supported", name));
  }
  work.charge(1);
  return found->second({name, value, arguments, work});
}

bool apply_test(std::string_view name, const Value& value, const Arguments& arguments, Work& work) {
  work.charge(1);
  if (const auto result = plain_test(name, value)) {
    bind_arguments(arguments, {}, fmt::format("the test {}", name));
    return *result;
  }
  if (name == "odd" || name == "even") {
    bind_arguments(arguments, {}, fmt::format("the test {}", name));
    return divides(value, make_integer(2), name == "odd" ? 1 : 0, work);
  }
  if (arguments.positional.size() == 1 && arguments.named.empty()) {
    const Value& other = arguments.positional.front();
    if (name == "divisibleby") return divides(value, other, 0, work);
    work.charge_search(weight(value) + weight(other), std::min(weight(value), weight(other)));
    if (const auto result = binary_test(name, value, other)) return *result;
  }
  throw Failure(fmt::format("the test \"{}\" is not supported with {} arguments", name,
                            arguments.positional.size() + arguments.named.size()));
}

}  // namespace mathtrap::jinja
