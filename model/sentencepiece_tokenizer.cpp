// SentencePiece, behind its bridge.
#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "model/bpe/added_tokens.h"
#include "model/sentencepiece_bridge/bridge.h"
#include "model/sentencepiece_model.h"
#include "model/tokenizer_implementation.h"
#include "support/error.h"

namespace mathtrap {
namespace {

constexpr const char* kBridgeFile = "libmathtrap_sentencepiece.so";
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

void append_ids(void* to, const int32_t* ids, size_t count) {
  auto* all = static_cast<std::vector<TokenId>*>(to);
  all->insert(all->end(), ids, ids + count);
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

class SentencePieceTokenizer final : public TokenizerImplementation {
 public:
  SentencePieceTokenizer(std::string_view serialised, const std::string& from) {
    source = from;
    if (serialised.empty()) {
      fail({source, 0, ""}, "has no SentencePiece vocabulary (tokenizer.model), and no tokenizer.json");
    }
    check_sentencepiece_model(serialised, source);
    std::string reason;
    model_ = bridge().load(serialised.data(), serialised.size(), copy_text, &reason);
    if (model_ == nullptr) fail({source, 0, ""}, fmt::format("not a SentencePiece model: {}", reason));
    const std::int32_t size = bridge().vocab_size(model_);
    texts.reserve(static_cast<std::size_t>(size));
    std::vector<AddedToken> control;
    for (std::int32_t id = 0; id < size; ++id) {
      std::string piece;
      const SentencePieceKind kind = bridge().piece(model_, id, copy_text, &piece);
      texts.push_back(text_of(kind, piece));
      if (kind == kSentencePieceControl && !piece.empty()) control.push_back({id, piece, true});
    }
    control_ = AddedTokenFinder(std::move(control));
  }
  ~SentencePieceTokenizer() override {
    if (model_ != nullptr) bridge().unload(model_);
  }
  SentencePieceTokenizer(const SentencePieceTokenizer&) = delete;
  SentencePieceTokenizer& operator=(const SentencePieceTokenizer&) = delete;

  /// SentencePiece itself takes control pieces in a text for characters.
  std::vector<TokenId> encode(std::string_view text, std::span<const TextSpan> plain) const override {
    std::vector<TokenId> ids;
    for (const Segment& segment : control_.segments(text, plain)) {
      if (segment.token >= 0) {
        ids.push_back(segment.token);
      } else if (bridge().encode(model_, segment.text.data(), segment.text.size(), append_ids, &ids) != 0) {
        fail({source, 0, ""}, "SentencePiece could not encode a text");
      }
    }
    return ids;
  }

  std::string decode(std::span<const TokenId> ids) const override {
    std::string text;
    if (bridge().decode(model_, ids.data(), ids.size(), copy_text, &text) != 0) {
      fail({source, 0, ""}, "SentencePiece could not decode tokens");
    }
    return text;
  }

  TokenId bos() const override { return bridge().bos(model_); }
  TokenId eos() const override { return bridge().eos(model_); }

 private:
  void* model_ = nullptr;
  AddedTokenFinder control_ = AddedTokenFinder({});
};

}  // namespace

std::unique_ptr<TokenizerImplementation> load_sentencepiece(std::string_view serialised, const std::string& source) {
  return std::make_unique<SentencePieceTokenizer>(serialised, source);
}

}  // namespace mathtrap
