// Numbers and runs of bytes taken from the front of untrusted bytes, little-endian, never beyond their end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "support/error.h"

namespace mathtrap {

class ByteReader {
 public:
  /// `place` and `what` ("zip directory") are for messages.
  ByteReader(std::span<const std::byte> bytes, Place place, const char* what)
      : bytes_(bytes), place_(std::move(place)), what_(what) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(std::uint64_t size) {
    if (size > remaining()) {
      fail(place_, std::string("the ") + what_ + " is cut off: " + std::to_string(size) + " bytes are wanted, " +
                       std::to_string(remaining()) + " are left");
    }
    const std::span<const std::byte> taken = bytes_.subspan(position_, static_cast<std::size_t>(size));
    position_ += taken.size();
    return taken;
  }

  std::string_view take_text(std::uint64_t size) {
    const std::span<const std::byte> taken = take(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  template <typename T>
  T take_number() {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  /// Text up to a line feed, which is taken too.
  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, remaining());
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) fail(place_, std::string("the ") + what_ + " is cut off in a line");
    const std::string_view line = rest.substr(0, end);
    position_ += end + 1;
    return line;
  }

 private:
  std::span<const std::byte> bytes_;
  Place place_;
  const char* what_;
  std::size_t position_ = 0;
};

}  // namespace mathtrap
