#include "support/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

[[noreturn]] void fail_with_errno(const std::filesystem::path& path, const char* doing) {
  throw Error(fmt::format("{}: cannot {}: {}", path.string(), doing, std::strerror(errno)));
}

/// Closes a descriptor when the scope ends.
class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path) : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (value_ < 0) fail_with_errno(path, "open");
    struct stat status {};
    if (::fstat(value_, &status) != 0) fail_with_errno(path, "read");
    if (S_ISDIR(status.st_mode)) {
      ::close(value_);
      throw Error(fmt::format("{}: is a folder, a file is wanted", path.string()));
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int value() const { return value_; }
  std::uint64_t size() const { return size_; }

 private:
  int value_;
  std::uint64_t size_ = 0;
};

std::size_t read_some(int descriptor, char* to, std::size_t bytes, const std::filesystem::path& path) {
  while (true) {
    const ssize_t got = ::read(descriptor, to, bytes);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail_with_errno(path, "read");
  }
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const Descriptor file(path);
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(std::min(file.size(), max_bytes)));
  std::string buffer(kReadBytes, '\0');
  while (const std::size_t got = read_some(file.value(), buffer.data(), buffer.size(), path)) {
    if (bytes.size() + got > max_bytes) {
      throw Error(fmt::format("{}: larger than the {} bytes that are read here", path.string(), max_bytes));
    }
    bytes.append(buffer.data(), got);
  }
  return bytes;
}

namespace {

/// Lines put together from the pieces that are read.
class LineSplitter {
 public:
  LineSplitter(const std::filesystem::path& path, std::size_t max_line_bytes,
               const std::function<void(std::string_view text, std::size_t number)>& line,
               const std::function<void(std::size_t number)>& too_long)
      : path_(path), max_line_bytes_(max_line_bytes), line_(line), too_long_(too_long) {}

  void take(std::string_view bytes) {
    for (std::size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      append(bytes.substr(0, end));
      finish_line();
      bytes.remove_prefix(end + 1);
    }
    append(bytes);
  }

  void finish() {
    if (skipping_ || !pending_.empty()) finish_line();
  }

 private:
  void append(std::string_view bytes) {
    if (skipping_) return;
    if (bytes.size() <= max_line_bytes_ - pending_.size()) {
      pending_.append(bytes);
      return;
    }
    if (!too_long_) {
      throw Error(fmt::format("{}:{}: a line of more than {} bytes", path_.string(), number_ + 1, max_line_bytes_));
    }
    skipping_ = true;
    pending_ = {};
  }

  void finish_line() {
    ++number_;
    if (std::exchange(skipping_, false)) {
      too_long_(number_);
      return;
    }
    std::string_view text = pending_;
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    line_(text, number_);
    pending_.clear();
  }

  const std::filesystem::path& path_;
  std::size_t max_line_bytes_;
  const std::function<void(std::string_view text, std::size_t number)>& line_;
  const std::function<void(std::size_t number)>& too_long_;
  std::string pending_;
  bool skipping_ = false;
  std::size_t number_ = 0;
};

}  // namespace

void for_each_line(const std::filesystem::path& path,
                   const std::function<void(std::string_view text, std::size_t number)>& line,
                   std::size_t max_line_bytes, const std::function<void(std::size_t number)>& too_long) {
  const Descriptor file(path);
  LineSplitter splitter(path, max_line_bytes, line, too_long);
  std::string buffer(kReadBytes, '\0');
  while (const std::size_t got = read_some(file.value(), buffer.data(), buffer.size(), path)) {
    splitter.take({buffer.data(), got});
  }
  splitter.finish();
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  temporary_ = path_;
  temporary_ += fmt::format(".{}.partial", ::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_with_errno(path_, "write");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno(path_, "write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail_with_errno(path_, "write");
  ::close(std::exchange(descriptor_, -1));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    ::unlink(temporary_.c_str());
    fail_with_errno(path_, "write");
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

AtomicFolder::AtomicFolder(std::filesystem::path path) : path_(std::move(path)) {
  // "out/" and "out" are one folder, and its sibling is not inside it.
  if (!path_.has_filename()) path_ = path_.parent_path();
  if (std::filesystem::exists(path_)) throw Error(fmt::format("{}: exists already", path_.string()));
  temporary_ = path_;
  temporary_ += fmt::format(".{}.partial", ::getpid());
  if (::mkdir(temporary_.c_str(), 0755) != 0) fail_with_errno(path_, "write");
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

void AtomicFolder::write(const std::string& name, std::string_view bytes) {
  write_file_atomically(temporary_ / name, bytes);
}

void AtomicFolder::commit() {
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with_errno(path_, "write");
  temporary_.clear();
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor file(path);
  size_ = static_cast<std::size_t>(file.size());
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.value(), 0);
  if (data == MAP_FAILED) fail_with_errno(path, "map into memory");
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

std::filesystem::path resource(std::string_view relative) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const char* home = std::getenv("MATHTRAP_HOME");
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  // The program is built as build/<preset>/mathtrap.
  const fs::path around = program.parent_path().parent_path().parent_path();
  for (const fs::path& root : {fs::path(home != nullptr ? home : ""), around, fs::path(MATHTRAP_SOURCE_DIR)}) {
    if (!root.empty() && fs::exists(root / relative, ignored)) return root / relative;
  }
  throw Error(fmt::format("{}: not found; set MATHTRAP_HOME to a checkout of mathtrap", relative));
}

}  // namespace mathtrap
