#include "model/chat_template_source.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <utility>
#include <variant>

#include "model/gguf_header.h"
#include "model/large_json.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTemplateBytes = std::uint64_t{1} << 20;  // prompts/ takes less, and says so
constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{32} << 20;   // lists every added token
constexpr std::array<std::string_view, 7> kSpecialTokens = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                            "pad_token", "cls_token", "mask_token"};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

nlohmann::json read_object(const fs::path& path) {
  nlohmann::json json = parse_large_json(read_file(path, kMaxConfigBytes), {path, 0, ""});
  if (!json.is_object()) fail({path, 0, ""}, "is no JSON object");
  return json;
}

/// A special token is a text, or an object that has it as "content".
void take_special_tokens(const nlohmann::json& json, std::map<std::string, std::string>& to) {
  for (const std::string_view name : kSpecialTokens) {
    const auto field = json.find(name);
    if (field == json.end()) continue;
    const nlohmann::json& token = field->is_object() && field->contains("content") ? (*field)["content"] : *field;
    if (token.is_string()) to.emplace(name, token.get<std::string>());
  }
}

/// One template, or several as {"name", "template"}.
std::optional<std::string> template_of(const nlohmann::json& field, const Place& place) {
  if (field.is_null()) return std::nullopt;
  if (field.is_string()) return field.get<std::string>();
  if (!field.is_array()) fail(place, "a template, or a list of templates with names, is wanted");
  for (const nlohmann::json& item : field) {
    if (!item.is_object() || !item.contains("name") || !item.contains("template") || !item["template"].is_string()) {
      fail(place, "each template of the list must have a \"name\" and a \"template\"");
    }
    if (item["name"].is_string() && item["name"].get<std::string>() == "default") {
      return item["template"].get<std::string>();
    }
  }
  fail(place, "none of the templates is named \"default\"; give one with --chat-template FILE");
}

ChatTemplateSource read_folder(const fs::path& folder) {
  ChatTemplateSource source;
  const fs::path config = folder / "tokenizer_config.json";
  if (is_file(config)) {
    const nlohmann::json json = read_object(config);
    take_special_tokens(json, source.special_tokens);
    source.place = {config, 0, "chat_template"};
    if (json.contains("chat_template")) source.text = template_of(json["chat_template"], source.place);
  }
  const fs::path tokens = folder / "special_tokens_map.json";
  if (is_file(tokens)) take_special_tokens(read_object(tokens), source.special_tokens);
  // A file of its own is what newer versions of transformers write, and goes first there.
  const fs::path file = folder / "chat_template.jinja";
  if (is_file(file)) {
    source.place = {file, 0, ""};
    source.text = read_file(file, kMaxTemplateBytes);
  }
  return source;
}

template <typename T>
const T* metadata(const GgufHeader& header, const std::string& key) {
  const auto found = header.metadata.find(key);
  return found == header.metadata.end() ? nullptr : std::get_if<T>(&found->second);
}

ChatTemplateSource read_gguf_file(const fs::path& path) {
  static constexpr std::array<std::pair<const char*, const char*>, 4> kTokens = {
      {{"bos_token", "tokenizer.ggml.bos_token_id"},
       {"eos_token", "tokenizer.ggml.eos_token_id"},
       {"unk_token", "tokenizer.ggml.unknown_token_id"},
       {"pad_token", "tokenizer.ggml.padding_token_id"}}};
  const MappedFile file(path);
  const GgufHeader header = read_gguf_header(file.bytes(), path);
  ChatTemplateSource source;
  source.place = {path, 0, "tokenizer.chat_template"};
  if (const auto* text = metadata<std::string_view>(header, source.place.field)) source.text = std::string(*text);
  const auto* pieces = metadata<GgufArray>(header, "tokenizer.ggml.tokens");
  if (pieces == nullptr) return source;
  for (const auto& [name, key] : kTokens) {
    const auto* id = metadata<std::int64_t>(header, key);
    if (id == nullptr || *id < 0 || static_cast<std::uint64_t>(*id) >= pieces->strings.size()) continue;
    source.special_tokens[name] = std::string(pieces->strings[static_cast<std::size_t>(*id)]);
  }
  return source;
}

bool is_gguf(const fs::path& path) {
  std::string magic(4, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(magic.data(), static_cast<std::streamsize>(magic.size()));
  return magic == "GGUF";
}

}  // namespace

ChatTemplateSource read_chat_template_source(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return read_folder(path);
  return is_gguf(path) ? read_gguf_file(path) : read_folder(fs::path(path).parent_path());
}

}  // namespace mathtrap
