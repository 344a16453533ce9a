#include "model/scheduler/reply_text.h"

#include <algorithm>

namespace mathtrap {
std::size_t find_stop(std::string_view text, std::size_t known, std::span<const std::string> stops) {
  std::size_t first = text.npos;
  for (const std::string& stop : stops) {
    const std::size_t from = known < stop.size() ? 0 : known - stop.size() + 1;
    first = std::min(first, text.find(stop, from));
  }
  return first;
}

}  // namespace mathtrap
