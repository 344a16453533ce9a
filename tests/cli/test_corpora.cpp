// scripts/corpora on a small tree of files in the places of the packages: what its first lines promise.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

void put(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

void put_compressed(const fs::path& file, const std::string& text) {
  put(file.string() + ".plain", text);
  REQUIRE(std::system(fmt::format("gzip -c '{0}.plain' >'{0}' && rm '{0}.plain'", file.string()).c_str()) == 0);
}

/// Sentences that differ by their number, `count` of them, a paragraph each.
std::string paragraphs(const std::string& word, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += fmt::format("The {} of house number {} keeps the keys of every door on a nail in the hall.\n\n", word, i);
  }
  return text;
}

/// A file in the place of each package's files.
fs::path packages(const fs::path& folder) {
  fs::path root = folder / "root";
  put(root / "usr/share/doc/anarchism/html/a.html",
      "<html><head><title>Head</title></head><body><script>var hidden;</script><h1>Bread &amp; salt</h1>"
      "<p>First  line\nand <i>more</i> of it &#8212; it&rsquo;s long.</p><pre>a   b\n  c</pre>" +
          std::string("<p>The mill stands by the river, and its wheel turns day and night. ") +
          "The miller sleeps by day, his son by night, and neither has ever seen the other at work.</p></body></html>");
  put(root / "usr/bin/bible",
      "#!/bin/sh\ntest \"$(pwd)\" = \"$(dirname \"$0\" | xargs realpath | sed 's/bin$/lib/')\" || exit 1\n"
      "for c in 1 2; do printf '\\nGenesis %s\\n\\n' $c; for v in 1 2 3 4; do echo \"  $v In chapter $c and verse $v "
      "there is a sentence that is long enough to be counted.\"; done; done\n");
  fs::permissions(root / "usr/bin/bible", fs::perms::owner_all);
  fs::create_directories(root / "usr/lib");
  std::string quotations = "Too short.\n%\n";
  for (int i = 0; i < 60; ++i)
    quotations += fmt::format("Whoever counts to {} has time for it, and nobody to talk to at home.\n%\n", i);
  put(root / "usr/share/games/fortunes/counting",
      quotations + "Whoever counts to 7 has time for it, and nobody to talk to at home.\n%\n");
  put(root / "usr/share/games/fortunes/counting.dat", std::string(1000, 'x'));
  for (const char* name : {"gcide", "foldoc", "jargon"}) {
    put_compressed(root / "usr/share/dictd" / fmt::format("{}.dict.dz", name),
                   "00-database-info\n   left out\n\n" + paragraphs(name, 60));
  }
  put_compressed(root / "usr/share/man/man1/key.1.gz",
                 ".TH KEY 1 2020 Doors\n.SH NAME\nkey \\- opens a door\n.SH DESCRIPTION\nA program that opens the door "
                 "of the house, of which the number is given, provided that somebody has locked it before, and that "
                 "it is the right door and the right house in the right street.\n");
  put_compressed(root / "usr/share/man/man1/lock.1.gz", ".so man1/key.1\n");
  put(root / "usr/share/doc/python3.11/html/_sources/a.rst.txt", paragraphs("caretaker", 900));
  put(root / "usr/share/doc/git-doc/a.txt", paragraphs("gardener", 9));
  put_compressed(root / "usr/share/doc/debian-policy/policy.txt.gz", paragraphs("policeman", 9));
  put(root / "usr/share/developers-reference/_sources/a.rst.txt", paragraphs("lodger", 9));
  put(root / "usr/share/gap/doc/ref/chap1.html", "<body><p>" + paragraphs("group", 9) + "</p></body>");
  put(root / "usr/share/doc/maxima-doc/html/maxima_1.html", "<body><p>" + paragraphs("ring", 9) + "</p></body>");
  put(root / "usr/lib/python3.11/a.py", "# caf\xe9\n" + paragraphs("snake", 9));
  put(root / "usr/share/perl/5.36.0/A.pm", "# caf\xc3\xa9\n" + paragraphs("camel", 9));
  return root;
}

Outcome run_corpora(const fs::path& root, const fs::path& out) {
  const fs::path streams = fresh_folder("corpora-streams");
  const int status =
      std::system(fmt::format("MATHTRAP_CORPORA_ROOT='{}' '{}/scripts/corpora' '{}' >'{}/stdout' 2>'{}/stderr'",
                              root.string(), MATHTRAP_SOURCE_DIR, out.string(), streams.string(), streams.string())
                      .c_str());
  return {WEXITSTATUS(status), read_file(streams / "stdout"), read_file(streams / "stderr")};
}

std::vector<std::string> texts(const fs::path& file) {
  std::vector<std::string> result;
  for_each_line(file, [&](std::string_view line, std::size_t number) {
    const Json json = parse_json(line, {file.string(), number, ""});
    REQUIRE(json.size() == 1);
    result.push_back(json_string(json, "text", {file.string(), number, ""}));
  });
  return result;
}

std::vector<std::string> all_texts(const fs::path& out, const std::string& domain) {
  std::vector<std::string> result = texts(out / (domain + ".train.jsonl"));
  for (std::string& text : texts(out / (domain + ".validation.jsonl"))) result.push_back(std::move(text));
  return result;
}

bool has(const std::vector<std::string>& texts, const std::string& wanted) {
  return std::find(texts.begin(), texts.end(), wanted) != texts.end();
}

}  // namespace

TEST_CASE("corpora: every form becomes plain text, once, in one of two parts") {
  const fs::path folder = fresh_folder("corpora");
  const fs::path out = folder / "out";
  const Outcome outcome = run_corpora(packages(folder), out);
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  for (const char* domain :
       {"books", "quotations", "dictionary", "encyclopedia", "manual", "documentation", "mathematics", "code"}) {
    INFO(domain);
    const std::vector<std::string> held = texts(out / fmt::format("{}.validation.jsonl", domain));
    const std::vector<std::string> all = all_texts(out, domain);
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == all.size());
    CHECK(held.size() == std::min<std::size_t>(20, all.size() / 2));
    CHECK(outcome.output.find(fmt::format("{}: train {} documents", domain, all.size() - held.size())) !=
          std::string::npos);
  }

  const std::vector<std::string> books = all_texts(out, "books");
  CHECK(has(books,
            "Bread & salt\n\nFirst line and more of it — it’s long.\n\na   b\n  c\n\nThe mill stands by the river, and "
            "its wheel turns day and night. The miller sleeps by day, his son by night, and neither has ever seen the "
            "other at work."));
  CHECK(has(books,
            "Genesis 2\n\nIn chapter 2 and verse 1 there is a sentence that is long enough to be counted.\nIn chapter "
            "2 and verse 2 there is a sentence that is long enough to be counted.\nIn chapter 2 and verse 3 there is a "
            "sentence that is long enough to be counted.\nIn chapter 2 and verse 4 there is a sentence that is long "
            "enough to be counted."));
  CHECK(books.size() == 3);
  CHECK(all_texts(out, "quotations").size() == 60);

  const std::vector<std::string> manual = all_texts(out, "manual");
  REQUIRE(manual.size() == 1);
  CHECK(manual[0].starts_with("NAME\n       key - opens a door\n\nDESCRIPTION\n       A program"));
  CHECK(manual[0].ends_with("street."));

  const std::string entries = all_texts(out, "dictionary")[0];
  CHECK(entries.size() >= 1500);
  CHECK(entries.size() < 1600);
  CHECK(entries.find("left out") == std::string::npos);
  for (const std::string& text : all_texts(out, "code")) CHECK(text.starts_with("# café\n"));
}

TEST_CASE("corpora: long texts are cut at paragraphs, and nothing of them is lost") {
  const fs::path folder = fresh_folder("corpora");
  REQUIRE(run_corpora(packages(folder), folder / "out").status == 0);
  std::size_t found = 0;
  for (const std::string& text : all_texts(folder / "out", "documentation")) {
    CHECK(text.size() <= 20000);
    CHECK(text.starts_with("The "));
    CHECK(text.ends_with("hall."));
    for (std::size_t at = text.find("caretaker"); at != std::string::npos; at = text.find("caretaker", at + 1)) ++found;
  }
  CHECK(found == 900);
}

TEST_CASE("corpora: the same sources give the same bytes, and only what changed is made again") {
  const fs::path folder = fresh_folder("corpora");
  const fs::path root = packages(folder);
  REQUIRE(run_corpora(root, folder / "one").status == 0);
  REQUIRE(run_corpora(root, folder / "two").status == 0);
  for (const auto& entry : fs::directory_iterator(folder / "one")) {
    CHECK(read_file(entry.path()) == read_file(folder / "two" / entry.path().filename()));
  }

  const fs::path code = folder / "one" / "code.train.jsonl";
  const fs::path manual = folder / "one" / "manual.train.jsonl";
  put(code, "touched");
  put(manual, "touched");
  put(root / "usr/lib/python3.11/b.py", paragraphs("python", 9));
  const Outcome again = run_corpora(root, folder / "one");
  CHECK(again.errors.find("corpora: manual is there\n") != std::string::npos);
  CHECK(read_file(manual) == "touched");
  CHECK(all_texts(folder / "one", "code").size() == 3);
}

TEST_CASE("corpora: a package without its files is named, and no half domain is left") {
  const fs::path folder = fresh_folder("corpora");
  const fs::path root = packages(folder);
  fs::remove(root / "usr/share/doc/git-doc/a.txt");
  const Outcome outcome = run_corpora(root, folder / "out");
  CHECK(outcome.status == 2);
  CHECK(outcome.errors.find("documentation: the files of git-doc are not there") != std::string::npos);
  for (const auto& entry : fs::directory_iterator(folder / "out")) {
    const std::string name = entry.path().filename().string();
    CHECK_FALSE(name.starts_with("."));
    CHECK_FALSE(name.starts_with("documentation"));
  }
}
