// The small tokenizers of tests/golden/tokenizers, and the token ids that they give to hard texts.
#pragma once

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer.h"
#include "support/files.h"
#include "tests/catch.h"

namespace mathtrap {

inline std::filesystem::path golden_tokenizers() {
  return std::filesystem::path(MATHTRAP_SOURCE_DIR) / "tests/golden/tokenizers";
}

/// `kind`: "gpt2", "smollm", "llama3", "qwen2", "llama2", "mistral".
inline std::string golden_tokenizer_json(std::string_view kind) {
  return read_file(golden_tokenizers() / (std::string(kind) + ".json"));
}

/// A line of cases.jsonl.
struct GoldenText {
  std::string line;
  std::string bytes;
  nlohmann::json json;

  std::vector<TokenId> ids(std::string_view kind, SpecialTokens special_tokens) const {
    const std::string name(kind);
    const bool differs = json.contains("parsed") && json["parsed"].contains(name);
    const char* field = special_tokens == SpecialTokens::parsed && differs ? "parsed" : "ids";
    return json.at(field).at(name).get<std::vector<TokenId>>();
  }
};

inline std::vector<GoldenText> golden_texts() {
  std::vector<GoldenText> texts;
  for_each_line(golden_tokenizers() / "cases.jsonl", [&](std::string_view line, std::size_t) {
    GoldenText text{std::string(line), "", nlohmann::json::parse(line)};
    if (text.json.contains("text")) {
      text.bytes = text.json["text"].get<std::string>();
    } else {
      const std::string hex = text.json.at("bytes").get<std::string>();
      for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        unsigned byte = 0;
        std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
        text.bytes += static_cast<char>(byte);
      }
    }
    texts.push_back(std::move(text));
  });
  REQUIRE(texts.size() > 200);
  return texts;
}

}  // namespace mathtrap
