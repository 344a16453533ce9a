// Tables and page of an inspection of experts: figures where they belong, widths, escaping, and what is absent.
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "reports/experts.h"
#include "tests/catch.h"
#include "tests/reports/text.h"

using namespace mathtrap;

namespace {

Json measures_of(const std::vector<double>& load, const Json& entropy) {
  Json dead = Json::array();
  for (std::size_t i = 0; i < load.size(); ++i) {
    if (load[i] == 0) dead.push_back(i);
  }
  return {
      {"load", load},        {"importance", load},         {"gate_entropy", entropy}, {"gate_entropy_share", entropy},
      {"load_entropy", 0.5}, {"load_entropy_share", 0.25}, {"max_over_mean", 1.75},   {"variation", 0.375},
      {"dead", dead}};
}

Json group_of(const Json& arm, const Json& type, const std::vector<std::vector<double>>& loads, const Json& entropy) {
  Json layers = Json::array();
  for (const auto& load : loads) layers.push_back(measures_of(load, entropy));
  const Json over = {{"mean", 1.5}, {"max", 1.75}};
  return {{"arm", arm},
          {"trap_type", type},
          {"prompts", 7},
          {"tokens", 321},
          {"dead", 1},
          {"gate_entropy_share", entropy.is_null() ? Json() : Json{{"mean", 0.5}, {"max", 0.5}}},
          {"load_entropy_share", over},
          {"max_over_mean", over},
          {"variation", over},
          {"layers", layers}};
}

Json inspection_of(const std::vector<std::vector<double>>& loads) {
  const std::size_t experts = loads.front().size();
  const std::vector<std::vector<double>> zeros(experts, std::vector<double>(experts, 0));
  Json lift = zeros;
  lift[0][0] = nullptr;
  lift[0][1] = lift[1][0] = 1.875;
  Json co_selection = Json::array();
  Json overlap = Json::array();
  Json divergence = Json::array();
  for (std::size_t i = 0; i < loads.size(); ++i) {
    co_selection.push_back({{"together", zeros}, {"lift", lift}});
    overlap.push_back(zeros);
    std::vector<double> trap(loads[i].rbegin(), loads[i].rend());
    divergence.push_back({{"trap", {{"mean", 0.015}, {"ci95", {0.01, 0.02}}}},
                          {"siblings", {{"mean", 0.25}, {"ci95", nullptr}}},
                          {"strangers", nullptr},
                          {"trap_less_siblings", {{"mean", -0.235}, {"ci95", {-0.24, -0.23}}}},
                          {"rerouted", {{"mean", 0.125}, {"ci95", {0.1, 0.15}}}},
                          {"rerouted_siblings", {{"mean", 0.0625}, {"ci95", nullptr}}},
                          {"rerouted_less_siblings", {{"mean", 0.0625}, {"ci95", {0.05, 0.075}}}},
                          {"original_load", loads[i]},
                          {"trap_load", trap},
                          {"shift", 0.0625},
                          {"shift_p", 0.25},
                          {"shift_holm_p", i == 0 ? 0.04 : 0.5}});
  }
  return {{"model", "<script>alert(1)</script>&\"m'"},
          {"experts", experts},
          {"select", 2},
          {"shared_neurons", 0},
          {"gate", "<b>gate"},
          {"seed", 0},
          {"dataset", {{"name", "<i>set"}, {"sha256", "00"}, {"records", 7}}},
          {"prompt_form", "<u>form"},
          {"groups",
           {group_of(nullptr, nullptr, loads, 0.5), group_of("trap", nullptr, loads, 0.5),
            group_of("trap", "violating_common_sense", loads, nullptr)}},
          {"co_selection", co_selection},
          {"weight_overlap", overlap},
          {"divergence", {{"pairs", 7}, {"units", 3}, {"ending", 4.25}, {"layers", divergence}}}};
}

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto width = static_cast<std::size_t>(std::count_if(
        line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
    widest = std::max(widest, width);
  }
  return widest;
}

}  // namespace

TEST_CASE("the table of experts: shades and figures of the load, layers, groups, distances") {
  const Json inspection = inspection_of({{0.05, 0.25, 0.7, 0}, {0.1, 0.2, 0.3, 0.4}});
  const std::string text = experts_table(inspection);
  INFO(text);
  CHECK(contains(text, "4 experts, 2 for each token, 2 layers"));
  CHECK(contains(text, "7 prompts (321 tokens) of <i>set, form <u>form"));
  CHECK(contains(text, "    0    5 ▒25 ▓70 × 0\n"));
  CHECK(contains(text, "    1  ░10 ▒20 ▒30 ▓40\n"));
  CHECK(contains(text, "0+1 ×1.88"));
  CHECK(contains(text, "trap: violating common sense"));
  CHECK(contains(text, "no two experts of a layer share a neuron"));
  Json shared = inspection;
  shared["weight_overlap"][1][0][2] = shared["weight_overlap"][1][2][0] = 0.6;
  CHECK(contains(experts_table(shared), "share 5.0% of their neurons, 60.0% at most"));  // one of twelve pairs
  CHECK(contains(text, "-0.2350 (-0.2400 to -0.2300)"));
  CHECK(contains(text, "    0  12.5      6.2   +6.2 (+5.0 to +7.5)\n"));
  CHECK(contains(text, "4.2 on average"));
  std::string summary = text.substr(text.find("7 pairs of 3"));
  std::replace(summary.begin(), summary.end(), '\n', ' ');
  CHECK(contains(summary, "in 1 of 2 layers (p < 0.05, Holm)"));
  CHECK(contains(summary, "than that of an original with other numbers in 2 of 2 layers, farther in 0."));
  CHECK(contains(summary, "than other numbers do in 0 layers, more in 2."));
}

TEST_CASE("up to 16 experts fit 80 columns; more of them are shades that wrap") {
  Json inspection = inspection_of(std::vector<std::vector<double>>(12, std::vector<double>(16, 1.0 / 16)));
  inspection["model"] = "model";
  CHECK(widest_line(experts_table(inspection)) <= 80);
  inspection = inspection_of(std::vector<std::vector<double>>(2, std::vector<double>(130, 1.0 / 130)));
  inspection["model"] = "model";
  const std::string text = experts_table(inspection);
  CHECK(widest_line(text) <= 80);
  CHECK(count(text, "▒") == 2 * 130 + 1);  // and once in the legend
}

TEST_CASE("the page of experts escapes what comes from outside, and shows every map") {
  const std::string page = experts_page(inspection_of({{0.05, 0.25, 0.7, 0}, {0.1, 0.2, 0.3, 0.4}}));
  CHECK_FALSE(contains(page, "<script"));
  CHECK_FALSE(contains(page, "<b>gate"));
  CHECK_FALSE(contains(page, "<i>set"));
  CHECK_FALSE(contains(page, "<u>form"));
  CHECK(contains(page, "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;m&#39;"));
  CHECK(contains(page, "default-src 'none'"));
  // Load and importance, the two groups, the shift, two layers of pairs each chosen and shared.
  CHECK(count(page, "<table class=\"heat\">") == 9);
  CHECK(contains(page, R"(<td class="more deep" style="--heat:100%" title="layer 0, expert 2: 70.00%">70</td>)"));
  CHECK(contains(page, R"(title="layer 0, expert 3: 0.00%">×</td>)"));
  CHECK(contains(page, R"(<td class="less" style="--heat:11%" title="layer 0, expert 0: -5.000 points">-5.0</td>)"));
  CHECK(contains(page, R"(data-series="other numbers" data-x="1" data-value="250")"));
  CHECK(contains(page, "<td class=\"number\">10–20</td>"));  // thousandths of a bit, no per cent
}

TEST_CASE("an inspection of a text has neither arms nor distances; maps too large for a page stay in the JSON") {
  Json inspection = inspection_of(std::vector<std::vector<double>>(3, std::vector<double>(130, 1.0 / 130)));
  const std::string large = experts_page(inspection);
  CHECK(contains(large, "table class=\"heat small\""));
  CHECK(contains(large, "they are in inspect.json"));  // 3 * 130 * 130 cells of pairs
  inspection.erase("dataset");
  inspection["data"] = "text.txt";
  inspection["groups"].erase(1);
  inspection["groups"].erase(1);
  for (const char* field : {"co_selection", "weight_overlap", "divergence"}) inspection[field] = nullptr;
  CHECK(contains(experts_page(inspection), "text.txt"));
  CHECK(contains(experts_table(inspection), "7 windows (321 tokens) of text.txt\n"));
}
