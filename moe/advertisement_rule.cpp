#include "moe/advertisement_rule.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "moe/words.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr double kFullWords = 150;  // of longer texts, hits are counted for so many words

struct Cue {
  const char* name;
  double weight;  ///< of a hit
  double most;    ///< of all its hits
  const char* pattern;
};

// RE2, on bytes; letters match in both cases unless a pattern turns that off. Each pattern is one way of selling, so
// that no single habit of a writer reaches the threshold: it takes several of them.
constexpr Cue kCues[] = {
    {"call to action", 1.5, 2.5,
     R"(\b(?:buy|order|shop|book|call|subscribe|sign up|enroll|register|apply|download|reserve|upgrade|try|)"
     R"(get|claim|inquir[ye]|contact us)\b[^.!?\n]{0,25}\b(?:now|today|online|tonight|yours|here)\b)"},
    {"call to action", 1.0, 2.0,
     R"((?:^|[.!?,:]\s*)(?:buy|order|shop|book|call|subscribe|sign up|enroll|register|apply|download|)"
     R"(reserve|upgrade|claim|discover|save|join|visit|switch|get|don't miss|give your|treat|ask for our)\b)"},
    {"link to follow", 1.5, 2.0, R"(\b(?:click|tap|swipe)\b[^.!?\n]{0,20}\b(?:here|link|below|up)\b|link in bio)"},
    {"basket", 1.5, 2.0,
     R"(\badd (?:it |them )?to (?:your |the )?(?:cart|basket|bag)\b|\b(?:at|the) checkout\b|free returns|)"
     R"(shop the (?:look|collection|sale))"},
    {"delivery", 1.5, 2.0,
     R"(\bfree (?:\w+ )?(?:shipping|delivery|postage|samples?)\b|\bship(?:s|ping)? worldwide|)"
     R"(fast (?:delivery|shipping)|same[- ]day (?:service|delivery)|delivered (?:straight )?to your|)"
     R"(next[- ]day delivery)"},
    {"reduction", 1.5, 2.5,
     R"(\b\d+ ?% (?:off|discount|extra|bonus)|\bhalf price\b|\bsave (?:up to )?(?:\d|(?:[$]|€|£))|)"
     R"(\bclearance\b|\bspecial offers?\b|\bdiscount (?:code|voucher)|\b(?:early bird|exclusive offers?|)"
     R"(welcome bonus|gift card|hot sale)\b|(?:now )?only (?:[$]|€|£)\s?\d|was (?:[$]|€|£)\d)"},
    {"code", 2.0, 2.0, R"(\b(?:promo|coupon|discount|voucher) code|\b(?:use|enter|with) (?:the )?code\b)"},
    {"free of charge", 1.0, 2.0,
     R"(\b(?:free (?:trial|quote|consultation|gift|demo|estimate|brochure|spins|copy|sim|month)|)"
     R"(absolutely free|for free|get \w+ free|one free|try \w+ free|no (?:obligation|contract|hidden fees|)"
     R"(deposit|win, no fee|credit card|fees|paperwork|experience needed))\b)"},
    {"hurry", 1.5, 2.5,
     R"(\b(?:limited (?:time|stock|offer|places|seats|edition)|while (?:stocks?|supplies) last|)"
     R"(only \d+ (?:left|remaining)|hurry|don't (?:miss|wait)|act (?:now|fast)|last chance|offer (?:ends|)"
     R"(expires|valid)|ends (?:sunday|soon|friday|tonight)|once-in-a-lifetime|never miss)\b)"},
    {"guarantee", 1.5, 2.0,
     R"(money[- ]back|satisfaction guaranteed|risk[- ]free|100% (?:satisfaction|natural|guarantee\w*|real|)"
     R"(safe)|guarantee results|refund every|no side effects|fully insured)"},
    {"price praised", 1.0, 2.0,
     R"(\b(?:best|lowest|low|unbeatable|affordable|competitive|great|factory|reasonable|fair|special|)"
     R"(cheapest) (?:prices?|deals?|rates?|value)\b|\bprices? (?:from|start)|\b(?:from|for) (?:just|)"
     R"(only) (?:[$]|€|£|\d)|\bfrom (?:[$]|€|£)\d|\bstarting at\b|for the price of|\bfactory direct)"},
    {"price", 0.5, 1.0, R"((?:[$]|€|£)\s?\d|\b\d+(?:\.\d\d)? (?:dollars|euros|pounds|usd|eur)\b)"},
    {"number to call", 1.0, 1.5,
     R"(\b(?:call|phone|ring|on|tel\.?:?|at)\b[^.!?\n]{0,20}\(?\+?\d[\d() -]{6,}\d|\b(?:0800|1-800|1-888)\b)"},
    {"address", 0.5, 1.0, R"(https?://|\bwww\.|\b[\w-]+\.(?:com|net|shop|store)\b|\b[\w.]+@[\w-]+\.\w+)"},
    {"contact", 1.0, 1.5,
     R"(\b(?:contact us|call us|get in touch|visit (?:our|us)|our (?:website|showroom|store|sales team)|)"
     R"(feel free to contact|make an appointment|arrange a viewing|our sales manager|come and (?:see|enjoy)|)"
     R"(we look forward to welcoming)\b)"},
    {"own praise", 0.7, 2.0,
     R"(\b(?:award[- ]winning|number one|world[- ]class|revolutionary|luxur(?:y|ious)|top (?:quality|)"
     R"(brands)|high quality|must-have|leading (?:manufacturer|supplier|provider)|trusted by|loved by|)"
     R"(recommended by|breathtaking|stunning|finest|unforgettable|state[- ]of[- ]the[- ]art|)"
     R"(latest (?:collection|technology|arrivals)|friendly (?:service|team)|team of experts|)"
     R"(our (?:\w+ )?experts|happy (?:customers|students)|gorgeous|amazing|miracle|proven system|)"
     R"(fantastic opportunity|best online)\b|#1\b)"},
    {"the reader flattered", 1.0, 2.0,
     R"(\b(?:your (?:dream|new life|perfect|next purchase|best friend|home)|perfect (?:gift|for|fit|)"
     R"(setting)|you deserve|they deserve|he deserves|everyone deserves|look no further|say goodbye to|)"
     R"(transform your|boost your|are you (?:tired|looking|ready)|looking for|whether you are (?:planning|)"
     R"(looking)|need cash|want to become|new (?:customers|patients|players) |makes? your|let us|love (?:it|)"
     R"(them)|await you|starts here|your door|your inbox)\b)"},
    {"the seller", 0.8, 2.0,
     R"(\b(?:we (?:offer|provide|specialize|believe that every|are a leading|can ship|supply|guarantee)|)"
     R"(our (?:\w+ )?(?:customers|clients|products|services|company|firm|team|venue|packages|new|hand-?made|)"
     R"(method|expertise)|all major credit cards|minimum order|oem|inquiry|moq)\b)"},
    {"following", 1.0, 1.5,
     R"(\b(?:subscribe to (?:our|my)|follow us|our newsletter|share with your friends|like and share|)"
     R"(join (?:over|us|our|more than|now|today)|million(?:s of)? (?:users|downloads|customers)|)"
     R"(\d+[,\d]* (?:happy|students|customers))\b)"},
    {"easy money or cure", 1.5, 3.0,
     R"(\b(?:casino|jackpot|online slots|win big|viagra|weight loss|lose \d+ (?:pounds|kg|kilos)|bad credit|)"
     R"(earn \$|work(?:ing)? from home|earning from home|making money|bonus today|free spins|get approved|)"
     R"(without prescription|first page of google|seo services|bitcoin|crypto)\b)"},
    {"shouting", 0.5, 1.0, R"((?-i:\b[A-Z]{4,}\b[^a-z]*(?:SALE|OFF|FREE|NOW|HERE|ONLY)|!!+|⭐⭐|✅|🔥|👉))"},
};

/// Cues that other texts are full of: they confirm, and two kinds of selling must stand beside them.
bool only_confirms(std::string_view name) {
  return name == "price" || name == "number to call" || name == "address" || name == "shouting";
}

struct CompiledCue {
  const Cue* cue;
  std::unique_ptr<RE2> pattern;
};

const std::vector<CompiledCue>& compiled_cues() {
  static const std::vector<CompiledCue> kCompiled = [] {
    RE2::Options options(RE2::Latin1);
    options.set_case_sensitive(false);
    std::vector<CompiledCue> cues;
    for (const Cue& cue : kCues) {
      cues.push_back({&cue, std::make_unique<RE2>(fmt::format("({})", cue.pattern), options)});
    }
    return cues;
  }();
  return kCompiled;
}

struct Hits {
  double score = 0;
  std::string text;  ///< the first
};

Hits count_hits(std::string_view text, const CompiledCue& compiled, double share) {
  Hits hits;
  re2::StringPiece rest(text.data(), text.size());
  re2::StringPiece match;
  const double weight = compiled.cue->weight * share;
  while (hits.score < compiled.cue->most && RE2::FindAndConsume(&rest, *compiled.pattern, &match)) {
    hits.score += weight;
    if (hits.text.empty()) hits.text = std::string(trim_blanks({match.data(), match.size()}));
    if (match.empty()) rest.remove_prefix(1);
  }
  hits.score = std::min(hits.score, compiled.cue->most);
  return hits;
}

/// Sentences that end in "!": one in a letter is joy, several in a few sentences are a fair.
double exclamation_score(std::string_view text, double share) {
  double marks = 0;
  double ends = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool last = i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\n';
    if (!last) continue;
    if (text[i] == '!') ++marks;
    if (text[i] == '.' || text[i] == '?' || text[i] == '!') ++ends;
  }
  return marks / std::max(ends, 3.0) >= 0.2 ? std::min(1.0, 0.5 * marks * share) : 0;
}

/// Somebody who tells what they bought is no seller.
double experience_score(std::string_view text) {
  static const RE2 kExperience(
      R"((?i)\b(?:i (?:bought|ordered|paid|tried|think|had|was|have|am)|annoys me|we waited|my opinion|he said|she said|)"
      R"(told me|said that|disappoint\w+)\b)",
      RE2::Latin1);
  re2::StringPiece rest(text.data(), text.size());
  double score = 0;
  while (score < 2 && RE2::FindAndConsume(&rest, kExperience)) score += 0.7;
  return score;
}

}  // namespace

AdvertisementCues advertisement_cues(std::string_view original) {
  const std::string text = plain_punctuation(original);
  const auto words = static_cast<double>(split_words(text).size());
  const double share = std::min(1.0, kFullWords / std::max(words, 1.0));
  std::vector<std::pair<double, std::string>> found;
  std::set<std::string_view> kinds;
  AdvertisementCues result;
  for (const CompiledCue& compiled : compiled_cues()) {
    const Hits hits = count_hits(text, compiled, share);
    if (hits.score > 0) found.emplace_back(hits.score, fmt::format("{}: \"{}\"", compiled.cue->name, hits.text));
    result.score += hits.score;
    if (hits.score > 0 && !only_confirms(compiled.cue->name)) kinds.insert(compiled.cue->name);
  }
  result.kinds = kinds.size();
  if (result.score == 0) return result;
  result.score += exclamation_score(text, share) - experience_score(text);
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 4); ++i) {
    result.found += (i > 0 ? "; " : "") + found[i].second;
  }
  return result;
}

std::optional<std::string> advertisement_reason(std::string_view text) {
  const AdvertisementCues cues = advertisement_cues(text);
  if (cues.score < kAdvertisementScore || cues.kinds < kFewestKinds) return std::nullopt;
  return fmt::format("score {:.1f}; {}", cues.score, cues.found);
}

}  // namespace mathtrap
