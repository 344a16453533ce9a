#include "reports/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "reports/format.h"
#include "reports/html_page.h"
#include "reports/html_sections.h"
#include "support/files.h"

namespace mathtrap {
namespace {

/// The verdicts of a group side by side; each part filters the list of replies.
std::string verdict_bar(const Group& group) {
  constexpr double kLabelled = 0.12;  // narrower parts have no room for a figure
  std::string parts;
  std::size_t total = 0;
  for (const auto& [verdict, count] : group.verdicts) total += count;
  for (const Verdict verdict : verdicts_of(group.arm)) {
    const std::size_t count = count_of(group, verdict);
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(total);
    parts += fmt::format(
        R"(<button type="button" class="{}" style="flex:{} 0 0" title="{} {}: show them" data-arm="{}" data-intervention="{}" data-verdict="{}">{}</button>)",
        to_string(verdict), count, count, words(verdict), to_string(group.arm), escape_html(group.intervention),
        to_string(verdict), share >= kLabelled ? std::to_string(count) : "");
  }
  return "<div class=\"verdicts\">" + parts + "</div>";
}

std::string figure(std::string_view name, const std::string& value, const std::string& range) {
  return fmt::format(
      R"(<div class="figure" data-name="{}"><div class="value number">{}</div><div class="range">{}</div></div>)", name,
      value, range);
}

std::string arm_figure(std::string_view name, const Group* group) {
  if (group == nullptr) return figure(name, "–", "not asked");
  return figure(name, percent(group->accuracy.value), percent_range(group->accuracy.ci95));
}

std::vector<std::string> interventions_of(const Results& results) {
  std::vector<std::string> names;
  for (const Group* group : overall_groups(results)) {
    if (std::find(names.begin(), names.end(), group->intervention) == names.end()) names.push_back(group->intervention);
  }
  return names;
}

std::string ratio_figure(const Results& results, const std::string& intervention) {
  const auto found = std::find_if(results.ratios.begin(), results.ratios.end(),
                                  [&](const auto& entry) { return entry.intervention == intervention; });
  if (found == results.ratios.end() || !found->ratio) return figure("trap / original", "–", "no value");
  const Ratio& ratio = *found->ratio;
  const std::string high = ratio.high ? fmt::format("{:.1f}%", 100 * *ratio.high) : "∞";
  return figure("trap / original", percent(ratio.value),
                fmt::format("{:.1f}–{}<br>bootstrap {}", 100 * ratio.low, high, bootstrap_text(found->bootstrap)));
}

std::string headline(const Results& results) {
  std::string html =
      R"(<div class="headline"><div></div><div class="column"><b>Original</b>what it can do</div><div class="column"><b>Concept</b>what it knows</div><div class="column"><b>Trap</b>what it puts together</div><div class="column"><b>Trap / original</b>what is left of it in a trap</div>)";
  for (const std::string& intervention : interventions_of(results)) {
    html += fmt::format("<div class=\"row-name\">{}</div>", escape_html(intervention));
    html += arm_figure("original", find_group(results, Arm::original, intervention, std::nullopt));
    html += arm_figure("concept", find_group(results, Arm::conceptual, intervention, std::nullopt));
    html += arm_figure("trap", find_group(results, Arm::trap, intervention, std::nullopt));
    html += ratio_figure(results, intervention);
  }
  return html + "</div>";
}

std::string legend() {
  static constexpr std::array<std::pair<Verdict, std::string_view>, 9> kMeanings = {{
      {Verdict::correct, "correct"},
      {Verdict::flaw_named, "flaw named: no answer, and the reason"},
      {Verdict::refused, "refused: no answer, flaw not named"},
      {Verdict::answered, "answered, though there is no answer"},
      {Verdict::incorrect, "incorrect"},
      {Verdict::no_answer, "no answer"},
      {Verdict::cut_off, "cut off at the token limit"},
      {Verdict::unscored, "unscored: no readable verdict; not counted"},
      {Verdict::failed, "failed: no reply came, and none is counted"},
  }};
  std::string html = "<ul class=\"legend\">";
  for (const auto& [verdict, meaning] : kMeanings) {
    html += fmt::format("<li><i class=\"{}\"></i>{}</li>", to_string(verdict), meaning);
  }
  return html + "</ul>";
}

std::string arms_section(const Results& results) {
  std::string rows;
  std::string_view previous;
  for (const Group* group : overall_groups(results)) {
    const std::string_view arm = to_string(group->arm);
    rows += fmt::format("<tr{}>", arm != previous && !previous.empty() ? " class=\"first\"" : "");
    rows += html_cell(std::string(arm), false) + html_cell(escape_html(group->intervention), false) +
            html_cell(std::to_string(group->accuracy.n), true) + html_cell(percent(group->accuracy.value), true) +
            html_cell(percent_range(group->accuracy.ci95), true) + html_cell(accuracy_bar(group->accuracy), false) +
            html_cell(verdict_bar(*group), false) + "</tr>";
    previous = arm;
  }
  std::string lenient;
  for (const Group* group : overall_groups(results)) {
    if (!group->lenient) continue;
    lenient += fmt::format("<p class=\"sub\">Traps under <b>{}</b>, counting every refusal as well: {} ({}).</p>",
                           escape_html(group->intervention), percent(group->lenient->value),
                           percent_range(group->lenient->ci95));
  }
  return R"(<h2>Accuracy and verdicts</h2><div class="scroll"><table><thead><tr><th>arm</th><th>intervention</th><th class="number">n</th><th class="number">correct</th><th class="number">95% interval</th><th></th><th>verdicts</th></tr></thead><tbody>)" +
         rows + "</tbody></table></div>" + legend() + lenient;
}

std::string type_cell(const Group* group) {
  if (group == nullptr) return html_cell("–", true);
  return html_cell(fmt::format("<span title=\"{} of {}, {}\">{}</span>", group->accuracy.successes, group->accuracy.n,
                               percent_range(group->accuracy.ci95), percent(group->accuracy.value)),
                   true);
}

std::string types_section(const Results& results) {
  const std::vector<TypeRow> rows = type_rows(results);
  if (rows.empty()) return {};
  std::string html =
      R"(<h2>By trap type</h2><div class="scroll"><table><thead><tr><th>trap type</th><th>intervention</th><th class="number">traps</th><th class="number">original</th><th class="number">concept</th><th class="number">trap</th><th class="number">95% interval</th><th></th></tr></thead><tbody>)";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TypeRow& row = rows[i];
    const bool first = i == 0 || rows[i - 1].type != row.type;
    const Group* trap = find_group(results, Arm::trap, row.intervention, row.type);
    html += fmt::format("<tr{}>", first && i != 0 ? " class=\"first\"" : "");
    html += html_cell(first ? words(row.type) : "", false) + html_cell(escape_html(row.intervention), false) +
            html_cell(std::to_string(trap->accuracy.n), true) +
            type_cell(find_group(results, Arm::original, row.intervention, row.type)) +
            type_cell(find_group(results, Arm::conceptual, row.intervention, row.type)) + type_cell(trap) +
            html_cell(percent_range(trap->accuracy.ci95), true) + html_cell(accuracy_bar(trap->accuracy), false) +
            "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string replies_section(std::size_t all) {
  const std::string left_out =
      all > kMaxRepliesOnPage
          ? fmt::format("<p class=\"sub\">The first {} of {} replies; all are in samples.jsonl.</p>", kMaxRepliesOnPage,
                        all)
          : "";
  return R"(<h2 id="replies">Replies</h2>)" + left_out +
         R"(<div class="filters"><label>arm<select id="arm"></select></label><label>intervention<select id="intervention"></select></label><label>verdict<select id="verdict"></select></label><label>trap type<select id="trap_type"></select></label><label class="grow">search<input id="search" type="search" placeholder="words of the prompt, the reply or the id"></label><button class="plain" id="reset" type="button">all</button><output id="count"></output></div><noscript><p class="empty">The list of replies needs JavaScript; the same replies are in samples.jsonl.</p></noscript><div id="list"></div><button class="plain" id="more" type="button" hidden>show more</button>)";
}

std::string facts_section(const Json& run) {
  std::string html = "<h2>The run</h2><dl class=\"facts\">";
  for (const Fact& fact : run_facts(run)) {
    html += fmt::format("<div><dt>{}</dt><dd class=\"number\">{}</dd></div>", fact.name, escape_html(fact.value));
  }
  return html +
         "</dl><p class=\"sub\">Everything needed to repeat it is in run.json. Intervals are Wilson's, 95%, with "
         "replies to variants of one original counted as the fewer independent ones that they are; those of ratios are "
         "by "
         "MOVER-R, and below them those of a bootstrap over originals, which is too narrow where few traps are seen "
         "through.</p>";
}

/// JSON within a script element: no "<" may stand in it.
std::string replies_json(const std::vector<Sample>& samples) {
  std::string json = "[";
  for (std::size_t i = 0; i < std::min(samples.size(), kMaxRepliesOnPage); ++i) {
    json += (i == 0 ? "\n" : ",\n") + write_sample(samples[i]);
  }
  json += "\n]";
  std::string safe;
  safe.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace

std::string html_report(const StoredRun& run) {
  const Results& results = run.results;
  const std::string title = fmt::format("{} on {}", escape_html(results.model), escape_html(results.dataset));
  const std::string body = fmt::format("<h1>{}</h1>\n", title) + headline(results) + "\n" + arms_section(results) +
                           "\n" + composition_section(results) +
                           comparisons_section("Interventions compared", name_comparisons(results)) +
                           epochs_section(results) + types_section(results) + "\n" +
                           replies_section(run.samples.size()) + "\n" + facts_section(run.run);
  return html_page(title, body,
                   "<script type=\"application/json\" id=\"data\">" + replies_json(run.samples) +
                       "</script>\n<script>\n" + read_file(resource("reports/page/page.js")) + "</script>");
}

}  // namespace mathtrap
