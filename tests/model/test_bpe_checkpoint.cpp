// Checkpoints with byte-level vocabularies: folders with a tokenizer.json alone, GGUF files, and replies of both.
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/model/byte_writer.h"
#include "tests/model/gguf_writer.h"
#include "tests/model/golden_tokenizers.h"
#include "tests/model/scratch.h"
#include "tests/model/small_checkpoint.h"

using namespace mathtrap;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kEmbeddings = 500;  // more than each of the small vocabularies has

Checkpoint checkpoint_with(std::string_view kind) {
  ModelConfig config = small_checkpoint().config;
  config.vocab_size = kEmbeddings;
  Checkpoint checkpoint = checkpoint_of(config);
  checkpoint.tokenizer_model = golden_tokenizer_json(kind);
  return checkpoint;
}

/// The vocabulary of a small byte-level tokenizer as a converter writes it.
GgufFile gguf_with(std::string_view kind, const std::string& pre) {
  const auto json = nlohmann::json::parse(golden_tokenizer_json(kind));
  std::vector<std::string> tokens(json["model"]["vocab"].size());
  for (const auto& [token, id] : json["model"]["vocab"].items()) tokens[id.get<std::size_t>()] = token;
  std::vector<std::int32_t> types(tokens.size(), 1);
  for (const auto& added : json["added_tokens"]) {
    const auto id = added["id"].get<std::size_t>();
    tokens.resize(std::max(tokens.size(), id + 1));
    types.resize(tokens.size(), 1);
    tokens[id] = added["content"].get<std::string>();
    types[id] = added["special"].get<bool>() ? 3 : 4;
  }
  std::vector<std::string> merges;
  for (const auto& merge : json["model"]["merges"]) {
    merges.push_back(merge.is_string()
                         ? merge.get<std::string>()
                         : fmt::format("{} {}", merge[0].get<std::string>(), merge[1].get<std::string>()));
  }
  ByteWriter stored_types;
  stored_types.number(GgufType::array).number(GgufType::int32).number(std::uint64_t{types.size()});
  for (const std::int32_t type : types) stored_types.number(type);
  GgufFile file = gguf_of(checkpoint_with(kind));
  file.set("tokenizer.ggml.model", gguf_string("gpt2"));
  file.set("tokenizer.ggml.pre", gguf_string(pre));
  file.set("tokenizer.ggml.tokens", gguf_strings(tokens));
  file.set("tokenizer.ggml.token_type", stored_types.bytes());
  file.set("tokenizer.ggml.merges", gguf_strings(merges));
  file.remove("tokenizer.ggml.scores");
  file.set("tokenizer.ggml.bos_token_id", gguf_u32(0));
  return file;
}

Checkpoint read(const GgufFile& file) {
  const ScratchFolder folder;
  return read_checkpoint(folder.write("model.gguf", file.bytes()));
}

}  // namespace

TEST_CASE("a folder with a tokenizer.json alone is read, and written again") {
  const ScratchFolder folder;
  Checkpoint checkpoint = checkpoint_with("llama3");
  write_hugging_face_folder(folder / "model", checkpoint);
  CHECK(fs::exists(folder / "model/tokenizer.json"));
  CHECK_FALSE(fs::exists(folder / "model/tokenizer.model"));
  const Checkpoint again = read_checkpoint(folder / "model");
  CHECK(again.tokenizer_model == checkpoint.tokenizer_model);
  CHECK(again.config.bos_token_id == 0);

  const std::string message = error_of([&] {
    write_file_atomically(folder / "model/tokenizer.json", "{}");
    read_checkpoint(folder / "model");
  });
  CHECK(contains(message, "tokenizer.json: model: is missing"));
}

TEST_CASE("a begin-of-text that the configuration names and the tokenizer does not add is not added") {
  const ScratchFolder folder;
  Checkpoint checkpoint = checkpoint_with("smollm");
  checkpoint.config.bos_token_id = 1;
  write_hugging_face_folder(folder.path(), checkpoint);
  CHECK(read_checkpoint(folder.path()).config.bos_token_id == -1);
}

TEST_CASE("the byte-level vocabulary of a GGUF file gives the token ids of the tokenizer.json that it was made from") {
  struct Case {
    const char* kind;
    const char* pre;
    TokenId bos;
  };
  for (const Case& vocabulary :
       {Case{"gpt2", "gpt-2", -1}, Case{"smollm", "smollm", -1}, Case{"llama3", "llama-bpe", 0}}) {
    const Checkpoint checkpoint = read(gguf_with(vocabulary.kind, vocabulary.pre));
    CHECK(checkpoint.config.bos_token_id == vocabulary.bos);
    const Tokenizer tokenizer(checkpoint.tokenizer_model, "file");
    for (const GoldenText& text : golden_texts()) {
      INFO(vocabulary.kind << ": " << text.line);
      CHECK(tokenizer.encode(text.bytes) == text.ids(vocabulary.kind, SpecialTokens::as_text));
      CHECK(tokenizer.encode(text.bytes, SpecialTokens::parsed) == text.ids(vocabulary.kind, SpecialTokens::parsed));
    }
  }
}

TEST_CASE("a GGUF file says whether begin-of-text is added, and which token ends a text") {
  GgufFile file = gguf_with("llama3", "llama-bpe");
  file.set("tokenizer.ggml.add_bos_token", gguf_bool(false));
  CHECK(read(file).config.bos_token_id == -1);
  file = gguf_with("smollm", "smollm");
  file.set("tokenizer.ggml.add_bos_token", gguf_bool(true));
  file.set("tokenizer.ggml.bos_token_id", gguf_u32(1));
  file.set("tokenizer.ggml.eos_token_id", gguf_u32(2));
  CHECK(read(file).config.bos_token_id == 1);
  CHECK(read(file).config.eos_token_ids == std::vector<std::int64_t>{2});
  file.remove("tokenizer.ggml.eos_token_id");
  CHECK(read(file).config.eos_token_ids.empty());
}

TEST_CASE("a byte-level vocabulary of a GGUF file that is wrong or not supported is refused") {
  struct Case {
    const char* key;
    std::string stored;  ///< empty: the key is removed
    const char* message;
  };
  const Case cases[] = {
      {"tokenizer.ggml.model", gguf_string("bert"), "tokenizer.ggml.model: \"bert\" is not supported"},
      {"tokenizer.ggml.pre", gguf_string("tekken"), "tokenizer.ggml.pre: \"tekken\" is not supported; gpt-2, "},
      {"tokenizer.ggml.pre", "", "tokenizer.ggml.pre: is missing"},
      {"tokenizer.ggml.merges", "", "tokenizer.ggml.merges: is missing"},
      {"tokenizer.ggml.merges", gguf_strings({"a"}), "model.merges: merge 0 is not two tokens"},
      {"tokenizer.ggml.merges", gguf_strings({"a\xff b"}), "tokenizer.ggml.merges: merge 0 is no text"},
      {"tokenizer.ggml.tokens", gguf_strings({"a"}), "tokenizer.ggml.token_type: are more or fewer"},
      {"tokenizer.ggml.bos_token_id", "", "tokenizer.ggml.bos_token_id: is -1, outside the vocabulary"},
  };
  for (const Case& bad : cases) {
    GgufFile file = gguf_with("llama3", "llama-bpe");
    file.remove(bad.key);
    if (!bad.stored.empty()) file.set(bad.key, bad.stored);
    const std::string message = error_of([&] { read(file); });
    INFO(message << "\nwanted: " << bad.message);
    CHECK(contains(message, bad.message));
    CHECK(contains(message, "model.gguf: "));
    CHECK_FALSE(contains(message, "\n"));
  }
  const auto with_tokens = [](std::size_t id, const std::string& text) {
    GgufFile file = gguf_with("smollm", "smollm");
    const auto json = nlohmann::json::parse(golden_tokenizer_json("smollm"));
    std::vector<std::string> tokens(json["model"]["vocab"].size());
    for (const auto& [token, number] : json["model"]["vocab"].items()) tokens[number.get<std::size_t>()] = token;
    tokens[id] = text;
    file.set("tokenizer.ggml.tokens", gguf_strings(tokens));
    return error_of([&] { read(file); });
  };
  CHECK(contains(with_tokens(9, ""), "tokenizer.ggml.tokens: token 9 is no text"));
  CHECK(contains(with_tokens(9, "\xff"), "tokenizer.ggml.tokens: token 9 is no text"));
  CHECK(contains(with_tokens(9, "<|im_end|>"), "tokenizer.ggml.tokens: token 9 is there twice"));
}

TEST_CASE("a reply ends with a stop string that is a special token") {
  const ScratchFolder folder;
  Checkpoint checkpoint = checkpoint_with("smollm");
  checkpoint.config.eos_token_ids = {0};
  // All logits are 0, but those of tokens 1 and 2, which are opposite: one of both is the likeliest, whatever the
  // prompt.
  at::Tensor& head = checkpoint.tensors.at("lm_head.weight");
  head = at::zeros_like(head);
  head[1].fill_(1);
  head[2].fill_(-1);
  write_hugging_face_folder(folder.path(), checkpoint);
  Engine engine(folder.path(), {});
  GenerationOptions options;
  options.max_new_tokens = 5;
  const GenerationRequest endless{"<|im_start|>user", options};
  options.stop = {"<|im_start|>", "<|im_end|>"};
  const GenerationRequest stopped{"<|im_start|>user", options};
  const GenerationRequest requests[] = {endless, stopped};
  const std::vector<Completion> completions = engine.generate(requests, {});
  CHECK(completions[0].finish_reason == FinishReason::length);
  CHECK(completions[1].finish_reason == FinishReason::stop);
  CHECK(completions[1].text.empty());
  CHECK(completions[1].completion_tokens == 1);
  // The template's token is one token, and no begin-of-text is before it.
  const auto text_tokens = static_cast<std::int64_t>(engine.tokenizer().encode("user").size());
  CHECK(completions[1].prompt_tokens == text_tokens + 1);
}

TEST_CASE("a prompt has one begin-of-text, whether or not its template writes it, and none where texts have none") {
  const auto engine_with = [](const char* kind) {
    const ScratchFolder folder;
    Checkpoint checkpoint = checkpoint_with(kind);
    checkpoint.config.bos_token_id = 1;  // configurations name one also where no text begins with it
    write_hugging_face_folder(folder.path(), checkpoint);
    return Engine(folder.path(), {});
  };
  const Engine llama3 = engine_with("llama3");
  const auto user = static_cast<std::int64_t>(llama3.tokenizer().encode("user").size());
  CHECK(llama3.prompt_tokens({"user", {}}) == user + 1);
  CHECK(llama3.prompt_tokens({"<|begin_of_text|>user", {}}) == user + 1);
  CHECK(llama3.prompt_tokens({"<|begin_of_text|><|begin_of_text|>user", {}}) == user + 2);
  // A user's is a text.
  CHECK(llama3.prompt_tokens({"<|begin_of_text|>user", {}, {{0, 21}}}) ==
        1 + static_cast<std::int64_t>(llama3.tokenizer().encode("<|begin_of_text|>user").size()));
  for (const char* kind : {"smollm", "qwen2"}) {
    const Engine none = engine_with(kind);
    const auto text = static_cast<std::int64_t>(none.tokenizer().encode("user").size());
    CHECK(none.prompt_tokens({"user", {}}) == text);
    CHECK(none.prompt_tokens({"<|im_start|>user", {}}) == text + 1);
  }
  for (const char* pre : {"smollm", "qwen2"}) {
    const ScratchFolder folder;
    const Engine none(folder.write("model.gguf", gguf_with(pre, pre).bytes()), {});
    const auto text = static_cast<std::int64_t>(none.tokenizer().encode("user").size());
    CHECK(none.prompt_tokens({"user", {}}) == text);
    CHECK(none.prompt_tokens({"<|im_start|>user", {}}) == text + 1);
  }
}
