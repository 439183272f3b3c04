// SPDX-License-Identifier: MIT
//
// Shards and the store: against a model over random histories with expiry, the limits of entries,
// several threads, and memory.

#include "store/store.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"
#include "support/random_seed.h"

namespace ringo::server {
namespace {

constexpr UnixMs kNow = 1'000'000;

Store::Options options(std::uint32_t shards) {
  return {shards, {11, 12}};
}

void put(Store& store, std::string_view name, std::string_view value, UnixMs expire_at = kNoExpiry,
         UnixMs now = kNow) {
  const HashedKey key = store.hashed(name);
  store.with(key, [&](Shard& shard) { shard.put(key, value, expire_at, now); });
}

std::optional<std::string> value_of(Store& store, std::string_view name, UnixMs now = kNow) {
  const HashedKey key = store.hashed(name);
  return store.with(key, [&](Shard& shard) -> std::optional<std::string> {
    const Entry* entry = shard.find(key, now);
    return entry == nullptr ? std::nullopt : std::optional(std::string(entry->value()));
  });
}

bool erase(Store& store, std::string_view name, UnixMs now = kNow) {
  const HashedKey key = store.hashed(name);
  return store.with(key, [&](Shard& shard) { return shard.erase(key, now); });
}

std::size_t append(Store& store, std::string_view name, std::string_view tail) {
  const HashedKey key = store.hashed(name);
  return store.with(key, [&](Shard& shard) { return shard.append(key, tail, kNow); });
}

struct Awaitable {
  bool await_ready() { return true; }
};
struct HasOperator {
  Awaitable operator co_await() && { return {}; }  // NOLINT(readability-make-member-function-const)
};

TEST(Store, WithRefusesWhatWouldSuspendUnderTheLock) {
  static_assert(Suspendable<Awaitable>);
  static_assert(Suspendable<HasOperator>);
  static_assert(!Suspendable<bool>);
  static_assert(!Suspendable<LargeRef>);
  static_assert(!Suspendable<Entry*>);
}

TEST(Store, RoundsTheNumberOfShards) {
  EXPECT_EQ(Store(options(0)).shard_count(), 1U);
  EXPECT_EQ(Store(options(1)).shard_count(), 1U);
  EXPECT_EQ(Store(options(5)).shard_count(), 8U);
  EXPECT_EQ(Store(options(kMaxShards)).shard_count(), kMaxShards);
  EXPECT_EQ(Store(options(kMaxShards + 1)).shard_count(), kMaxShards);
}

TEST(Store, HoldsKeysAndValuesOfEverySize) {
  constexpr std::size_t kBig = LargeValue::kThreshold;
  const std::vector<std::size_t> sizes = {
      0, 1, 7, 8, 9, 255, 256, 257, 1159, 1160, 1161, 4096, kBig - 1, kBig, kBig + 1, 3 * kBig};
  Store store(options(4));
  std::map<std::string, std::string> model;
  for (const std::size_t key_size : sizes) {
    for (const std::size_t value_size : sizes) {
      std::string key = std::to_string(value_size);
      key.resize(std::max(key_size, key.size()), '\0');
      std::string value(value_size, static_cast<char>(key_size));
      for (const UnixMs expire_at : {kNoExpiry, kNow + 5}) {
        put(store, key, value, expire_at);
        ASSERT_EQ(value_of(store, key), value);
      }
      model[key] = value;
    }
  }
  EXPECT_EQ(store.size(), model.size());
  EXPECT_TRUE(store.is_consistent());
  for (const auto& [key, value] : model) {
    ASSERT_EQ(value_of(store, key), value);
    ASSERT_TRUE(erase(store, key));
  }
  EXPECT_TRUE(store.is_consistent());
  EXPECT_EQ(store.counters().entry_bytes, 0U);
}

TEST(Store, AKeyIsThereInTheMillisecondOfItsDeadlineAndNotAfter) {
  Store store(options(1));
  put(store, "key", "value", kNow + 10);
  EXPECT_EQ(value_of(store, "key", kNow + 10), "value");
  EXPECT_EQ(store.size(), 1U);
  EXPECT_EQ(value_of(store, "key", kNow + 11), std::nullopt);
  EXPECT_EQ(store.size(), 0U) << "who comes across an expired key removes it";
  EXPECT_EQ(store.counters().expired, 1U);
  EXPECT_EQ(store.counters().expiring_keys, 0U);
}

TEST(Store, APutOverAnExpiredKeyCreatesItAnew) {
  Store store(options(1));
  put(store, "key", "old", kNow + 10);
  put(store, "key", "new", kKeepExpiry, kNow + 11);
  EXPECT_EQ(value_of(store, "key", kNow + 1000), "new") << "the old deadline is gone";
  EXPECT_EQ(store.counters().expired, 1U);
}

TEST(Store, AppendsThroughAllKindsOfValues) {
  Store store(options(1));
  std::string model;
  std::mt19937_64 random = testing_support::seeded_random();
  while (model.size() < 200'000) {
    const std::string tail(random() % (model.size() < 2000 ? 20 : 3000),
                           static_cast<char>('a' + random() % 26));
    model += tail;
    ASSERT_EQ(append(store, "key", tail), model.size());
    ASSERT_EQ(value_of(store, "key"), model);
  }
  EXPECT_TRUE(store.is_consistent());
  EXPECT_TRUE(erase(store, "key"));
  EXPECT_EQ(store.counters().entry_bytes, 0U);
}

TEST(Store, AReaderOfALargeValueKeepsWhatItSaw) {
  Store store(options(1));
  const std::string value(LargeValue::kThreshold, 'v');
  put(store, "key", value);
  const HashedKey key = store.hashed("key");
  const LargeRef before =
      store.with(key, [&](Shard& shard) { return LargeRef(*shard.find(key, kNow)->large()); });
  append(store, "key", "tail");
  const LargeRef appended =
      store.with(key, [&](Shard& shard) { return LargeRef(*shard.find(key, kNow)->large()); });
  append(store, "key", "more");  // in place, behind what `appended` may see
  put(store, "key", "short");
  erase(store, "key");
  EXPECT_EQ(std::string_view(before), value);
  EXPECT_EQ(std::string_view(appended), value + "tail");
}

/// What a key should be.
struct ModelEntry {
  std::string value;
  UnixMs expire_at = kNoExpiry;
};

class ModelRun {
 public:
  explicit ModelRun(std::mt19937_64& random)
      : random_(random), store_({1U << (random() % 5), {random(), random()}}) {}

  void step() {
    now_ += static_cast<UnixMs>(random_() % 3);
    std::erase_if(model_, [&](const auto& item) {
      return item.second.expire_at != kNoExpiry && now_ > item.second.expire_at;
    });
    const std::string name = "key:" + std::to_string(random_() % 400);
    const HashedKey key = store_.hashed(name);
    store_.with(key, [&](Shard& shard) { change(shard, key, name); });
    check(name);
  }

  void check_all() {
    ASSERT_TRUE(store_.is_consistent());
    std::map<std::string, std::string> seen;
    std::uint64_t cursor = 0;
    do {
      cursor = store_.scan(cursor, 10, now_, [&](const Entry& entry) {
        EXPECT_TRUE(seen.emplace(entry.key(), entry.value()).second);
      });
    } while (cursor != 0);
    ASSERT_EQ(seen.size(), model_.size());
    for (const auto& [name, entry] : model_) {
      ASSERT_EQ(seen[name], entry.value);
    }
  }

 private:
  std::string random_value() {
    static constexpr std::size_t kSizes[] = {10, 100, 2000, 40'000};
    return std::string(random_() % kSizes[random_() % 20 == 0 ? 3 : random_() % 3],
                       static_cast<char>('a' + random_() % 26));
  }

  UnixMs random_deadline() {
    return random_() % 2 == 0 ? kNoExpiry : now_ + static_cast<UnixMs>(random_() % 1000);
  }

  void change(Shard& shard, const HashedKey& key, const std::string& name) {
    const auto at = model_.find(name);
    switch (random_() % 6) {
      case 0:
      case 1: {
        const UnixMs deadline = random_() % 4 == 0 ? kKeepExpiry : random_deadline();
        const std::string value = random_value();
        shard.put(key, value, deadline, now_);
        const UnixMs old = at == model_.end() ? kNoExpiry : at->second.expire_at;
        model_[name] = {value, deadline == kKeepExpiry ? old : deadline};
        break;
      }
      case 2:
        ASSERT_EQ(shard.erase(key, now_), at != model_.end());
        model_.erase(name);
        break;
      case 3: {
        const UnixMs deadline = random_deadline();
        ASSERT_EQ(shard.set_expiry(key, deadline, now_), at != model_.end());
        if (at != model_.end()) {
          at->second.expire_at = deadline;
        }
        break;
      }
      case 4: {
        const std::string tail = random_value().substr(0, 50);
        model_[name].value += tail;
        ASSERT_EQ(shard.append(key, tail, now_), model_[name].value.size());
        break;
      }
      default:
        shard.expire_some(random_() % 5, now_);
    }
  }

  void check(const std::string& name) {
    const auto at = model_.find(name);
    const HashedKey key = store_.hashed(name);
    store_.with(key, [&](Shard& shard) {
      const Entry* entry = shard.find(key, now_);
      ASSERT_EQ(entry != nullptr, at != model_.end()) << name;
      if (entry != nullptr) {
        ASSERT_EQ(entry->value(), at->second.value);
        ASSERT_EQ(entry->expire_at(), at->second.expire_at);
      }
    });
  }

  std::mt19937_64& random_;
  Store store_;
  UnixMs now_ = kNow;
  std::unordered_map<std::string, ModelEntry> model_;
};

TEST(Store, AgreesWithAModelOverRandomHistories) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int history = 0; history < 10; ++history) {
    ModelRun run(random);
    for (int step = 0; step < 4000; ++step) {
      ASSERT_NO_FATAL_FAILURE(run.step());
      if (step % 500 == 0) {
        ASSERT_NO_FATAL_FAILURE(run.check_all());
      }
    }
    ASSERT_NO_FATAL_FAILURE(run.check_all());
  }
}

TEST(Store, TheCycleFindsAllExpiredKeysInOneRound) {
  Store store(options(8));
  for (int i = 0; i < 20'000; ++i) {
    put(store, "key" + std::to_string(i), "v", i % 2 == 0 ? kNow + 1 : kNoExpiry);
  }
  // Resizes that are under way move keys behind the search's back: let them end.
  for (int i = 0; i < 100; ++i) {
    store.expire_cycle(1000, kNow);
  }
  std::size_t expired = 0;
  for (int call = 0; call < 2000 && expired < 10'000; ++call) {
    const ExpireProgress progress = store.expire_cycle(100, kNow + 2);
    EXPECT_LE(progress.buckets, 100U) << "the work per call is bounded";
    expired += progress.expired;
  }
  EXPECT_EQ(expired, 10'000U);
  EXPECT_EQ(store.size(), 10'000U);
  EXPECT_EQ(store.counters().expired, 10'000U);
  EXPECT_EQ(store.expire_cycle(1000, kNow + 2).buckets, 0U) << "nothing left to look for";
}

TEST(Store, TheCycleServesAllShards) {
  // Bucket counts that a step divides must not keep the search in one shard.
  Store store(options(4));
  for (int i = 0; i < 3000; ++i) {
    put(store, "key" + std::to_string(i), "v", kNow + (i < 1500 ? 1 : 1000));
  }
  for (int call = 0; call < 200; ++call) {
    store.expire_cycle(Store::kExpireStep, kNow + 2);
  }
  EXPECT_EQ(store.size(), 1500U);
}

TEST(Store, ClearEmptiesAllShards) {
  Store store(options(4));
  for (int i = 0; i < 2000; ++i) {
    put(store, "key" + std::to_string(i), std::string(i % 100 == 0 ? 20'000 : 10, 'v'),
        i % 3 == 0 ? kNow + 1 : kNoExpiry);
  }
  store.clear();
  EXPECT_EQ(store.size(), 0U);
  EXPECT_EQ(store.counters().entry_bytes, 0U);
  EXPECT_EQ(store.counters().expiring_keys, 0U);
  EXPECT_EQ(value_of(store, "key1"), std::nullopt);
  put(store, "key1", "again");
  EXPECT_EQ(value_of(store, "key1"), "again");
  EXPECT_TRUE(store.is_consistent());
}

TEST(Store, RandomReachesEveryKeyAndNoExpiredOne) {
  Store store(options(4));
  bool found = store.random(1, kNow, [](const Entry&) { FAIL(); });
  EXPECT_FALSE(found);
  for (int i = 0; i < 20; ++i) {
    put(store, "key" + std::to_string(i), "v", i % 2 == 0 ? kNow + 1 : kNoExpiry);
  }
  std::mt19937_64 random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    found =
        store.random(random(), kNow + 2, [&](const Entry& entry) { seen.emplace(entry.key()); });
    ASSERT_TRUE(found);
  }
  EXPECT_EQ(seen.size(), 10U);
}

TEST(Store, SeveralShardsAreLockedAsOne) {
  // Two keys are always written together; a reader of both never sees them differ.
  Store store(options(16));
  const std::vector<HashedKey> pair = {store.hashed("left"), store.hashed("right-hand")};
  const std::vector<HashedKey> reversed = {pair[1], pair[0]};
  std::atomic<bool> is_done{false};
  std::atomic<int> torn{0};
  const auto write = [&](const std::vector<HashedKey>& keys, char fill) {
    for (int i = 0; i < 5000; ++i) {
      const std::string value(static_cast<std::size_t>(i % 50), fill);
      store.with_all(keys, [&](auto& shard_of) {
        for (const HashedKey& key : keys) {
          shard_of(key).put(key, value, kNoExpiry, kNow);
        }
      });
    }
  };
  std::thread reader([&] {
    while (!is_done.load()) {
      store.with_all(pair, [&](auto& shard_of) {
        const Entry* left = shard_of(pair[0]).find(pair[0], kNow);
        const Entry* right = shard_of(pair[1]).find(pair[1], kNow);
        if ((left == nullptr) != (right == nullptr) ||
            (left != nullptr && left->value() != right->value())) {
          ++torn;
        }
      });
    }
  });
  std::thread writer([&] { write(pair, 'a'); });
  write(reversed, 'b');
  writer.join();
  is_done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

TEST(Store, CountersAddUpOverManyThreads) {
  Store store(options(4));
  constexpr int kThreads = 4;
  constexpr int kRounds = 5000;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        const std::string own = std::to_string(t) + ":" + std::to_string(i);
        store.prefetch(store.hashed(own));
        store.prefetch_entry(store.hashed(own));
        put(store, own, own);
        append(store, "shared", "x");
        if (i % 2 == 0) {
          EXPECT_TRUE(erase(store, own));
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(store.size(), kThreads * kRounds / 2 + 1U);
  EXPECT_EQ(value_of(store, "shared")->size(), static_cast<std::size_t>(kThreads * kRounds));
  EXPECT_TRUE(store.is_consistent());
}

TEST(Store, TakesAtMost110BytesForAKeyOf16AndAValueOf64Bytes) {
  Store store(options(16));
  const std::string value(64, 'v');
  std::string name = "key:000000000000";
  for (std::uint64_t count = 1; count <= 400'000; ++count) {
    const std::string number = std::to_string(count);
    std::copy(number.begin(), number.end(), name.end() - static_cast<long>(number.size()));
    put(store, name, value);
    if (count % 20'000 == 0 && count >= 100'000) {
      for (int call = 0; call < 100; ++call) {
        store.expire_cycle(64, kNow);  // lends a hand to resizes
      }
      const StoreCounters all = store.counters();
      EXPECT_LE((all.entry_bytes + all.table_bytes) / count, 110U) << count;
    }
  }
}

}  // namespace
}  // namespace ringo::server
