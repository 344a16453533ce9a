#include "finetune/documents.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <optional>

#include "datasets/record.h"
#include "support/files.h"
#include "support/json.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr std::size_t kLinesAtOnce = 4096;  // parsed and tokenised in parallel before they are put together

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

  DocumentText render(DocumentKind kind, std::string_view question, std::string_view reply,
                      const std::string& place) const {
    const Arm arm = kind == DocumentKind::conceptual ? Arm::conceptual : Arm::original;
    const bool hinted = kind != DocumentKind::conceptual && carries_hint(question);
    return {kind, make_prompt(form_, hinted ? hint_ : plain_, arm, question), fmt::format(" {}", reply), place};
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

/// "file:line", "file" or, of a record that stands in no file, its id.
std::string name_place(const Place& place, const std::string& id) {
  if (place.file.empty()) return id;
  return place.line == 0 ? place.file : fmt::format("{}:{}", place.file, place.line);
}

void take_record(const Record& record, const Renderer& renderer, const std::function<void(const DocumentText&)>& take) {
  const std::string place = name_place(record.place, record.id);
  if (record.original && renderer.wants(DocumentKind::original)) {
    const std::string& reply = record.original->solution;
    if (reply.empty()) fail(record.place, "original.solution is needed for training");
    take(renderer.render(DocumentKind::original, record.original->problem, reply, place));
  }
  if (renderer.wants(DocumentKind::conceptual)) {
    for (const Concept& item : record.concepts) {
      const std::string reply = item.solution.empty() ? (item.answer ? "True." : "False.") : item.solution;
      take(renderer.render(DocumentKind::conceptual, item.question, reply, place));
    }
  }
  if (record.trap && renderer.wants(DocumentKind::trap)) {
    const std::string reply = fmt::format("This has no answer, because {}", record.trap->explanation);
    take(renderer.render(DocumentKind::trap, record.trap->problem, reply, place));
  }
}

/// The documents of one line of JSONL.
void take_line(std::string_view line, const Place& place, const Renderer& renderer,
               const std::function<void(const DocumentText&)>& take) {
  if (line.empty()) return;
  // Records are parsed by their reader alone: with their proofs they are long, and there may be hundreds of thousands.
  if (line.find("\"instruction\"") != std::string_view::npos) {
    const Json json = parse_json(line, place);
    if (json.is_object() && json.contains("instruction")) {
      if (!renderer.wants(DocumentKind::instruction)) return;
      take(renderer.render(DocumentKind::instruction, json_string(json, "instruction", place),
                           json_string(json, "response", place), name_place(place, "")));
      return;
    }
  }
  take_record(parse_json_record(line, place), renderer, take);
}

/// JSONL of our own, known by its first line; all else is a data set that users have.
bool is_our_jsonl(const std::string& path) {
  if (!path.ends_with(".jsonl")) return false;
  std::optional<bool> ours;
  for_each_line(path, [&](std::string_view line, std::size_t number) {
    if (ours || line.empty()) return;
    const Json json = parse_json(line, {path, number, ""});
    const auto holds = [&](const char* part) { return json.contains(part) && json.at(part).is_structured(); };
    ours = json.is_object() && (json.contains("instruction") || holds("original") || holds("trap") || holds("concept"));
  });
  if (!ours) fail({path, 0, ""}, "holds no lines");
  return *ours;
}

/// A text as it is appended to a set.
struct Tokens {
  DocumentKind kind = DocumentKind::original;
  std::vector<TokenId> prompt;
  std::vector<TokenId> whole;  ///< prompt and reply
  std::string place;
};

Tokens tokenize(const DocumentText& text, const Tokenizer& tokenizer) {
  const auto& [prompt, user_text] = text.prompt;
  std::vector<TextSpan> plain = user_text;
  plain.push_back({prompt.size(), prompt.size() + text.reply.size()});
  return {text.kind, tokenizer.encode(prompt, SpecialTokens::parsed, user_text),
          tokenizer.encode(prompt + text.reply, SpecialTokens::parsed, plain), text.place};
}

void append(DocumentSet& set, const Tokens& text, const Tokenizer& tokenizer, std::int64_t longest) {
  const auto& [kind, prompt, whole, place] = text;
  if (whole.size() <= prompt.size() || !std::equal(prompt.begin(), prompt.end(), whole.begin())) {
    set.split_badly.push_back(place);
    return;
  }
  if (static_cast<std::int64_t>(whole.size()) + 2 > longest) {
    set.too_long.push_back(place);
    return;
  }
  const bool has_bos = tokenizer.bos() >= 0;
  if (has_bos) set.tokens.push_back(tokenizer.bos());
  set.tokens.insert(set.tokens.end(), whole.begin(), whole.end());
  if (tokenizer.eos() >= 0) set.tokens.push_back(tokenizer.eos());
  set.starts.push_back(static_cast<std::int64_t>(set.tokens.size()));
  set.places.push_back(place);
  set.prompt_lengths.push_back(static_cast<std::int32_t>(prompt.size()) + (has_bos ? 1 : 0));
}

/// Lines that wait to be tokenised together.
class LineBatch {
 public:
  LineBatch(const Renderer& renderer, const Tokenizer& tokenizer, std::array<DocumentSet, kDocumentKinds>& sets,
            std::int64_t longest)
      : renderer_(renderer), tokenizer_(tokenizer), sets_(sets), longest_(longest) {}

  void add(std::string_view line, const Place& place) {
    lines_.push_back({std::string(line), place, {}, nullptr});
    if (lines_.size() == kLinesAtOnce) flush();
  }

  /// The first line in order that is wrong is the one that is reported, whatever thread came upon it.
  void flush() {
    at::parallel_for(0, static_cast<std::int64_t>(lines_.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) read(lines_[i]);
    });
    for (const Line& line : lines_) {
      if (line.error) std::rethrow_exception(line.error);
      for (const Tokens& text : line.texts) append(sets_.at(index_of(text.kind)), text, tokenizer_, longest_);
    }
    lines_.clear();
  }

 private:
  struct Line {
    std::string text;
    Place place;
    std::vector<Tokens> texts;
    std::exception_ptr error;
  };

  void read(Line& line) const {
    try {
      take_line(line.text, line.place, renderer_,
                [&](const DocumentText& text) { line.texts.push_back(tokenize(text, tokenizer_)); });
    } catch (const Error&) {
      line.error = std::current_exception();
    }
  }

  const Renderer& renderer_;
  const Tokenizer& tokenizer_;
  std::array<DocumentSet, kDocumentKinds>& sets_;
  std::int64_t longest_;
  std::vector<Line> lines_;
};

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
  if (!is_our_jsonl(path)) {
    for (const Record& record : read_dataset(path)) take_record(record, renderer, take);
    return;
  }
  for_each_line(path, [&](std::string_view line, std::size_t number) {
    take_line(line, {path, number, ""}, renderer, take);
  });
}

void for_each_document(const std::vector<Record>& records, const DocumentOptions& options,
                       const std::function<void(const DocumentText&)>& take) {
  const Renderer renderer(options);
  for (const Record& record : records) take_record(record, renderer, take);
}

std::array<DocumentSet, kDocumentKinds> tokenize_documents(const std::vector<std::string>& paths,
                                                           const std::vector<Record>& records,
                                                           const DocumentOptions& options, const Tokenizer& tokenizer,
                                                           std::int64_t longest) {
  std::array<DocumentSet, kDocumentKinds> sets;
  const Renderer renderer(options);
  const auto add = [&](const DocumentText& text) {
    append(sets.at(index_of(text.kind)), tokenize(text, tokenizer), tokenizer, longest);
  };
  LineBatch lines(renderer, tokenizer, sets, longest);
  for (const std::string& path : paths) {
    if (is_our_jsonl(path)) {
      for_each_line(path, [&](std::string_view line, std::size_t number) { lines.add(line, {path, number, ""}); });
      lines.flush();
    } else {
      for_each_document(path, options, add);
    }
  }
  for_each_document(records, options, add);
  return sets;
}

}  // namespace mathtrap
