#include "traps/lint/lint.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "datasets/reference_answer.h"
#include "support/hash.h"
#include "traps/lint/latex_balance.h"
#include "traps/lint/text_overlap.h"

namespace mathtrap {
namespace {

constexpr double kNearDuplicate = 0.6;
constexpr std::size_t kForeignRun = 13;  // as language models' contamination is usually measured
constexpr std::size_t kGivesAwayRun = 8;
constexpr std::size_t kFewWords = 12;
constexpr double kFarTrap = 0.4;

class Linter {
 public:
  Linter(const std::vector<Record>& records, const std::vector<ForeignText>& foreign)
      : records_(records), foreign_(foreign) {
    for (std::size_t i = 0; i < foreign.size(); ++i) {
      const auto words = words_of(foreign[i].text);
      foreign_similar_.add(shingles_of(words));
      for (const std::uint64_t run : runs(words)) foreign_runs_.emplace(run, i);
    }
  }

  std::vector<Finding> run() {
    for (const Record& record : records_) {
      check_latex(record);
      check_answer(record);
      check_evidence(record);
      check_distance(record);
      check_concepts(record);
      check_duplicates(record);
      check_foreign(record);
    }
    check_balance();
    return std::move(findings_);
  }

 private:
  void report(const Record& record, const std::string& field, const char* rule, std::string message) {
    findings_.push_back({record.id, {record.place.file, 0, field}, rule, std::move(message)});
  }

  static std::vector<std::uint64_t> runs(const std::vector<std::string>& words) {
    std::vector<std::uint64_t> hashes;
    for (std::size_t i = 0; i + kForeignRun <= words.size(); ++i) {
      hashes.push_back(
          hash64(fmt::format("{}", fmt::join(words.begin() + static_cast<std::ptrdiff_t>(i),
                                             words.begin() + static_cast<std::ptrdiff_t>(i + kForeignRun), " "))));
    }
    return hashes;
  }

  void check_latex(const Record& record) {
    const auto check = [&](const std::string& text, const std::string& field) {
      const std::string wrong = unbalanced_latex(text);
      if (!wrong.empty()) report(record, field, "latex", wrong);
    };
    if (record.original) {
      check(record.original->problem, "original.problem");
      check(record.original->solution, "original.solution");
    }
    if (record.trap) {
      check(record.trap->problem, "trap.problem");
      check(record.trap->explanation, "trap.explanation");
    }
    for (std::size_t i = 0; i < record.concepts.size(); ++i) {
      check(record.concepts[i].question, fmt::format("concept[{}].question", i));
    }
  }

  void check_answer(const Record& record) {
    if (!record.original || record.original->solution.empty() || !record.family.empty()) return;
    const std::string boxed = reference_answer(record.original->solution);
    if (boxed != record.original->answer) {
      report(record, "original.solution", "answer",
             fmt::format("ends in '{}', the answer is '{}'", boxed, record.original->answer));
    }
  }

  void check_evidence(const Record& record) {
    if (!record.original || !record.trap || record.trap->evidence.empty()) return;
    bool names_flaw = false;
    for (std::size_t i = 0; i < record.trap->evidence.size(); ++i) {
      const RE2 pattern(record.trap->evidence[i], RE2::Quiet);
      if (RE2::PartialMatch(record.original->solution, pattern)) {
        report(record, fmt::format("trap.evidence[{}]", i), "evidence", "matches the original's solution");
      }
      names_flaw = names_flaw || RE2::PartialMatch(record.trap->explanation, pattern);
    }
    if (!names_flaw) report(record, "trap.evidence", "evidence", "no pattern matches the explanation");
  }

  void check_distance(const Record& record) {
    if (!record.original || !record.trap) return;
    const auto original = words_of(record.original->problem);
    const auto trap = words_of(record.trap->problem);
    const std::size_t changed = changed_words(original, trap);
    const double share = static_cast<double>(changed) / static_cast<double>(original.size() + trap.size());
    if (changed > kFewWords && share > kFarTrap) {
      report(record, "trap.problem", "far_trap",
             fmt::format("{} words differ from the original, {:.0f}% of both", changed, 100 * share));
    }
    if (record.original->problem == record.trap->problem) {
      report(record, "trap.problem", "no_trap", "is the same as the original");
    }
  }

  void check_concepts(const Record& record) {
    if (!record.trap) return;
    const auto trap = words_of(record.trap->problem);
    for (std::size_t i = 0; i < record.concepts.size(); ++i) {
      const std::size_t run = longest_common_run(words_of(record.concepts[i].question), trap);
      if (run >= kGivesAwayRun) {
        report(record, fmt::format("concept[{}].question", i), "gives_away",
               fmt::format("shares a run of {} words with the trap", run));
      }
    }
  }

  void check_duplicates(const Record& record) {
    if (!record.original) return;
    const auto shingles = shingles_of(words_of(record.original->problem));
    for (const auto& [index, similarity] : seen_.find(shingles, kNearDuplicate)) {
      const Record& other = *seen_records_[index];
      if (other.cluster == record.cluster) continue;  // variants of one original are meant
      report(record, "original.problem", "near_duplicate",
             fmt::format("resembles {} ({:.0f}% of the runs of three words)", other.id, 100 * similarity));
    }
    seen_.add(shingles);
    seen_records_.push_back(&record);
  }

  void check_foreign(const Record& record) {
    const auto check = [&](const std::string& text, const char* field) {
      const auto words = words_of(text);
      for (const auto& [index, similarity] : foreign_similar_.find(shingles_of(words), kNearDuplicate)) {
        report(
            record, field, "overlap",
            fmt::format("resembles {} ({:.0f}% of the runs of three words)", foreign_[index].source, 100 * similarity));
      }
      for (const std::uint64_t run : runs(words)) {
        const auto found = foreign_runs_.find(run);
        if (found == foreign_runs_.end()) continue;
        report(record, field, "overlap",
               fmt::format("has {} words in a row of {}", kForeignRun, foreign_[found->second].source));
        break;
      }
    };
    if (record.original) check(record.original->problem, "original.problem");
    if (record.trap) check(record.trap->problem, "trap.problem");
  }

  void check_balance() {
    std::size_t all = 0;
    std::size_t truths = 0;
    for (const Record& record : records_) {
      for (const Concept& question : record.concepts) {
        ++all;
        truths += question.answer ? 1 : 0;
      }
    }
    const std::size_t lies = all - truths;
    const std::size_t apart = truths > lies ? truths - lies : lies - truths;
    if (records_.size() > 1 && 10 * apart > all) {
      findings_.push_back(
          {"",
           {},
           "balance",
           fmt::format("{} conceptual questions are true, {} false: always giving one reply would pay", truths, lies)});
    }
  }

  const std::vector<Record>& records_;
  const std::vector<ForeignText>& foreign_;
  SimilarTexts foreign_similar_;
  std::unordered_map<std::uint64_t, std::size_t> foreign_runs_;
  SimilarTexts seen_;
  std::vector<const Record*> seen_records_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> lint(const std::vector<Record>& records, const std::vector<ForeignText>& foreign) {
  return Linter(records, foreign).run();
}

}  // namespace mathtrap
