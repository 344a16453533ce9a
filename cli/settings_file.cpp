#include "cli/settings_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 20;

/// A value as it would be typed.
std::string typed(const toml::node& node, const Place& place) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  fail(place, "a text, a number, true, false, or an array of these is wanted");
}

void apply(CLI::Option& option, const std::string& name, const toml::node& node, const Place& place) {
  try {
    if (const toml::array* values = node.as_array()) {
      for (const toml::node& value : *values) option.add_result(typed(value, place));
    } else if (option.get_expected_max() == 0) {
      option.add_result(option.get_flag_value(name, typed(node, place)));
    } else {
      option.add_result(typed(node, place));
    }
    option.run_callback();
  } catch (const CLI::Error& error) {
    fail(place, error.what());
  }
}

}  // namespace

void apply_settings_file(CLI::App& command, const std::string& path) {
  toml::table table;
  try {
    table = toml::parse(read_file(path, kMaxBytes), path);
  } catch (const toml::parse_error& error) {
    fail({path, error.source().begin.line, ""}, std::string(error.description()));
  }
  for (const auto& [key, node] : table) {
    const std::string name = fmt::format("--{}", std::string_view(key));
    const Place place{path, node.source().begin.line, std::string(std::string_view(key))};
    CLI::Option* option = command.get_option_no_throw(name);
    if (option == nullptr || name == "--config" || name == "--help") {
      fail(place, fmt::format("is no setting of mathtrap {}", command.get_name()));
    }
    if (option->count() == 0) apply(*option, name, node, place);
  }
}

}  // namespace mathtrap
