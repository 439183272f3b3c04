// SPDX-License-Identifier: MIT
//
// The hash of numbers in a ConcurrentMap: neighbours are kept together, and still sets of numbers
// are spread over shards, segments and buckets about as evenly as chance has it.

#include <ringo/detail/map_hash.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/random_seed.h"

namespace ringo::detail {
namespace {

constexpr int kMostShardBits = 10;
constexpr int kBucketBits = 6;
constexpr int kDirectoryShift = 24;

std::uint64_t shard_of(std::uint64_t hash, int shard_bits) {
  return shard_bits == 0 ? 0 : hash >> (64 - shard_bits);
}
std::uint64_t low_bits(std::uint64_t value, int bits) {
  return value & ((std::uint64_t{1} << bits) - 1);
}

/// How many of some things are in each of 2^n places.
class Spread {
 public:
  explicit Spread(int log2_places) : counts_(std::size_t{1} << log2_places) {}
  void add(std::uint64_t place) { ++counts_[place]; }

  [[nodiscard]] std::uint64_t most() const {
    return *std::max_element(counts_.begin(), counts_.end());
  }
  [[nodiscard]] std::size_t used() const {
    return counts_.size() -
           static_cast<std::size_t>(std::count(counts_.begin(), counts_.end(), std::uint64_t{0}));
  }
  /// Pairs in one place, as a multiple of what chance gives on the average.
  [[nodiscard]] double crowding() const {
    double pairs = 0;
    double sum = 0;
    for (const std::uint64_t count : counts_) {
      const auto n = static_cast<double>(count);
      pairs += n * (n - 1);
      sum += n;
    }
    return pairs * static_cast<double>(counts_.size()) / (sum * (sum - 1));
  }

 private:
  std::vector<std::uint64_t> counts_;
};

using Numbers = std::vector<std::uint64_t>;

/// In a table that has four numbers for each bucket of seven.
void expect_even(const Numbers& numbers, const std::string& name, double crowding = 1.1) {
  const int log2_count = std::countr_zero(std::bit_floor(numbers.size()));
  const int log2_buckets = log2_count - 2;
  for (const int shard_bits : {0, 1, 4, 6, 8}) {
    const int directory_bits = log2_buckets - shard_bits - kBucketBits;
    ASSERT_GE(directory_bits, 0);
    Spread shards(shard_bits);
    Spread segments(shard_bits + directory_bits);
    Spread buckets(log2_buckets);
    for (const std::uint64_t number : numbers) {
      const std::uint64_t hash = mix_number(number, shard_bits);
      const std::uint64_t shard = shard_of(hash, shard_bits);
      const std::uint64_t segment =
          shard << directory_bits | low_bits(hash >> kDirectoryShift, directory_bits);
      shards.add(shard);
      segments.add(segment);
      buckets.add(segment << kBucketBits | low_bits(hash, kBucketBits));
    }
    const std::string which = name + ", shard bits " + std::to_string(shard_bits);
    EXPECT_LT(shards.crowding(), 1.05) << which;
    EXPECT_LT(buckets.crowding(), crowding) << which;
    EXPECT_LE(buckets.most(), 24U) << which;
    EXPECT_LT(segments.crowding(), 1.5) << which;
  }
}

Numbers with_stride(std::uint64_t stride, std::size_t count) {
  Numbers numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = i * stride;
  }
  return numbers;
}

constexpr std::size_t kCount = std::size_t{1} << 16U;

TEST(MapHash, SpreadsNumbersOfAnyStride) {
  for (std::uint64_t stride = 1; stride <= 64; ++stride) {
    expect_even(with_stride(stride, kCount), "stride " + std::to_string(stride));
  }
}

TEST(MapHash, SpreadsNumbersWhoseStrideIsAPowerOfTwo) {
  constexpr double kOfMixHash = 3.3;  // which gives this at worst, if 64 times as near each other
  for (unsigned bit = 7; bit <= 48; ++bit) {  // beyond, they come again
    expect_even(with_stride(std::uint64_t{1} << bit, kCount), "stride 2^" + std::to_string(bit),
                kOfMixHash);
  }
}

TEST(MapHash, SpreadsRandomNumbers) {
  auto random = testing_support::seeded_random();
  Numbers numbers(kCount);
  std::generate(numbers.begin(), numbers.end(), [&] { return random(); });
  expect_even(numbers, "random");
}

TEST(MapHash, SpreadsNumbersOfTwoHalves) {
  Numbers numbers;
  for (std::uint64_t high = 0; high < 256; ++high) {
    for (std::uint64_t low = 0; low < 256; ++low) {
      numbers.push_back(high << 32U | low);
    }
  }
  expect_even(numbers, "256 halves by 256", 1.2);
}

// Few keys that are used by many threads must not meet in one shard.
TEST(MapHash, GivesAFewNumbersManyShards) {
  for (int shard_bits = 0; shard_bits <= kMostShardBits; ++shard_bits) {
    const std::size_t count = std::size_t{1} << shard_bits;
    for (std::uint64_t stride = 1; stride <= 4096; stride = stride < 64 ? stride + 1 : 2 * stride) {
      Spread shards(shard_bits);
      for (const std::uint64_t number : with_stride(stride, count)) {
        shards.add(shard_of(mix_number(number, shard_bits), shard_bits));
      }
      // Chance gives 63 of a hundred, and less at times where they are few.
      EXPECT_GE(shards.used() * 100, count * 25) << stride << " " << shard_bits;
      if (stride == 1) {
        EXPECT_EQ(shards.most(), 1U) << shard_bits;
      }
    }
  }
}

TEST(MapHash, KeepsNeighboursOfAShardTogether) {
  constexpr std::uint64_t kBlock = 64;
  for (int shard_bits = 0; shard_bits <= kMostShardBits; ++shard_bits) {
    Spread buckets(shard_bits + kBucketBits);
    const std::uint64_t count = kBlock << shard_bits;
    const std::uint64_t first = 7 * count;  // where a block begins
    std::uint64_t in_one_segment = 0;
    const auto directory_of = [&](std::uint64_t number) {
      return low_bits(mix_number(number, shard_bits) >> kDirectoryShift, 12);
    };
    for (std::uint64_t number = first; number < first + count; ++number) {
      const std::uint64_t hash = mix_number(number, shard_bits);
      buckets.add(shard_of(hash, shard_bits) << kBucketBits | low_bits(hash, kBucketBits));
      in_one_segment += directory_of(number) == directory_of(first) ? 1 : 0;
    }
    EXPECT_EQ(in_one_segment, count) << shard_bits;
    EXPECT_EQ(buckets.most(), 1U) << shard_bits;
  }
}

}  // namespace
}  // namespace ringo::detail
