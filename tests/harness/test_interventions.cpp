// Interventions in a run: shots that give nothing away, second turns, votes, and the cache of replies.
#include <map>
#include <set>

#include "harness/contamination.h"
#include "harness/evaluation.h"
#include "harness/reply_cache.h"
#include "harness/vote.h"
#include "support/error.h"
#include "support/log.h"
#include "tests/catch.h"
#include "tests/harness/records.h"
#include "tests/harness/scripted_model.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

EvaluationOptions options(const std::string& intervention, int records = 6) {
  EvaluationOptions made;
  made.dataset = sum_dataset(records).string();
  made.arms = {"original", "trap"};
  made.interventions = {intervention};
  return made;
}

StoredRun run(const EvaluationOptions& made, ScriptedModel& model, const fs::path& folder) {
  set_quiet(true);
  return run_evaluation(prepare_evaluation(made, "1.2.3"), model, folder, {}).value();
}

std::string refusal(const EvaluationOptions& made) {
  try {
    prepare_evaluation(made, "1.2.3");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string file_of(const std::vector<Record>& records, const std::string& name) {
  std::string lines;
  for (const Record& record : records) lines += write_json_record(record) + "\n";
  const fs::path file = fresh_path(name).string() + ".jsonl";
  write_file_atomically(file, lines);
  return file.string();
}

}  // namespace

TEST_CASE("problems that the shots show are refused with their ids, or left out") {
  Record shot = sum_record(3);
  shot.id = shot.cluster = "elsewhere";
  shot.original->solution = "3 + 1 = 4. The answer is 4.";
  shot.original->problem = "what is 3 + 1 ?";
  EvaluationOptions made = options("1-shot");
  made.shots = file_of({shot}, "shots");
  CHECK(contains(refusal(made), "sum-3"));
  CHECK(contains(refusal(made), "--drop-contaminated"));
  made.drop_contaminated = true;
  const PreparedEvaluation evaluation = prepare_evaluation(made, "1.2.3");
  CHECK(evaluation.plan.questions.size() == 10);
  for (const Question& question : evaluation.plan.questions) {
    CHECK(question.cluster != "sum-3");
    CHECK(contains(question.request.prompt, shot.trap->problem));
  }
  CHECK(contains(evaluation.plan.notes.back(), "sum-3"));
}

TEST_CASE("a cluster that the shots share is contaminated, another is not") {
  Record shot = sum_record(40);
  shot.cluster = "sum-2";
  const std::vector<Record> records = {sum_record(1), sum_record(2), sum_record(3)};
  CHECK(contaminated_records(records, std::vector<Record>{shot}) == std::vector<std::size_t>{1});
  CHECK(contaminated_records(records, std::vector<Record>{sum_record(40)}).empty());
}

TEST_CASE("the data set that is evaluated cannot be its own pool of shots") {
  EvaluationOptions made = options("3-shot:nearest");
  made.shots = made.dataset;
  CHECK(contains(refusal(made), "sum-1, sum-2"));
}

TEST_CASE("all is the paper's grid") {
  EvaluationOptions made = options("all");
  const PreparedEvaluation evaluation = prepare_evaluation(made, "1.2.3");
  std::set<std::string> names;
  for (const Question& question : evaluation.plan.questions) names.insert(question.intervention);
  CHECK(names == std::set<std::string>{"none", "hint", "hint+1-shot", "hint+5-shot"});
}

TEST_CASE("a second turn is asked after the first, holds its reply, and is what counts") {
  const fs::path folder = fresh_path("second-turn");
  const std::string follow_up = load_intervention("check").follow_up;
  ScriptedModel model([&](const GenerationRequest& request) {
    if (!contains(request.prompt, follow_up)) return finished_reply(" The answer is 77.");
    CHECK(contains(request.prompt, "\nAnswer: The answer is 77.\nQuestion: "));
    return finished_reply(" It is not said how much is added, so there is no answer.");
  });
  const StoredRun stored = run(options("check"), model, folder);
  CHECK(model.asked == 24);
  for (const Sample& sample : stored.samples) {
    CHECK(sample.first_reply == " The answer is 77.");
    CHECK(sample.verdict == (sample.arm == Arm::trap ? Verdict::flaw_named : Verdict::no_answer));
    CHECK(contains(sample.prompt, follow_up));
  }
  CHECK_FALSE(fs::exists(folder / "replies.sqlite"));
}

TEST_CASE("the majority is found by equal answers, and replies without an answer are one group") {
  using Replies = std::vector<std::string>;
  const auto majority = [](const Replies& replies) { return majority_reply(Arm::original, replies); };
  CHECK(majority({"The answer is 1.", "The answer is 0.5.", "The answer is \\frac{1}{2}."}) == 1);
  CHECK(majority({"The answer is 1.", "There is no answer.", "The problem cannot be solved."}) == 1);
  CHECK(majority({"The answer is 1.", "The answer is 2."}) == 0);
  CHECK(majority_reply(Arm::conceptual, Replies{"False.", "True.", "Yes, that is true."}) == 1);
}

TEST_CASE("a vote asks with other seeds, and the most common answer counts") {
  EvaluationOptions made = options("vote:5", 2);
  made.arms = {"original"};
  CHECK(contains(refusal(made), "--temperature 0"));
  made.generation.temperature = 0.7;
  std::map<std::string, std::set<std::uint64_t>> seeds;
  ScriptedModel model([&](const GenerationRequest& request) {
    std::set<std::uint64_t>& seen = seeds[request.prompt];
    seen.insert(request.options.seed);
    const bool first = contains(request.prompt, "What is 1 + 1?");
    if (seen.size() <= 2) return finished_reply(" The answer is 9.");
    return finished_reply(first ? " The answer is 2." : " The answer is 3.");
  });
  const StoredRun stored = run(made, model, fresh_path("vote"));
  CHECK(model.asked == 10);
  for (const auto& [prompt, seen] : seeds) CHECK(seen.size() == 5);
  REQUIRE(stored.samples.size() == 2);
  for (const Sample& sample : stored.samples) {
    CHECK(sample.verdict == Verdict::correct);
    CHECK(sample.other_votes.size() == 4);
    CHECK(sample.completion_tokens == 25);
  }
}

TEST_CASE("votes and first turns that were finished before a stop are not asked again") {
  EvaluationOptions made = options("check+vote:3", 3);
  made.generation.temperature = 1;
  const auto reply = [](const GenerationRequest& request) {
    return finished_reply(" The answer is " + std::to_string(request.options.seed % 3) + ".");
  };
  ScriptedModel whole(reply);
  const StoredRun wanted = run(made, whole, fresh_path("whole-votes"));
  CHECK(whole.asked == 36);

  const fs::path folder = fresh_path("stopped-votes");
  struct Stop {};
  std::size_t asked = 0;
  ScriptedModel stopped([&](const GenerationRequest& request) {
    if (asked == 25) throw Stop();
    ++asked;
    return reply(request);
  });
  set_quiet(true);
  CHECK_THROWS_AS(run_evaluation(prepare_evaluation(made, "1.2.3"), stopped, folder, {}), Stop);
  CHECK(fs::exists(folder / "replies.sqlite"));
  ScriptedModel rest(reply);
  const StoredRun resumed = run(made, rest, folder);
  CHECK(rest.asked == 36 - 25);
  REQUIRE(resumed.samples.size() == wanted.samples.size());
  for (std::size_t i = 0; i < wanted.samples.size(); ++i) {
    CHECK(write_sample(resumed.samples[i]) == write_sample(wanted.samples[i]));
  }
}

// Complaint 2: a cache that serves one model's answers as another's, or ignores sampling parameters.
TEST_CASE("complaint 2: the cache answers for the same model, prompt and options alone") {
  const std::string file = fresh_path("cache").string() + ".sqlite";
  const std::vector<GenerationRequest> requests = {{"a", {}}, {"b", {}}};
  const auto asked = [&](const std::string& model_hash, const std::vector<GenerationRequest>& wanted) {
    ScriptedModel model([](const GenerationRequest& request) { return finished_reply(request.prompt + "!"); },
                        model_hash);
    const auto cached = with_reply_cache(model, file);
    std::map<std::size_t, std::string> replies;
    cached->answer(wanted, [&](std::size_t index, const Completion& completion) {
      replies[index] = completion.text;
      return true;
    });
    REQUIRE(replies.size() == wanted.size());
    for (const auto& [index, text] : replies) CHECK(text == wanted[index].prompt + "!");
    return model.asked;
  };
  CHECK(asked("one", requests) == 2);
  CHECK(asked("one", requests) == 0);
  CHECK(asked("two", requests) == 2);
  CHECK(asked("one", {{"a", {}}, {"c", {}}}) == 1);
  // The same text, of which a user has said other parts, is another prompt.
  CHECK(asked("one", {{"a", {}, {{0, 1}}}}) == 1);
  CHECK(asked("one", {{"a", {}, {{0, 1}}}}) == 0);
  std::vector<std::pair<const char*, GenerationOptions>> others;
  const auto other = [&](const char* name, auto change) {
    GenerationOptions changed;
    change(changed);
    others.emplace_back(name, changed);
  };
  other("max_new_tokens", [](GenerationOptions& o) { o.max_new_tokens = 7; });
  other("temperature", [](GenerationOptions& o) { o.temperature = 0.5; });
  other("top_k", [](GenerationOptions& o) { o.top_k = 3; });
  other("top_p", [](GenerationOptions& o) { o.top_p = 0.5; });
  other("min_p", [](GenerationOptions& o) { o.min_p = 0.5; });
  other("seed", [](GenerationOptions& o) { o.seed = 9; });
  other("stop", [](GenerationOptions& o) { o.stop = {"x"}; });
  for (const auto& [name, changed] : others) {
    INFO(name);
    CHECK(asked("one", {{"a", changed}}) == 1);
    CHECK(asked("one", {{"a", changed}}) == 0);
  }
}

TEST_CASE("what is no cache of replies is refused and left as it is") {
  ScriptedModel model([](const GenerationRequest&) { return finished_reply("x"); });
  const fs::path text = fresh_path("no-cache").string() + ".sqlite";
  const std::string content =
      "this is a text file and no database, long enough to have a header of its own, and more. "
      "It goes on for a while.";
  write_file_atomically(text, content);
  CHECK_THROWS_AS(with_reply_cache(model, text.string()), Error);
  CHECK(read_file(text) == content);
  CHECK_THROWS_AS(with_reply_cache(model, "/nowhere/cache.sqlite"), Error);
}
