// SPDX-License-Identifier: MIT
//
// The hash of keys: depends on every byte and on the seed, and fills tables evenly.

#include "store/key_hash.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/random_seed.h"

namespace ringo::server {
namespace {

TEST(KeyHash, EveryByteAndTheLengthMatter) {
  const HashSeed seed{1, 2};
  for (std::size_t size = 0; size <= 70; ++size) {
    const std::string key(size, 'x');
    const std::uint64_t hash = hash_key(key, seed);
    EXPECT_NE(hash, hash_key(key + 'x', seed)) << size;
    EXPECT_NE(hash, hash_key(key + '\0', seed)) << size;
    for (std::size_t at = 0; at < size; ++at) {
      std::string other = key;
      other[at] = 'y';
      EXPECT_NE(hash, hash_key(other, seed)) << size << ' ' << at;
    }
  }
}

TEST(KeyHash, SeedMatters) {
  EXPECT_NE(hash_key("key", {1, 2}), hash_key("key", {1, 3}));
  EXPECT_NE(hash_key("key", {1, 2}), hash_key("key", {2, 2}));
}

TEST(KeyHash, OneBitChangesHalfOfTheBits) {
  std::mt19937_64 random = testing_support::seeded_random();
  const HashSeed seed{random(), random()};
  double flipped = 0;
  int samples = 0;
  for (std::size_t size : {1, 3, 4, 8, 15, 16, 17, 33}) {
    for (int round = 0; round < 200; ++round) {
      std::string key(size, '\0');
      for (char& byte : key) {
        byte = static_cast<char>(random());
      }
      const std::uint64_t before = hash_key(key, seed);
      char& byte = key[random() % size];
      byte = static_cast<char>(byte ^ static_cast<char>(1U << (random() % 8)));
      flipped += std::popcount(before ^ hash_key(key, seed));
      ++samples;
    }
  }
  EXPECT_NEAR(flipped / samples, 32.0, 1.0);
}

TEST(KeyHash, SequentialKeysFillBucketsAsRandomOnesWould) {
  std::mt19937_64 random = testing_support::seeded_random();
  const HashSeed seed{random(), random()};
  constexpr std::size_t kKeys = 200'000;
  constexpr std::size_t kBuckets = 4096;
  std::vector<std::size_t> by_position(kBuckets);
  std::vector<std::size_t> by_shard(kBuckets);
  std::vector<std::size_t> by_tag(128);
  for (std::size_t i = 0; i < kKeys; ++i) {
    const std::uint64_t hash = hash_key("key:" + std::to_string(i), seed);
    ++by_position[(std::uint64_t{hash_position(hash)} * kBuckets) >> 32U];
    ++by_shard[hash % kBuckets];
    ++by_tag[hash_tag(hash) & 0x7FU];
  }
  for (const auto* counts : {&by_position, &by_shard, &by_tag}) {
    const double expected = static_cast<double>(kKeys) / static_cast<double>(counts->size());
    double chi_squared = 0;
    for (const std::size_t each : *counts) {
      const double difference = static_cast<double>(each) - expected;
      chi_squared += difference * difference / expected;
    }
    // Mean: the degrees of freedom; variance: twice that. Seven sigma.
    const double degrees = static_cast<double>(counts->size() - 1);
    EXPECT_LT(std::abs(chi_squared - degrees), 7 * std::sqrt(2 * degrees));
  }
}

}  // namespace
}  // namespace ringo::server
