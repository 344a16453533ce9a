// Training documents: prompts with the replies that are to be learned, from problem records and instruction files, as
// token ids. The prompts are those of evaluation, token for token.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/record.h"
#include "model/tokenizer.h"
#include "prompts/prompts.h"
#include "prompts/user_text.h"

namespace mathtrap {

/// Where a document comes from. A problem record gives one of each of the first three; an instruction line one of the
/// last.
enum class DocumentKind { original, conceptual, trap, instruction };
constexpr std::size_t kDocumentKinds = 4;

/// "original", "concept", "trap", "instruction".
std::string_view to_string(DocumentKind kind);

struct DocumentOptions {
  /// Shares of the training documents by kind; a kind with share 0 is not read. They need not sum to 1.
  std::array<double, kDocumentKinds> mix = {0.6, 0.25, 0, 0.15};
  /// Share of the original, trap and instruction documents whose prompt carries the hint.
  double hint_share = 0.3;
  std::string prompt_form = "plain";
  std::string hint = "hint";  ///< name of the intervention whose hint that is
  std::uint64_t seed = 0;
};

/// "original:0.6,concept:0.25,…" to shares; kinds that are not named get 0. Throws Error naming the kinds.
std::array<double, kDocumentKinds> parse_mix(const std::string& text);

struct DocumentText {
  DocumentKind kind = DocumentKind::original;
  Prompt prompt;
  std::string reply;  ///< begins with a blank
  std::string place;  ///< where it stands: "file:line" or the record's id
};

/// Calls `take` for each document of a file: JSONL of problem records (datasets/record.h), of instructions
/// {"instruction","response"}, or both; anything else is read by read_dataset. Which prompts carry the hint depends on
/// the seed and the texts alone. Throws Error naming file, line and field.
void for_each_document(const std::string& path, const DocumentOptions& options,
                       const std::function<void(const DocumentText&)>& take);

/// The same of records that lie in no file.
void for_each_document(const std::vector<Record>& records, const DocumentOptions& options,
                       const std::function<void(const DocumentText&)>& take);

/// Token ids of many documents, one after another: begin-of-text, prompt, reply, end-of-text.
struct DocumentSet {
  std::vector<TokenId> tokens;
  std::vector<std::int64_t> starts = {0};    ///< of each document, and the end of the last
  std::vector<std::int32_t> prompt_lengths;  ///< tokens before the reply, begin-of-text among them
  std::vector<std::string> places;           ///< where each document stands
  std::vector<std::string> too_long;         ///< places of those left out because they exceed the longest length
  std::vector<std::string> split_badly;  ///< and of those whose prompt and reply share a token, so that the reply could
                                         ///< not follow the prompt in generation

  std::size_t size() const { return prompt_lengths.size(); }
  const std::string& place(std::size_t index) const { return places[index]; }
  std::span<const TokenId> document(std::size_t index) const {
    return std::span(tokens).subspan(static_cast<std::size_t>(starts[index]),
                                     static_cast<std::size_t>(starts[index + 1] - starts[index]));
  }
};

/// The documents of files and then of records, by kind and in their order, tokenised by all threads. `longest`: the
/// longest document in tokens; a longer one is left out, never cut.
std::array<DocumentSet, kDocumentKinds> tokenize_documents(const std::vector<std::string>& paths,
                                                           const std::vector<Record>& records,
                                                           const DocumentOptions& options, const Tokenizer& tokenizer,
                                                           std::int64_t longest);

}  // namespace mathtrap
