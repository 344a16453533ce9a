#include "harness/equality.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "harness/answer_items.h"
#include "harness/latex.h"
#include "harness/real_set.h"
#include "harness/relation.h"
#include "harness/scalar_equality.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr int kMaxNesting = 4;  // lists in lists; deeper ones are compared as texts

/// Compares undressed answers, which may hold others.
class Comparison {
 public:
  bool equal(const std::string& a, const std::string& b, int nesting = 0) {
    const std::optional<bool> as_relations = relations(a, b);
    const std::string plain_a = without_name(a);
    const std::string plain_b = without_name(b);
    if (!as_relations) {
      if (const auto decided = numbers_equal(plain_a, plain_b)) return *decided;
    }
    if (const auto decided = matrices(plain_a, plain_b, nesting)) return *decided;
    if (as_relations) return *as_relations || canonical_text(a) == canonical_text(b);
    if (scalars_equal(plain_a, plain_b, budget_)) return true;
    if (canonical_text(plain_a) == canonical_text(plain_b)) return true;
    if (const auto decided = real_sets(a, b)) return *decided;
    return nesting < kMaxNesting && lists(a, b, nesting + 1);
  }

 private:
  using Items = std::vector<std::string>;

  bool equal_in_order(const Items& a, const Items& b, int nesting) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](const std::string& x, const std::string& y) { return item_equal(x, y, nesting); });
  }

  /// Items may be dressed on their own.
  bool item_equal(const std::string& a, const std::string& b, int nesting) {
    return equal(undressed_answer(a), undressed_answer(b), nesting);
  }

  bool equal_without_order(const Items& a, Items b, int nesting) {
    if (a.size() != b.size()) return false;
    return std::all_of(a.begin(), a.end(), [&](const std::string& item) {
      const auto found =
          std::find_if(b.begin(), b.end(), [&](const std::string& other) { return item_equal(item, other, nesting); });
      if (found == b.end()) return false;
      b.erase(found);
      return true;
    });
  }

  /// Each item of one is one of the other: \{1, 1, 2\} is \{1, 2\}.
  bool subset(const Items& a, const Items& b, int nesting) {
    return std::all_of(a.begin(), a.end(), [&](const std::string& item) {
      return std::any_of(b.begin(), b.end(), [&](const auto& other) { return item_equal(item, other, nesting); });
    });
  }

  /// Nothing when neither is a matrix.
  std::optional<bool> matrices(const std::string& a, const std::string& b, int nesting) {
    const std::optional<AnswerMatrix> a_matrix = parse_matrix(a);
    const std::optional<AnswerMatrix> b_matrix = parse_matrix(b);
    if (!a_matrix && !b_matrix) return std::nullopt;
    if (a_matrix && b_matrix) {
      return a_matrix->bars == b_matrix->bars &&
             std::equal(a_matrix->rows.begin(), a_matrix->rows.end(), b_matrix->rows.begin(), b_matrix->rows.end(),
                        [&](const Items& x, const Items& y) { return equal_in_order(x, y, nesting + 1); });
    }
    const AnswerMatrix& matrix = a_matrix ? *a_matrix : *b_matrix;
    const std::string& other = a_matrix ? b : a;
    const std::optional<AnswerItems> tuple = parse_items(other);
    if (matrix.bars || !matrix.is_vector() || !tuple || tuple->open != '(' || tuple->close != ')') return std::nullopt;
    Items entries;
    for (const Items& row : matrix.rows) entries.insert(entries.end(), row.begin(), row.end());
    return equal_in_order(entries, tuple->items, nesting + 1);
  }

  /// Nothing unless both are equations, or both inequalities that real_sets cannot read.
  static std::optional<bool> relations(const std::string& a, const std::string& b) {
    const std::optional<Relation> a_relation = parse_relation(a);
    const std::optional<Relation> b_relation = a_relation ? parse_relation(b) : std::nullopt;
    if (!b_relation) return std::nullopt;
    const bool equations = a_relation->kind == Relation::Kind::equal && b_relation->kind == Relation::Kind::equal;
    const bool equal = relations_equal(*a_relation, *b_relation);
    return equations || equal ? std::optional(equal) : std::nullopt;
  }

  static std::optional<bool> real_sets(const std::string& a, const std::string& b) {
    const std::optional<RealSet> a_set = parse_real_set(plain_set(a));
    const std::optional<RealSet> b_set = a_set ? parse_real_set(plain_set(b)) : std::nullopt;
    if (!b_set || !(a_set->sure || b_set->sure)) return std::nullopt;
    return real_sets_equal(*a_set, *b_set);
  }

  /// "f(x) = …" does not belong to the set that is behind it; inequalities hold signs that look like it.
  static std::string plain_set(const std::string& text) {
    static const RE2 inequality(R"([<>!]|\\(?:le|ge|lt|gt|ne)\b)");
    return RE2::PartialMatch(text, inequality) ? text : without_name(text);
  }

  bool lists(const std::string& a, const std::string& b, int nesting) {
    const std::optional<AnswerItems> a_list = read_items(a);
    const std::optional<AnswerItems> b_list = read_items(b);
    if (!a_list || !b_list) {
      // A set of one is the same as what it holds.
      if (a_list && a_list->open == '{' && a_list->items.size() == 1) return item_equal(a_list->items[0], b, nesting);
      if (b_list && b_list->open == '{' && b_list->items.size() == 1) return item_equal(a, b_list->items[0], nesting);
      return false;
    }
    if (a_list->open == '{' && b_list->open == '{') {
      return subset(a_list->items, b_list->items, nesting) && subset(b_list->items, a_list->items, nesting);
    }
    const bool a_named = names_apart(*a_list);
    const bool b_named = names_apart(*b_list);
    const bool assigned = a_named != b_named && (a_named ? *b_list : *a_list).close != '}';
    if (assigned && !closed(*a_list) && !closed(*b_list)) return equal_in_order(a_list->items, b_list->items, nesting);
    if (a_list->ordered() || b_list->ordered()) {
      return a_list->open == b_list->open && a_list->close == b_list->close &&
             equal_in_order(a_list->items, b_list->items, nesting);
    }
    return equal_without_order(a_list->items, b_list->items, nesting);
  }

  static bool closed(const AnswerItems& list) { return list.open == '[' || list.close == ']'; }

  /// The items of "(x, y) = (1, 2)" are "x = 1" and "y = 2".
  static std::optional<AnswerItems> read_items(const std::string& text) {
    static const RE2 form(R"(\s*\(([^()=]*)\)\s*=\s*(\(.*\))\s*)");
    std::string names_text;
    std::string values_text;
    if (!RE2::FullMatch(text, form, &names_text, &values_text)) return parse_items(text);
    const std::optional<AnswerItems> names = parse_items(names_text);
    std::optional<AnswerItems> values = parse_items(values_text);
    if (!names || !values || names->items.size() != values->items.size()) return std::nullopt;
    for (std::size_t i = 0; i < names->items.size(); ++i) {
      values->items[i] = std::string(trim_blanks(names->items[i])).append(" = ").append(values->items[i]);
    }
    values->open = values->close = ' ';
    return values;
  }

  /// "x = 1, y = 2": each item gives a value to a variable of its own.
  static bool names_apart(const AnswerItems& list) {
    static const RE2 form(R"(\s*([A-Za-z](?:_\{?\w\}?)?)\s*=[^=]*)");
    std::vector<std::string> names;
    for (const std::string& item : list.items) {
      std::string name;
      if (!RE2::FullMatch(item, form, &name)) return false;
      names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) == names.end();
  }

  ComparisonBudget budget_;
};

}  // namespace

bool answers_equal(std::string_view reference, std::string_view answer) {
  if (reference.size() > kMaxAnswerBytes || answer.size() > kMaxAnswerBytes) return reference == answer;
  const std::string a = undressed_answer(reference);
  const std::string b = undressed_answer(answer);
  if (canonical_text(a).empty()) return false;
  Comparison comparison;
  return comparison.equal(a, b);
}

}  // namespace mathtrap
