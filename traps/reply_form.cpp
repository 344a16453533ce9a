#include "traps/reply_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "support/json.h"
#include "traps/family.h"
#include "traps/instance.h"
#include "traps/toml_folder.h"

namespace mathtrap {
namespace {

constexpr int kMaxDraws = 200'000;  // as for families

/// Whether an example's replies say that there is no answer; they all do, or none does.
bool is_unanswerable(const TomlTable& example) {
  const std::vector<std::string> replies = text_list(example, "reply");
  const auto says_so = [](const std::string& reply) { return reply.find(kNoAnswer) != std::string::npos; };
  const auto count = static_cast<std::size_t>(std::count_if(replies.begin(), replies.end(), says_so));
  if (count != 0 && count != replies.size()) {
    fail(place_of(example, "reply"), fmt::format("either all replies say \"{}\", or none", kNoAnswer));
  }
  return count != 0;
}

ReplyForm read_reply_form(const std::string& path) {
  const toml::table parsed = read_toml_file(path);
  const TomlTable root{&parsed, path, ""};
  refuse_unknown(root, {"where", "slots", "let", "example"});
  ReplyForm form;
  form.id = std::filesystem::path(path).stem().string();
  form.file = path;
  form.scope = read_scope(root, nullptr);
  std::size_t unanswerable = 0;
  for (const TomlTable& item : subtables(root, "example")) {
    refuse_unknown(item, {"where", "slots", "let", "question", "reply"});
    ReplyExample example;
    example.scope = read_scope(item, &form.scope);
    example.questions = read_templates(item, "question", example.scope.names);
    example.replies = read_templates(item, "reply", example.scope.names);
    form.examples.push_back(std::move(example));
    if (is_unanswerable(item)) ++unanswerable;
  }
  if (form.examples.empty()) fail(place_of(root), "at least one [[example]] is wanted");
  if (2 * unanswerable != form.examples.size()) {
    fail(place_of(root),
         fmt::format("{} of {} examples have no answer; half of them are wanted", unanswerable, form.examples.size()));
  }
  return form;
}

}  // namespace

std::vector<ReplyForm> read_reply_forms(const std::string& path) {
  std::vector<ReplyForm> forms;
  for (const std::string& file : toml_files(path)) forms.push_back(read_reply_form(file));
  return forms;
}

FormedReply draw_reply(const ReplyForm& form, std::size_t example, Split split, Random& random) {
  const ReplyExample& source = form.examples[example];
  std::vector<Value> cells;
  for (int i = 0; i < kMaxDraws; ++i) {
    if (!draw(form.scope, random, cells) || !draw(source.scope, random, cells)) continue;
    std::string question = pick(source.questions, random).render(cells);
    if (split_by_text(question) != split) continue;
    return {form.id, std::move(question), pick(source.replies, random).render(cells)};
  }
  throw Error(fmt::format("{}: example[{}]: no draw of {} meets its conditions and belongs to the split {}", form.file,
                          example, kMaxDraws, to_string(split)));
}

std::string write_json_reply(const FormedReply& reply) {
  Json json = Json::object();
  json["family"] = reply.family;
  json["instruction"] = reply.instruction;
  json["response"] = reply.response;
  return json.dump();
}

}  // namespace mathtrap
