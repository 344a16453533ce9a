// What is sent to an OpenAI-compatible server, and what its replies mean. Nothing here sends anything.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/engine.h"

namespace mathtrap {

enum class OpenAiApi { chat, completions };
std::string_view to_string(OpenAiApi api);
/// "chat" or "completions"; throws Error that names --api.
OpenAiApi parse_openai_api(const std::string& text);

/// Behind the server's URL.
std::string_view endpoint(OpenAiApi api);

struct ChatMessage {
  std::string role;
  std::string content;
};

/// The turns that ask for a completion of the prompt: one, of the user.
std::vector<ChatMessage> chat_messages(const GenerationRequest& request);

/// Throws Error naming an option that such servers cannot be given: top_k and min_p that filter.
void check_openai_options(const GenerationOptions& options);

/// JSON: "model", the prompt as "messages" or "prompt", "max_tokens", "temperature", "top_p", "seed" (its low 31 bits:
/// servers differ in what they can hold), "stop" when there are stop strings, "stream": false.
std::string openai_request(OpenAiApi api, const std::string& model, const GenerationRequest& request);

/// The first choice: its text up to the first stop string (content that is null is an empty text, or the refusal that
/// stands beside it), finish_reason "length" or another, and the token counts of "usage", 0 where it is silent. A reply
/// that the server's filter withheld is FinishReason::error. Throws Error when the body is not such JSON.
Completion parse_openai_reply(OpenAiApi api, std::string_view body, const GenerationOptions& options);

/// What an error body says, on one line; empty when it says nothing.
std::string openai_error_message(std::string_view body);

}  // namespace mathtrap
