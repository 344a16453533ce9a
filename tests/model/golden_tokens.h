// The golden cases of LLaMA's vocabulary: texts, and the token ids that they have.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "model/tokenizer.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/shared_data.h"

namespace mathtrap {

/// Checks every case. Requires the shared data.
inline void check_golden_tokens(const Tokenizer& tokenizer) {
  const std::string inputs = "data/models/vocab-gguf/ggml-vocab-llama-spm.gguf.inp";
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string text = read_file(shared_data(inputs));
  std::istringstream answers(read_file(shared_data("data/models/vocab-gguf/ggml-vocab-llama-spm.gguf.out")));
  int cases = 0;
  for (std::size_t end = text.find(separator); end != std::string::npos; end = text.find(separator)) {
    const std::string input = text.substr(0, end);
    text.erase(0, end + separator.size());
    std::string line;
    REQUIRE(std::getline(answers, line));
    std::istringstream numbers(line);
    std::vector<TokenId> wanted;
    for (TokenId id = 0; numbers >> id;) wanted.push_back(id);
    INFO("input: \"" << input << '"');
    CHECK(tokenizer.encode(input) == wanted);
    ++cases;
  }
  CHECK(cases > 40);
}

}  // namespace mathtrap
