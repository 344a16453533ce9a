#include "model/tokenizer.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "model/sentencepiece_bridge/bridge.h"
#include "model/sentencepiece_model.h"
#include "support/error.h"

namespace mathtrap {
namespace {

constexpr const char* kBridgeFile = "libmathtrap_sentencepiece.so";
constexpr std::string_view kBlank = "\u2581";          // "▁"
constexpr std::string_view kUnknownText = " \u2047 ";  // what SentencePiece decodes an unknown piece to

/// The bridge lies beside the program, or in the folder that it was built in.
std::filesystem::path find_bridge() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path beside = fs::read_symlink("/proc/self/exe", ignored).parent_path() / kBridgeFile;
  const fs::path built = fs::path(MATHTRAP_BINARY_DIR) / kBridgeFile;
  for (const fs::path& path : {beside, built}) {
    if (fs::exists(path, ignored)) return path;
  }
  throw Error(fmt::format("{}: not found; it belongs beside the program", beside.string()));
}

const SentencePieceFunctions& load_bridge() {
  const std::filesystem::path path = find_bridge();
  // A namespace of its own: see bridge.h. It is never closed.
  void* library = ::dlmopen(LM_ID_NEWLM, path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = library != nullptr ? ::dlsym(library, "mathtrap_sentencepiece") : nullptr;
  if (symbol == nullptr) {
    const char* reason = ::dlerror();
    throw Error(fmt::format("{}: cannot be loaded: {}", path.string(), reason != nullptr ? reason : "no reason given"));
  }
  return *reinterpret_cast<decltype(&mathtrap_sentencepiece)>(symbol)();
}

const SentencePieceFunctions& bridge() {
  static const SentencePieceFunctions& functions = load_bridge();
  return functions;
}

void copy_text(void* to, const char* bytes, size_t size) {
  static_cast<std::string*>(to)->assign(bytes, size);
}

void copy_ids(void* to, const int32_t* ids, size_t count) {
  static_cast<std::vector<TokenId>*>(to)->assign(ids, ids + count);
}

std::string with_blanks(std::string_view piece) {
  std::string text;
  for (std::size_t at = piece.find(kBlank); at != piece.npos; at = piece.find(kBlank)) {
    text.append(piece.substr(0, at)).push_back(' ');
    piece.remove_prefix(at + kBlank.size());
  }
  return text.append(piece);
}

/// The byte of a piece "<0xAB>".
std::string byte_of(std::string_view piece) {
  constexpr std::string_view kPrefix = "<0x";
  unsigned value = 0;
  if (piece.size() > kPrefix.size()) {
    std::from_chars(piece.data() + kPrefix.size(), piece.data() + piece.size(), value, 16);
  }
  return {static_cast<char>(value)};
}

std::string text_of(SentencePieceKind kind, const std::string& piece) {
  switch (kind) {
    case kSentencePieceControl:
      return "";
    case kSentencePieceUnknown:
      return std::string(kUnknownText);
    case kSentencePieceByte:
      return byte_of(piece);
    case kSentencePieceNormal:
      return with_blanks(piece);
  }
  return "";
}

}  // namespace

struct Tokenizer::Implementation {
  Implementation(std::string_view serialised, std::string from) : source(std::move(from)) {
    if (serialised.empty()) fail({source, 0, ""}, "has no SentencePiece vocabulary (tokenizer.model)");
    check_sentencepiece_model(serialised, source);
    std::string reason;
    model = bridge().load(serialised.data(), serialised.size(), copy_text, &reason);
    if (model == nullptr) fail({source, 0, ""}, fmt::format("not a SentencePiece model: {}", reason));
    const std::int32_t size = bridge().vocab_size(model);
    texts.reserve(static_cast<std::size_t>(size));
    for (std::int32_t id = 0; id < size; ++id) {
      std::string piece;
      const SentencePieceKind kind = bridge().piece(model, id, copy_text, &piece);
      texts.push_back(text_of(kind, piece));
    }
  }
  ~Implementation() {
    if (model != nullptr) bridge().unload(model);
  }
  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;

  void check(TokenId id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= texts.size()) {
      fail({source, 0, ""}, fmt::format("token {} is outside the vocabulary of {}", id, texts.size()));
    }
  }

  std::string source;
  void* model = nullptr;
  std::vector<std::string> texts;  ///< of each piece
};

Tokenizer::Tokenizer(std::string_view serialised_model, const std::string& source)
    : implementation_(std::make_unique<Implementation>(serialised_model, source)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
  std::vector<TokenId> ids;
  if (bridge().encode(implementation_->model, text.data(), text.size(), copy_ids, &ids) != 0) {
    fail({implementation_->source, 0, ""}, "SentencePiece could not encode a text");
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids) const {
  for (const TokenId id : ids) implementation_->check(id);
  std::string text;
  if (bridge().decode(implementation_->model, ids.data(), ids.size(), copy_text, &text) != 0) {
    fail({implementation_->source, 0, ""}, "SentencePiece could not decode tokens");
  }
  return text;
}

std::string Tokenizer::piece_text(TokenId id) const {
  implementation_->check(id);
  return implementation_->texts[static_cast<std::size_t>(id)];
}

std::int64_t Tokenizer::vocab_size() const {
  return static_cast<std::int64_t>(implementation_->texts.size());
}
TokenId Tokenizer::bos() const {
  return bridge().bos(implementation_->model);
}
TokenId Tokenizer::eos() const {
  return bridge().eos(implementation_->model);
}

}  // namespace mathtrap
