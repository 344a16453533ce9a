// mathtrap model convert: any model that is read here, as a folder in Hugging Face layout; an adapter's is merged.
#include <fmt/format.h>

#include <string>

#include "cli/commands.h"
#include "model/convert.h"
#include "model/model_path.h"
#include "support/json.h"
#include "support/log.h"

namespace mathtrap {
namespace {

struct ConvertOptions {
  std::string model;
  std::string out;
  std::string dtype = "auto";
};

int convert(const ConvertOptions& options, const CommonOptions& common) {
  convert_model(resolve_model_path(options.model), options.out, options.dtype);
  if (common.json) {
    fmt::print("{}\n", Json{{"model", options.model}, {"out", options.out}}.dump());
  } else {
    note(fmt::format("the model is in {}", options.out));
  }
  return 0;
}

}  // namespace

void add_model_convert_command(CLI::App& model, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* command = model.add_subcommand(
      "convert", "Write a model as a folder in Hugging Face layout; an adapter's weights are added to its base's");
  add_common_options(*command, common);
  command->add_option("model", options->model, "What --model takes: a folder, an adapter, a .gguf or a .pt file")
      ->required();
  command->add_option("--out", options->out, "Folder of the new model")->required();
  command
      ->add_option("--dtype", options->dtype, "Format of the weights: auto (as stored; f32 of an adapter), f32, bf16")
      ->capture_default_str();
  command->callback([options, &common, &action] { action = [options, &common] { return convert(*options, common); }; });
}

}  // namespace mathtrap
