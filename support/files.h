// Files: whole reads with a bound, memory maps, and writes that are complete or absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace mathtrap {

/// The bytes of a file. Throws Error when it cannot be read or is larger than max_bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30);

/// Calls `line(text, number)` for each line of a text file, without its end; numbers count from 1.
/// A line longer than max_line_bytes is passed over, never held, and told to `too_long(number)`; without `too_long` it
/// throws Error, as a file that cannot be read does.
void for_each_line(const std::filesystem::path& path,
                   const std::function<void(std::string_view text, std::size_t number)>& line,
                   std::size_t max_line_bytes = std::size_t{64} << 20,
                   const std::function<void(std::size_t number)>& too_long = {});

/// Writes a file so that after a crash either the old or the new content is there: temporary file, flush, rename.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// A file under construction. `commit` makes it appear under its name; without it nothing is left behind.
class AtomicFile {
 public:
  /// Throws Error when the folder does not exist or cannot be written.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  void write(std::span<const std::byte> bytes);
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

/// A folder under construction, beside its place. `commit` gives it its name; without it nothing is left behind.
class AtomicFolder {
 public:
  /// Throws Error when something has the name already, or the folder above cannot be written.
  explicit AtomicFolder(std::filesystem::path path);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  void write(const std::string& name, std::string_view bytes);
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
};

/// A file mapped read-only into memory; pages are loaded when touched.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws Error when the file cannot be opened. An empty file maps to no bytes.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A file that ships with the program, such as "prompts/forms/plain.toml". Looked for in $MATHTRAP_HOME, in the
/// checkout around the program, and in the checkout that it was built from. Throws Error when it is in none of them.
std::filesystem::path resource(std::string_view relative);

}  // namespace mathtrap
