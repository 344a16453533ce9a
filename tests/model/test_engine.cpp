// Generation and scoring: the published reply of a small model, and the promise that a reply depends on nothing but its
// own request.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <set>

#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/network.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

constexpr const char* kStories = "data/models/stories260K-hf";

GenerationRequest request(const std::string& prompt, int tokens) {
  GenerationRequest result;
  result.prompt = prompt;
  result.options.max_new_tokens = tokens;
  return result;
}

std::vector<GenerationRequest> story_requests(std::size_t count) {
  const std::vector<std::string> beginnings = {
      "Once upon a time",
      "Lily and Tom went to the park. They saw a big",
      "",
      "The dog",
      "Once upon a time, there was a",
      "One day, a little boy named Tim found a red ball in the garden. He wanted to play with it, but his mom said"};
  std::vector<GenerationRequest> requests;
  for (std::size_t i = 0; i < count; ++i) {
    GenerationRequest item = request(beginnings[i % beginnings.size()], 20 + static_cast<int>(i * 7 % 30));
    if (i % 3 == 1) item.options.temperature = 0.9;
    if (i % 3 == 1) item.options.top_p = 0.9;
    item.options.seed = i;
    requests.push_back(item);
  }
  return requests;
}

std::vector<std::string> texts_of(const std::vector<Completion>& completions) {
  std::vector<std::string> texts;
  for (const Completion& completion : completions) texts.push_back(completion.text);
  return texts;
}

EngineOptions options_of(int batch, std::int64_t chunk) {
  EngineOptions options;
  options.batch_size = batch;
  options.chunk_tokens = chunk;
  return options;
}

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace

TEST_CASE("the published greedy reply of stories260K, from every form of the checkpoint") {
  if (!has_shared_data("data/models/stories260K/EXPECTED_GREEDY.txt")) return;
  std::string expected = read_file(shared_data("data/models/stories260K/EXPECTED_GREEDY.txt"));
  while (expected.ends_with('\n')) expected.pop_back();
  for (const char* path : {kStories, "data/models/stories260K/stories260K.f32.gguf"}) {
    INFO(path);
    Engine engine(shared_data(path).string(), {});
    const GenerationRequest requests[] = {request("", 256)};
    const std::string text = engine.generate(requests, nullptr).front().text;
    CHECK(text.substr(0, expected.size()) == expected);
  }
}

// Complaint 1 of harnesses' users: results that change with the batch size.
TEST_CASE("complaint 1: a reply is the same alone, in any batch, with any chunk and any number of threads") {
  if (!has_shared_data(kStories)) return;
  const std::vector<GenerationRequest> requests = story_requests(32);
  std::vector<std::string> alone;
  {
    const Threads one(1);
    Engine engine(shared_data(kStories).string(), options_of(1, 512));
    for (const GenerationRequest& item : requests) {
      alone.push_back(engine.generate({&item, 1}, nullptr).front().text);
    }
  }
  CHECK(std::set<std::string>(alone.begin(), alone.end()).size() > 20);
  for (const int threads : {1, 2}) {
    for (const int batch : {7, 32}) {
      for (const std::int64_t chunk : {3, 16, 512}) {
        const Threads set(threads);
        INFO(threads << " threads, batches of " << batch << ", chunks of " << chunk);
        Engine engine(shared_data(kStories).string(), options_of(batch, chunk));
        CHECK(texts_of(engine.generate(requests, nullptr)) == alone);
      }
    }
  }
}

TEST_CASE("scores are the same to the bit alone, in any batch, with any chunk and any number of threads") {
  if (!has_shared_data(kStories)) return;
  std::vector<ScoreRequest> requests;
  for (const GenerationRequest& item : story_requests(24)) {
    requests.push_back({item.prompt, " little girl named Lily. She " + std::to_string(requests.size())});
  }
  std::vector<double> alone;
  {
    const Threads one(1);
    Engine engine(shared_data(kStories).string(), options_of(1, 512));
    for (const ScoreRequest& item : requests) alone.push_back(engine.score({&item, 1}).front().logprob);
  }
  for (const int threads : {1, 2}) {
    for (const std::int64_t chunk : {5, 512}) {
      const Threads set(threads);
      Engine engine(shared_data(kStories).string(), options_of(11, chunk));
      const std::vector<Score> scores = engine.score(requests);
      for (std::size_t i = 0; i < scores.size(); ++i) CHECK(scores[i].logprob == alone[i]);
    }
  }
}

TEST_CASE("a score is the sum of log-probabilities from full logits") {
  if (!has_shared_data(kStories)) return;
  const std::string path = shared_data(kStories).string();
  Engine engine(path, {});
  const ScoreRequest pair = {"Once upon a time", ", there was a little girl"};
  const Score score = engine.score({&pair, 1}).front();
  std::vector<std::int64_t> tokens = {engine.info().config.bos_token_id};
  for (const TokenId id : engine.tokenizer().encode(pair.prompt + pair.continuation)) tokens.push_back(id);
  const std::size_t context = engine.tokenizer().encode(pair.prompt).size() + 1;
  const at::NoGradGuard no_gradients;
  const Network network = make_network(read_checkpoint(path), "cpu");
  const at::Tensor logits =
      training_forward(network, at::tensor(tokens), {{0, static_cast<std::int64_t>(tokens.size())}}, {});
  const at::Tensor logprobs = at::log_softmax(logits.to(at::kDouble), -1);
  double sum = 0;
  for (std::size_t i = context; i < tokens.size(); ++i) {
    sum += logprobs[static_cast<std::int64_t>(i) - 1][tokens[i]].item<double>();
  }
  CHECK(score.tokens == static_cast<std::int64_t>(tokens.size() - context));
  CHECK(score.logprob == Approx(sum).epsilon(1e-5));
}

TEST_CASE("a continuation is greedy when generation gives it") {
  if (!has_shared_data(kStories)) return;
  Engine engine(shared_data(kStories).string(), {});
  const GenerationRequest prompt = request("Once upon a time", 12);
  const std::string reply = engine.generate({&prompt, 1}, nullptr).front().text;
  const std::vector<ScoreRequest> pairs = {{prompt.prompt, reply}, {prompt.prompt, " zebra"}};
  const std::vector<Score> scores = engine.score(pairs);
  CHECK(scores[0].greedy);
  CHECK_FALSE(scores[1].greedy);
  CHECK(scores[0].logprob > scores[1].logprob);
}

TEST_CASE("a blank at the prompt's end belongs to the continuation") {
  if (!has_shared_data(kStories)) return;
  Engine engine(shared_data(kStories).string(), {});
  const std::vector<ScoreRequest> pairs = {{"Once upon a ", "time"}, {"Once upon a", " time"}};
  const std::vector<Score> scores = engine.score(pairs);
  CHECK(scores[0].logprob == scores[1].logprob);
  CHECK(scores[0].tokens == scores[1].tokens);
}

TEST_CASE("perplexity scores every token once, in windows") {
  if (!has_shared_data(kStories)) return;
  Engine engine(shared_data(kStories).string(), {});
  const std::string text = read_file(shared_data("data/models/stories260K/EXPECTED_GREEDY.txt"));
  const Perplexity whole = engine.perplexity(text, 0);
  CHECK(whole.tokens == static_cast<std::int64_t>(engine.tokenizer().encode(text).size()));
  const ScoreRequest pair = {"", text};
  const Score score = engine.score({&pair, 1}).front();
  CHECK(score.tokens == whole.tokens);
  CHECK(whole.perplexity == Approx(std::exp(-score.logprob / static_cast<double>(score.tokens))));
  // With less before them the same tokens are harder to guess.
  const Perplexity short_windows = engine.perplexity(text, 8);
  CHECK(short_windows.tokens == whole.tokens);
  CHECK(short_windows.perplexity > whole.perplexity);
  CHECK_THROWS_AS(engine.perplexity("", 0), Error);
  CHECK_THROWS_AS(engine.perplexity(text, 1), Error);
  CHECK_THROWS_AS(engine.perplexity(text, 513), Error);
}

TEST_CASE("a stop string ends the reply before it, also across token borders") {
  if (!has_shared_data(kStories)) return;
  Engine engine(shared_data(kStories).string(), {});
  GenerationRequest item = request("", 60);
  const std::string whole = engine.generate({&item, 1}, nullptr).front().text;
  item.options.stop = {"never said", "l named Li"};
  const Completion stopped = engine.generate({&item, 1}, nullptr).front();
  CHECK(stopped.text == whole.substr(0, whole.find("l named Li")));
  CHECK(stopped.finish_reason == FinishReason::stop);
  CHECK(stopped.completion_tokens < 60);
}

TEST_CASE("a reply cut at its limit or at the end of the context says so") {
  if (!has_shared_data(kStories)) return;
  Engine engine(shared_data(kStories).string(), {});
  GenerationRequest item = request("Once upon a time", 5);
  Completion cut = engine.generate({&item, 1}, nullptr).front();
  CHECK(cut.finish_reason == FinishReason::length);
  CHECK(cut.completion_tokens == 5);
  item.options.max_new_tokens = 100000;
  cut = engine.generate({&item, 1}, nullptr).front();
  CHECK(cut.prompt_tokens + cut.completion_tokens <= 512);
  if (cut.finish_reason == FinishReason::length) CHECK(cut.prompt_tokens + cut.completion_tokens == 512);
}

TEST_CASE("equal requests get one completion, each its own call") {
  if (!has_shared_data(kStories)) return;
  Engine engine(shared_data(kStories).string(), {});
  const std::vector<GenerationRequest> requests(5, request("The cat", 10));
  std::vector<std::size_t> called;
  const auto completions = engine.generate(requests, [&](std::size_t index, const Completion& completion) {
    CHECK_FALSE(completion.text.empty());
    called.push_back(index);
    return true;
  });
  CHECK(called == std::vector<std::size_t>{0, 1, 2, 3, 4});
  for (const Completion& completion : completions) CHECK(completion.text == completions[0].text);
}

// Complaint 6: an automatic batch size that picks 1. In a batch a short reply is finished before a long one that was
// asked for first.
TEST_CASE("complaint 6: without a batch size requests are answered together") {
  if (!has_shared_data(kStories)) return;
  const auto order = [](int batch) {
    Engine engine(shared_data(kStories).string(), options_of(batch, 512));
    const std::vector<GenerationRequest> requests = {request("The dog", 60), request("Once upon a time", 2)};
    std::vector<std::size_t> called;
    engine.generate(requests, [&](std::size_t index, const Completion&) {
      called.push_back(index);
      return true;
    });
    return called;
  };
  CHECK(order(0) == std::vector<std::size_t>{1, 0});
  CHECK(order(2) == std::vector<std::size_t>{1, 0});
  CHECK(order(1) == std::vector<std::size_t>{0, 1});
}

TEST_CASE("generation stops when the caller says so") {
  if (!has_shared_data(kStories)) return;
  Engine engine(shared_data(kStories).string(), options_of(2, 512));
  std::size_t calls = 0;
  engine.generate(story_requests(12), [&](std::size_t, const Completion&) { return ++calls < 3; });
  CHECK(calls == 3);
}

TEST_CASE("a prompt that does not fit is an error before any work") {
  if (!has_shared_data(kStories)) return;
  Engine engine(shared_data(kStories).string(), {});
  std::string long_prompt;
  for (int i = 0; i < 600; ++i) long_prompt += "the dog ran ";
  const std::vector<GenerationRequest> requests = {request("Once", 5), request(long_prompt, 5)};
  const std::string message = error_of([&] {
    engine.generate(requests, [](std::size_t, const Completion&) {
      FAIL("no completion may be made");
      return true;
    });
  });
  CHECK(contains(message, "prompt 2"));
  CHECK(contains(message, "context of 512"));
  const ScoreRequest pair = {long_prompt, " end"};
  CHECK(contains(error_of([&] { engine.score({&pair, 1}); }), "pair 1"));
}

TEST_CASE("options out of their range, unknown devices and formats are errors") {
  if (!has_shared_data(kStories)) return;
  const std::string path = shared_data(kStories).string();
  EngineOptions options;
  options.device = "tpu:0";
  CHECK(contains(error_of([&] { Engine(path, options); }), "tpu:0"));
  options.device = "cuda:0";
  CHECK(contains(error_of([&] { Engine(path, options); }), "cuda:0"));
  options = {};
  options.dtype = "int3";
  CHECK(contains(error_of([&] { Engine(path, options); }), "int3"));
  Engine engine(path, {});
  GenerationRequest item = request("Once", 5);
  item.options.top_p = 0;
  CHECK(contains(error_of([&] { engine.generate({&item, 1}, nullptr); }), "top-p"));
}

TEST_CASE("every format of weights gives nearly the same scores") {
  if (!has_shared_data(kStories)) return;
  const ScoreRequest pair = {"Once upon a time", ", there was a little girl named Lily."};
  Engine exact(shared_data(kStories).string(), {});
  const double expected = exact.score({&pair, 1}).front().logprob;
  EngineOptions options;
  options.dtype = "bf16";
  Engine rounded(shared_data(kStories).string(), options);
  CHECK(rounded.info().dtype == "bf16");
  CHECK(rounded.info().weight_bytes * 2 == exact.info().weight_bytes);
  CHECK(rounded.score({&pair, 1}).front().logprob == Approx(expected).epsilon(0.05));
  Checkpoint half = read_checkpoint(shared_data(kStories).string());
  for (auto& [name, tensor] : half.tensors) tensor = tensor.to(at::kHalf);
  const ScratchFolder folder;
  write_hugging_face_folder(folder / "half", half);
  Engine narrow(folder / "half", {});
  CHECK(narrow.info().dtype == "f16");
  CHECK(narrow.score({&pair, 1}).front().logprob == Approx(expected).epsilon(0.01));
}

// Complaint 12: temperature 0 that is not deterministic with a prefix cache.
TEST_CASE("complaint 12: prefixes that were computed for another request change nothing") {
  if (!has_shared_data(kStories)) return;
  const std::string shared = "One day, a little boy named Tim found a red ball in the garden. He wanted to play";
  std::vector<GenerationRequest> requests;
  for (const char* end : {" with it", " with his mom", ". The", "", " all day", " all day long"}) {
    requests.push_back(request(shared + end, 15));
  }
  Engine together(shared_data(kStories).string(), options_of(4, 7));
  const std::vector<std::string> texts = texts_of(together.generate(requests, nullptr));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Engine fresh(shared_data(kStories).string(), options_of(1, 512));
    CHECK(fresh.generate({&requests[i], 1}, nullptr).front().text == texts[i]);
  }
}
