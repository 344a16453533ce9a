#include "model/scheduler/generation.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "model/sampling.h"
#include "model/scheduler/reply_text.h"
#include "model/unicode.h"
#include "support/interrupt.h"

namespace mathtrap {
namespace {

/// A reply as it grows.
struct Reply {
  std::string text;
  std::int64_t tokens = 0;
};

/// Appends a token's text. The blank that a tokenizer puts before the first word of a text is none of the text's own.
void append_text(const Tokenizer& tokenizer, const GenerationJob& job, TokenId token, Reply& reply) {
  const std::string piece = tokenizer.piece_text(token);
  std::string_view text = piece;
  if (job.empty_prompt && reply.tokens == 0 && text.starts_with(' ')) {
    const TokenId first[] = {token};
    if (tokenizer.decode(first) == text.substr(1)) text.remove_prefix(1);
  }
  reply.text += text;
}

/// Takes the next token of a reply. Gives the reason when the reply ends with it.
std::optional<FinishReason> extend(const Tokenizer& tokenizer, const GenerationJob& job,
                                   std::span<const std::int64_t> end_tokens, TokenId token, Reply& reply) {
  const bool ends = std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end() ||
                    std::find(job.stop_tokens.begin(), job.stop_tokens.end(), token) != job.stop_tokens.end();
  const std::size_t known = reply.text.size();
  if (!ends) append_text(tokenizer, job, token, reply);
  ++reply.tokens;
  if (ends) return FinishReason::stop;
  const std::size_t stop = find_stop(reply.text, known, job.options.stop);
  if (stop != std::string::npos) {
    reply.text.resize(stop);
    return FinishReason::stop;
  }
  const std::int64_t length = static_cast<std::int64_t>(job.prompt.size()) + reply.tokens;
  if (reply.tokens >= job.options.max_new_tokens || length >= job.longest) return FinishReason::length;
  return std::nullopt;
}

Sequence sequence_of(std::size_t number, const GenerationJob& job) {
  Sequence sequence;
  sequence.job = number;
  sequence.tokens = job.prompt;
  sequence.capacity = job.longest;
  sequence.first_wanted = static_cast<std::int64_t>(job.prompt.size()) - 1;
  return sequence;
}

}  // namespace

void run_generation(const Network& network, const Tokenizer& tokenizer, std::span<const GenerationJob> jobs,
                    std::span<const std::int64_t> end_tokens, const BatchLimits& limits,
                    const std::function<bool(std::size_t job, const Completion& completion)>& done) {
  // An embedding may have more rows than the tokenizer has pieces: these are no tokens.
  const auto drawable = static_cast<std::size_t>(std::min(network.config.vocab_size, tokenizer.vocab_size()));
  SequenceBatch batch(network, limits);
  std::vector<Reply> replies(jobs.size());
  std::size_t next = 0;
  bool stopped = false;
  const auto visit = [&](Sequence& sequence, std::int64_t /*position*/, std::span<const float> logits) {
    const GenerationJob& job = jobs[sequence.job];
    Reply& reply = replies[sequence.job];
    const TokenId token = next_token(logits.first(drawable), job.options, reply.tokens);
    const std::optional<FinishReason> reason = extend(tokenizer, job, end_tokens, token, reply);
    if (!reason) {
      sequence.tokens.push_back(token);
      return;
    }
    const Completion completion = {replace_invalid_utf8(reply.text), *reason,
                                   static_cast<std::int64_t>(job.prompt.size()), reply.tokens};
    reply.text.clear();
    if (!stopped && !done(sequence.job, completion)) stopped = true;
  };
  while (!stopped && !interrupted() && (next < jobs.size() || !batch.empty())) {
    while (next < jobs.size() && batch.admit(sequence_of(next, jobs[next]))) ++next;
    batch.step(visit);
  }
}

}  // namespace mathtrap
