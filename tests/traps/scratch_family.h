// A small family, written to a file with parts of it replaced: each test shows the part that it is about.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "support/error.h"
#include "support/files.h"

namespace mathtrap {

inline constexpr std::string_view kSmallFamily = R"(topic = "arithmetic"
where = ["a > b"]
[slots]
a = { from = 10, to = 99 }
b = { from = 10, to = 99 }
item = [{ one = "apple", many = "apples" }, { one = "pen", many = "pens" }]
[let]
left = "a - b"
[original]
problem = '''Tom has {{a}} {{item.many}} and gives {{b}} away. How many has he left?'''
solution = '''{{a}} - {{b}} = {{left}}. The answer is {{left}}.'''
answer = '{{left}}'
[proof]
givens = '''(declare-const left Int)'''
original = '''(assert (= left (- {{a}} {{b}})))'''
ask = 'left'
[[trap]]
type = "missing_condition"
problem = '''Tom has {{a}} {{item.many}} and gives some away. How many has he left?'''
explanation = '''It is not said how many {{item.many}} he gives away.'''
evidence = ['(?i)not said']
[trap.proof]
trap = '''(assert (< left {{b - a}}))'''
[[trap.concept]]
question = '''Is {{n}} + 1 greater than {{n}}?'''
answer = true
[trap.concept.slots]
n = { from = 1, to = 500 }
[[trap.concept]]
question = '''Is {{n}} greater than {{n}} + 1?'''
answer = false
solution = '''{{n}} is less. False.'''
[trap.concept.slots]
n = { from = 1, to = 500 }
)";

/// Replaces the first occurrence of each pair's first text, which must be there, by its second.
inline std::string edited(std::string text,
                          std::initializer_list<std::pair<std::string_view, std::string_view>> replacements) {
  for (const auto& [from, to] : replacements) {
    const std::size_t at = text.find(from);
    if (at == std::string::npos) throw Error(fmt::format("the test replaces \"{}\", which is not there", from));
    text.replace(at, from.size(), to);
  }
  return text;
}

/// A file that is gone at the end of the test.
class ScratchFile {
 public:
  explicit ScratchFile(std::string_view text, const std::string& name = "small") {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("mathtrap-traps-{}-{}", ::getpid(), name);
    std::filesystem::create_directories(folder_);
    path_ = folder_ / (name + ".toml");
    write_file_atomically(path_, text);
  }
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path folder_;
  std::filesystem::path path_;
};

/// The message of the Error that `run` throws; "" when it throws none.
template <typename Run>
std::string error_of(const Run& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace mathtrap
