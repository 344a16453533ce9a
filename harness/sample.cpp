#include "harness/sample.h"

#include <algorithm>

namespace mathtrap {

std::string write_sample(const Sample& sample) {
  Json line = {
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
      {"problem", sample.problem},
  };
  if (sample.epoch != 0) line["epoch"] = sample.epoch;
  if (!sample.first_reply.empty()) line["first_reply"] = sample.first_reply;
  if (!sample.other_votes.empty()) line["other_votes"] = sample.other_votes;
  if (!sample.evidence.empty()) line["evidence"] = sample.evidence;
  if (!sample.core.empty()) line["core"] = sample.core;
  // An answer cut from a reply may end within a character.
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::string> text_list(const Json& object, const std::string& field, const Place& place) {
  if (!object.contains(field) || object[field].is_null()) return {};
  const Json& list = object[field];
  const bool texts =
      list.is_array() && std::all_of(list.begin(), list.end(), [](const Json& item) { return item.is_string(); });
  if (!texts) fail({place.file, place.line, field}, "a list of strings is wanted");
  return list.get<std::vector<std::string>>();
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
  if (fields.contains("epoch")) sample.epoch = static_cast<int>(json_int(fields, "epoch", place));
  if (fields.contains("first_reply")) sample.first_reply = text("first_reply");
  if (fields.contains("other_votes")) {
    for (const Json& vote : fields["other_votes"]) {
      if (!vote.is_string()) fail(place, "the field \"other_votes\" is not a list of strings");
      sample.other_votes.push_back(vote.get<std::string>());
    }
  }
  sample.prompt_tokens = json_int(fields, "prompt_tokens", place);
  sample.completion_tokens = json_int(fields, "completion_tokens", place);
  sample.finish_reason = text("finish_reason");
  sample.verdict = parse_verdict(text("verdict"));
  sample.answer = text("answer");
  sample.reason = text("reason");
  sample.reference = text("reference");
  if (fields.contains("problem")) sample.problem = text("problem");
  sample.evidence = text_list(fields, "evidence", place);
  sample.core = text_list(fields, "core", place);
  return sample;
}

}  // namespace mathtrap
