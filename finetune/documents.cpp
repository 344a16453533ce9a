#include "finetune/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "datasets/record.h"
#include "support/files.h"
#include "support/json.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr std::array<std::string_view, kDocumentKinds> kKindNames = {"original", "concept", "trap", "instruction"};

std::size_t index_of(DocumentKind kind) {
  return static_cast<std::size_t>(kind);
}

/// Renders documents of one file.
class Renderer {
 public:
  explicit Renderer(const DocumentOptions& options)
      : options_(options),
        form_(load_prompt_form(options.prompt_form)),
        plain_(load_intervention("none")),
        hint_(load_intervention(options.hint)) {}

  bool wants(DocumentKind kind) const { return options_.mix.at(index_of(kind)) > 0; }

  DocumentText render(DocumentKind kind, std::string_view question, std::string_view reply) const {
    const Arm arm = kind == DocumentKind::conceptual ? Arm::conceptual : Arm::original;
    const bool hinted = kind != DocumentKind::conceptual && carries_hint(question);
    return {kind, render_prompt(form_, hinted ? hint_ : plain_, arm, question), fmt::format(" {}", reply)};
  }

 private:
  bool carries_hint(std::string_view question) const {
    return Random(options_.seed, question).uniform() < options_.hint_share;
  }

  const DocumentOptions& options_;
  PromptForm form_;
  Intervention plain_;
  Intervention hint_;
};

void take_record(const Record& record, const Renderer& renderer, const std::function<void(const DocumentText&)>& take) {
  if (record.original && renderer.wants(DocumentKind::original)) {
    const std::string& reply = record.original->solution;
    if (reply.empty()) fail(record.place, "original.solution is needed for training");
    take(renderer.render(DocumentKind::original, record.original->problem, reply));
  }
  if (renderer.wants(DocumentKind::conceptual)) {
    for (const Concept& item : record.concepts) {
      const std::string reply = item.solution.empty() ? (item.answer ? "True." : "False.") : item.solution;
      take(renderer.render(DocumentKind::conceptual, item.question, reply));
    }
  }
  if (record.trap && renderer.wants(DocumentKind::trap)) {
    const std::string reply = fmt::format("This has no answer, because {}", record.trap->explanation);
    take(renderer.render(DocumentKind::trap, record.trap->problem, reply));
  }
}

void append(DocumentSet& set, const DocumentText& text, const Tokenizer& tokenizer, std::int64_t context) {
  const std::vector<TokenId> prompt = tokenizer.encode(text.prompt);
  const std::vector<TokenId> whole = tokenizer.encode(text.prompt + text.reply);
  if (whole.size() <= prompt.size() || !std::equal(prompt.begin(), prompt.end(), whole.begin())) {
    ++set.split_badly;
    return;
  }
  if (static_cast<std::int64_t>(whole.size()) + 2 > context) {
    ++set.too_long;
    return;
  }
  const bool has_bos = tokenizer.bos() >= 0;
  if (has_bos) set.tokens.push_back(tokenizer.bos());
  set.tokens.insert(set.tokens.end(), whole.begin(), whole.end());
  if (tokenizer.eos() >= 0) set.tokens.push_back(tokenizer.eos());
  set.starts.push_back(static_cast<std::int64_t>(set.tokens.size()));
  set.prompt_lengths.push_back(static_cast<std::int32_t>(prompt.size()) + (has_bos ? 1 : 0));
}

}  // namespace

std::string_view to_string(DocumentKind kind) {
  return kKindNames.at(index_of(kind));
}

std::array<double, kDocumentKinds> parse_mix(const std::string& text) {
  std::array<double, kDocumentKinds> mix{};
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    const std::size_t colon = part.find(':');
    const auto kind = std::find(kKindNames.begin(), kKindNames.end(), part.substr(0, colon));
    double share = -1;
    if (colon != std::string_view::npos) {
      const std::string_view number = part.substr(colon + 1);
      const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), share);
      if (problem != std::errc() || end != number.data() + number.size()) share = -1;
    }
    if (kind == kKindNames.end() || !(share >= 0 && share <= 1e6)) {
      throw Error(
          fmt::format("--mix: '{}' is not KIND:SHARE with a kind of original, concept, trap, instruction", part));
    }
    mix.at(static_cast<std::size_t>(kind - kKindNames.begin())) = share;
  }
  if (std::all_of(mix.begin(), mix.end(), [](double share) { return share == 0; })) {
    throw Error("--mix: at least one share must be above 0");
  }
  return mix;
}

void for_each_document(const std::string& path, const DocumentOptions& options,
                       const std::function<void(const DocumentText&)>& take) {
  const Renderer renderer(options);
  for_each_line(path, [&](std::string_view line, std::size_t number) {
    if (line.empty()) return;
    const Place place{path, number, ""};
    const Json json = parse_json(line, place);
    if (!json.contains("instruction")) {
      take_record(parse_json_record(line, place), renderer, take);
    } else if (renderer.wants(DocumentKind::instruction)) {
      take(renderer.render(DocumentKind::instruction, json_string(json, "instruction", place),
                           json_string(json, "response", place)));
    }
  });
}

std::array<DocumentSet, kDocumentKinds> tokenize_documents(const std::vector<std::string>& paths,
                                                           const DocumentOptions& options, const Tokenizer& tokenizer,
                                                           std::int64_t context) {
  std::array<DocumentSet, kDocumentKinds> sets;
  for (const std::string& path : paths) {
    for_each_document(path, options, [&](const DocumentText& text) {
      append(sets.at(index_of(text.kind)), text, tokenizer, context);
    });
  }
  return sets;
}

}  // namespace mathtrap
