// SPDX-License-Identifier: MIT
//
// Sharded<T>: which key goes where, the operations of a map, several keys at once.

#include <ringo/sharded.h>
#include <ringo/usage_error.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

namespace ringo {
namespace {

using Numbers = Sharded<std::unordered_map<int, int>>;

TEST(Sharded, HeaderExample) {
  ringo::Sharded<std::unordered_map<std::string, int>> hits(16);
  hits.with("index.html", [](auto& shard) { ++shard["index.html"]; });
  hits.insert_or_assign("about.html", 7);
  const std::optional<int> index = hits.get("index.html");
  EXPECT_EQ(index, 1);
  EXPECT_EQ(hits.get(std::string("about.html")), 7);
}

TEST(Sharded, HasTheNumberOfShardsThatWasAskedFor) {
  for (const std::size_t count : {1U, 2U, 3U, 7U, 64U, 1000U}) {
    const Numbers map(count);
    EXPECT_EQ(map.shard_count(), count);
    std::set<std::size_t> used;
    for (int key = 0; key < 20'000; ++key) {
      const std::size_t shard = map.shard_of(key);
      ASSERT_LT(shard, count);
      ASSERT_EQ(shard, map.shard_of(key));
      used.insert(shard);
    }
    EXPECT_EQ(used.size(), count) << "no key for some shard";
  }
}

TEST(Sharded, RefusesToHaveNoShard) {
  EXPECT_THROW(Numbers(0), UsageError);
}

TEST(Sharded, ShardsShareNoCacheLine) {
  Numbers map(2);
  std::array<const void*, 2> at{};
  for (std::size_t i = 0; i < 2; ++i) {
    at[i] = map.with_shard(i, [](auto& shard) -> const void* { return &shard; });
  }
  const auto distance =
      reinterpret_cast<std::uintptr_t>(at[1]) - reinterpret_cast<std::uintptr_t>(at[0]);
  EXPECT_EQ(distance % Numbers::kShardAlignment, 0U);
}

TEST(Sharded, IsAMap) {
  Numbers map(4);
  EXPECT_TRUE(map.insert(1, 10));
  EXPECT_FALSE(map.insert(1, 11));
  EXPECT_EQ(map.get(1), 10);
  EXPECT_FALSE(map.insert_or_assign(1, 12));
  EXPECT_TRUE(map.insert_or_assign(2, 20));
  EXPECT_EQ(map.len(), 2U);
  int sum = 0;
  map.for_each([&](const int& key, int& value) { sum += key + value; });
  EXPECT_EQ(sum, 35);
  EXPECT_EQ(map.remove(1), 12);
  EXPECT_EQ(map.remove(1), std::nullopt);
  map.clear();
  EXPECT_EQ(map.len(), 0U);
  EXPECT_EQ(map.get(2), std::nullopt);
}

TEST(Sharded, LooksUpByTextWithoutAString) {
  Sharded<std::map<std::string, int, std::less<>>> map(8);
  map.insert(std::string("key"), 1);
  EXPECT_EQ(map.get(std::string_view("key")), 1);
  EXPECT_EQ(map.get("key"), 1);
}

TEST(Sharded, WithAllSeesAllKeysAtOneMoment) {
  constexpr int kTimes = 2'000;
  Numbers map(8);
  const std::array<int, 3> keys{1, 2, 3};
  for (const int key : keys) {
    map.insert(key, 0);
  }
  const auto add_to_all = [&](auto& shard) {
    for (const int key : keys) {
      ++shard(key)[key];
    }
  };
  std::thread other([&] {
    for (int i = 0; i < kTimes; ++i) {
      map.with_all(keys, add_to_all);
    }
  });
  for (int i = 0; i < kTimes; ++i) {
    const bool is_equal = map.with_all(
        keys, [](auto& shard) { return shard(1)[1] == shard(2)[2] && shard(2)[2] == shard(3)[3]; });
    ASSERT_TRUE(is_equal);
  }
  other.join();
  EXPECT_EQ(map.get(3), kTimes);
}

TEST(Sharded, WithAllOfNothingTakesNothing) {
  Numbers map(2);
  EXPECT_EQ(map.with_all(std::vector<int>{}, [](auto& /*shard*/) { return 1; }), 1);
}

}  // namespace
}  // namespace ringo
