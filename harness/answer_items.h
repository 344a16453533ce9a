// Answers that hold several values, taken apart: lists, sets, tuples and matrices.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

inline constexpr std::size_t kMaxItems = 64;     // unordered lists are compared item against item
inline constexpr std::size_t kMaxEntries = 256;  // of a matrix

struct AnswerItems {
  char open = ' ';  ///< ' ' without brackets, '{' for sets, '(' also for \langle
  char close = ' ';
  std::vector<std::string> items;  ///< undressed; "1 \pm \sqrt2" is two items

  bool ordered() const { return open == '(' || open == '['; }
};

/// The items of "1, 2", "1 and 2", "(1, 2)", "\{1, 2\}", of sets also a single one or none. Nothing when there are less
/// than two otherwise, or more than kMaxItems. `text` is an undressed answer (latex.h).
std::optional<AnswerItems> parse_items(std::string_view text);

struct AnswerMatrix {
  bool bars = false;                           ///< |…| or ‖…‖: a determinant or norm, not the matrix
  std::vector<std::vector<std::string>> rows;  ///< rows of one length, at least one entry

  bool is_vector() const { return rows.size() == 1 || rows.front().size() == 1; }
};

/// \begin{pmatrix} … \end{pmatrix} and its kin, arrays in brackets, with a factor before it (multiplied into the
/// entries) and a sign of transposition behind it; also rows in brackets: [[1, 2], [3, 4]]. Nothing when the text is
/// something else, or has more than kMaxEntries entries.
std::optional<AnswerMatrix> parse_matrix(std::string_view text);

}  // namespace mathtrap
