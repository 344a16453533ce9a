#include "finetune/training_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <utility>

#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/log.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

std::vector<DocumentSet> list_of(std::array<DocumentSet, kDocumentKinds>&& sets) {
  return {std::make_move_iterator(sets.begin()), std::make_move_iterator(sets.end())};
}

void read_documents(const TrainingOptions& options, const Tokenizer& tokenizer, std::int64_t longest,
                    TrainingData& data) {
  data.documents = list_of(tokenize_documents(options.data, options.records, options.documents, tokenizer, longest));
  const std::vector<std::string> files =
      options.validation.empty() ? std::vector<std::string>{} : std::vector<std::string>{options.validation};
  data.held_documents =
      list_of(tokenize_documents(files, options.validation_records, options.documents, tokenizer, longest));
  data.sources = sources_of(data.documents);
  data.held_out = sources_of(data.held_documents);
  data.mix.assign(options.documents.mix.begin(), options.documents.mix.end());
}

std::string shards_folder(const TrainingOptions& options) {
  if (!options.shards.empty()) return options.shards;
  if (options.output.empty()) throw Error("--out or --shards: a folder for the domains' tokens is needed");
  return (fs::path(options.output) / "shards").string();
}

void read_domain_texts(const TrainingOptions& options, const Tokenizer& tokenizer, const std::string& tokenizer_hash,
                       std::int64_t longest, TrainingData& data) {
  PackingOptions packing;
  packing.begin = tokenizer.bos();
  packing.end = tokenizer.eos();
  packing.seed = options.seed;
  const std::string folder = shards_folder(options);
  std::vector<std::int64_t> tokens;
  for (const Domain& domain : options.domains) {
    data.texts.push_back(pack_text(domain.train, domain.name, folder, tokenizer, tokenizer_hash, longest, packing));
    tokens.push_back(data.texts.back().tokens);
    if (domain.validation.empty()) continue;
    data.held_texts.push_back(
        pack_text(domain.validation, domain.name + ".validation", folder, tokenizer, tokenizer_hash, longest, packing));
    data.held_texts.back().name = domain.name;
  }
  for (const PackedText& text : data.texts) data.sources.push_back({text.name, nullptr, &text});
  for (const PackedText& text : data.held_texts) data.held_out.push_back({text.name, nullptr, &text});
  data.mix = choose_weights(options.domain_weights, options.domains, tokens);
}

/// A dynamic mix follows a held-out loss of every source that it draws from.
void check_sampling(const TrainingOptions& options, const TrainingData& data) {
  if (options.sampling == SamplingRule::fixed) return;
  for (std::size_t i = 0; i < data.sources.size(); ++i) {
    if (data.mix[i] == 0) continue;
    const bool is_held_out = std::any_of(data.held_out.begin(), data.held_out.end(), [&](const BatchSource& held) {
      return held.name == data.sources[i].name && held.size() > 0;
    });
    if (!is_held_out) {
      throw Error(
          fmt::format("--sampling {}: there are no held-out texts of '{}', by whose loss its share would change",
                      to_string(options.sampling), data.sources[i].name));
    }
    const bool has_reference = !options.domains.empty() && options.domains[i].reference_loss;
    if (options.reference.empty() && !has_reference) {
      throw Error(
          fmt::format("--sampling {}: '{}' has no reference loss; give --reference MODEL, or reference_loss in the "
                      "file of the domains",
                      to_string(options.sampling), data.sources[i].name));
    }
  }
}

Json describe_files(const std::string& path) {
  return {{"file", fs::path(path).filename().string()}, {"sha256", sha256_of_path(path)}};
}

/// The first of the places; all of them may be too many for a line.
std::string some_of(const std::vector<std::string>& places) {
  constexpr std::size_t kNamed = 3;
  const std::size_t shown = std::min(places.size(), kNamed);
  return fmt::format("{}{}", fmt::join(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     places.size() > shown ? ", …" : "");
}

}  // namespace

TrainingData read_training_data(const TrainingOptions& options, const Tokenizer& tokenizer,
                                const std::string& tokenizer_hash, std::int64_t longest, ProcessGroup& group) {
  TrainingData data;
  if (options.domains.empty()) {
    read_documents(options, tokenizer, longest, data);
  } else {
    for (int turn = 0; turn < std::min(group.size(), 2); ++turn) {
      if ((turn == 0) == group.is_first()) {
        read_domain_texts(options, tokenizer, tokenizer_hash, longest, data);
      }
      group.sum(0);  // the others wait here while the first writes
    }
  }
  check_sampling(options, data);
  return data;
}

Json describe_data(const TrainingOptions& options) {
  Json data = Json::array();
  for (const std::string& path : options.data) data.push_back(describe_files(path));
  if (!options.records.empty()) {
    Sha256 hash;
    for (const Record& record : options.records) hash.update(write_json_record(record) + "\n");
    data.push_back({{"records", options.records.size()}, {"sha256", hash.finish()}});
  }
  for (const Domain& domain : options.domains) {
    Json entry = {{"domain", domain.name}, {"train", describe_files(domain.train)}};
    if (!domain.validation.empty()) entry["validation"] = describe_files(domain.validation);
    if (domain.reference_loss) entry["reference_loss"] = *domain.reference_loss;
    data.push_back(std::move(entry));
  }
  return data;
}

void report_data(const TrainingData& data, const std::string& output) {
  for (std::size_t i = 0; i < data.texts.size(); ++i) {
    const PackedText& text = data.texts[i];
    note(fmt::format("{}: {} documents, {} tokens, drawn with a share of {:.4f}", text.name, text.documents,
                     format_count(static_cast<double>(text.tokens)), data.mix[i]));
  }
  std::string lines;
  for (std::size_t kind = 0; kind < data.documents.size(); ++kind) {
    const DocumentSet& set = data.documents[kind];
    const std::string name(to_string(static_cast<DocumentKind>(kind)));
    if (set.size() != 0) {
      note(fmt::format("{}: {} documents, {} tokens", name, set.size(),
                       format_count(static_cast<double>(set.tokens.size()))));
    }
    const auto leave_out = [&](const std::vector<std::string>& places, const char* reason) {
      if (places.empty()) return;
      warn(fmt::format("{}: {} documents are left out, since {}: {}", name, places.size(), reason, some_of(places)));
      for (const std::string& place : places) {
        lines += Json{{"kind", name}, {"place", place}, {"reason", reason}}.dump() + "\n";
      }
    };
    leave_out(set.too_long, "they are longer than the longest length");
    leave_out(set.split_badly, "their prompt and reply share a token");
  }
  if (!lines.empty()) write_file_atomically(fs::path(output) / "left_out.jsonl", lines);
}

}  // namespace mathtrap
