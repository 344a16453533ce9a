// A file system of a few kilobytes, to be full.
#pragma once

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace mathtrap {

/// True when such a file system can be mounted; otherwise says so, and CTest counts the test case as skipped. It is
/// mounted for this process and those that it starts, and for no others.
inline bool can_mount_tiny_filesystem() {
  static const bool can =
      ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!can) std::printf("[skipped] only root can mount a small file system\n");
  return can;
}

class TinyFilesystem {
 public:
  TinyFilesystem(std::filesystem::path folder, std::size_t bytes) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
    mount(bytes, 0);
  }
  ~TinyFilesystem() { ::umount2(folder_.c_str(), MNT_DETACH); }
  TinyFilesystem(const TinyFilesystem&) = delete;
  TinyFilesystem& operator=(const TinyFilesystem&) = delete;

  void resize(std::size_t bytes) { mount(bytes, MS_REMOUNT); }

 private:
  void mount(std::size_t bytes, unsigned long flags) {
    if (::mount("tmpfs", folder_.c_str(), "tmpfs", flags, fmt::format("size={}", bytes).c_str()) != 0) {
      throw std::runtime_error("no small file system can be mounted");
    }
  }

  std::filesystem::path folder_;
};

}  // namespace mathtrap
