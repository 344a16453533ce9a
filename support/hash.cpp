#include "support/hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <stdexcept>
#include <vector>

#include "support/error.h"
#include "support/files.h"
#include "support/random.h"

namespace mathtrap {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1) throw std::runtime_error("SHA-256 unavailable");
}

Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, digest.data(), &size);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string sha256_of_path(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  const auto update_with_file = [](Sha256& hash, const fs::path& file) {
    const MappedFile mapped(file);
    hash.update({reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()});
  };
  Sha256 hash;
  if (!fs::is_directory(path)) {
    update_with_file(hash, path);
    return hash.finish();
  }
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    hash.update(fmt::format("{}\n{}\n", file.filename().string(), fs::file_size(file)));
    update_with_file(hash, file);
  }
  return hash.finish();
}

std::uint64_t hash64(std::string_view bytes) {
  std::uint64_t value = 0xcbf29ce484222325U;
  for (const char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return mix64(value);
}

}  // namespace mathtrap
