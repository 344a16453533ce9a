#include "harness/sample.h"

#include "support/json.h"

namespace mathtrap {

std::string write_sample(const Sample& sample) {
  const Json line = {
      {"id", sample.id},
      {"arm", to_string(sample.arm)},
      {"intervention", sample.intervention},
      {"trap_type", sample.trap_type ? Json(to_string(*sample.trap_type)) : Json()},
      {"cluster", sample.cluster},
      {"prompt", sample.prompt},
      {"reply", sample.reply},
      {"prompt_tokens", sample.prompt_tokens},
      {"completion_tokens", sample.completion_tokens},
      {"finish_reason", sample.finish_reason},
      {"verdict", to_string(sample.verdict)},
      {"correct", is_scored(sample.verdict) ? Json(is_correct(sample.verdict)) : Json()},
      {"answer", sample.answer},
      {"reason", sample.reason},
      {"reference", sample.reference},
  };
  // An answer cut from a reply may end within a character.
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Sample parse_sample(std::string_view line, const Place& place) {
  const Json fields = parse_json(line, place);
  const auto text = [&](const char* field) { return json_string(fields, field, place); };
  Sample sample;
  sample.id = text("id");
  sample.arm = parse_arm(text("arm"));
  sample.intervention = text("intervention");
  if (fields.contains("trap_type") && !fields["trap_type"].is_null()) {
    sample.trap_type = parse_trap_type(text("trap_type"));
    if (!sample.trap_type) fail(place, "the field \"trap_type\" holds no known type");
  }
  sample.cluster = text("cluster");
  sample.prompt = text("prompt");
  sample.reply = text("reply");
  sample.prompt_tokens = json_int(fields, "prompt_tokens", place);
  sample.completion_tokens = json_int(fields, "completion_tokens", place);
  sample.finish_reason = text("finish_reason");
  sample.verdict = parse_verdict(text("verdict"));
  sample.answer = text("answer");
  sample.reason = text("reason");
  sample.reference = text("reference");
  return sample;
}

}  // namespace mathtrap
