#include "prompts/prompts.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
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

constexpr std::array<std::pair<ShotOrder, std::string_view>, 3> kShotOrders = {
    {{ShotOrder::fixed, "fixed"}, {ShotOrder::random, "random"}, {ShotOrder::nearest, "nearest"}}};
constexpr int kMaxShots = 64;
constexpr int kMaxVotes = 999;

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
  const char* more = kind == "intervention" ? ", K-shot, vote:K, adapter:MODEL, several joined with +" : "";
  throw Error(fmt::format("no {} is called \"{}\"; known: {}{}, or the path of a .toml file", kind, name,
                          known_names(shipped), more));
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

/// A whole number of at most three digits; nothing when it is none, or not within the bounds.
std::optional<int> small_number(std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value >= least && value <= most ? std::optional(value) : std::nullopt;
}

[[noreturn]] void refuse_part(const std::string& part, const std::string& reason) {
  throw Error(fmt::format("intervention \"{}\": {}", part, reason));
}

/// "5-shot:random:2": the number, the order, and how many of them are traps.
bool add_shots(const std::string& part, Intervention& whole) {
  const std::size_t mark = part.find("-shot");
  if (mark == std::string::npos || is_path(part)) return false;
  const auto count = small_number(std::string_view(part).substr(0, mark), 1, kMaxShots);
  if (!count) refuse_part(part, fmt::format("a number of shots from 1 to {} is wanted", kMaxShots));
  if (whole.shots != 0) refuse_part(part, "the shots are given twice");
  whole.shots = *count;
  whole.trap_shots = (*count + 1) / 2;
  std::string_view rest = std::string_view(part).substr(mark + 5);
  if (rest.empty()) return true;
  rest.remove_prefix(1);
  const std::size_t colon = rest.find(':');
  const std::string_view order = rest.substr(0, colon);
  const auto found =
      std::find_if(kShotOrders.begin(), kShotOrders.end(), [&](const auto& entry) { return entry.second == order; });
  if (part[mark + 5] != ':' || found == kShotOrders.end()) {
    refuse_part(part, "the order of the shots is fixed, random or nearest, as in 5-shot:nearest");
  }
  whole.shot_order = found->first;
  if (colon == std::string_view::npos) return true;
  const auto traps = small_number(rest.substr(colon + 1), 0, *count);
  if (!traps) refuse_part(part, fmt::format("the number of traps among the shots is wanted last, 0 to {}", *count));
  whole.trap_shots = *traps;
  return true;
}

bool add_votes(const std::string& part, Intervention& whole) {
  constexpr std::string_view kVote = "vote:";
  if (!part.starts_with(kVote)) return false;
  const auto votes = small_number(std::string_view(part).substr(kVote.size()), 2, kMaxVotes);
  if (!votes) refuse_part(part, fmt::format("a number of replies from 2 to {} is wanted", kMaxVotes));
  if (whole.votes != 1) refuse_part(part, "the votes are given twice");
  whole.votes = *votes;
  return true;
}

bool add_adapter(const std::string& part, Intervention& whole) {
  constexpr std::string_view kAdapter = "adapter:";
  if (!part.starts_with(kAdapter)) return false;
  if (part.size() == kAdapter.size()) refuse_part(part, "the folder of an adapter is wanted, as in adapter:zoo:NAME");
  if (!whole.adapter.empty()) refuse_part(part, "another part gives an adapter already");
  whole.adapter = part.substr(kAdapter.size());
  return true;
}

void add_text(std::string& to, std::string text, const std::string& part, const char* field) {
  if (text.empty()) return;
  if (!to.empty()) refuse_part(part, fmt::format("another part gives the {} already", field));
  to = std::move(text);
}

void add_part(const std::string& part, Intervention& whole) {
  if (add_adapter(part, whole) || add_shots(part, whole) || add_votes(part, whole)) return;
  const fs::path path = find_file(part, "prompts/interventions", "intervention");
  const std::string file = path.string();
  const toml::table table = read_toml(path);
  check_fields(table, {"hint", "after", "follow_up"}, file);
  add_text(whole.hint, string_field(table, "hint", file, ""), part, "hint");
  add_text(whole.after, string_field(table, "after", file, ""), part, "text behind the problem");
  add_text(whole.follow_up, string_field(table, "follow_up", file, ""), part, "second turn");
}

/// A question in the form's words.
std::string ask(const PromptForm& form, const Intervention& intervention, Arm arm, std::string_view text) {
  if (arm == Arm::conceptual) return expand(form.conceptual, {{kProblemSlot, text}});
  const std::string hint = intervention.hint.empty() ? "" : intervention.hint + form.after_hint;
  const std::string asked =
      intervention.after.empty() ? std::string(text) : fmt::format("{}{}{}", text, form.after_hint, intervention.after);
  return expand(form.problem, {{kHintSlot, hint}, {kProblemSlot, asked}});
}

Prompt make_chat_prompt(const ChatForm& chat, std::vector<Message> messages) {
  Prompt prompt{render(chat.chat_template, {messages, true}, chat.variables)};
  for (Message& message : messages) message.content = stand_in(message.content);
  const std::string other = render(chat.chat_template, {std::move(messages), true}, chat.variables);
  prompt.user_text = find_user_text(prompt.text, other, chat.chat_template.place);
  return prompt;
}

/// The prompt of a form without a chat template.
std::string join_turns(const PromptForm& form, const Intervention& intervention, Arm arm, std::string_view text,
                       std::span<const Shot> shots) {
  std::string prompt;
  if (arm != Arm::conceptual) {
    for (const Shot& shot : shots) {
      prompt += ask(form, intervention, arm, shot.problem) + form.before_reply + shot.reply + form.after_reply;
    }
  }
  return prompt + ask(form, intervention, arm, text);
}

}  // namespace

std::string_view to_string(ShotOrder order) {
  return std::find_if(kShotOrders.begin(), kShotOrders.end(), [&](const auto& entry) { return entry.first == order; })
      ->second;
}

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
  check_fields(table, {"problem", "conceptual", "after_hint", "before_reply", "after_reply", "stop"}, file);
  PromptForm form{path.stem().string(),
                  string_field(table, "problem", file, ""),
                  string_field(table, "conceptual", file, ""),
                  string_field(table, "after_hint", file, " "),
                  string_field(table, "before_reply", file, " "),
                  string_field(table, "after_reply", file, "\n"),
                  stop_field(table, file)};
  check_template(form.problem, {kHintSlot, kProblemSlot}, {file, 0, "problem"});
  check_template(form.conceptual, {kProblemSlot}, {file, 0, "conceptual"});
  return form;
}

Intervention load_intervention(const std::string& name) {
  Intervention whole;
  whole.name = name;
  // A path may hold a "+" itself.
  const bool file = is_path(name) && fs::exists(name);
  std::string_view rest = name;
  for (bool more = true; more;) {
    const std::size_t end = file ? std::string_view::npos : rest.find('+');
    more = end != std::string_view::npos;
    add_part(std::string(rest.substr(0, end)), whole);
    if (more) rest.remove_prefix(end + 1);
  }
  if (file) whole.name = fs::path(name).stem().string();
  return whole;
}

PromptForm make_chat_form(ChatForm chat) {
  PromptForm form{"model", "{{hint}}{{problem}}", "{{problem}} Answer true or false.", "\n", "", "", {}};
  const auto end = chat.variables.special_tokens.find("eos_token");
  if (end != chat.variables.special_tokens.end() && !end->second.empty()) form.stop.push_back(end->second);
  form.chat = std::move(chat);
  return form;
}

std::vector<Message> make_conversation(const PromptForm& form, const Intervention& intervention, Arm arm,
                                       std::string_view text, std::span<const Shot> shots) {
  std::vector<Message> messages;
  if (!form.chat) return messages;
  if (!form.chat->system.empty()) messages.push_back({"system", form.chat->system});
  if (arm != Arm::conceptual) {
    for (const Shot& shot : shots) {
      messages.push_back({"user", ask(form, intervention, arm, shot.problem)});
      messages.push_back({"assistant", shot.reply});
    }
  }
  messages.push_back({"user", ask(form, intervention, arm, text)});
  return messages;
}

Prompt make_prompt(const PromptForm& form, const Intervention& intervention, Arm arm, std::string_view text,
                   std::span<const Shot> shots) {
  if (form.chat) return make_chat_prompt(*form.chat, make_conversation(form, intervention, arm, text, shots));
  Prompt prompt{join_turns(form, intervention, arm, text, shots)};
  std::vector<Shot> others(shots.begin(), shots.end());
  for (Shot& shot : others) shot = {shot.id, stand_in(shot.problem), stand_in(shot.reply), shot.is_trap};
  const std::string other = join_turns(form, intervention, arm, stand_in(text), others);
  prompt.user_text = find_user_text(prompt.text, other, {form.name, 0, ""});
  return prompt;
}

std::string render_prompt(const PromptForm& form, const Intervention& intervention, Arm arm, std::string_view text,
                          std::span<const Shot> shots) {
  return make_prompt(form, intervention, arm, text, shots).text;
}

Prompt make_follow_up(const PromptForm& form, const Intervention& intervention, const FirstTurn& first,
                      std::string_view reply) {
  const std::size_t begin = reply.find_first_not_of(" \t\n");
  const std::size_t end = reply.find_last_not_of(" \t\n");
  const std::string_view plain = begin == std::string_view::npos ? "" : reply.substr(begin, end + 1 - begin);
  const std::string asked = expand(form.problem, {{kHintSlot, ""}, {kProblemSlot, intervention.follow_up}});
  if (form.chat) {
    std::vector<Message> messages = first.conversation;
    messages.push_back({"assistant", std::string(plain)});
    messages.push_back({"user", asked});
    return make_chat_prompt(*form.chat, std::move(messages));
  }
  Prompt prompt = first.prompt;
  prompt.text += form.before_reply;
  if (!plain.empty()) prompt.user_text.push_back({prompt.text.size(), prompt.text.size() + plain.size()});
  prompt.text.append(plain).append(form.after_reply).append(asked);
  return prompt;
}

}  // namespace mathtrap
