// Small tools for reading texts: blanks, case, braces, sentences.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

/// Without blanks and line breaks at both ends.
std::string_view trim_blanks(std::string_view text);
/// ASCII letters in lower case; all other bytes as they are.
std::string lower_case(std::string_view text);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

bool is_digit(char c);
bool is_letter(char c);  ///< ASCII only

/// Where the brace at `open` closes; braces behind a backslash do not count. npos when it does not close.
std::size_t closing_brace(std::string_view text, std::size_t open);

/// Typographic quotes and dashes as their ASCII forms, so that "can’t" is found as "can't".
std::string plain_punctuation(std::string_view text);

/// The sentences of a text, in order, without blanks around them. A sentence ends at a full stop, question or
/// exclamation mark before a blank, and at a line break.
std::vector<std::string_view> split_sentences(std::string_view text);
/// The last sentence of a text that says something: more than punctuation.
std::string_view last_sentence(std::string_view text);

}  // namespace mathtrap
