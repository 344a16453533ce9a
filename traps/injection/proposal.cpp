#include "traps/injection/proposal.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "support/files.h"
#include "support/json.h"
#include "support/text.h"
#include "traps/proof/obligations.h"
#include "traps/proof/smt_text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxReply = std::size_t{64} << 10;
constexpr int kMaxObjects = 50;

/// Where the object that opens at `open` closes, brackets in strings aside; npos when it does not.
std::size_t closing_bracket(std::string_view text, std::size_t open) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (in_string) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '"') {
        in_string = false;
      }
    } else if (text[i] == '"') {
      in_string = true;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

/// The first object of a reply that is valid JSON and has a problem: models think aloud before it.
Json find_object(std::string_view reply) {
  if (reply.size() > kMaxReply) throw Error(fmt::format("the reply holds more than {} bytes", kMaxReply));
  std::size_t open = reply.find('{');
  for (int tried = 0; open != std::string_view::npos && tried < kMaxObjects; ++tried) {
    const std::size_t close = closing_bracket(reply, open);
    if (close != std::string_view::npos) {
      Json json = Json::parse(reply.substr(open, close + 1 - open), nullptr, false);
      if (json.is_object() && json.contains("problem")) return json;
    }
    open = reply.find('{', open + 1);
  }
  throw Error("the reply holds no JSON object with a \"problem\"");
}

/// What the prover would refuse to read: no proof text, or two statements of one name.
void check_proof_text(const Record& record) {
  const Proof& proof = record.proof;
  std::set<std::string> names;
  for (const auto& [part, text] : {std::pair<const char*, const std::string&>{"givens", proof.givens},
                                   {"original", proof.original},
                                   {"trap", proof.trap},
                                   {"requirement", proof.requirement},
                                   {"common_sense", proof.common_sense}}) {
    for (const Statement& statement : read_smt_text(text, part, {}).statements) {
      if (!names.insert(statement.name).second) {
        throw Error(fmt::format("proof.{}: two statements are named '{}'", part, statement.name));
      }
    }
  }
  if (!proof.defined.empty()) read_smt_term(proof.defined, "defined", {});
  read_smt_term(proof.ask, "ask", {});
}

std::string or_nothing(const std::string& text) {
  return text.empty() ? "(nothing)" : text;
}

}  // namespace

std::string proposal_prompt(const Record& original, TrapType type) {
  const Proof& proof = original.proof;
  std::string text = read_file(resource("traps/injection/proposal_prompt.txt.in"));
  text = replace_all(text, "@TYPE@", to_string(type));
  text = replace_all(text, "@OBLIGATION@", obligation_of(type));
  text = replace_all(text, "@GIVENS@", or_nothing(proof.givens));
  text = replace_all(text, "@ORIGINAL@", or_nothing(proof.original));
  text = replace_all(text, "@REQUIREMENT@", or_nothing(proof.requirement));
  text = replace_all(text, "@COMMON_SENSE@", or_nothing(proof.common_sense));
  text = replace_all(text, "@DEFINED@", or_nothing(proof.defined));
  text = replace_all(text, "@ASK@", or_nothing(proof.ask));
  text = replace_all(text, "@SOLUTION@", original.original->solution);
  return replace_all(text, "@PROBLEM@", original.original->problem);
}

Record read_proposal(const Record& original, TrapType type, std::string_view reply) {
  const Json proposed = find_object(reply);
  // Through the exchange form, so that a reply is checked field by field like any file.
  Record start = original;
  start.id = fmt::format("{}-{}", original.id, to_string(type));
  start.trap.reset();
  start.trap_type = type;
  start.concepts.clear();
  start.flaw = {};
  start.proof.trap.clear();
  Json json = parse_json(write_json_record(start), {});
  json["trap"] = {{"problem", proposed["problem"]}};
  for (const char* field : {"explanation", "evidence"}) {
    if (!proposed.contains(field)) throw Error(fmt::format("the reply lacks the field \"{}\"", field));
    json["trap"][field] = proposed[field];
  }
  if (proposed.contains("concept")) json["concept"] = proposed["concept"];
  if (!proposed.contains("proof") || !proposed["proof"].is_object())
    throw Error("the reply lacks the object \"proof\"");
  for (const auto& [field, text] : proposed["proof"].items()) json["proof"][field] = text;
  Record record = parse_json_record(json.dump(), {});
  check_proof_text(record);
  record.place = original.place;
  if (!record.proof.unproved.empty()) throw Error("the reply claims no proof");
  return record;
}

}  // namespace mathtrap
