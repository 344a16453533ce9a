// mathtrap moe: mixtures of experts. `construct` makes one from a dense model; `pretrain` and `inspect` have files of
// their own.
#include <fmt/format.h>

#include <string>

#include "cli/commands.h"
#include "model/model_path.h"
#include "model/runtime.h"
#include "moe/construct.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

int construct(ConstructOptions options, const CommonOptions& common) {
  prepare_runtime(common.threads);
  options.from = resolve_model_path(options.from);
  for (std::string& model : options.with) model = resolve_model_path(model);
  options.seed = common.seed;
  const Construction construction = construct_experts(options);
  if (!construction.finished) {
    note("interrupted; the same command goes on from here");
    return 1;
  }
  if (common.json) {
    fmt::print("{}\n", to_json(options, construction).dump());
    return 0;
  }
  const ConstructedLayer& layer = construction.layers.front();
  fmt::print("{} layers by {}: {} experts of {} neurons, {} for each token", construction.layers.size(), options.method,
             construction.experts, layer.neurons, options.select);
  if (layer.shared > 0) fmt::print(", {} neurons shared", layer.shared);
  fmt::print("; {}, at most {}B of memory\n", format_duration(construction.seconds),
             format_count(static_cast<double>(construction.peak_bytes)));
  note(fmt::format("the model is in {}", options.out));
  return 0;
}

std::string describe_methods() {
  std::string text = "Methods (* learns from a text, --data):\n";
  for (const ConstructionMethod& method : construction_methods()) {
    text += fmt::format("  {:<16}{} {}\n", method.name, method.needs_text ? "*" : " ", method.summary);
  }
  return text;
}

void add_construct_command(CLI::App& moe, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<ConstructOptions>();
  CLI::App* command = moe.add_subcommand("construct", "Make a mixture of experts from a dense model, without training");
  add_common_options(*command, common);
  command->footer(describe_methods());
  command->add_option("--from", options->from, "The dense model: zoo:NAME, a folder, or a .gguf file")->required();
  command->add_option("--out", options->out, "Folder of the new model")->required();
  const auto add = [&](const char* flag, auto& value, const char* text) {
    command->add_option(flag, value, text)->capture_default_str();
  };
  add("--method", options->method, "How neurons become experts, see below");
  add("--experts", options->experts, "Experts that tokens are sent to");
  add("--select", options->select, "Experts of each token; all of them: the model computes what the dense one does");
  add("--shared", options->shared, "Experts that every token activates (cmoe, gradient-split, sharing-inter)");
  add("--with", options->with, "merge: the other dense models, each with --with");
  add("--layout", options->layout, "Of the folder: llama-moe, or mixtral, which other programs read");
  add("--gate", options->gate, "auto (uniform where all are selected, else top-k), top-k, switch, uniform, random");
  add("--router", options->router,
      "What the gate's logits come from: auto (of data where the method makes it), mlp or linear drawn at random, "
      "clusters, analytic, trained to know the most active experts (MoEfication), or fitted: a linear one that knows "
      "each expert's share of the output, in closed form");
  add("--router-loss", options->router_loss,
      "Of a trained router: top-k (which experts are the most active) or divergence (how active each is)");
  command->add_flag("--gate-noise,!--no-gate-noise", options->gate_noise,
                    "A drawn top-k gate is trained with noise, as published (default); without, for short trainings");
  command->add_flag("--learned-scale", options->learned_scale, "The scale becomes a weight, which training learns");
  add("--scale", options->scale,
      "Of the scores: auto (unit; none of an analytic gate), unit (equal scores become 1: selected, of a switch "
      "gate experts), none (experts are added as they are, whatever their scores), published (experts / selected), "
      "mean (experts), calibrated (each layer as large as the dense one, by --data), or a number");
  add("--data", options->data, "Text to learn from; merge: none, or one for each model, which make its gate");
  add("--tokens", options->tokens, "Tokens of it, at most");
  add("--window", options->window, "Tokens of it that are computed together");
  add("--metric", options->metric, "Of clustering: l2 or cosine");
  add("--cluster-by", options->cluster_by, "Weights whose rows are clustered: up or gate");
  add("--marked", options->marked, "cmoe: most active neurons of a token that count");
  add("--coactivation-limit", options->coactivation_limit, "coactivation: most that a window adds to a pair");
  add("--neighbours", options->neighbours, "coactivation: strongest ties of a neuron that are kept");
  add("--drop-share", options->drop_share, "drop-upcycle: share of neurons drawn anew");
  command->callback(
      [options, &common, &action] { action = [options, &common] { return construct(*options, common); }; });
}

}  // namespace

void add_moe_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  CLI::App* moe =
      program.add_subcommand("moe", "Mixtures of experts: make one from a dense model, train it on, look into it");
  moe->require_subcommand(1);
  add_construct_command(*moe, common, action);
  add_moe_pretrain_command(*moe, common, action);
  add_moe_inspect_command(*moe, common, action);
}

}  // namespace mathtrap
