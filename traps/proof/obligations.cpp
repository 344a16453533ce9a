#include "traps/proof/obligations.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>
#include <z3++.h>

#include <algorithm>
#include <utility>

#include "traps/proof/smt_text.h"

namespace mathtrap {
namespace {

constexpr unsigned kQuickEffort = 200'000;

/// Thrown inside this file when Z3 gives up.
struct GaveUp {
  std::string reason;
};

/// One problem's statements as formulas: of the original or of the trap.
class Theory {
 public:
  Theory(z3::context& context, const Record& record, bool trap, const ProofLimits& limits)
      : context_(context), limits_(limits), terms_(context) {
    const Proof& proof = record.proof;
    std::string script;
    std::string asserts;
    const auto read = [&](const std::string& text, const char* part) {
      const SmtText smt = read_smt_text(text, part, record.place);
      script += smt.declarations;
      for (const Statement& statement : smt.statements) {
        asserts += fmt::format("(assert {})\n", statement.body);
        statements_.push_back(statement);
      }
    };
    read(proof.givens, "givens");
    if (trap) {
      read(proof.trap, "trap");
    } else {
      read(proof.original, "original");
    }
    read(proof.requirement, "requirement");
    read(proof.common_sense, "common_sense");
    check_names(record.place);
    const auto append = [&](const std::string& formula) {
      asserts += fmt::format("(assert {})\n", formula);
      return extras_++;
    };
    if (!proof.defined.empty()) {
      defined_ = static_cast<int>(append(read_smt_term(proof.defined, "defined", record.place)));
    }
    if (!proof.ask.empty()) {
      const std::string ask = read_smt_term(proof.ask, "ask", record.place);
      ask_ = static_cast<int>(append(fmt::format("(= {} {})", ask, ask)));
      const auto answer = record.original ? answer_as_term(record.original->answer) : std::nullopt;
      if (answer) answer_ = static_cast<int>(append(fmt::format("(= {} {})", ask, *answer)));
    }
    terms_ = context.parse_string((script + asserts).c_str());
    if (terms_.size() != statements_.size() + extras_)
      throw GaveUp{"Z3 read another number of formulas than there are"};
  }

  bool has_ask() const { return ask_ >= 0; }
  bool has_answer() const { return answer_ >= 0; }
  bool has_defined() const { return defined_ >= 0; }
  z3::expr ask() { return extra(ask_).arg(0); }
  z3::expr answer() { return extra(answer_); }
  z3::expr defined() { return extra(defined_); }

  /// The statements of these parts.
  std::vector<std::size_t> of(std::initializer_list<std::string_view> parts) const {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < statements_.size(); ++i) {
      if (std::find(parts.begin(), parts.end(), statements_[i].part) != parts.end()) chosen.push_back(i);
    }
    return chosen;
  }

  /// A model of the statements with `more`, or none when there is none. Throws GaveUp.
  std::optional<z3::model> model(const std::vector<std::size_t>& chosen, const std::vector<z3::expr>& more = {}) {
    // The plain solver starts in a fraction of the time; what it finds hard goes to the one with all tactics.
    z3::solver quick(context_, z3::solver::simple());
    set_params(quick, kQuickEffort);
    if (const auto model = solve(quick, chosen, more)) return *model;
    z3::solver thorough(context_);
    set_params(thorough, 0);
    if (const auto model = solve(thorough, chosen, more)) return *model;
    throw GaveUp{fmt::format("Z3 gave up: {}", thorough.reason_unknown())};
  }

  /// The names of statements that cannot hold together (with `more`), none of which can be left out. The statements
  /// must be unsatisfiable. A statement stays where the solver gives up on leaving it out.
  std::vector<std::string> core(std::vector<std::size_t> chosen, const std::vector<z3::expr>& more = {}) {
    for (std::size_t i = 0; i < chosen.size();) {
      std::vector<std::size_t> fewer = chosen;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      bool needed = true;
      try {
        needed = model(fewer, more).has_value();
      } catch (const GaveUp&) {
        needed = true;
      }
      if (needed) {
        ++i;
      } else {
        chosen = std::move(fewer);
      }
    }
    std::vector<std::string> names;
    for (const std::size_t index : chosen) names.push_back(statements_[index].name);
    return names;
  }

  Witness witness(const z3::model& model) {
    Witness witness;
    if (has_ask()) witness.ask = text_of(model.eval(ask(), true));
    for (unsigned i = 0; i < model.num_consts(); ++i) {
      const z3::func_decl declaration = model.get_const_decl(i);
      const std::string name = declaration.name().str();
      if (name.find('!') != std::string::npos) continue;  // Z3's own
      witness.values.push_back({name, text_of(model.get_const_interp(declaration))});
    }
    std::sort(witness.values.begin(), witness.values.end(),
              [](const NamedValue& a, const NamedValue& b) { return a.name < b.name; });
    return witness;
  }

 private:
  void check_names(const Place& place) const {
    for (std::size_t i = 0; i < statements_.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (statements_[i].name == statements_[j].name) {
          fail({place.file, place.line, "proof." + statements_[i].part},
               fmt::format("two statements are named '{}'; a name is what a reader sees of a conflict",
                           statements_[i].name));
        }
      }
    }
  }

  z3::expr extra(int index) { return terms_[static_cast<int>(statements_.size()) + index]; }

  /// `effort` is a bound on steps (0: none), the same on every machine.
  void set_params(z3::solver& solver, unsigned effort) {
    z3::params params(context_);
    params.set("timeout", static_cast<unsigned>(limits_.seconds * 1000));
    params.set("random_seed", 0U);
    if (effort > 0) params.set("rlimit", effort);
    solver.set(params);
  }

  /// A model or its absence; nothing when the solver gives up.
  std::optional<std::optional<z3::model>> solve(z3::solver& solver, const std::vector<std::size_t>& chosen,
                                                const std::vector<z3::expr>& more) {
    for (const std::size_t index : chosen) solver.add(terms_[static_cast<int>(index)]);
    for (const z3::expr& formula : more) solver.add(formula);
    switch (solver.check()) {
      case z3::sat:
        return solver.get_model();
      case z3::unsat:
        return std::optional<z3::model>();
      case z3::unknown:
        break;
    }
    return std::nullopt;
  }

  /// Algebraic numbers are shown to ten digits.
  static std::string text_of(const z3::expr& value) {
    return value.is_algebraic() ? value.get_decimal_string(10) : value.to_string();
  }

  z3::context& context_;
  ProofLimits limits_;
  std::vector<Statement> statements_;
  z3::expr_vector terms_;  ///< the statements, then `defined`, `ask` and the answer as far as there are any
  std::size_t extras_ = 0;
  int defined_ = -1;
  int ask_ = -1;
  int answer_ = -1;
};

Obligation refuted(std::string message) {
  return {ProofVerdict::refuted, std::move(message), {}, {}, {}};
}
Obligation undecided(std::string message) {
  return {ProofVerdict::undecided, std::move(message), {}, {}, {}};
}
Obligation proved() {
  return {ProofVerdict::proved, "", {}, {}, {}};
}

Obligation prove_original(Theory& theory, const Record& record) {
  if (!theory.has_ask()) return undecided("proof.ask is missing: what the question asks for");
  if (!theory.has_answer()) {
    return undecided(
        fmt::format("the answer '{}' is not a number that can be compared with proof.ask", record.original->answer));
  }
  const auto all = theory.of({"givens", "original", "requirement", "common_sense"});
  if (!theory.model(all)) {
    Obligation result = refuted("the original's statements cannot hold together");
    result.core = theory.core(all);
    return result;
  }
  if (const auto other = theory.model(all, {!theory.answer()})) {
    Obligation result = refuted(fmt::format("the answer need not be {}", record.original->answer));
    result.witnesses.push_back(theory.witness(*other));
    result.message += fmt::format(": it may be {}", result.witnesses.back().ask);
    return result;
  }
  if (theory.has_defined()) {
    if (const auto undefined = theory.model(all, {!theory.defined()})) {
      Obligation result = refuted("what the original asks for may be undefined");
      result.witnesses.push_back(theory.witness(*undefined));
      return result;
    }
  }
  return proved();
}

/// One conflict: satisfiable with `before`, not with `after` added to it.
Obligation prove_conflict(Theory& theory, const std::vector<std::size_t>& before, const std::vector<std::size_t>& after,
                          const char* premature, const char* absent) {
  if (!before.empty() && !theory.model(before)) {
    Obligation result = refuted(premature);
    result.core = theory.core(before);
    return result;
  }
  if (const auto solution = theory.model(after)) {
    Obligation result = refuted(absent);
    result.witnesses.push_back(theory.witness(*solution));
    return result;
  }
  Obligation result = proved();
  result.core = theory.core(after);
  return result;
}

Obligation prove_missing_condition(Theory& theory) {
  if (!theory.has_ask()) return undecided("proof.ask is missing: what the question asks for");
  const auto all = theory.of({"givens", "trap", "requirement", "common_sense"});
  // Z3 lets a quotient by zero be anything: two answers count only where the asked term exists.
  std::vector<z3::expr> conditions;
  if (theory.has_defined()) conditions.push_back(theory.defined());
  const auto one = theory.model(all, conditions);
  if (!one) {
    Obligation result = refuted("the trap's statements cannot hold together");
    result.core = theory.core(all, conditions);
    return result;
  }
  const Witness first = theory.witness(*one);
  conditions.push_back(theory.ask() != one->eval(theory.ask(), true));
  const auto other = theory.model(all, conditions);
  if (!other) {
    Obligation result = refuted(fmt::format("the trap has an answer: {}", first.ask));
    result.witnesses.push_back(first);
    return result;
  }
  Obligation result = proved();
  result.witnesses = {first, theory.witness(*other)};
  return result;
}

Obligation prove_undefined(Theory& theory) {
  if (!theory.has_defined()) return undecided("proof.defined is missing: when the asked term exists");
  const auto told = theory.of({"givens", "trap"});
  if (!theory.model(told)) {
    Obligation result = refuted("the trap's statements cannot hold together");
    result.core = theory.core(told);
    return result;
  }
  if (const auto defined = theory.model(told, {theory.defined()})) {
    Obligation result = refuted("what the trap asks for may be defined");
    result.witnesses.push_back(theory.witness(*defined));
    return result;
  }
  Obligation result = proved();
  result.core = theory.core(told, {theory.defined()});
  return result;
}

Obligation prove_trap_as(TrapType type, Theory& theory) {
  const auto told = theory.of({"givens", "trap"});
  const auto required = theory.of({"givens", "trap", "requirement"});
  const auto everything = theory.of({"givens", "trap", "requirement", "common_sense"});
  switch (type) {
    case TrapType::missing_condition:
      return prove_missing_condition(theory);
    case TrapType::concept_undefined:
      return prove_undefined(theory);
    case TrapType::direct_contradiction:
      return prove_conflict(theory, {}, told, "", "the trap's statements can hold together");
    case TrapType::indirect_contradiction:
      return prove_conflict(theory, told, required, "the trap's statements contradict each other directly",
                            "the trap's statements and the requirement can hold together");
    case TrapType::violating_common_sense:
      return prove_conflict(theory, required, everything,
                            "the trap's statements contradict each other without common sense",
                            "the trap's statements agree with common sense");
  }
  return undecided("the trap's type is unknown");
}

Obligation prove_trap(Theory& theory, TrapType type) {
  Obligation result = prove_trap_as(type, theory);
  if (result.verdict != ProofVerdict::refuted) return result;
  for (const TrapType other : kTrapTypes) {
    try {
      if (other != type && prove_trap_as(other, theory).verdict == ProofVerdict::proved) {
        result.provable.push_back(other);
      }
    } catch (const GaveUp&) {
      continue;  // one type that cannot be decided hides no other
    }
  }
  if (!result.provable.empty()) {
    std::vector<std::string_view> names;
    for (const TrapType other : result.provable) names.push_back(to_string(other));
    result.message += fmt::format("; it proves as {}", fmt::join(names, ", "));
  }
  return result;
}

/// `prove` with everything that Z3 may throw turned into a verdict.
template <typename Prove>
Obligation guarded(const Record& record, bool trap, const ProofLimits& limits, Prove prove) {
  try {
    z3::context context;
    Theory theory(context, record, trap, limits);
    return prove(theory);
  } catch (const GaveUp& gave_up) {
    return undecided(gave_up.reason);
  } catch (const z3::exception& error) {
    std::string message = error.msg();
    std::replace(message.begin(), message.end(), '\n', ' ');
    return undecided(fmt::format("Z3 refuses the text: {}", message));
  }
}

}  // namespace

std::string_view to_string(ProofVerdict verdict) {
  switch (verdict) {
    case ProofVerdict::proved:
      return "proved";
    case ProofVerdict::refuted:
      return "refuted";
    case ProofVerdict::undecided:
      return "undecided";
    case ProofVerdict::unproved:
      return "unproved";
  }
  return "";
}

std::string_view obligation_of(TrapType type) {
  switch (type) {
    case TrapType::concept_undefined:
      return "givens and trap can hold together, and then `defined` is false.";
    case TrapType::missing_condition:
      return "with everything that is said, `ask` may have two different values.";
    case TrapType::direct_contradiction:
      return "givens and trap alone cannot hold together.";
    case TrapType::indirect_contradiction:
      return "givens and trap can hold together, but not with the requirement.";
    case TrapType::violating_common_sense:
      return "all that is said can hold together, but not with common_sense.";
  }
  return "";
}

std::optional<std::string> answer_as_term(const std::string& answer) {
  static const RE2 whole(R"(\s*(-?)([0-9]{1,200}(?:\.[0-9]{1,200})?)\s*)");
  static const RE2 fraction(
      R"(\s*(-?)(?:\\[dt]?frac\{([0-9]{1,200})\}\{([0-9]{1,200})\}|([0-9]{1,200})/([0-9]{1,200}))\s*)");
  std::string sign;
  std::string number;
  std::string term;
  std::string top;
  std::string bottom;
  std::string slash_top;
  std::string slash_bottom;
  if (RE2::FullMatch(answer, whole, &sign, &number)) {
    term = number;
  } else if (RE2::FullMatch(answer, fraction, &sign, &top, &bottom, &slash_top, &slash_bottom)) {
    const std::string& under = bottom.empty() ? slash_bottom : bottom;
    if (under.find_first_not_of('0') == std::string::npos) return std::nullopt;
    term = fmt::format("(/ {}.0 {}.0)", top.empty() ? slash_top : top, under);
  } else {
    return std::nullopt;
  }
  return sign.empty() ? term : fmt::format("(- {})", term);
}

ProofResult prove_here(const Record& record, const ProofLimits& limits) {
  ProofResult result;
  result.id = record.id;
  result.trap_type = record.trap_type;
  result.place = record.place;
  if (!record.proof.unproved.empty() || record.proof.givens.empty()) {
    const std::string why = record.proof.unproved.empty() ? "the record has no [proof]" : record.proof.unproved;
    result.original.message = why;
    result.trap.message = why;
    return result;
  }
  result.verdict = ProofVerdict::proved;
  const auto count = [&](const Obligation& obligation) {
    // A refutation says most, then what could not be decided.
    constexpr auto rank = [](ProofVerdict verdict) {
      return verdict == ProofVerdict::refuted ? 2 : verdict == ProofVerdict::undecided ? 1 : 0;
    };
    if (rank(obligation.verdict) > rank(result.verdict)) result.verdict = obligation.verdict;
  };
  if (record.original) {
    result.original = guarded(record, false, limits, [&](Theory& theory) { return prove_original(theory, record); });
    count(result.original);
  }
  if (record.trap && record.trap_type) {
    result.trap = guarded(record, true, limits, [&](Theory& theory) { return prove_trap(theory, *record.trap_type); });
    count(result.trap);
  }
  return result;
}

}  // namespace mathtrap
