// Whole reads, lines, atomic writes and maps.
#include <fmt/format.h>
#include <unistd.h>

#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "tests/catch.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

fs::path fresh_folder() {
  fs::path folder = fs::temp_directory_path() / fmt::format("mathtrap-files-{}", ::getpid());
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

}  // namespace

TEST_CASE("a file written atomically reads back, and leaves nothing else behind") {
  const fs::path folder = fresh_folder();
  write_file_atomically(folder / "a.txt", "one");
  write_file_atomically(folder / "a.txt", "two");
  CHECK(read_file(folder / "a.txt") == "two");
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 1);
}

TEST_CASE("a file that is not committed does not appear") {
  const fs::path folder = fresh_folder();
  { AtomicFile(folder / "a.txt").write("half"); }
  CHECK(fs::is_empty(folder));
}

TEST_CASE("lines are counted from 1 and lose their ends") {
  const fs::path file = fresh_folder() / "lines.txt";
  write_file_atomically(file, "a\r\n\nlast");
  std::string seen;
  for_each_line(file, [&](std::string_view text, std::size_t number) { seen += fmt::format("{}={};", number, text); });
  CHECK(seen == "1=a;2=;3=last;");
}

TEST_CASE("a line over the bound is an error, or is told and passed over") {
  const fs::path file = fresh_folder() / "lines.txt";
  write_file_atomically(file, "abc\nabcd\n\nlast!");
  CHECK_THROWS_AS(for_each_line(
                      file, [](std::string_view, std::size_t) {}, 3),
                  Error);
  std::string seen;
  for_each_line(
      file, [&](std::string_view text, std::size_t number) { seen += fmt::format("{}={};", number, text); }, 3,
      [&](std::size_t number) { seen += fmt::format("{} is long;", number); });
  CHECK(seen == "1=abc;2 is long;3=;4 is long;");
}

TEST_CASE("a folder appears whole or not at all, and never over another") {
  const fs::path folder = fresh_folder();
  { AtomicFolder(folder / "a").write("x", "1"); }
  CHECK(fs::is_empty(folder));
  AtomicFolder made(folder / "a/");
  made.write("x", "1");
  made.commit();
  CHECK(read_file(folder / "a" / "x") == "1");
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 1);
  CHECK_THROWS_AS(AtomicFolder(folder / "a"), Error);
}

TEST_CASE("a file over the bound, a folder and an absent file are errors") {
  const fs::path folder = fresh_folder();
  write_file_atomically(folder / "a.txt", "12345");
  CHECK_THROWS_AS(read_file(folder / "a.txt", 4), Error);
  CHECK_THROWS_AS(read_file(folder), Error);
  CHECK_THROWS_AS(MappedFile(folder / "absent"), Error);
  CHECK_THROWS_AS(AtomicFile(folder / "no" / "such" / "folder"), Error);
}

TEST_CASE("SHA-256 of the standard's example") {
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
