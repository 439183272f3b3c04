// SPDX-License-Identifier: MIT
//
// The hash of keys: a seeded multiply-and-fold hash in the manner of wyhash, 64 good bits.
//
// The seed is drawn once per process, so that a client cannot prepare keys that collide; with the
// seed known it can, and lookups become slow but stay correct. Bits are used as follows:
//
//     63                              32 31       23 22    16 15            0
//     | position in the shard's table   |  (unused) |  tag   |    shard      |
//
// Thread safety: pure functions.

#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringo::server {

/// The key of the hash function. Any values will do; they should be secret.
struct HashSeed {
  std::uint64_t first = 0x9E3779B97F4A7C15U;
  std::uint64_t second = 0xD1B54A32D192ED03U;
};

/// A key together with its hash, so that one computation serves shard, table and prefetch.
struct HashedKey {
  std::string_view bytes;
  std::uint64_t hash = 0;
};

/// Where in its shard's table, in units of 2^-32 of the table: tables map it by multiplication, so
/// the order of keys is the same in tables of every size.
inline std::uint32_t hash_position(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> 32U);
}

/// 0x80 to 0xFF: a byte that is never zero, for the buckets' filter.
inline std::uint8_t hash_tag(std::uint64_t hash) {
  return static_cast<std::uint8_t>(0x80U | ((hash >> 16U) & 0x7FU));
}

inline constexpr std::uint32_t kMaxShards = 1U << 10U;  // well inside the 16 bits reserved above

namespace hash_internal {

inline constexpr std::uint64_t kSalt = 0xA0761D6478BD642FU;  // odd, half of its bits set

inline std::uint64_t load8(const char* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline std::uint64_t load4(const char* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// The full 128-bit product, folded.
inline std::uint64_t mix(std::uint64_t left, std::uint64_t right) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(left) * right;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

}  // namespace hash_internal

/// Complexity: about 1 ns and 0.1 ns a byte.
inline std::uint64_t hash_key(std::string_view key, const HashSeed& seed) {
  using hash_internal::load4;
  using hash_internal::load8;
  using hash_internal::mix;
  const char* at = key.data();
  const std::uint64_t size = key.size();
  std::uint64_t state = seed.first;
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (size <= 16) [[likely]] {
    if (size >= 4) {
      // Four overlapping words cover every length from 4 to 16.
      const std::uint64_t step = (size >> 3U) << 2U;
      low = (load4(at) << 32U) | load4(at + step);
      high = (load4(at + size - 4) << 32U) | load4(at + size - 4 - step);
    } else if (size > 0) {
      low = (static_cast<std::uint64_t>(static_cast<unsigned char>(at[0])) << 16U) |
            (static_cast<std::uint64_t>(static_cast<unsigned char>(at[size >> 1U])) << 8U) |
            static_cast<unsigned char>(at[size - 1]);
    }
  } else {
    std::uint64_t left = size;
    for (; left > 16; left -= 16, at += 16) {
      state = mix(load8(at) ^ seed.second, load8(at + 8) ^ state);
    }
    low = load8(at + left - 16);
    high = load8(at + left - 8);
  }
  return mix(hash_internal::kSalt ^ size, mix(low ^ seed.second, high ^ state));
}

}  // namespace ringo::server
