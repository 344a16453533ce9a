// Runs the program as a user does: its own process, its streams in files.
#pragma once

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "support/files.h"

namespace mathtrap {

inline constexpr const char* kProgram = MATHTRAP_BINARY_DIR "/mathtrap";

struct Outcome {
  int status = 0;
  std::string output;  ///< stdout
  std::string errors;  ///< stderr
};

inline std::filesystem::path fresh_folder(const std::string& name) {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("mathtrap-cli-{}-{}", name, ::getpid());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

/// Starts the program with its streams in files of `folder`.
inline pid_t start(const std::vector<std::string>& arguments, const std::filesystem::path& folder) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (std::freopen((folder / "stdout").c_str(), "w", stdout) == nullptr) std::_Exit(126);
  if (std::freopen((folder / "stderr").c_str(), "w", stderr) == nullptr) std::_Exit(126);
  std::vector<char*> pointers = {const_cast<char*>(kProgram)};
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::execv(kProgram, pointers.data());
  std::_Exit(127);
}

inline Outcome run(const std::vector<std::string>& arguments) {
  std::filesystem::path folder = fresh_folder("streams");
  int status = 0;
  ::waitpid(start(arguments, folder), &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_file(folder / "stdout"),
          read_file(folder / "stderr")};
}

}  // namespace mathtrap
