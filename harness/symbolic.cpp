#include "harness/symbolic.h"

#include <ginac/ginac.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <exception>
#include <map>
#include <mutex>
#include <set>

#include "support/random.h"

namespace mathtrap {
namespace {

using Kind = MathExpression::Kind;
using Complex = std::complex<double>;

constexpr int kPoints = 5;
constexpr int kPointDenominator = 8;  // small, so that exact powers of a point stay small
constexpr double kMaxValue = 1e60;
constexpr double kTolerance = 1e-9;  // of the doubles: they only tell apart, GiNaC confirms
constexpr long kPrecision = 60;      // digits of the confirmation
constexpr std::uint64_t kSeed = 20;

/// Numerators over kPointDenominator.
using Point = std::map<std::string, int>;

void collect_symbols(const MathExpression& e, std::set<std::string>& names) {
  if (e.kind == Kind::symbol) names.insert(e.name);
  for (const MathExpression& part : e.parts) collect_symbols(part, names);
}

/// Values from 1/8 to 25; at every second point some are negative.
std::vector<Point> make_points(const MathExpression& a, const MathExpression& b) {
  std::set<std::string> names;
  collect_symbols(a, names);
  collect_symbols(b, names);
  Random random(kSeed);
  std::vector<Point> points(names.empty() ? 1 : kPoints);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (const std::string& name : names) {
      const int value = static_cast<int>(random.uniform_int(1, 199));
      points[i][name] = i % 2 == 1 && random.uniform_int(0, 1) == 1 ? -value : value;
    }
  }
  return points;
}

/// A value, and the largest magnitude met on the way: rounding errors are relative to it.
class Evaluation {
 public:
  explicit Evaluation(const Point& point) : point_(point) {}

  Complex value(const MathExpression& e) {
    const Complex result = compute(e);
    const double size = std::abs(result);
    if (!(size <= kMaxValue)) valid_ = false;  // not a number, too
    largest_ = std::max(largest_, size);
    return result;
  }

  bool valid() const { return valid_; }
  double largest() const { return largest_; }

 private:
  Complex compute(const MathExpression& e) {
    switch (e.kind) {
      case Kind::number:
        return std::stod(e.name) * std::pow(10.0, -e.scale);
      case Kind::symbol:
        return static_cast<double>(point_.at(e.name)) / kPointDenominator;
      case Kind::pi:
        return std::acos(-1.0);
      case Kind::euler:
        return std::exp(1.0);
      case Kind::unit:
        return {0, 1};
      case Kind::sum:
        return value(e.parts[0]) + value(e.parts[1]);
      case Kind::product:
        return value(e.parts[0]) * value(e.parts[1]);
      case Kind::power:
        return power(value(e.parts[0]), value(e.parts[1]));
      case Kind::function:
        return function(e.name, value(e.parts[0]));
    }
    return {};
  }

  Complex power(Complex base, Complex exponent) {
    if (!(std::abs(exponent) <= kMaxPower) || (base == Complex{} && exponent.real() <= 0)) {
      valid_ = false;
      return {};
    }
    const double whole = std::round(exponent.real());
    if (exponent == Complex{whole, 0}) return std::pow(base, static_cast<int>(whole));
    return std::pow(base, exponent);
  }

  static Complex function(const std::string& name, Complex x) {
    if (name == "sin") return std::sin(x);
    if (name == "cos") return std::cos(x);
    if (name == "tan") return std::tan(x);
    if (name == "arcsin") return std::asin(x);
    if (name == "arccos") return std::acos(x);
    if (name == "arctan") return std::atan(x);
    if (name == "log") return std::log(x);
    if (name == "exp") return std::exp(x);
    return std::abs(x);
  }

  const Point& point_;
  bool valid_ = true;
  double largest_ = 0;
};

/// The points where both have a value, and the values. Nothing when they are too few, or only one has one.
struct Values {
  std::vector<Point> points;
  std::vector<std::pair<Complex, Complex>> at;
  double largest = 0;
};

Values common_values(const MathExpression& a, const MathExpression& b) {
  Values values;
  const std::vector<Point> points = make_points(a, b);
  for (const Point& point : points) {
    Evaluation of_a(point);
    Evaluation of_b(point);
    const Complex x = of_a.value(a);
    const Complex y = of_b.value(b);
    if (of_a.valid() != of_b.valid()) return {};
    if (!of_a.valid()) continue;
    values.points.push_back(point);
    values.at.emplace_back(x, y);
    values.largest = std::max({values.largest, of_a.largest(), of_b.largest()});
  }
  if (values.points.size() < std::min<std::size_t>(2, points.size())) return {};
  return values;
}

/// Upper bounds of what GiNaC will hold: bits of the longest number, terms when expanded.
struct Size {
  double bits = 0;
  double terms = 1;
};

/// `points` bounds the exponents, which have values there.
Size bound_size(const MathExpression& e, const std::vector<Point>& points) {
  constexpr double kBitsOfDigit = 3.33;
  constexpr double kBitsOfPoint = 12;
  switch (e.kind) {
    case Kind::number:
      return {kBitsOfDigit * static_cast<double>(e.name.size() + static_cast<std::size_t>(e.scale)), 1};
    case Kind::sum: {
      const Size a = bound_size(e.parts[0], points);
      const Size b = bound_size(e.parts[1], points);
      return {a.bits + b.bits + 1, a.terms + b.terms};
    }
    case Kind::product: {
      const Size a = bound_size(e.parts[0], points);
      const Size b = bound_size(e.parts[1], points);
      return {a.bits + b.bits, a.terms * b.terms};
    }
    case Kind::power: {
      const Size base = bound_size(e.parts[0], points);
      const Size above = bound_size(e.parts[1], points);
      double exponent = 1;
      for (const Point& point : points) exponent = std::max(exponent, std::abs(Evaluation(point).value(e.parts[1])));
      return {base.bits * exponent + above.bits, base.terms == 1 ? 1 : std::pow(base.terms, exponent)};
    }
    case Kind::function:
      return bound_size(e.parts[0], points);
    default:
      return {kBitsOfPoint, 1};
  }
}

class Builder {
 public:
  GiNaC::ex build(const MathExpression& e) {
    switch (e.kind) {
      case Kind::number:
        return GiNaC::numeric(e.name.c_str()) * GiNaC::pow(GiNaC::numeric(10), -e.scale);
      case Kind::symbol:
        return symbol(e.name);
      case Kind::pi:
        return GiNaC::Pi;
      case Kind::euler:
        return GiNaC::exp(GiNaC::ex(1));
      case Kind::unit:
        return GiNaC::I;
      case Kind::sum:
        return build(e.parts[0]) + build(e.parts[1]);
      case Kind::product:
        return build(e.parts[0]) * build(e.parts[1]);
      case Kind::power:
        return GiNaC::pow(build(e.parts[0]), build(e.parts[1]));
      case Kind::function:
        return function(e.name, build(e.parts[0]));
    }
    return 0;
  }

  /// The value at a point, to kPrecision digits; throws when there is none.
  GiNaC::numeric value(const GiNaC::ex& e, const Point& point) {
    GiNaC::exmap replacement;
    for (const auto& [name, numerator] : point)
      replacement[symbol(name)] = GiNaC::numeric(numerator, kPointDenominator);
    return GiNaC::ex_to<GiNaC::numeric>(checked_number(e.subs(replacement).evalf()));
  }

 private:
  static GiNaC::ex checked_number(const GiNaC::ex& e) {
    if (!GiNaC::is_a<GiNaC::numeric>(e)) throw std::domain_error("no number");
    return e;
  }

  GiNaC::symbol symbol(const std::string& name) { return symbols_.try_emplace(name, name).first->second; }

  static GiNaC::ex function(const std::string& name, const GiNaC::ex& x) {
    if (name == "sin") return GiNaC::sin(x);
    if (name == "cos") return GiNaC::cos(x);
    if (name == "tan") return GiNaC::tan(x);
    if (name == "arcsin") return GiNaC::asin(x);
    if (name == "arccos") return GiNaC::acos(x);
    if (name == "arctan") return GiNaC::atan(x);
    if (name == "log") return GiNaC::log(x);
    if (name == "exp") return GiNaC::exp(x);
    return GiNaC::abs(x);
  }

  std::map<std::string, GiNaC::symbol> symbols_;
};

std::mutex& ginac_mutex() {
  static std::mutex mutex;  // GiNaC counts references without locks
  return mutex;
}

/// Whether `difference` vanishes: as an expansion, or at the points to many digits.
bool vanishes(Builder& builder, const GiNaC::ex& difference, double terms, const Values& values) {
  if (difference.is_zero()) return true;
  if (terms <= kMaxTerms && difference.expand().is_zero()) return true;
  GiNaC::Digits = kPrecision;
  const GiNaC::numeric bound =
      GiNaC::numeric(1) / GiNaC::numeric(10).power(50 - static_cast<int>(std::log10(values.largest + 1)));
  return std::all_of(values.points.begin(), values.points.end(),
                     [&](const Point& point) { return GiNaC::abs(builder.value(difference, point)) <= bound; });
}

/// Whether a = b, by GiNaC.
bool confirmed(const MathExpression& a, const MathExpression& b, const Values& values) {
  const Size size_a = bound_size(a, values.points);
  const Size size_b = bound_size(b, values.points);
  if (!(size_a.bits + size_b.bits <= kMaxBits)) return false;
  const std::lock_guard<std::mutex> lock(ginac_mutex());
  try {
    Builder builder;
    const GiNaC::ex left = builder.build(a);
    const GiNaC::ex right = builder.build(b);
    GiNaC::Digits = kPrecision;
    return vanishes(builder, left - right, size_a.terms + size_b.terms, values);
  } catch (const std::exception&) {
    return false;  // a pole, or a number beyond the library's range
  }
}

MathExpression product(const MathExpression& a, const MathExpression& b) {
  return {Kind::product, {}, 0, {a, b}};
}

/// The expression with its variables replaced by their values.
MathExpression at_point(const MathExpression& e, const Point& point) {
  if (e.kind == Kind::symbol) {
    const MathExpression eighth{
        Kind::power, {}, 0, {{Kind::number, std::to_string(kPointDenominator), 0, {}}, {Kind::number, "-1", 0, {}}}};
    return product({Kind::number, std::to_string(point.at(e.name)), 0, {}}, eighth);
  }
  MathExpression replaced{e.kind, e.name, e.scale, {}};
  for (const MathExpression& part : e.parts) replaced.parts.push_back(at_point(part, point));
  return replaced;
}

}  // namespace

bool expressions_equal(const MathExpression& a, const MathExpression& b) {
  const Values values = common_values(a, b);
  if (values.points.empty()) return false;
  const double tolerance = kTolerance * values.largest;
  const bool agree = std::all_of(values.at.begin(), values.at.end(),
                                 [&](const auto& pair) { return std::abs(pair.first - pair.second) <= tolerance; });
  return agree && confirmed(a, b, values);
}

bool proportional(const MathExpression& a, const MathExpression& b, bool positive) {
  const Values values = common_values(a, b);
  const double least = kTolerance * values.largest;
  for (std::size_t i = 0; i < values.points.size(); ++i) {
    const auto& [of_a, of_b] = values.at[i];
    if (std::abs(of_a) <= least || std::abs(of_b) <= least) continue;
    const Complex factor = of_a / of_b;
    if (positive && !(factor.real() > 0 && std::abs(factor.imag()) <= kTolerance * std::abs(factor))) return false;
    return expressions_equal(product(a, at_point(b, values.points[i])), product(b, at_point(a, values.points[i])));
  }
  return false;
}

std::optional<double> real_constant(const MathExpression& e) {
  std::set<std::string> names;
  collect_symbols(e, names);
  if (!names.empty()) return std::nullopt;
  const Point nowhere;
  Evaluation evaluation(nowhere);
  const Complex value = evaluation.value(e);
  if (!evaluation.valid() || std::abs(value.imag()) > kTolerance * evaluation.largest()) return std::nullopt;
  return value.real();
}

}  // namespace mathtrap
