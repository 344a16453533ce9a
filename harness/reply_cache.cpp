#include "harness/reply_cache.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <optional>
#include <utility>
#include <vector>

#include "support/error.h"
#include "support/hash.h"

namespace mathtrap {
namespace {

constexpr int kBusyMilliseconds = 30000;
/// Written into the file, so that another program's database is not taken for ours.
constexpr int kApplicationId = 0x6d747263;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

class ReplyFile {
 public:
  explicit ReplyFile(std::string file) : file_(std::move(file)) {
    sqlite3* opened = nullptr;
    const int status = sqlite3_open_v2(file_.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    database_.reset(opened);
    check(status);
    check(sqlite3_busy_timeout(opened, kBusyMilliseconds));
    claim();
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = NORMAL");
    run("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, text BLOB NOT NULL, finish_reason INTEGER NOT NULL, "
        "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL) WITHOUT ROWID");
    find_ = prepare("SELECT text, finish_reason, prompt_tokens, completion_tokens FROM replies WHERE key = ?");
    keep_ = prepare("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?)");
  }

  std::optional<Completion> find(const std::string& key) {
    sqlite3_reset(find_.get());
    bind(find_.get(), 1, key);
    const int status = sqlite3_step(find_.get());
    if (status == SQLITE_DONE) return std::nullopt;
    if (status != SQLITE_ROW) check(status);
    Completion completion;
    const auto* text = static_cast<const char*>(sqlite3_column_blob(find_.get(), 0));
    if (text != nullptr) completion.text.assign(text, static_cast<std::size_t>(sqlite3_column_bytes(find_.get(), 0)));
    completion.finish_reason = sqlite3_column_int(find_.get(), 1) == 0 ? FinishReason::stop : FinishReason::length;
    completion.prompt_tokens = sqlite3_column_int64(find_.get(), 2);
    completion.completion_tokens = sqlite3_column_int64(find_.get(), 3);
    return completion;
  }

  void keep(const std::string& key, const Completion& completion) {
    sqlite3_stmt* statement = keep_.get();
    sqlite3_reset(statement);
    bind(statement, 1, key);
    check(sqlite3_bind_blob64(statement, 2, completion.text.data(), completion.text.size(), SQLITE_TRANSIENT));
    check(sqlite3_bind_int(statement, 3, completion.finish_reason == FinishReason::stop ? 0 : 1));
    check(sqlite3_bind_int64(statement, 4, completion.prompt_tokens));
    check(sqlite3_bind_int64(statement, 5, completion.completion_tokens));
    const int status = sqlite3_step(statement);
    if (status != SQLITE_DONE) check(status);
    sqlite3_reset(statement);
  }

 private:
  void check(int status) {
    if (status == SQLITE_OK) return;
    const int kind = status & 0xff;
    // A full disk is an I/O error where SQLite maps the file.
    const bool full = kind == SQLITE_FULL || kind == SQLITE_IOERR;
    throw Error(
        fmt::format("{}: the cache of replies cannot be used: {}{}", file_,
                    database_ ? sqlite3_errmsg(database_.get()) : sqlite3_errstr(status),
                    full ? "; is there room on its disk? The same command with the run's --log-dir goes on" : ""));
  }

  void run(const char* sql) { check(sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr)); }

  Statement prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v2(database_.get(), sql, -1, &statement, nullptr));
    return Statement(statement);
  }

  /// An empty file becomes ours; another program's is refused.
  void claim() {
    const auto number = [&](const char* sql) {
      const Statement statement = prepare(sql);
      const int status = sqlite3_step(statement.get());
      if (status != SQLITE_ROW) check(status);
      return sqlite3_column_int(statement.get(), 0);
    };
    if (number("PRAGMA application_id") == kApplicationId) return;
    if (number("SELECT count(*) FROM sqlite_master") != 0) {
      throw Error(fmt::format("{}: is another program's database, not a cache of replies", file_));
    }
    run(fmt::format("PRAGMA application_id = {}", kApplicationId).c_str());
  }

  void bind(sqlite3_stmt* statement, int place, const std::string& text) {
    check(sqlite3_bind_text64(statement, place, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  }

  std::string file_;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  Statement find_;  // closed before the database, which is declared above them
  Statement keep_;
};

class CachedModel final : public ModelUnderTest {
 public:
  CachedModel(ModelUnderTest& model, const std::string& file)
      : model_(model), replies_(file), model_key_(model.description().dump()) {}

  const Json& description() const override { return model_.description(); }
  void check_options(const GenerationOptions& options) const override { model_.check_options(options); }

  void answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) override {
    std::vector<GenerationRequest> open;
    std::vector<std::size_t> places;
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      std::string key = key_of(requests[i]);
      if (const auto known = replies_.find(key)) {
        if (!on_completion(i, *known)) return;
        continue;
      }
      open.push_back(requests[i]);
      places.push_back(i);
      keys.push_back(std::move(key));
    }
    if (open.empty()) return;
    model_.answer(open, [&](std::size_t index, const Completion& completion) {
      if (completion.finish_reason != FinishReason::error) replies_.keep(keys[index], completion);
      return on_completion(places[index], completion);
    });
  }

 private:
  std::string key_of(const GenerationRequest& request) const {
    const GenerationOptions& options = request.options;
    Json plain_text = Json::array();
    for (const TextSpan& part : request.plain_text) plain_text.push_back({part.begin, part.end});
    const Json key = {model_key_,
                      request.prompt,
                      std::move(plain_text),
                      {options.max_new_tokens, options.temperature, options.top_k, options.top_p, options.min_p,
                       options.seed, options.stop}};
    return sha256(key.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  ModelUnderTest& model_;
  ReplyFile replies_;
  std::string model_key_;
};

}  // namespace

std::unique_ptr<ModelUnderTest> with_reply_cache(ModelUnderTest& model, const std::string& file) {
  return std::make_unique<CachedModel>(model, file);
}

}  // namespace mathtrap
