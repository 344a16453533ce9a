// Does a text want to sell something? Cues of selling are counted and weighted; docs/text-filter.md says why which.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mathtrap {

/// A text is an advertisement when its weighted cues reach this score and are of several kinds, not counting those that
/// only confirm (prices, addresses, shouting).
inline constexpr double kAdvertisementScore = 3.0;
inline constexpr std::size_t kFewestKinds = 2;

struct AdvertisementCues {
  double score = 0;
  std::size_t kinds = 0;
  std::string found;  ///< the cues with what matched, the heaviest first: "call to action: \"order now\"; …"
};

/// Of English text. The hits of a text of more than 150 words count by their density: ten cues in a book are nothing.
AdvertisementCues advertisement_cues(std::string_view text);

/// Why the text is an advertisement, or nothing.
std::optional<std::string> advertisement_reason(std::string_view text);

}  // namespace mathtrap
