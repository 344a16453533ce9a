#include "traps/reply_form.h"

#include <filesystem>

#include "support/json.h"
#include "traps/family.h"
#include "traps/toml_folder.h"

namespace mathtrap {
namespace {

ReplyForm read_reply_form(const std::string& path) {
  const toml::table parsed = read_toml_file(path);
  const TomlTable root{&parsed, path, ""};
  refuse_unknown(root, {"where", "slots", "let", "example"});
  ReplyForm form;
  form.id = std::filesystem::path(path).stem().string();
  form.file = path;
  form.scope = read_scope(root, nullptr);
  for (const TomlTable& item : subtables(root, "example")) {
    refuse_unknown(item, {"where", "slots", "let", "question", "reply"});
    ReplyExample example;
    example.scope = read_scope(item, &form.scope);
    example.questions = read_templates(item, "question", example.scope.names);
    example.replies = read_templates(item, "reply", example.scope.names);
    form.examples.push_back(std::move(example));
  }
  if (form.examples.empty()) fail(place_of(root), "at least one [[example]] is wanted");
  return form;
}

}  // namespace

std::vector<ReplyForm> read_reply_forms(const std::string& path) {
  std::vector<ReplyForm> forms;
  for (const std::string& file : toml_files(path)) forms.push_back(read_reply_form(file));
  return forms;
}

std::string write_json_reply(const FormedReply& reply) {
  Json json = Json::object();
  json["family"] = reply.family;
  json["instruction"] = reply.instruction;
  json["response"] = reply.response;
  return json.dump();
}

}  // namespace mathtrap
