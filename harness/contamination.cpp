#include "harness/contamination.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "support/error.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kShownIds = 10;

std::string letters_and_digits(std::string_view text) {
  std::string kept;
  for (const char c : lower_case(text)) {
    if (is_letter(c) || is_digit(c)) kept += c;
  }
  return kept;
}

std::vector<std::string> marks_of(const Record& record) {
  // A blank cannot stand in the text of a problem here, so that a cluster is never taken for one.
  std::vector<std::string> marks = {" " + record.cluster};
  if (record.original) marks.push_back(letters_and_digits(record.original->problem));
  if (record.trap) marks.push_back(letters_and_digits(record.trap->problem));
  return marks;
}

}  // namespace

std::vector<std::size_t> contaminated_records(std::span<const Record> records, std::span<const Record> shots) {
  std::unordered_set<std::string> shown;
  for (const Record& shot : shots) {
    for (std::string& mark : marks_of(shot)) shown.insert(std::move(mark));
  }
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::vector<std::string> marks = marks_of(records[i]);
    if (std::any_of(marks.begin(), marks.end(), [&](const std::string& mark) { return shown.contains(mark); })) {
      places.push_back(i);
    }
  }
  return places;
}

std::string leave_out_contaminated(std::vector<Record>& records, std::span<const Record> shots, bool drop) {
  const std::vector<std::size_t> places = contaminated_records(records, shots);
  if (places.empty()) return "";
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < places.size() && i < kShownIds; ++i) ids.push_back(records[places[i]].id);
  const std::string named = fmt::format("{}{}", fmt::join(ids, ", "),
                                        places.size() > kShownIds ? fmt::format(", … ({})", places.size()) : "");
  if (!drop) {
    throw Error(
        fmt::format("the shots show problems that are to be asked: {}; choose other shots with --shots, or "
                    "leave these problems out with --drop-contaminated",
                    named));
  }
  std::size_t place = 0;
  std::size_t next = 0;
  std::erase_if(records, [&](const Record&) {
    const bool out = next < places.size() && places[next] == place++;
    if (out) ++next;
    return out;
  });
  return fmt::format("{} problems are left out because the shots show them: {}", places.size(), named);
}

}  // namespace mathtrap
