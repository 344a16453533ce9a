#include "harness/openai_protocol.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/error.h"
#include "support/json.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::uint64_t kSeedBits = 0x7fffffff;
const Place kReply{"the server's reply", 0, ""};

/// Typed and present, or an error that says which field is not.
const Json& field(const Json& object, const char* name) {
  if (!object.is_object() || !object.contains(name)) fail(kReply, fmt::format("\"{}\" is missing", name));
  return object[name];
}

const Json& first_choice(const Json& json) {
  const Json& choices = field(json, "choices");
  if (!choices.is_array() || choices.empty()) fail(kReply, "\"choices\" holds no choice");
  return choices[0];
}

std::string text_or_empty(const Json& object, const char* name) {
  return object.contains(name) && object[name].is_string() ? object[name].get<std::string>() : "";
}

std::string text_of(OpenAiApi api, const Json& choice) {
  if (api == OpenAiApi::completions) return json_string(choice, "text", kReply);
  const Json& message = field(choice, "message");
  if (field(message, "content").is_null()) return text_or_empty(message, "refusal");
  return json_string(message, "content", kReply);
}

std::string up_to_stop(std::string text, const std::vector<std::string>& stop) {
  std::size_t end = text.size();
  for (const std::string& mark : stop) {
    if (!mark.empty()) end = std::min(end, text.find(mark));
  }
  text.resize(end);
  return text;
}

std::int64_t count_or_zero(const Json& json, const char* name) {
  if (!json.contains("usage") || !json["usage"].is_object() || !json["usage"].contains(name)) return 0;
  const Json& count = json["usage"][name];
  constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
  return count.is_number_unsigned() && count.get<std::uint64_t>() <= kMost ? count.get<std::int64_t>() : 0;
}

}  // namespace

std::string_view to_string(OpenAiApi api) {
  return api == OpenAiApi::chat ? "chat" : "completions";
}

OpenAiApi parse_openai_api(const std::string& text) {
  if (text == "chat") return OpenAiApi::chat;
  if (text == "completions") return OpenAiApi::completions;
  throw Error(fmt::format("--api {}: chat or completions is wanted", text));
}

std::string_view endpoint(OpenAiApi api) {
  return api == OpenAiApi::chat ? "/chat/completions" : "/completions";
}

std::vector<ChatMessage> chat_messages(const GenerationRequest& request) {
  return {{"user", request.prompt}};
}

void check_openai_options(const GenerationOptions& options) {
  constexpr const char* kUnknown = "{}: the OpenAI interface has no such option; leave it out, or use --top-p";
  if (options.top_k != 0) throw Error(fmt::format(kUnknown, fmt::format("--top-k {}", options.top_k)));
  if (options.min_p != 0) throw Error(fmt::format(kUnknown, fmt::format("--min-p {}", options.min_p)));
}

std::string openai_request(OpenAiApi api, const std::string& model, const GenerationRequest& request) {
  const GenerationOptions& options = request.options;
  Json body = {{"model", model}};
  if (api == OpenAiApi::chat) {
    Json messages = Json::array();
    for (const ChatMessage& message : chat_messages(request)) {
      messages.push_back({{"role", message.role}, {"content", message.content}});
    }
    body["messages"] = std::move(messages);
  } else {
    body["prompt"] = request.prompt;
  }
  body["max_tokens"] = options.max_new_tokens;
  body["temperature"] = options.temperature;
  body["top_p"] = options.top_p;
  body["seed"] = options.seed & kSeedBits;
  if (!options.stop.empty()) body["stop"] = options.stop;
  body["stream"] = false;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Completion parse_openai_reply(OpenAiApi api, std::string_view body, const GenerationOptions& options) {
  if (trim_blanks(body).starts_with('<')) fail(kReply, "a web page, not JSON; does the URL name the interface (…/v1)?");
  const Json json = parse_json(body, kReply);
  const Json& choice = first_choice(json);
  const std::string reason = json_string(choice, "finish_reason", kReply);
  Completion completion;
  completion.prompt_tokens = count_or_zero(json, "prompt_tokens");
  completion.completion_tokens = count_or_zero(json, "completion_tokens");
  if (reason == "content_filter") {
    completion.finish_reason = FinishReason::error;
    completion.error = "the server's filter withheld the reply";
    return completion;
  }
  completion.text = up_to_stop(text_of(api, choice), options.stop);
  completion.finish_reason = reason == "length" ? FinishReason::length : FinishReason::stop;
  return completion;
}

std::string openai_error_message(std::string_view body) {
  std::string message;
  try {
    const Json json = parse_json(body, kReply);
    const Json& error = json.is_object() && json.contains("error") ? json["error"] : json;
    message = error.is_string() ? error.get<std::string>() : (error.is_object() ? text_or_empty(error, "message") : "");
  } catch (const Error&) {
    return "";  // a page of a proxy, or nothing: the status must do
  }
  std::replace_if(
      message.begin(), message.end(), [](unsigned char c) { return c < ' ' || c == '\x7f'; }, ' ');
  return message;
}

}  // namespace mathtrap
