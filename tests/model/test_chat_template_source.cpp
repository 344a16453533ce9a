// Where chat templates are found: tokenizer_config.json, chat_template.jinja, GGUF metadata.
#include <fmt/format.h>

#include "model/chat_template_source.h"
#include "model/checkpoint.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/model/gguf_writer.h"
#include "tests/model/scratch.h"
#include "tests/model/small_checkpoint.h"

using namespace mathtrap;

namespace {

std::string refusal(const std::string& path) {
  try {
    read_chat_template_source(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

TEST_CASE("a folder's chat template is that of tokenizer_config.json, or of a file of its own") {
  const ScratchFolder folder;
  const std::string path = folder / "";
  CHECK_FALSE(read_chat_template_source(path).text);
  const std::string config = folder / "tokenizer_config.json";
  write_file_atomically(config, R"({"bos_token": {"content": "<s>", "special": true}, "pad_token": null})");
  CHECK_FALSE(read_chat_template_source(path).text);
  write_file_atomically(config, R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": "one"})");
  ChatTemplateSource source = read_chat_template_source(path);
  CHECK(source.text == "one");
  CHECK(source.place.field == "chat_template");
  CHECK(source.special_tokens == std::map<std::string, std::string>{{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  write_file_atomically(folder / "special_tokens_map.json", R"({"eos_token": "<other>", "unk_token": "<unk>"})");
  source = read_chat_template_source(path);
  CHECK(source.special_tokens["eos_token"] == "</s>");
  CHECK(source.special_tokens["unk_token"] == "<unk>");
  write_file_atomically(config, R"({"chat_template": [{"name": "tool_use", "template": "two"},
                                                      {"name": "default", "template": "three"}]})");
  CHECK(read_chat_template_source(path).text == "three");
  write_file_atomically(folder / "chat_template.jinja", "four\n");
  source = read_chat_template_source(path);
  CHECK(source.text == "four\n");
  CHECK(ends_with(source.place.file, "chat_template.jinja"));
  CHECK(source.place.field.empty());
}

TEST_CASE("a broken tokenizer_config.json says what and where") {
  const ScratchFolder folder;
  const auto error_with = [&](const char* content) {
    write_file_atomically(folder / "tokenizer_config.json", content);
    return refusal(folder / "");
  };
  CHECK(ends_with(error_with("{"), "tokenizer_config.json: not valid JSON near byte 2"));
  CHECK(ends_with(error_with("[]"), "is no JSON object"));
  CHECK(ends_with(error_with(R"({"chat_template": 1})"),
                  "chat_template: a template, or a list of templates with names, is wanted"));
  CHECK(ends_with(error_with(R"({"chat_template": [{"name": "rag", "template": "x"}]})"),
                  "none of the templates is named \"default\"; give one with --chat-template FILE"));
  CHECK(ends_with(error_with(R"({"chat_template": ["x"]})"), "must have a \"name\" and a \"template\""));
  CHECK(error_with(R"({"chat_template": null})") == "no error");
}

TEST_CASE("a GGUF file's chat template and special tokens are in its metadata") {
  const ScratchFolder folder;
  const std::string path = folder / "model.gguf";
  GgufFile file = gguf_of(small_checkpoint());
  write_file_atomically(path, file.bytes());
  CHECK_FALSE(read_chat_template_source(path).text);
  file.set("tokenizer.chat_template", gguf_string("{{ bos_token }}"));
  write_file_atomically(path, file.bytes());
  const ChatTemplateSource source = read_chat_template_source(path);
  CHECK(source.text == "{{ bos_token }}");
  CHECK(source.place.field == "tokenizer.chat_template");
  CHECK(source.special_tokens.at("bos_token") == "<s>");
  CHECK(source.special_tokens.at("eos_token") == "</s>");
}
