// SPDX-License-Identifier: MIT
//
// Comparing what is short and in the cache: keys with the key that was found by its hash, names
// with the name before. memcmp(3) costs a call and a dozen decisions about the length; up to 16
// bytes two overlapping words decide.
//
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringo::server {

namespace short_equal_internal {

template <typename Word>
bool ends_equal(const char* left, const char* right, std::size_t size) {
  Word words[4];
  std::memcpy(&words[0], left, sizeof(Word));
  std::memcpy(&words[1], right, sizeof(Word));
  std::memcpy(&words[2], left + size - sizeof(Word), sizeof(Word));
  std::memcpy(&words[3], right + size - sizeof(Word), sizeof(Word));
  return ((words[0] ^ words[1]) | (words[2] ^ words[3])) == 0;
}

}  // namespace short_equal_internal

/// Whether `size` bytes are equal.
[[gnu::always_inline]] inline bool short_equal(const char* left, const char* right,
                                               std::size_t size) {
  using short_equal_internal::ends_equal;
  if (size - 8 <= 8) [[likely]] {
    return ends_equal<std::uint64_t>(left, right, size);
  }
  if (size > 16) {
    return std::memcmp(left, right, size) == 0;
  }
  if (size >= 4) {
    return ends_equal<std::uint32_t>(left, right, size);
  }
  return size == 0 || (left[0] == right[0] && left[size / 2] == right[size / 2] &&
                       left[size - 1] == right[size - 1]);
}

[[gnu::always_inline]] inline bool short_equal(std::string_view left, std::string_view right) {
  return left.size() == right.size() && short_equal(left.data(), right.data(), left.size());
}

}  // namespace ringo::server
