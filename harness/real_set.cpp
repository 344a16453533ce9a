#include "harness/real_set.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "harness/answer_items.h"
#include "harness/relation.h"
#include "harness/symbolic.h"
#include "support/text.h"

namespace mathtrap {
namespace {

using Intervals = std::vector<Interval>;
using Bound = Endpoint::Kind;

/// Thrown within this file alone: the text is no set of real numbers.
struct NoRealSet {};

constexpr double kTolerance = 1e-12;  // relative: nearer endpoints are compared exactly

Endpoint infinite(Bound kind) {
  return {kind, {}, std::nullopt};
}

const Interval& all_numbers() {
  static const Interval all{infinite(Bound::minus_infinity), infinite(Bound::plus_infinity), false, false};
  return all;
}

Endpoint parse_endpoint(std::string_view text) {
  static const RE2 infinity(R"((?i)\s*([+-]?)\s*(?:\\infty|infinity|inf|oo)\s*)");
  std::string sign;
  if (RE2::FullMatch(re2::StringPiece(text.data(), text.size()), infinity, &sign)) {
    return infinite(sign == "-" ? Bound::minus_infinity : Bound::plus_infinity);
  }
  std::optional<MathExpression> value = parse_math_expression(trim_blanks(text));
  if (!value) throw NoRealSet{};
  const std::optional<double> number = real_constant(*value);
  return {Bound::finite, std::move(*value), number};
}

bool is_known(const Endpoint& e) {
  return e.kind != Bound::finite || e.number;
}

bool is_known(const Intervals& intervals) {
  return std::all_of(intervals.begin(), intervals.end(),
                     [](const Interval& i) { return is_known(i.low) && is_known(i.high); });
}

bool same_endpoint(const Endpoint& a, const Endpoint& b) {
  if (a.kind != b.kind) return false;
  return a.kind != Bound::finite || expressions_equal(a.value, b.value);
}

double as_number(const Endpoint& e) {
  if (e.kind == Bound::minus_infinity) return -HUGE_VAL;
  return e.kind == Bound::plus_infinity ? HUGE_VAL : *e.number;
}

/// -1, 0 or 1. Both are known.
int order(const Endpoint& a, const Endpoint& b) {
  const double x = as_number(a);
  const double y = as_number(b);
  const bool near = std::abs(x - y) <= kTolerance * (std::abs(x) + std::abs(y));
  if (x == y || (near && same_endpoint(a, b))) return 0;
  return x < y ? -1 : 1;
}

bool is_empty(const Interval& i) {
  const int way = order(i.low, i.high);
  return way > 0 || (way == 0 && !(i.low_closed && i.high_closed));
}

/// In order, joined where they meet, without empty ones. Where an endpoint is not known they stay as they are.
Intervals tidy(Intervals intervals) {
  if (intervals.size() > kMaxIntervals) throw NoRealSet{};
  if (!is_known(intervals)) return intervals;
  intervals.erase(std::remove_if(intervals.begin(), intervals.end(), is_empty), intervals.end());
  std::stable_sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) {
    const int way = order(a.low, b.low);
    return way < 0 || (way == 0 && a.low_closed && !b.low_closed);
  });
  Intervals joined;
  for (Interval& next : intervals) {
    if (!joined.empty()) {
      Interval& last = joined.back();
      const int gap = order(last.high, next.low);
      if (gap > 0 || (gap == 0 && (last.high_closed || next.low_closed))) {
        const int way = order(last.high, next.high);
        if (way == 0) last.high_closed |= next.high_closed;
        if (way < 0) last.high = std::move(next.high), last.high_closed = next.high_closed;
        continue;
      }
    }
    joined.push_back(std::move(next));
  }
  return joined;
}

Intervals intersection(const Intervals& a, const Intervals& b) {
  if (!is_known(a) || !is_known(b)) throw NoRealSet{};
  Intervals common;
  for (const Interval& x : a) {
    for (const Interval& y : b) {
      Interval both = x;
      const int low = order(x.low, y.low);
      const int high = order(x.high, y.high);
      if (low < 0) both.low = y.low;
      both.low_closed = low < 0 ? y.low_closed : low > 0 ? x.low_closed : x.low_closed && y.low_closed;
      if (high > 0) both.high = y.high;
      both.high_closed = high > 0 ? y.high_closed : high < 0 ? x.high_closed : x.high_closed && y.high_closed;
      if (!is_empty(both)) common.push_back(std::move(both));
    }
  }
  return tidy(std::move(common));
}

Intervals joined(Intervals a, const Intervals& b) {
  a.insert(a.end(), b.begin(), b.end());
  return tidy(std::move(a));
}

/// All numbers but one.
Intervals without(const Endpoint& hole) {
  return {{infinite(Bound::minus_infinity), hole, false, false}, {hole, infinite(Bound::plus_infinity), false, false}};
}

// ---- inequalities

/// x > 2 and 2 < x alike: the values on one side of `end`.
Intervals half_line(const std::string& sign, Endpoint end) {
  if (sign == "!=") return without(end);
  if (sign == "=") return {{end, end, true, true}};
  const bool closed = sign.size() == 2;
  if (sign.front() == '<') return {{infinite(Bound::minus_infinity), std::move(end), false, closed}};
  return {{std::move(end), infinite(Bound::plus_infinity), closed, false}};
}

std::string mirrored(std::string sign) {
  if (sign.front() == '<') return sign.replace(0, 1, ">");
  if (sign.front() == '>') return sign.replace(0, 1, "<");
  return sign;
}

std::string variable_name(std::string_view side) {
  const std::optional<MathExpression> e = parse_math_expression(trim_blanks(side));
  return e && e->kind == MathExpression::Kind::symbol ? e->name : "";
}

/// What a text says of one variable.
class Conditions {
 public:
  Intervals any_of(std::string_view text) {
    static const RE2 either(R"((?i)\s+or\s+|\\lor\b|\\vee\b|\\cup\b)");
    return combine(
        text, either, [this](std::string_view part) { return all_of(part); },
        [](const Intervals& a, const Intervals& b) { return joined(a, b); });
  }

  const std::string& variable() const { return variable_; }

 private:
  Intervals all_of(std::string_view text) {
    static const RE2 both(R"((?i)\s*,?\s+and\s+|\\land\b|\\wedge\b|[,;])");
    return combine(
        text, both, [this](std::string_view part) { return one(part); },
        [](const Intervals& a, const Intervals& b) {
          Intervals common = intersection(a, b);
          return common.empty() ? joined(a, b) : common;
        });
  }

  template <typename Read, typename Join>
  static Intervals combine(std::string_view text, const RE2& separator, Read read, Join join) {
    std::string marked(text);
    RE2::GlobalReplace(&marked, separator, "\n");
    std::string_view rest = marked;
    Intervals result;
    for (bool first = true;; first = false) {
      const std::size_t end = rest.find('\n');
      Intervals part = read(rest.substr(0, end));
      result = first ? std::move(part) : join(result, part);
      if (end == std::string_view::npos) return result;
      rest.remove_prefix(end + 1);
    }
  }

  /// "x > 2", "2 < x <= 5", "x \ne 3"; after that one a bare "4" too.
  Intervals one(std::string_view text) {
    const std::optional<RelationSides> written = split_relation(text);
    if (!written && excludes_) return without(parse_endpoint(text));
    if (!written || written->signs.front() == "=") throw NoRealSet{};
    const auto& [sides, signs] = *written;
    excludes_ = signs.size() == 1 && signs.front() == "!=";
    if (signs.size() == 1) {
      const bool name_first = !variable_name(sides[0]).empty();
      note_variable(sides[name_first ? 0 : 1]);
      return half_line(name_first ? signs[0] : mirrored(signs[0]), parse_endpoint(sides[name_first ? 1 : 0]));
    }
    if (signs[0].front() != signs[1].front() || signs[0].front() == '!' || signs[0] == "=") throw NoRealSet{};
    note_variable(sides[1]);
    const std::size_t low = signs[0].front() == '<' ? 0 : 1;
    return {{parse_endpoint(sides[2 * low]), parse_endpoint(sides[2 - 2 * low]), signs[low].size() == 2,
             signs[1 - low].size() == 2}};
  }

  void note_variable(std::string_view side) {
    const std::string name = variable_name(side);
    if (name.empty() || (!variable_.empty() && variable_ != name)) throw NoRealSet{};
    variable_ = name;
  }

  std::string variable_;
  bool excludes_ = false;
};

// ---- intervals

Intervals points(std::string_view text) {
  const std::optional<AnswerItems> items = parse_items(text);
  if (!items || items->open != '{') throw NoRealSet{};
  Intervals result;
  for (const std::string& item : items->items) {
    const Endpoint point = parse_endpoint(item);
    result.push_back({point, point, true, true});
  }
  return result;
}

bool is_all(std::string_view text) {
  static const RE2 all(
      R"((?i)\s*(?:\\mathbb\s*\{?\s*R\s*\}?|\\R|(?:the\s+set\s+of\s+)?(?:all\s+)?reals?(?:\s+numbers?)?)\s*)");
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), all);
}

Interval bracketed(std::string_view text) {
  const std::optional<AnswerItems> pair = parse_items(text);
  if (!pair || !pair->ordered() || pair->items.size() != 2) throw NoRealSet{};
  Interval interval{parse_endpoint(pair->items[0]), parse_endpoint(pair->items[1]), pair->open == '[',
                    pair->close == ']'};
  const bool known = is_known(interval.low) && is_known(interval.high);
  if (known && is_empty(interval)) throw NoRealSet{};  // (3, 2) is a pair
  return interval;
}

/// A union of intervals and points.
Intervals parse_union(std::string_view text) {
  static const RE2 sign(R"(\\cup\b|\s+U\s+|([)\]])\s*U\s*([(\[])|\s+union\s+)");
  std::string marked(text);
  RE2::GlobalReplace(&marked, sign, "\\1\n\\2");
  Intervals result;
  for (std::string_view rest = marked;;) {
    const std::size_t end = rest.find('\n');
    const std::string_view part = trim_blanks(rest.substr(0, end));
    if (is_all(part)) {
      result.push_back(all_numbers());
    } else if (part.starts_with("\\{")) {
      for (Interval& point : points(part)) result.push_back(std::move(point));
    } else {
      result.push_back(bracketed(part));
    }
    if (result.size() > kMaxIntervals) throw NoRealSet{};
    if (end == std::string_view::npos) return tidy(std::move(result));
    rest.remove_prefix(end + 1);
  }
}

/// \mathbb{R} \setminus \{1, 2\}, "all real numbers except 3".
std::optional<Intervals> parse_exception(const std::string& text) {
  static const RE2 form(R"((?i)(.*?)\s*(?:\\setminus|\\backslash|except(?:\s+for)?|other\s+than|-(\s*\\\{))\s*(.*))");
  std::string from;
  std::string brace;
  std::string holes;
  if (!RE2::FullMatch(text, form, &from, &brace, &holes)) return std::nullopt;
  if (!is_all(from) && !brace.empty()) return std::nullopt;
  holes = brace + holes;
  if (!trim_blanks(holes).starts_with("\\{")) {
    static const RE2 name(R"(^\s*[A-Za-z]\s*=\s*)");
    RE2::Replace(&holes, name, "");
    holes = fmt::format("\\{{{}\\}}", holes);
  }
  Intervals result = parse_union(from);
  for (const Interval& hole : points(holes)) result = intersection(result, without(hole.low));
  return result;
}

/// Takes "x \in" and "\{x : … \}" off, and gives the variable.
std::string take_frame(std::string& text) {
  static const RE2 braces(
      R"(\s*\\\{\s*([A-Za-z])\s*(?:\\in\s*\\mathbb\s*\{?R\}?\s*)?(?:\||\\mid\b|\\colon\b|:)(.*)\\\}\s*)");
  static const RE2 member(R"(\s*([A-Za-z])\s*\\in\b(.*))");
  std::string variable;
  std::string rest;
  if (!RE2::FullMatch(text, braces, &variable, &rest) && !RE2::FullMatch(text, member, &variable, &rest)) return "";
  text = rest;
  return variable;
}

RealSet read_set(std::string text) {
  static const RE2 signs(R"([<>]|!=|\\(?:le|ge|lt|gt|ne)\b)");
  RealSet set;
  set.variable = take_frame(text);
  const bool framed = !set.variable.empty();
  if (RE2::PartialMatch(text, signs)) {
    Conditions conditions;
    set.intervals = tidy(conditions.any_of(text));
    if (framed && conditions.variable() != set.variable) throw NoRealSet{};
    set.variable = conditions.variable();
    return set;
  }
  if (auto rest = parse_exception(text)) {
    set.intervals = std::move(*rest);
    return set;
  }
  set.intervals = parse_union(text);
  const std::string_view plain = trim_blanks(text);
  const bool even = (plain.front() == '(') == (plain.back() == ')');
  const bool unions = plain.find("\\cup") != std::string_view::npos || set.intervals.size() != 1;
  const bool bounded =
      !unions && set.intervals[0].low.kind == Bound::finite && set.intervals[0].high.kind == Bound::finite;
  set.sure = framed || !even || !bounded;
  return set;
}

bool same_interval(const Interval& a, const Interval& b) {
  return a.low_closed == b.low_closed && a.high_closed == b.high_closed && same_endpoint(a.low, b.low) &&
         same_endpoint(a.high, b.high);
}

}  // namespace

std::optional<RealSet> parse_real_set(std::string_view text) {
  if (trim_blanks(text).empty()) return std::nullopt;
  try {
    return read_set(std::string(text));
  } catch (const NoRealSet&) {
    return std::nullopt;
  }
}

bool real_sets_equal(const RealSet& a, const RealSet& b) {
  if (!a.variable.empty() && !b.variable.empty() && a.variable != b.variable) return false;
  if (a.intervals.size() != b.intervals.size()) return false;
  if (is_known(a.intervals) && is_known(b.intervals)) {
    return std::equal(a.intervals.begin(), a.intervals.end(), b.intervals.begin(), same_interval);
  }
  return std::is_permutation(a.intervals.begin(), a.intervals.end(), b.intervals.begin(), same_interval);
}

}  // namespace mathtrap
