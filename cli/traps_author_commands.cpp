// mathtrap traps new, show, stats and lint: what an author of problems needs beside traps check.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "harness/dataset_choice.h"
#include "support/files.h"
#include "support/json.h"
#include "support/log.h"
#include "support/text.h"
#include "traps/lint/lint.h"
#include "traps/proof/obligations.h"

namespace mathtrap {
namespace {

// --- new ---

struct NewOptions {
  std::string path;
  std::string type = "indirect_contradiction";
  std::string topic = "algebra";
};

void open_in_editor(const std::string& path) {
  if (std::getenv("EDITOR") == nullptr || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) return;
  const pid_t child = ::fork();
  if (child == 0) {
    // $EDITOR may hold arguments; the path is passed apart, so that it is never read as a command.
    ::execlp("sh", "sh", "-c", "exec $EDITOR \"$1\"", "sh", path.c_str(), nullptr);
    std::_Exit(127);
  }
  if (child > 0) ::waitpid(child, nullptr, 0);
}

int write_scaffold(const NewOptions& options, const CommonOptions& common) {
  const auto type = parse_trap_type(options.type);
  if (!type) throw Error(fmt::format("--type {}: not a type of trap; see datasets/open/README.md", options.type));
  if (!options.path.ends_with(".toml")) throw Error(fmt::format("{}: the name must end in .toml", options.path));
  if (std::filesystem::exists(options.path)) throw Error(fmt::format("{}: exists already", options.path));
  if (options.topic.find_first_of("\"\\\n") != std::string::npos) throw Error("--topic: a name such as algebra");
  std::string text = read_file(resource("datasets/scaffold.toml.in"));
  text = replace_all(text, "@TYPE@", to_string(*type));
  text = replace_all(text, "@TOPIC@", options.topic);
  text = replace_all(text, "@OBLIGATION@", obligation_of(*type));
  write_file_atomically(options.path, text);
  note(fmt::format("{} is a commented example; make it yours, then: mathtrap traps check {}", options.path,
                   options.path));
  if (common.json) {
    fmt::print("{}\n", Json({{"file", options.path}, {"trap_type", to_string(*type)}}).dump());
  } else {
    open_in_editor(options.path);
  }
  return 0;
}

// --- show ---

void show_text(const char* label, const std::string& text) {
  if (!text.empty()) fmt::print("{}: {}\n", label, text);
}

void show_record(const Record& record) {
  fmt::print("{} ({}{}{})\n", record.id, record.topic, record.trap_type ? ", " : "",
             record.trap_type ? to_string(*record.trap_type) : "");
  if (record.original) {
    show_text("  original", record.original->problem);
    show_text("  solution", record.original->solution);
    show_text("  answer", record.original->answer);
  }
  if (record.trap) {
    show_text("  trap", record.trap->problem);
    show_text("  flaw", record.trap->explanation);
  }
  for (const Concept& question : record.concepts) {
    fmt::print("  concept: {} {}\n", question.question, question.answer ? "True." : "False.");
  }
}

int show(const std::vector<std::string>& data, std::size_t limit, const CommonOptions& common) {
  std::vector<Record> records = choose_records(data, 0, common.seed);
  if (limit > 0 && records.size() > limit) records.resize(limit);
  for (const Record& record : records) {
    common.json ? fmt::print("{}\n", write_json_record(record)) : show_record(record);
  }
  return 0;
}

// --- stats ---

int stats(const std::vector<std::string>& data, const CommonOptions& common) {
  const std::vector<Record> records = choose_records(data, 0, common.seed);
  std::map<std::string, std::map<TrapType, std::size_t>> counts;
  std::set<std::string> clusters;
  std::size_t truths = 0;
  std::size_t questions = 0;
  for (const Record& record : records) {
    clusters.insert(record.cluster);
    if (record.trap_type) ++counts[record.topic][*record.trap_type];
    questions += record.concepts.size();
    for (const Concept& question : record.concepts) truths += question.answer ? 1 : 0;
  }
  if (common.json) {
    Json json = {{"problems", records.size()},
                 {"originals", clusters.size()},
                 {"concepts", {{"true", truths}, {"false", questions - truths}}},
                 {"topics", Json::object()}};
    for (const auto& [topic, types] : counts) {
      for (const auto& [type, count] : types) json["topics"][topic][std::string(to_string(type))] = count;
    }
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{:<28}", "");
  for (const TrapType type : kTrapTypes) fmt::print("{:>24}", to_string(type));
  fmt::print("{:>8}\n", "all");
  std::map<TrapType, std::size_t> sums;
  for (auto& [topic, types] : counts) {
    std::size_t row = 0;
    fmt::print("{:<28}", topic);
    for (const TrapType type : kTrapTypes) {
      fmt::print("{:>24}", types[type]);
      row += types[type];
      sums[type] += types[type];
    }
    fmt::print("{:>8}\n", row);
  }
  fmt::print("{:<28}", "all");
  for (const TrapType type : kTrapTypes) fmt::print("{:>24}", sums[type]);
  fmt::print("{:>8}\n", records.size());
  fmt::print("originals: {}; conceptual questions: {} true, {} false\n", clusters.size(), truths, questions - truths);
  return 0;
}

// --- lint ---

std::vector<ForeignText> foreign_texts(const std::vector<std::string>& files) {
  std::vector<ForeignText> texts;
  for (const std::string& file : files) {
    for (const Record& record : read_dataset(file)) {
      if (record.original) texts.push_back({fmt::format("{} ({})", file, record.id), record.original->problem});
      if (record.trap) texts.push_back({fmt::format("{} ({})", file, record.id), record.trap->problem});
    }
  }
  return texts;
}

int lint_data(const std::vector<std::string>& data, const std::vector<std::string>& against,
              const CommonOptions& common) {
  const std::vector<Record> records = choose_records(data, 0, common.seed);
  const std::vector<Finding> findings = lint(records, foreign_texts(against));
  if (common.json) {
    Json items = Json::array();
    for (const Finding& finding : findings) {
      items.push_back({{"id", finding.id},
                       {"file", finding.place.file},
                       {"field", finding.place.field},
                       {"rule", finding.rule},
                       {"message", finding.message}});
    }
    fmt::print(
        "{}\n",
        Json({{"problems", records.size()}, {"findings", items}}).dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    for (const Finding& finding : findings) {
      fmt::print("{}\n", describe(finding.place, fmt::format("{} [{}]", finding.message, finding.rule)));
    }
    fmt::print("{} problems: {} findings\n", records.size(), findings.size());
  }
  return findings.empty() ? 0 : 1;
}

}  // namespace

void add_traps_author_commands(CLI::App& traps, CommonOptions& common, CommandAction& action) {
  auto fresh = std::make_shared<NewOptions>();
  CLI::App* command = traps.add_subcommand("new", "Write a commented example to start from");
  add_common_options(*command, common);
  command->add_option("file", fresh->path, "File to write, such as my_problem.toml")->required();
  command->add_option("--type", fresh->type, "Type of the trap")->capture_default_str();
  command->add_option("--topic", fresh->topic, "Topic")->capture_default_str();
  command->callback(
      [fresh, &common, &action] { action = [fresh, &common] { return write_scaffold(*fresh, common); }; });

  auto data = std::make_shared<std::vector<std::string>>(1, "open");
  auto limit = std::make_shared<std::size_t>(0);
  command = traps.add_subcommand("show", "Print problems to read");
  add_common_options(*command, common);
  command->add_option("data", *data, "open, families[/GROUP][:SPLIT], files or folders")->capture_default_str();
  command->add_option("--limit", *limit, "At most so many");
  command->callback(
      [data, limit, &common, &action] { action = [data, limit, &common] { return show(*data, *limit, common); }; });

  command = traps.add_subcommand("stats", "Count problems by topic and type");
  add_common_options(*command, common);
  command->add_option("data", *data, "open, families[/GROUP][:SPLIT], files or folders")->capture_default_str();
  command->callback([data, &common, &action] { action = [data, &common] { return stats(*data, common); }; });

  auto against = std::make_shared<std::vector<std::string>>();
  command = traps.add_subcommand("lint", "Find what an editor would object to");
  add_common_options(*command, common);
  command->add_option("data", *data, "open, files or folders")->capture_default_str();
  command->add_option("--against", *against, "Data sets that the problems must not resemble");
  command->callback([data, against, &common, &action] {
    action = [data, against, &common] { return lint_data(*data, *against, common); };
  });
}

}  // namespace mathtrap
