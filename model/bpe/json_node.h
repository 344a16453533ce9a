// A value inside of a JSON file with its path, which errors name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/error.h"

namespace mathtrap {

/// Refers to the JSON and the source, which must outlive it. All functions throw Error with the value's path when the
/// value, or the field, is not of the wanted type.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string path, const std::string& source)
      : value_(&value), path_(std::move(path)), source_(&source) {}

  const nlohmann::json& json() const { return *value_; }
  [[noreturn]] void refuse(const std::string& message) const;

  /// Whether a field is there and not null.
  bool has(const char* field) const;
  JsonNode child(const char* field) const;
  std::vector<JsonNode> items() const;  ///< of an array
  std::string text() const;
  std::int64_t integer() const;
  bool flag() const;
  std::string text_or(const char* field, const char* otherwise) const;
  bool flag_or(const char* field, bool otherwise) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
  const std::string* source_;
};

}  // namespace mathtrap
