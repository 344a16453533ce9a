// Mathematical expressions in the LaTeX and ASCII that answers are written in, read by a grammar of our own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

/// A tree of at most kMaxNodes nodes and kMaxDepth levels, so that every walk over one is cheap.
struct MathExpression {
  enum class Kind {
    number,    ///< `name` holds its decimal digits, `scale` how many of them stand behind the point
    symbol,    ///< a variable: "x", "x_1", "\theta"
    pi,        ///< the constants
    euler,     ///< e
    unit,      ///< i, the imaginary unit
    sum,       ///< of two
    product,   ///< of two
    power,     ///< base, exponent
    function,  ///< `name` of one argument: sin, cos, tan, arcsin, arccos, arctan, log, exp, abs
  };
  Kind kind = Kind::number;
  std::string name;
  int scale = 0;
  std::vector<MathExpression> parts;
};

inline constexpr int kMaxNodes = 300;
inline constexpr int kMaxDepth = 40;
inline constexpr int kMaxNumberDigits = 40;

/// Reads a whole text (see plain_answer in latex.h): sums, products (also unwritten ones, "2xy"), quotients (\frac, /),
/// powers, roots (\sqrt[n]{x}, sqrt(x)), functions and their inverses (\sin^{-1} too), mixed numbers (1\frac{1}{2}),
/// |x|, n! up to 20!. In the argument of a sine or its kin x\degree is pi x/180; elsewhere the sign is dropped as a
/// unit. Nothing when the text is no expression, when it is words (letters without any operator, digit or command, or
/// four letters in a row), or when a bound is passed.
std::optional<MathExpression> parse_math_expression(std::string_view text);

}  // namespace mathtrap
