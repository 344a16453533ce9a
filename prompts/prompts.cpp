#include "prompts/prompts.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <utility>

#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFileBytes = 1 << 20;  // a form is a screenful; this bounds what a wrong path reads
constexpr std::size_t kMaxStops = 16;
constexpr std::string_view kProblemSlot = "{{problem}}";
constexpr std::string_view kHintSlot = "{{hint}}";
constexpr std::array<std::pair<Arm, std::string_view>, 3> kArmNames = {
    {{Arm::original, "original"}, {Arm::trap, "trap"}, {Arm::conceptual, "concept"}}};

bool is_path(const std::string& name) {
  return name.ends_with(".toml");
}

std::string known_names(const fs::path& folder) {
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".toml") names.insert(entry.path().stem().string());
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The file of a form or intervention: `name` itself when it is a path, else <folder>/<name>.toml among the shipped
/// ones.
fs::path find_file(const std::string& name, const std::string& folder, const std::string& kind) {
  if (is_path(name)) return name;
  const fs::path shipped = resource(folder);
  const bool plain_name = !name.empty() && name.find_first_of("/\\") == std::string::npos;
  fs::path path = shipped / (name + ".toml");
  if (plain_name && fs::exists(path)) return path;
  throw Error(
      fmt::format("no {} is called \"{}\"; known: {}, or the path of a .toml file", kind, name, known_names(shipped)));
}

toml::table read_toml(const fs::path& path) {
  const std::string text = read_file(path, kMaxFileBytes);
  try {
    return toml::parse(text, path.string());
  } catch (const toml::parse_error& error) {
    fail({path.string(), error.source().begin.line, ""}, std::string(error.description()));
  }
}

void check_fields(const toml::table& table, const std::set<std::string_view>& known, const std::string& file) {
  for (const auto& [key, value] : table) {
    if (known.contains(key.str())) continue;
    fail({file, value.source().begin.line, std::string(key.str())},
         fmt::format("unknown field; known: {}", fmt::join(known, ", ")));
  }
}

/// A string field; `absent` when it is not there.
std::string string_field(const toml::table& table, std::string_view field, const std::string& file,
                         const std::string& absent) {
  const toml::node* node = table.get(field);
  if (node == nullptr) return absent;
  if (!node->is_string()) fail({file, node->source().begin.line, std::string(field)}, "a string is wanted");
  return node->as_string()->get();
}

std::vector<std::string> stop_field(const toml::table& table, const std::string& file) {
  const toml::node* node = table.get("stop");
  if (node == nullptr) return {};
  const Place place{file, node->source().begin.line, "stop"};
  if (!node->is_array()) fail(place, "a list of strings is wanted");
  std::vector<std::string> stops;
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_string() || item.as_string()->get().empty())
      fail(place, "a list of strings that are not empty is wanted");
    stops.push_back(item.as_string()->get());
  }
  if (stops.size() > kMaxStops) fail(place, fmt::format("at most {} stop strings are possible", kMaxStops));
  return stops;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

/// A template names each slot in `slots` once, and no other.
void check_template(const std::string& text, const std::vector<std::string_view>& slots, const Place& place) {
  for (const std::string_view slot : slots) {
    if (count(text, slot) != 1) fail(place, fmt::format("the template must hold {} exactly once", slot));
  }
  if (count(text, "{{") != slots.size()) {
    fail(place, fmt::format("the template may hold nothing in double braces but {}", fmt::join(slots, " and ")));
  }
}

struct Replacement {
  std::string_view slot;
  std::string_view text;
};

/// One pass from left to right: what is put in is never looked at again.
std::string expand(std::string_view text, std::initializer_list<Replacement> replacements) {
  std::string expanded;
  while (!text.empty()) {
    const Replacement* first = nullptr;
    std::size_t at = text.size();
    for (const Replacement& replacement : replacements) {
      const std::size_t found = text.find(replacement.slot);
      if (found >= at) continue;
      at = found;
      first = &replacement;
    }
    expanded += text.substr(0, at);
    if (first == nullptr) break;
    expanded += first->text;
    text.remove_prefix(at + first->slot.size());
  }
  return expanded;
}

}  // namespace

std::string_view to_string(Arm arm) {
  return std::find_if(kArmNames.begin(), kArmNames.end(), [&](const auto& entry) { return entry.first == arm; })
      ->second;
}

Arm parse_arm(std::string_view text) {
  for (const auto& [arm, name] : kArmNames) {
    if (name == text) return arm;
  }
  throw Error(fmt::format("no arm is called \"{}\"; known: original, trap, concept", text));
}

PromptForm load_prompt_form(const std::string& name) {
  const fs::path path = find_file(name, "prompts/forms", "prompt form");
  const std::string file = path.string();
  const toml::table table = read_toml(path);
  check_fields(table, {"problem", "conceptual", "after_hint", "stop"}, file);
  PromptForm form{path.stem().string(), string_field(table, "problem", file, ""),
                  string_field(table, "conceptual", file, ""), string_field(table, "after_hint", file, " "),
                  stop_field(table, file)};
  check_template(form.problem, {kHintSlot, kProblemSlot}, {file, 0, "problem"});
  check_template(form.conceptual, {kProblemSlot}, {file, 0, "conceptual"});
  return form;
}

Intervention load_intervention(const std::string& name) {
  const fs::path path = find_file(name, "prompts/interventions", "intervention");
  const std::string file = path.string();
  const toml::table table = read_toml(path);
  check_fields(table, {"hint"}, file);
  return {path.stem().string(), string_field(table, "hint", file, "")};
}

std::string render_prompt(const PromptForm& form, const Intervention& intervention, Arm arm, std::string_view text) {
  if (arm == Arm::conceptual) return expand(form.conceptual, {{kProblemSlot, text}});
  const std::string hint = intervention.hint.empty() ? "" : intervention.hint + form.after_hint;
  return expand(form.problem, {{kHintSlot, hint}, {kProblemSlot, text}});
}

}  // namespace mathtrap
