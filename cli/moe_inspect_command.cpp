// mathtrap moe inspect: what the experts of a mixture do with the prompts of a data set, or with a text.
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "cli/commands.h"
#include "cli/expert_inspection.h"
#include "cli/prompt_form_flags.h"
#include "reports/experts.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Before the work, so that it is not lost.
void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(fmt::format("{}: cannot create the folder: {}", folder.string(), error.message()));
}

void write_report(const Json& inspection, const fs::path& folder) {
  write_file_atomically(folder / "inspect.json", text_of(inspection) + "\n");
  write_file_atomically(folder / "inspect.html", experts_page(inspection));
}

int inspect(ExpertInspectionOptions options, const std::string& folder, const CommonOptions& common) {
  options.seed = common.seed;
  options.threads = common.threads;
  options.form.model = options.model;
  if (!folder.empty()) make_folder(folder);
  const Json inspection = inspect_experts_of(options);
  if (!folder.empty()) write_report(inspection, folder);
  if (common.json) {
    fmt::print("{}\n", text_of(inspection));
    return 0;
  }
  fmt::print("{}", experts_table(inspection));
  if (!folder.empty()) fmt::print("\nreport: {}\n", (fs::path(folder) / "inspect.html").string());
  return 0;
}

}  // namespace

void add_moe_inspect_command(CLI::App& moe, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<ExpertInspectionOptions>();
  auto folder = std::make_shared<std::string>();
  options->dataset = "families/organism:test";
  CLI::App* command = moe.add_subcommand(
      "inspect", "See what experts do: load, importance, entropy, overlap, and whether traps reach other experts");
  add_common_options(*command, common);
  command->add_option("--model", options->model, "The mixture of experts: a folder in Hugging Face layout")->required();
  CLI::Option* dataset = command
                             ->add_option("--dataset", options->dataset,
                                          "open, families[/GROUP][:train|validation|test], or a file or folder of "
                                          "problems: original, trap and conceptual questions, asked as eval asks them")
                             ->capture_default_str();
  command->add_option("--data", options->data, "A text in place of a data set")->excludes(dataset);
  command
      ->add_option("--limit", options->limit,
                   "Records: instances of families (0: 500), or so many of a set, picked by the seed (0: all)")
      ->check(CLI::Range(0, 1000000000))
      ->capture_default_str();
  add_prompt_form_flags(*command, options->form);
  command->add_option("--tokens", options->tokens, "Tokens of the text, at most")->capture_default_str();
  command->add_option("--window", options->window, "Tokens of the text that are computed together")
      ->capture_default_str();
  command->add_option("--out", *folder, "Folder for inspect.json and inspect.html");
  command->callback([options, folder, &common, &action] {
    action = [options, folder, &common] { return inspect(*options, *folder, common); };
  });
}

}  // namespace mathtrap
