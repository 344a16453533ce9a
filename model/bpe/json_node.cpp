#include "model/bpe/json_node.h"

#include <fmt/format.h>

namespace mathtrap {

void JsonNode::refuse(const std::string& message) const {
  fail({*source_, 0, path_}, message);
}

bool JsonNode::has(const char* field) const {
  return value_->is_object() && value_->contains(field) && !value_->at(field).is_null();
}

JsonNode JsonNode::child(const char* field) const {
  const std::string path = path_.empty() ? field : fmt::format("{}.{}", path_, field);
  if (!value_->is_object()) refuse("a JSON object is wanted");
  if (!has(field)) fail({*source_, 0, path}, "is missing");
  return {value_->at(field), path, *source_};
}

std::vector<JsonNode> JsonNode::items() const {
  if (!value_->is_array()) refuse("a JSON array is wanted");
  std::vector<JsonNode> nodes;
  nodes.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i) {
    nodes.emplace_back(value_->at(i), fmt::format("{}[{}]", path_, i), *source_);
  }
  return nodes;
}

std::string JsonNode::text() const {
  if (!value_->is_string()) refuse("a string is wanted");
  return value_->get<std::string>();
}

std::int64_t JsonNode::integer() const {
  const bool fits =
      value_->is_number_integer() && (!value_->is_number_unsigned() || value_->get<std::uint64_t>() <= INT64_MAX);
  if (!fits) refuse("an integer is wanted");
  return value_->get<std::int64_t>();
}

bool JsonNode::flag() const {
  if (!value_->is_boolean()) refuse("true or false is wanted");
  return value_->get<bool>();
}

std::string JsonNode::text_or(const char* field, const char* otherwise) const {
  return has(field) ? child(field).text() : otherwise;
}

bool JsonNode::flag_or(const char* field, bool otherwise) const {
  return has(field) ? child(field).flag() : otherwise;
}

}  // namespace mathtrap
