// mathtrap eval: runs, judges, writes the run folder, prints the table.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <filesystem>

#include "cli/commands.h"
#include "cli/prompt_form_flags.h"
#include "harness/evaluation.h"
#include "harness/openai_model.h"
#include "model/runtime.h"
#include "reports/reports.h"
#include "reports/table.h"
#include "support/error.h"
#include "support/log.h"
#include "support/text.h"

namespace mathtrap {
namespace {

struct CommandOptions {
  EvaluationOptions evaluation;
  EngineOptions engine;
  OpenAiOptions server;
  std::string api = "chat";
  std::string model = "zoo:organism";
  std::string batch_size = "auto";
  std::string log_dir;
  std::string judge = "rules";
  std::string equivalence = "value";
  JudgeOptions judging;
};

int parse_batch_size(const std::string& text) {
  constexpr int kMaxBatchSize = 65536;
  if (text == "auto") return 0;
  const bool digits = !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string::npos;
  const int size = digits ? std::stoi(text) : 0;
  if (size < 1 || size > kMaxBatchSize) {
    throw Error(fmt::format("--batch-size {}: \"auto\" or a number from 1 to {} is wanted", text, kMaxBatchSize));
  }
  return size;
}

/// runs/<date-time>, with a number behind it when two runs begin in one second.
std::filesystem::path fresh_log_dir() {
  const std::string base = fmt::format("runs/{:%Y-%m-%d-%H%M%S}", fmt::localtime(std::time(nullptr)));
  std::filesystem::path folder = base;
  for (int i = 2; std::filesystem::exists(folder); ++i) folder = fmt::format("{}-{}", base, i);
  return folder;
}

/// A text as one word of a shell's command line.
std::string in_quotes(const std::string& text) {
  return fmt::format("'{}'", replace_all(text, "'", "'\\''"));
}

/// The command that repeats or continues the run.
std::string command_line(const CommandOptions& options, const CommonOptions& common,
                         const std::filesystem::path& folder) {
  const EvaluationOptions& evaluation = options.evaluation;
  const GenerationOptions& generation = evaluation.generation;
  const std::string line = fmt::format(
      "mathtrap eval --model {} --dataset {} --arms {} --interventions {} --prompt-form {} --limit {} --seed {} "
      "--max-new-tokens {} --temperature {} --top-k {} --top-p {} --min-p {} --device {} --dtype {} --batch-size {} "
      "--threads {} --judge {} --judge-max-new-tokens {} --log-dir {}{}{}{}{}",
      options.model, evaluation.dataset, fmt::join(evaluation.arms, ","), fmt::join(evaluation.interventions, ","),
      evaluation.prompt_form.name, evaluation.limit, common.seed, generation.max_new_tokens, generation.temperature,
      generation.top_k, generation.top_p, generation.min_p, options.engine.device, options.engine.dtype,
      options.batch_size, common.threads, options.judge, options.judging.max_new_tokens, folder.string(),
      evaluation.epochs == 1 ? "" : fmt::format(" --epochs {}", evaluation.epochs),
      evaluation.shots.empty() ? "" : " --shots " + evaluation.shots,
      evaluation.drop_contaminated ? " --drop-contaminated" : "",
      evaluation.cache.empty() ? "" : " --cache " + evaluation.cache);
  const OpenAiOptions& server = options.server;
  const PromptFormChoice& form = evaluation.prompt_form;
  std::string more = evaluation.predict_only ? " --predict-only" : "";
  if (!form.chat_template.empty()) more += " --chat-template " + form.chat_template;
  if (!form.system.empty()) more += " --system " + in_quotes(form.system);
  if (form.template_date != kTemplateDate) more += " --template-date " + form.template_date;
  if (options.judging.equivalence != Equivalence::value) more += fmt::format(" --equivalence {}", options.equivalence);
  if (is_openai_name(options.model)) {
    more += fmt::format(" --api {} --max-connections {} --request-timeout {} --max-retries {}", options.api,
                        server.max_connections, server.request_timeout, server.retries.max_retries);
    if (!server.api_key_env.empty()) more += " --api-key-env " + server.api_key_env;
    if (!server.ca_file.empty()) more += " --ca-file " + server.ca_file;
  }
  return line + more;
}

void print_predictions(const StoredRun& run, const std::filesystem::path& folder, bool json) {
  const std::string samples = (folder / "samples.jsonl").string();
  if (json) {
    fmt::print("{}\n", Json{{"replies", run.samples.size()}, {"log_dir", folder.string()}, {"samples", samples}}.dump(
                           -1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print(
      "{} replies, not judged: {}\nto judge them: the same command with --log-dir {} and without --predict-only\n",
      run.samples.size(), samples, folder.string());
}

void print_results(const StoredRun& run, const ReportFiles& reports, const std::filesystem::path& folder, bool json) {
  if (!json) {
    fmt::print("\n{}\nreport: {}\n        {}\n", results_table(run.results), reports.html.string(),
               reports.markdown.string());
    return;
  }
  Json results = to_json(run.results);
  results["log_dir"] = folder.string();
  results["report"] = reports.html.string();
  fmt::print("{}\n", results.dump(-1, ' ', false, Json::error_handler_t::replace));
}

int run(CommandOptions& options, const CommonOptions& common) {
  options.evaluation.seed = common.seed;
  options.engine.batch_size = parse_batch_size(options.batch_size);
  check_model_name(options.model);
  check_judge_name(options.judge);
  options.judging.equivalence = parse_equivalence(options.equivalence);
  options.server.api = parse_openai_api(options.api);
  options.evaluation.prompt_form.model = options.model;
  const PreparedEvaluation evaluation = prepare_evaluation(options.evaluation, MATHTRAP_VERSION);
  for (const std::string& line : evaluation.plan.notes) note(line);
  prepare_runtime(common.threads);
  const auto model = open_model(options.model, options.engine, options.server);
  options.judging.engine = options.engine;
  const auto judge = open_judge(options.judge, options.judging);
  const std::filesystem::path folder =
      options.log_dir.empty() ? fresh_log_dir() : std::filesystem::path(options.log_dir);
  const auto stored =
      run_evaluation(evaluation, *model, *judge, folder, {{"command", command_line(options, common, folder)}});
  if (!stored) return 1;
  if (options.evaluation.predict_only) {
    print_predictions(*stored, folder, common.json);
    return 0;
  }
  print_results(*stored, write_reports(*stored, folder), folder, common.json);
  return 0;
}

void add_server_options(CLI::App& command, CommandOptions& options) {
  const std::string group = "Servers (--model openai:URL#NAME)";
  OpenAiOptions& server = options.server;
  command.add_option("--api", options.api, "chat or completions")->capture_default_str()->group(group);
  command.add_option("--max-connections", server.max_connections, "Requests at once")
      ->capture_default_str()
      ->group(group);
  command.add_option("--request-timeout", server.request_timeout, "Seconds for one request")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--max-retries", server.retries.max_retries,
                  "How often a request is sent again that fails in passing (busy, cut, late, no such JSON)")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--api-key-env", server.api_key_env,
                  "Name of the environment variable that holds the key (default: OPENAI_API_KEY)")
      ->group(group);
  command.add_option("--ca-file", server.ca_file, "Certificates to trust, PEM (default: the system's)")->group(group);
}

}  // namespace

void add_eval_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<CommandOptions>();
  EvaluationOptions& evaluation = options->evaluation;
  GenerationOptions& generation = evaluation.generation;
  generation.max_new_tokens = 512;
  CLI::App* command = program.add_subcommand("eval", "Evaluate a model on original, trap and conceptual problems");
  add_common_options(*command, common);
  command
      ->add_option("--model", options->model,
                   "zoo:NAME, a Hugging Face folder, a .gguf file, openai:URL#NAME, or replay:FILE.jsonl")
      ->capture_default_str();
  command
      ->add_option("--dataset", evaluation.dataset,
                   "open, families[/GROUP][:train|validation|test], or a file or folder of problems")
      ->capture_default_str();
  command->add_option("--arms", evaluation.arms, "Of original, trap, concept")->delimiter(',')->capture_default_str();
  command
      ->add_option("--interventions", evaluation.interventions,
                   "none, hint, think, check, K-shot[:fixed|random|nearest[:TRAPS]], vote:K, adapter:MODEL, paths of "
                   ".toml files, "
                   "several of these joined with +; or all: the paper's grid")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--limit", evaluation.limit,
                   "Records: instances of families (0: 500), or so many of a set, picked by the seed (0: all)")
      ->check(CLI::Range(0, 1000000000))
      ->capture_default_str();
  command->add_option("--shots", evaluation.shots, "Data set of the few-shot examples (default: ten of our own)");
  command->add_flag("--drop-contaminated", evaluation.drop_contaminated,
                    "Leave out problems that the shots show; else they are refused");
  command->add_option("--epochs", evaluation.epochs, "Ask each question so often, with other seeds")
      ->capture_default_str();
  command->add_option("--cache", evaluation.cache,
                      "SQLite file that keeps replies from run to run, by model, prompt and options (default: none)");
  add_prompt_form_flags(*command, evaluation.prompt_form);
  command
      ->add_option("--batch-size", options->batch_size,
                   "Replies made at once: auto, or a number. Replies do not depend on it")
      ->capture_default_str();
  command->add_option("--max-new-tokens", generation.max_new_tokens, "Longest reply, in tokens")->capture_default_str();
  command->add_option("--temperature", generation.temperature, "0: the likeliest token each time")
      ->capture_default_str();
  command->add_option("--top-k", generation.top_k, "Draw from so many likeliest tokens (0: from all)")
      ->capture_default_str();
  command->add_option("--top-p", generation.top_p, "Draw from the smallest set with this probability")
      ->capture_default_str();
  command->add_option("--min-p", generation.min_p, "Drop tokens below this fraction of the likeliest one")
      ->capture_default_str();
  command->add_option("--device", options->engine.device, "cpu or cuda:N")->capture_default_str();
  command->add_option("--dtype", options->engine.dtype, "auto (as stored), f32 or bf16")->capture_default_str();
  command
      ->add_option("--judge", options->judge,
                   "rules, llm:MODEL, vote:A,B,C or cascade:rules,llm:MODEL; see judge --help")
      ->capture_default_str();
  command
      ->add_option("--equivalence", options->equivalence,
                   "How the rules compare final answers: value, or hendrycks (the MATH data set's published grader)")
      ->capture_default_str();
  command
      ->add_option("--judge-max-new-tokens", options->judging.max_new_tokens,
                   "Longest reply of a judging model, in tokens")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--log-dir", options->log_dir,
                      "Folder of the run; a run that lies there goes on (default: runs/<date-time>)");
  command->add_flag("--predict-only", evaluation.predict_only,
                    "Ask and store the replies, without judging; the same command without it judges them");
  add_server_options(*command, *options);
  command->callback([options, &common, &action] { action = [options, &common] { return run(*options, common); }; });
}

}  // namespace mathtrap
