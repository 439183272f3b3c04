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

/// The same for a number, but some neighbours stay together:
///
///   number   | block, mixed as above | 6 bits: nth of its block | shard_bits: which shard |
///
/// Those of one block in one shard are in adjacent buckets, which one segment has. So numbers that
/// come in rising order use few pages, and 2^shard_bits of them in a row use all shards. Two
/// numbers of one block never begin at the same bucket of the same shard; those of two blocks are
/// as far apart as mix_hash() puts the blocks.
///
/// Requires: shard_bits is 0 to 10; the shard is to be chosen by as many of the highest bits.
[[nodiscard]] inline std::uint64_t mix_number(std::uint64_t number, int shard_bits) noexcept {
  constexpr int kLog2Block = 6;  // as many as a segment of full size has buckets
  const std::uint64_t nth = (number >> shard_bits) % (1U << kLog2Block);
  // Above, another shard for each if the numbers have gaps; in the middle, another tag.
  constexpr std::uint64_t kScatter = 0x9E37'0000'0001'0000U;
  const std::uint64_t scattered = (nth * kScatter) ^ (number << 1U << (63 - shard_bits));
  return (mix_hash(number >> (shard_bits + kLog2Block)) + nth) ^ scattered;
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
