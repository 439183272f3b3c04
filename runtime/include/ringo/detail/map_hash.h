// SPDX-License-Identifier: MIT
//
// The hash of keys in maps that are split by it: the standard's hash, mixed, because the standard's
// hash of a number is the number, and a shard wants high bits while a table wants low ones.
//
// Thread safety: all of it.

#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace ringo::detail {

/// Every bit of the result depends on every bit of the value.
[[nodiscard]] inline std::uint64_t mix_hash(std::uint64_t value) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{value ^ 0x9E37'79B9'7F4A'7C15U} * 0xA0761D6478BD642FU;
  return static_cast<std::uint64_t>(product >> 64U) ^ static_cast<std::uint64_t>(product);
}

/// std::hash; for texts of any kind that of std::string_view, so that a look-up needs no string.
/// Not for keys that an enemy may choose: std::hash has no secret.
template <class K>
struct MapHash {
  std::size_t operator()(const K& key) const { return std::hash<K>()(key); }
};
template <class K>
  requires std::convertible_to<const K&, std::string_view>
struct MapHash<K> {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const noexcept {
    return std::hash<std::string_view>()(key);
  }
};

}  // namespace ringo::detail
