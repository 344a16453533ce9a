// What `mathtrap moe inspect` finds, as JSON: prompts of a data set or a text are run through the mixture, and the
// figures are put together by arm and trap type, and of each trap with its original.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "harness/prompt_form_choice.h"
#include "support/json.h"

namespace mathtrap {

struct ExpertInspectionOptions {
  std::string model;      ///< as --model gives it
  std::string dataset;    ///< choose_dataset; not read where `data` is given
  std::string data;       ///< a text, in place of a data set; empty: none
  std::size_t limit = 0;  ///< as in choose_dataset
  PromptFormChoice form;
  std::int64_t tokens = 100000;  ///< of the text
  std::int64_t window = 512;     ///< of the text
  std::uint64_t seed = 0;
  int threads = 0;
};

/// The fields are listed in moe/README.md. Throws Error: a model without experts, no questions, prompts that do not
/// fit.
Json inspect_experts_of(const ExpertInspectionOptions& options);

}  // namespace mathtrap
