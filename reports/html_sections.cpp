#include "reports/html_sections.h"

#include <fmt/format.h>

#include <algorithm>

#include "reports/html_page.h"

namespace mathtrap {
namespace {

/// Changed questions beyond these are left to `mathtrap compare`.
constexpr std::size_t kMaxChangesOnPage = 200;

struct HeadCell {
  std::string title;
  bool number = false;
};

/// A table from its opening to its body's.
std::string table_head(const std::vector<HeadCell>& columns) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const HeadCell& column : columns) {
    html += fmt::format("<th{}>{}</th>", column.number ? " class=\"number\"" : "", column.title);
  }
  return html + "</tr></thead><tbody>";
}

constexpr const char* kTableEnd = "</tbody></table></div>";

/// The accuracy of traps as a bar, with a mark where independence would have it.
std::string gap_bar(const Composition& composition) {
  const std::string words =
      fmt::format("trap {}, if independent {}", percent(composition.trap.value), percent(composition.independent));
  return fmt::format(
      R"(<div class="accuracy gap" role="img" aria-label="{0}" title="{0}"><div class="fill" style="width:{1:.2f}%"></div><div class="missing" style="left:{2:.2f}%;width:{3:.2f}%"></div><div class="expected" style="left:{4:.2f}%"></div></div>)",
      words, 100 * composition.trap.value, 100 * std::min(composition.trap.value, composition.independent),
      100 * std::max(0.0, -composition.gap), 100 * composition.independent);
}

std::string composition_row(const Composition& composition) {
  return fmt::format("<tr><td>{} <span class=\"kind {}\">{}</span></td>", escape_html(composition.intervention),
                     kind_of(composition), kind_of(composition)) +
         html_cell(fmt::format("{} of {}", composition.owned.successes, composition.items), true) +
         html_cell(fmt::format("<b>{}</b>{}", accuracy_text(composition.composed), accuracy_bar(composition.composed)),
                   true) +
         html_cell(accuracy_text(composition.composed_unowned), true) +
         html_cell(percent(composition.trap.value), true) + html_cell(percent(composition.independent), true) +
         html_cell(fmt::format("<b>{}</b>{}", points_text(composition.gap, composition.gap_ci95), gap_bar(composition)),
                   true) +
         "</tr>";
}

std::string changes_list(const NamedComparison& item) {
  const auto& changed = item.comparison->changed;
  if (!item.lists_changes || changed.empty()) return {};
  std::string html =
      fmt::format("<details><summary>{}, {}: {} of {} questions changed</summary><ul class=\"changes\">",
                  to_string(item.comparison->arm), escape_html(item.name), changed.size(), item.comparison->paired.n);
  for (std::size_t i = 0; i < std::min(changed.size(), kMaxChangesOnPage); ++i) {
    html += fmt::format("<li>{}: {} → {}</li>", escape_html(changed[i].id), words(changed[i].before),
                        words(changed[i].after));
  }
  if (changed.size() > kMaxChangesOnPage) html += fmt::format("<li>{} more</li>", changed.size() - kMaxChangesOnPage);
  return html + "</ul></details>";
}

}  // namespace

std::string accuracy_bar(const Proportion& accuracy) {
  return fmt::format(
      R"(<div class="accuracy" role="img" aria-label="{0}, {1}" title="{0}, {1}"><div class="fill" style="width:{2:.2f}%"></div><div class="interval" style="left:{3:.2f}%;width:{4:.2f}%"></div></div>)",
      percent(accuracy.value), percent_range(accuracy.ci95), 100 * accuracy.value, 100 * accuracy.ci95.low,
      100 * (accuracy.ci95.high - accuracy.ci95.low));
}

std::string comparisons_section(const std::string& title, std::span<const NamedComparison> comparisons) {
  if (comparisons.empty()) return {};
  std::string html = fmt::format("<h2>{}</h2>", title) + table_head({{"arm"},
                                                                     {"compared"},
                                                                     {"n", true},
                                                                     {"before", true},
                                                                     {"after", true},
                                                                     {"change (95%)", true},
                                                                     {"gained", true},
                                                                     {"lost", true},
                                                                     {"p (McNemar)", true},
                                                                     {"p (clusters)", true},
                                                                     {"p (Holm)", true},
                                                                     {"detectable", true}});
  std::string changes;
  for (const NamedComparison& item : comparisons) {
    const PairedComparison& paired = item.comparison->paired;
    html += fmt::format("<tr><td>{}</td><td>{}</td>", to_string(item.comparison->arm), escape_html(item.name)) +
            html_cell(std::to_string(paired.n), true) + html_cell(percent(paired.before), true) +
            html_cell(percent(paired.after), true) + html_cell(points_text(paired.difference, paired.ci95), true) +
            html_cell(std::to_string(paired.gained), true) + html_cell(std::to_string(paired.lost), true) +
            html_cell(fmt::format("{:.2g}", paired.mcnemar_p), true) +
            html_cell(fmt::format("{:.2g}", paired.permutation_p), true) +
            html_cell(fmt::format("<b>{:.2g}</b>", paired.holm_p), true) +
            html_cell(paired.detectable ? fmt::format("{:.1f}", 100 * *paired.detectable) : "–", true) + "</tr>";
    changes += changes_list(item);
  }
  return html + kTableEnd +
         "<p class=\"sub\">The same questions under both; changes in points. p (clusters) is an exact sign-flip test "
         "over "
         "original problems, p (Holm) the same corrected for all rows: the one to read. Detectable: the difference "
         "that "
         "data of this size and spread would show in 80 of 100 runs.</p>" +
         changes + "\n";
}

std::string composition_section(const Results& results) {
  if (results.compositions.empty()) return {};
  std::string html = "<h2>Composition, item by item</h2>" + table_head({{"intervention"},
                                                                        {"owns both", true},
                                                                        {"composes of these (95%)", true},
                                                                        {"of the others", true},
                                                                        {"trap", true},
                                                                        {"if independent", true},
                                                                        {"gap (95%)", true}});
  std::size_t left_out = 0;
  for (const Composition& composition : results.compositions) {
    html += composition_row(composition);
    left_out += composition.left_out;
  }
  html += kTableEnd;
  html +=
      "<p class=\"sub\">An item is a trap with its original and its conceptual questions. The model owns both when it "
      "solves the original and answers every concept; it composes when it then sees through the trap: spontaneously "
      "without help, passively under an intervention. <i>If independent</i> is original × concept, the accuracy of "
      "traps "
      "that two separate skills would give; the gap is what the model falls short of it, in points.</p>";
  if (left_out > 0) {
    html += fmt::format("<p class=\"sub\">{} traps are left out: a part was not asked or has no score.</p>", left_out);
  }
  return html + "\n";
}

std::string epochs_section(const Results& results) {
  if (results.epochs.empty()) return {};
  std::string html = "<h2>Several epochs</h2>" + table_head({{"arm"},
                                                             {"intervention"},
                                                             {"epochs", true},
                                                             {"mean (95%)", true},
                                                             {""},
                                                             {"majority (95%)", true},
                                                             {"pass@k"}});
  for (const EpochResults& epochs : results.epochs) {
    html += fmt::format("<tr><td>{}</td><td>{}</td>", to_string(epochs.arm), escape_html(epochs.intervention)) +
            html_cell(std::to_string(epochs.epochs), true) + html_cell(accuracy_text(epochs.mean), true) +
            html_cell(accuracy_bar(epochs.mean), false) + html_cell(accuracy_text(epochs.majority), true) +
            html_cell(pass_text(epochs), false) + "</tr>";
  }
  return html + kTableEnd +
         "<p class=\"sub\">Majority: questions of which more than half of the replies are right. pass@k: the chance "
         "that "
         "one of k replies is right.</p>\n";
}

std::string chart_section(const Chart& chart) {
  std::string html = fmt::format("<h2>{}</h2><figure>", escape_html(chart.title)) + chart_svg(chart) + "</figure>";
  if (chart.curves) return html + "\n";
  html +=
      "<details><summary>The figures</summary>" +
      table_head(
          {{escape_html(chart.x_label), true}, {"series"}, {escape_html(chart.y_label), true}, {"95% interval", true}});
  for (const ChartPoint& point : chart.points) {
    html += html_cell(fmt::format("{}", point.x), true).insert(0, "<tr>") +
            html_cell(escape_html(point.series), false) + html_cell(chart_value(chart, point.value), true) +
            html_cell(point.ci95 ? chart_range(chart, *point.ci95) : "–", true) + "</tr>";
  }
  return html + kTableEnd + "</details>\n";
}

}  // namespace mathtrap
