// SPDX-License-Identifier: MIT
//
// The hash table against a model, with the invariants checked after every step, and the bounds
// that it promises: work per operation, memory per entry, what a scan sees.

#include "store/key_table.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <new>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "store/entry.h"
#include "store/key_hash.h"
#include "support/random_seed.h"

namespace ringo::server {
namespace {

/// A table that owns its entries, whose only content is the key.
class Table {
 public:
  explicit Table(const HashSeed& seed) : seed_(seed), table_(seed) {}
  ~Table() {
    table_.for_each([](Entry* entry) { ::operator delete(entry); });
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  HashedKey hashed(std::string_view key) const { return {key, hash_key(key, seed_)}; }

  void insert(std::string_view key, UnixMs expire_at = kNoExpiry) {
    void* block = ::operator new(Entry::size_for(key.size(), 0, expire_at != kNoExpiry));
    table_.insert(hashed(key), Entry::create(block, key, 0, expire_at));
  }
  bool erase(std::string_view key) {
    const KeyTable::Location at = table_.find(hashed(key));
    if (!at) {
      return false;
    }
    Entry* entry = at.entry();
    table_.erase(at, hashed(key).hash);
    ::operator delete(entry);
    return true;
  }
  bool contains(std::string_view key) const { return static_cast<bool>(table_.find(hashed(key))); }
  KeyTable& get() { return table_; }

 private:
  HashSeed seed_;
  KeyTable table_;
};

std::string key_of(std::uint64_t number) {
  return "k" + std::to_string(number);
}

TEST(KeyTable, EmptyTableFindsNothing) {
  Table table({1, 2});
  EXPECT_FALSE(table.contains("a"));
  EXPECT_EQ(table.get().scan(0, [](KeyTable::Location, std::uint64_t) { FAIL(); }),
            std::uint64_t{1} << 32U);
  EXPECT_EQ(table.get().bytes(), 0U);
  table.get().prefetch(12345);
  table.get().prefetch_entry(12345);
  EXPECT_TRUE(table.get().is_consistent());
}

TEST(KeyTable, AgreesWithAModelOverRandomHistories) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int history = 0; history < 20; ++history) {
    Table table({random(), random()});
    std::set<std::string> model;
    const std::uint64_t keys = 1 + random() % 3000;
    for (int step = 0; step < 6000; ++step) {
      const std::string key = key_of(random() % keys);
      const bool is_growing = step / 1500 % 2 == 0;
      if (random() % 4 < (is_growing ? 3U : 1U)) {
        if (model.insert(key).second) {
          table.insert(key, random() % 2 == 0 ? kNoExpiry : 5);
        }
      } else {
        ASSERT_EQ(table.erase(key), model.erase(key) == 1);
      }
      ASSERT_EQ(table.contains(key), model.contains(key));
      ASSERT_EQ(table.get().size(), model.size());
      if (step % 97 == 0) {
        ASSERT_TRUE(table.get().is_consistent());
      }
    }
    for (std::uint64_t number = 0; number < keys; ++number) {
      ASSERT_EQ(table.contains(key_of(number)), model.contains(key_of(number)));
    }
    ASSERT_TRUE(table.get().is_consistent());
  }
}

TEST(KeyTable, KeysOfOneHomeFormAChainThatWrapsAround) {
  // All keys belong into the last bucket, and pass it more often than its counter can count.
  Table table({1, 2});
  std::vector<std::string> keys;
  for (std::uint64_t number = 0; keys.size() < 400; ++number) {
    if (hash_position(table.hashed(key_of(number)).hash) >= 0xFE000000U) {
      keys.push_back(key_of(number));
    }
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    table.insert(keys[i]);
    ASSERT_TRUE(table.contains(keys[i]));
    ASSERT_TRUE(table.get().is_consistent()) << i;
  }
  for (std::size_t i = 0; i < keys.size(); i += 2) {
    ASSERT_TRUE(table.erase(keys[i]));
    ASSERT_TRUE(table.get().is_consistent()) << i;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(table.contains(keys[i]), i % 2 == 1);
  }
}

TEST(KeyTable, NothingIsLostWhileBigTablesAreSwept) {
  // Arrays that are mapped and given back piece by piece, swept in steps of every size.
  std::mt19937_64 random = testing_support::seeded_random();
  Table table({random(), random()});
  std::uint64_t first = 0;
  std::uint64_t next = 0;
  while (next < 300'000) {
    const std::uint64_t until = next + 30'000;
    while (next < until) {
      table.insert(key_of(next++));
      if (random() % 8 == 0) {
        table.get().advance(static_cast<std::uint32_t>(random() % 100));
      }
    }
    ASSERT_TRUE(table.get().is_consistent()) << next;
    ASSERT_EQ(table.get().size(), next - first);
  }
  while (first + 100 < next) {
    ASSERT_TRUE(table.erase(key_of(first))) << first;
    if (++first % 30'000 == 0) {
      ASSERT_TRUE(table.get().is_consistent()) << first;
    }
  }
}

TEST(KeyTable, ShrinksWhenKeysGo) {
  Table table({3, 4});
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    table.insert(key_of(i));
  }
  const std::size_t peak = table.get().bytes();
  for (std::uint64_t i = 0; i < 49'900; ++i) {
    ASSERT_TRUE(table.erase(key_of(i)));
  }
  EXPECT_LT(table.get().bytes(), peak / 20);
  EXPECT_TRUE(table.get().is_consistent());
}

TEST(KeyTable, TakesAtMost18BytesAKeyAtAnyCount) {
  Table table({5, 6});
  for (std::uint64_t count = 1; count <= 200'000; ++count) {
    table.insert(key_of(count));
    if (count > 1000 && count % 16 == 0 && !table.get().is_resizing()) {
      ASSERT_LE(static_cast<double>(table.get().bytes()) / static_cast<double>(count), 17.5)
          << count;
    }
  }
}

TEST(KeyTable, AResizeEndsLongBeforeTheNext) {
  Table table({7, 8});
  std::size_t resizing = 0;
  for (std::uint64_t count = 1; count <= 200'000; ++count) {
    table.insert(key_of(count));
    resizing += table.get().is_resizing() ? 1U : 0U;
  }
  EXPECT_LT(resizing, 200'000 / 3);
}

TEST(KeyTable, AScanSeesEveryLastingKeyExactlyOnce) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int round = 0; round < 30; ++round) {
    Table table({random(), random()});
    const std::uint64_t lasting = 1 + random() % 2000;
    for (std::uint64_t i = 0; i < lasting; ++i) {
      table.insert(key_of(i));
    }
    std::map<std::string, int, std::less<>> seen;
    std::uint64_t next_number = lasting;
    std::uint64_t first_number = lasting;
    const bool is_growing = round % 2 == 0;
    std::uint64_t position = 0;
    for (;;) {
      position = table.get().scan(static_cast<std::uint32_t>(position),
                                  [&](KeyTable::Location at, std::uint64_t hash) {
                                    const std::string_view key = at.entry()->key();
                                    EXPECT_EQ(hash, table.hashed(key).hash);
                                    ++seen[std::string(key)];
                                  });
      if (position == std::uint64_t{1} << 32U) {
        break;
      }
      ASSERT_LT(position, std::uint64_t{1} << 32U);
      // The table grows and shrinks under the scan.
      for (int change = 0; change < 20; ++change) {
        if (random() % 4 < (is_growing ? 3U : 1U)) {
          table.insert(key_of(next_number++));
        } else if (first_number < next_number) {
          table.erase(key_of(first_number++));
        }
      }
    }
    for (std::uint64_t i = 0; i < lasting; ++i) {
      ASSERT_EQ(seen[key_of(i)], 1) << i << " of " << lasting;
    }
    for (const auto& [key, times] : seen) {
      ASSERT_EQ(times, 1) << key;
    }
  }
}

TEST(KeyTable, TheExpiryScanMeetsExactlyTheKeysWithADeadline) {
  Table table({9, 10});
  std::set<std::string> expiring;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const bool expires = i % 7 == 0;
    table.insert(key_of(i), expires ? 99 : kNoExpiry);
    if (expires) {
      expiring.insert(key_of(i));
    }
  }
  while (table.get().is_resizing()) {
    table.get().advance(100);
  }
  std::multiset<std::string> met;
  std::uint64_t position = 0;
  while (position < std::uint64_t{1} << 32U) {
    position =
        table.get().scan_expiring(static_cast<std::uint32_t>(position),
                                  [&](KeyTable::Location at) { met.emplace(at.entry()->key()); });
  }
  EXPECT_EQ(met, std::multiset<std::string>(expiring.begin(), expiring.end()));
}

}  // namespace
}  // namespace ringo::server
