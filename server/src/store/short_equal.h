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

/// left == right.
[[gnu::always_inline]] inline bool short_equal(std::string_view left, std::string_view right) {
  using short_equal_internal::ends_equal;
  const std::size_t size = left.size();
  if (size != right.size()) {
    return false;
  }
  const char* const one = left.data();
  const char* const other = right.data();
  if (size - 8 <= 8) [[likely]] {
    return ends_equal<std::uint64_t>(one, other, size);
  }
  if (size > 16) {
    return std::memcmp(one, other, size) == 0;
  }
  if (size >= 4) {
    return ends_equal<std::uint32_t>(one, other, size);
  }
  return size == 0 || (one[0] == other[0] && one[size / 2] == other[size / 2] &&
                       one[size - 1] == other[size - 1]);
}

}  // namespace ringo::server
