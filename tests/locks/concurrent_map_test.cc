// SPDX-License-Identifier: MIT
//
// ConcurrentMap, its two kinds: numbers, which are read without a lock, and objects.

#include <ringo/concurrent_map.h>
#include <ringo/usage_error.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using Numbers = ConcurrentMap<std::uint64_t, std::uint64_t>;
using Texts = ConcurrentMap<std::string, std::string>;

static_assert(Numbers::kReadsWithoutLock);
static_assert(!Texts::kReadsWithoutLock);
static_assert(!ConcurrentMap<std::string_view, int>::kReadsWithoutLock,
              "a key that is being overwritten must not be followed to its text");
static_assert(!std::is_copy_constructible_v<Numbers>);

TEST(ConcurrentMap, HeaderExample) {
  ringo::ConcurrentMap<std::string, int> hits;
  hits.insert_or_assign("index.html", 1);
  hits.update("index.html", [](int& count) { ++count; });
  hits.entry("about.html", [](std::optional<int>& count) { count = count.value_or(0) + 1; });
  const std::optional<int> index = hits.get("index.html");
  EXPECT_EQ(index, 2);
  EXPECT_EQ(hits.get("about.html"), 1);
}

template <class Map>
class ConcurrentMapTest : public testing::Test {
 protected:
  using Key = typename Map::key_type;
  using Value = typename Map::mapped_type;
  static Key key(int n) { return make<Key>(n); }
  static Value value(int n) { return make<Value>(n); }

 private:
  template <class T>
  static T make(int n) {
    if constexpr (std::is_same_v<T, std::string>) {
      return std::string("long enough to be on the heap: ") + std::to_string(n);
    } else {
      return static_cast<T>(n);
    }
  }
};

using Maps = testing::Types<Numbers, Texts, ConcurrentMap<std::string, std::uint64_t>,
                            ConcurrentMap<std::uint64_t, std::string>>;
TYPED_TEST_SUITE(ConcurrentMapTest, Maps);

TYPED_TEST(ConcurrentMapTest, InsertsOnce) {
  TypeParam map;
  EXPECT_EQ(map.get(this->key(1)), std::nullopt);
  EXPECT_TRUE(map.insert(this->key(1), this->value(10)));
  EXPECT_FALSE(map.insert(this->key(1), this->value(11)));
  EXPECT_EQ(map.get(this->key(1)), this->value(10));
  EXPECT_TRUE(map.contains(this->key(1)));
  EXPECT_FALSE(map.insert_or_assign(this->key(1), this->value(12)));
  EXPECT_TRUE(map.insert_or_assign(this->key(2), this->value(20)));
  EXPECT_EQ(map.get(this->key(1)), this->value(12));
  EXPECT_EQ(map.len(), 2U);
}

TYPED_TEST(ConcurrentMapTest, RemovesWhatIsThere) {
  TypeParam map;
  map.insert(this->key(1), this->value(10));
  EXPECT_EQ(map.remove(this->key(1)), this->value(10));
  EXPECT_EQ(map.remove(this->key(1)), std::nullopt);
  EXPECT_FALSE(map.contains(this->key(1)));
  EXPECT_TRUE(map.is_empty());
}

TYPED_TEST(ConcurrentMapTest, UpdatesInPlace) {
  TypeParam map;
  EXPECT_FALSE(map.update(this->key(1), [](auto& /*value*/) { FAIL(); }));
  map.insert(this->key(1), this->value(1));
  EXPECT_TRUE(map.update(this->key(1), [&](auto& value) { value = this->value(2); }));
  bool was_called = false;
  EXPECT_TRUE(map.with(this->key(1), [&](const auto& value) {
    was_called = true;
    EXPECT_EQ(value, this->value(2));
  }));
  EXPECT_TRUE(was_called);
  EXPECT_FALSE(map.with(this->key(2), [](const auto& /*value*/) { FAIL(); }));
}

TYPED_TEST(ConcurrentMapTest, EntryInsertsChangesAndRemoves) {
  TypeParam map;
  const bool was_new = map.entry(this->key(1), [&](auto& value) {
    const bool is_new = !value;
    value = this->value(1);
    return is_new;
  });
  EXPECT_TRUE(was_new);
  map.entry(this->key(1), [&](auto& value) {
    EXPECT_EQ(value, this->value(1));
    value = this->value(2);
  });
  EXPECT_EQ(map.get(this->key(1)), this->value(2));
  map.entry(this->key(1), [](auto& value) { value.reset(); });
  EXPECT_EQ(map.get(this->key(1)), std::nullopt);
  map.entry(this->key(1), [](auto& /*value*/) {});
  EXPECT_EQ(map.len(), 0U);
}

TYPED_TEST(ConcurrentMapTest, IsWholeWhenAFunctionThrows) {
  TypeParam map;
  map.insert(this->key(1), this->value(1));
  const auto throws = [](auto& /*value*/) { throw std::runtime_error("out"); };
  EXPECT_THROW(map.entry(this->key(1), throws), std::runtime_error);
  EXPECT_THROW(map.entry(this->key(2), throws), std::runtime_error);
  EXPECT_THROW(map.update(this->key(1), throws), std::runtime_error);
  EXPECT_EQ(map.get(this->key(1)), this->value(1));
  EXPECT_EQ(map.len(), 1U);
}

TYPED_TEST(ConcurrentMapTest, GrowsAndKeepsEverything) {
  constexpr int kKeys = 5'000;
  TypeParam map(2);
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(map.insert(this->key(i), this->value(i)));
    ASSERT_EQ(map.get(this->key(i / 2)), this->value(i / 2));
  }
  EXPECT_EQ(map.len(), std::size_t{kKeys});
  std::vector<typename TypeParam::key_type> keys;
  map.for_each([&](const auto& key, const auto& /*value*/) { keys.push_back(key); });
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys.size(), std::size_t{kKeys});
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end()) << "seen twice";
  map.retain([&](const auto& key, auto& /*value*/) { return key == this->key(7); });
  EXPECT_EQ(map.len(), 1U);
  EXPECT_EQ(map.get(this->key(7)), this->value(7));
}

TYPED_TEST(ConcurrentMapTest, ClearsAlsoWhileItGrows) {
  for (int size = 1; size < 60; ++size) {
    TypeParam map(1);
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < size; ++i) {
        map.insert(this->key(i), this->value(round));
      }
      EXPECT_EQ(map.len(), static_cast<std::size_t>(size));
      EXPECT_EQ(map.get(this->key(0)), this->value(round));
      map.clear();
      EXPECT_EQ(map.len(), 0U);
      EXPECT_EQ(map.get(this->key(0)), std::nullopt);
    }
  }
}

TYPED_TEST(ConcurrentMapTest, DoesWhatAMapDoes) {
  auto random = testing_support::seeded_random();
  TypeParam map(1);
  std::map<int, typename TypeParam::mapped_type> model;
  for (int step = 0; step < 30'000; ++step) {
    const int n = static_cast<int>(random() % (step < 15'000 ? 2'000 : 50));
    const auto key = this->key(n);
    const auto value = this->value(step);
    switch (random() % 6) {
      case 0:
        ASSERT_EQ(map.insert(key, value), model.try_emplace(n, value).second);
        break;
      case 1:
        ASSERT_EQ(map.insert_or_assign(key, value), model.insert_or_assign(n, value).second);
        break;
      case 2:
      case 3: {
        const auto found = model.find(n);
        const auto removed = map.remove(key);
        ASSERT_EQ(removed.has_value(), found != model.end());
        if (removed) {
          ASSERT_EQ(*removed, found->second);
          model.erase(found);
        }
        break;
      }
      case 4:
        map.entry(key, [&](auto& entry) { entry = value; });
        model.insert_or_assign(n, value);
        break;
      default:
        const auto found = model.find(n);
        const auto got = map.get(key);
        ASSERT_EQ(got.has_value(), found != model.end());
        if (got) {
          ASSERT_EQ(*got, found->second);
        }
    }
    ASSERT_EQ(map.len(), model.size());
  }
}

TEST(ConcurrentMap, LooksUpByTextWithoutAString) {
  ConcurrentMap<std::string, int> map;
  map.insert("key", 1);
  EXPECT_EQ(map.get(std::string_view("key")), 1);
  EXPECT_EQ(map.remove("key"), 1);
}

TEST(ConcurrentMap, HoldsWhatCanOnlyBeMoved) {
  ConcurrentMap<int, std::unique_ptr<int>> map;
  map.insert(1, std::make_unique<int>(5));
  EXPECT_TRUE(map.update(1, [](std::unique_ptr<int>& p) { ++*p; }));
  EXPECT_EQ(**map.remove(1), 6);
}

TEST(ConcurrentMap, DestroysEachValueOnce) {
  const int before = testing_support::Tracked::alive();
  {
    ConcurrentMap<int, std::shared_ptr<testing_support::Tracked>> map(1);
    for (int i = 0; i < 500; ++i) {
      map.insert(i, std::make_shared<testing_support::Tracked>());
    }
    for (int i = 0; i < 100; ++i) {
      (void)map.remove(i);
    }
    EXPECT_EQ(testing_support::Tracked::alive(), before + 400);
    map.clear();
    EXPECT_EQ(testing_support::Tracked::alive(), before);
    map.insert(1, std::make_shared<testing_support::Tracked>());
  }
  EXPECT_EQ(testing_support::Tracked::alive(), before);
}

TEST(ConcurrentMap, HasUpTo1024Shards) {
  EXPECT_EQ(Numbers(1).shard_count(), 1U);
  EXPECT_EQ(Numbers(3).shard_count(), 4U);
  EXPECT_EQ(Numbers(Numbers::kMaxShards).shard_count(), Numbers::kMaxShards);
  EXPECT_THROW(Numbers(0), UsageError);
  EXPECT_THROW(Numbers(Numbers::kMaxShards + 1), UsageError);
}

// All keys in one bucket: the counts of what went past are used up, and stay.
TEST(ConcurrentMap, WorksWithAHashThatIsNone) {
  struct Same {
    std::size_t operator()(std::uint64_t /*key*/) const { return 1; }
  };
  ConcurrentMap<std::uint64_t, std::uint64_t, Same> map(1);
  constexpr std::uint64_t kKeys = 600;
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t key = 0; key < kKeys; ++key) {
      ASSERT_TRUE(map.insert(key, key));
    }
    for (std::uint64_t key = 0; key < kKeys; ++key) {
      ASSERT_EQ(map.get(key), key);
      ASSERT_EQ(map.remove(key), key);
      ASSERT_EQ(map.get(key), std::nullopt);
    }
  }
}

// Some segments are divided until their keys are all alike, others not at all.
TEST(ConcurrentMap, WorksWithAHashOfAFewValues) {
  struct Few {
    std::size_t operator()(std::uint64_t key) const { return key % 5 == 0 ? 0 : key; }
  };
  ConcurrentMap<std::uint64_t, std::uint64_t, Few> numbers(1);
  ConcurrentMap<std::uint64_t, std::string, Few> texts(1);
  constexpr std::uint64_t kKeys = 5'000;
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    ASSERT_TRUE(numbers.insert(key, key));
    ASSERT_TRUE(texts.insert(key, std::to_string(key)));
  }
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    ASSERT_EQ(numbers.get(key), key);
    ASSERT_EQ(texts.get(key), std::to_string(key));
  }
  EXPECT_EQ(numbers.get(kKeys), std::nullopt);
  std::uint64_t sum = 0;
  texts.for_each([&](std::uint64_t key, const std::string& /*text*/) { sum += key; });
  EXPECT_EQ(sum, kKeys * (kKeys - 1) / 2);
  texts.retain([](std::uint64_t key, const std::string& /*text*/) { return key % 2 == 0; });
  EXPECT_EQ(texts.len(), kKeys / 2);
  EXPECT_FALSE(texts.contains(1));
  EXPECT_TRUE(texts.contains(10));
}

// Segments are divided and directories doubled under readers of keys that are there all the time.
TYPED_TEST(ConcurrentMapTest, ReadersFindWhatIsThereWhileThreadsInsert) {
  constexpr int kWriters = 2;
  constexpr int kEach = 4'000;
  TypeParam map(2);
  std::atomic<int> inserted{0};
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < kEach; ++i) {
        const int n = i * kWriters + writer;
        map.insert(this->key(n), this->value(n));
        if (writer == 0) {
          inserted.store(i + 1, std::memory_order_release);
        }
      }
    });
  }
  auto random = testing_support::seeded_random();
  int there = 0;
  do {
    there = inserted.load(std::memory_order_acquire);
    if (there != 0) {
      const int n = static_cast<int>(random() % static_cast<unsigned>(there)) * kWriters;
      ASSERT_EQ(map.get(this->key(n)), this->value(n));
    }
    ASSERT_FALSE(map.contains(this->key(kWriters * kEach)));
  } while (there != kEach);
  writers.clear();
  EXPECT_EQ(map.len(), std::size_t{kWriters * kEach});
}

// A value of several words is never seen half changed, nor does a key vanish while tables grow.
TEST(ConcurrentMap, ReadersSeeWholeValuesWhileItGrows) {
  struct Three {
    std::uint64_t a;
    std::uint64_t b;
    std::uint64_t c;
  };
  ConcurrentMap<std::uint64_t, Three> map(1);
  static_assert(decltype(map)::kReadsWithoutLock);
  constexpr std::uint64_t kAlways = 7;
  constexpr std::uint64_t kInserts = 3'000;
  map.insert(kAlways, {0, 0, 0});
  std::atomic<bool> is_done{false};
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kInserts; ++i) {
      map.insert_or_assign(kAlways, {i, i, i});
      map.insert(kAlways + i, {i, i, i});
    }
    is_done = true;
  });
  std::uint64_t last = 0;
  do {
    const std::optional<Three> found = map.get(kAlways);
    ASSERT_TRUE(found.has_value());
    ASSERT_TRUE(found->a == found->b && found->b == found->c);
    ASSERT_GE(found->a, last);
    last = found->a;
    ASSERT_EQ(map.get(kAlways - 1).has_value(), false);
  } while (!is_done);
  writer.join();
  EXPECT_EQ(map.len(), kInserts + 1);
}

TEST(ConcurrentMap, LosesNoCountBetweenThreads) {
  constexpr int kThreads = 3;
  constexpr int kTimes = 3'000;
  Texts texts;
  ConcurrentMap<int, int> numbers;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTimes; ++i) {
        numbers.entry(i % 10, [](std::optional<int>& n) { n = n.value_or(0) + 1; });
        texts.entry(std::to_string(i % 10),
                    [](std::optional<std::string>& text) { text = text.value_or("") + "x"; });
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(numbers.get(i), kThreads * kTimes / 10);
    EXPECT_EQ(texts.get(std::to_string(i))->size(), std::size_t{kThreads * kTimes / 10});
  }
}

}  // namespace
}  // namespace ringo
