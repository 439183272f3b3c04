// SPDX-License-Identifier: MIT
//
// How many shards a ConcurrentMap has.
//
// Thread safety: all of it.

#include <ringo/concurrent_map.h>
#include <ringo/usage_error.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <thread>

namespace ringo::detail {

namespace {
constexpr std::size_t kLeastByDefault = 16;
constexpr std::size_t kMaxShards = ConcurrentMap<int, int>::kMaxShards;
}  // namespace

std::size_t default_map_shards() noexcept {
  const std::size_t processors = std::thread::hardware_concurrency();
  return std::bit_ceil(std::clamp(4 * processors, kLeastByDefault, kMaxShards));
}

std::size_t rounded_map_shards(std::size_t wanted) {
  if (wanted == 0 || wanted > kMaxShards) {
    throw_usage_error("ConcurrentMap: the number of shards must be 1 to 1024");
  }
  return std::bit_ceil(wanted);
}

}  // namespace ringo::detail
