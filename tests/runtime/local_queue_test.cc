// SPDX-License-Identifier: MIT
//
// The run queue of a worker against a deque, with random histories by one thread; then with
// thieves. The interleavings of its atomics are explored in tests/model.

#include "scheduler/local_queue.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/random_seed.h"

namespace ringo::detail {
namespace {

TEST(LocalQueue, HoldsItsCapacityAndNotOneMore) {
  LocalQueue<int, 8> queue;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(queue.push(i));
  }
  EXPECT_FALSE(queue.push(8));
  EXPECT_EQ(queue.length(), 8U);
  int item = -1;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(queue.pop(item));
    EXPECT_EQ(item, i);
  }
  EXPECT_FALSE(queue.pop(item));
}

TEST(LocalQueue, OverflowTakesTheSecondHalfOldestFirst) {
  LocalQueue<int, 8> queue;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(queue.push(i));
  }
  std::vector<int> taken;
  ASSERT_TRUE(queue.take_second_half([&taken](int item) { taken.push_back(item); }));
  EXPECT_EQ(taken, (std::vector<int>{4, 5, 6, 7}));
  EXPECT_EQ(queue.length(), 4U);
  int item = -1;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(queue.pop(item));
    EXPECT_EQ(item, i);
  }
}

TEST(LocalQueue, ThiefTakesHalfRoundedUpUnlessItsOwnIsMoreThanHalfFull) {
  for (int length = 0; length <= 8; ++length) {
    LocalQueue<int, 8> victim;
    LocalQueue<int, 8> thief;
    for (int i = 0; i < length; ++i) {
      ASSERT_TRUE(victim.push(i));
    }
    int item = -1;
    const std::uint32_t stolen = victim.steal_into(thief, item);
    EXPECT_EQ(stolen, static_cast<std::uint32_t>((length + 1) / 2));
    if (stolen != 0) {
      EXPECT_EQ(item, static_cast<int>(stolen) - 1);
      EXPECT_EQ(thief.length(), stolen - 1);
      EXPECT_EQ(victim.length(), static_cast<std::uint32_t>(length) - stolen);
    }
  }
  LocalQueue<int, 8> victim;
  LocalQueue<int, 8> thief;
  ASSERT_TRUE(victim.push(1));
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(thief.push(i));
  }
  int item = -1;
  EXPECT_EQ(victim.steal_into(thief, item), 0U);
}

TEST(LocalQueue, AgreesWithADequeOverRandomHistories) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int history = 0; history < 200; ++history) {
    LocalQueue<int, 4> queue;
    LocalQueue<int, 4> other;
    std::deque<int> model;
    std::deque<int> other_model;
    int next = 0;
    for (int step = 0; step < 500; ++step) {
      int item = -1;
      switch (random() % 6) {
        case 0:
        case 1: {
          const bool fits = model.size() < 4;
          ASSERT_EQ(queue.push(next), fits);
          if (fits) {
            model.push_back(next);
          }
          ++next;
          break;
        }
        case 2:
          ASSERT_EQ(queue.pop(item), !model.empty());
          if (!model.empty()) {
            ASSERT_EQ(item, model.front());
            model.pop_front();
          }
          break;
        case 3:
          ASSERT_EQ(queue.is_next(next), false);
          ASSERT_EQ(queue.pop_back(item), !model.empty());
          if (!model.empty()) {
            ASSERT_EQ(item, model.back());
            model.pop_back();
          }
          break;
        case 4:
          ASSERT_TRUE(model.empty() || queue.is_next(model.front()));
          if (model.size() == 4) {
            std::vector<int> taken;
            ASSERT_TRUE(queue.take_second_half([&taken](int i) { taken.push_back(i); }));
            ASSERT_EQ(taken, (std::vector<int>{model[2], model[3]}));
            model.resize(2);
          }
          break;
        default: {
          const std::size_t count = other_model.size() > 2 ? 0 : (model.size() + 1) / 2;
          ASSERT_EQ(queue.steal_into(other, item), count);
          for (std::size_t i = 0; i < count; ++i) {
            if (i + 1 == count) {
              ASSERT_EQ(item, model.front());
            } else {
              other_model.push_back(model.front());
            }
            model.pop_front();
          }
          if (random() % 2 == 0) {
            while (other.pop(item)) {
              ASSERT_EQ(item, other_model.front());
              other_model.pop_front();
            }
            ASSERT_TRUE(other_model.empty());
          }
        }
      }
      ASSERT_EQ(queue.length(), model.size());
    }
  }
}

TEST(LocalQueue, ItsPlacesWrap) {
  LocalQueue<int, 8> shared;
  LocalQueue<int, 8> alone;
  for (int i = 0; i < 3 * 65'536; ++i) {
    const LocalQueue<int, 8>::Index begin = shared.tail();
    ASSERT_TRUE(shared.push(i) && shared.push(-i));
    ASSERT_TRUE(alone.push(i) && alone.push(-i));
    ASSERT_TRUE(shared.reaches_beyond(begin));
    int item = 1;
    ASSERT_TRUE(shared.pop_back(item));
    ASSERT_EQ(item, -i);
    ASSERT_TRUE(shared.pop(item));
    ASSERT_EQ(item, i);
    ASSERT_FALSE(shared.pop_back(item) || shared.pop(item));
    ASSERT_TRUE(alone.pop_back_unshared(item));
    ASSERT_EQ(item, -i);
    ASSERT_TRUE(alone.pop_unshared(item));
    ASSERT_EQ(item, i);
    ASSERT_FALSE(alone.pop_back_unshared(item) || alone.pop_unshared(item));
  }
}

TEST(LocalQueue, EachItemGoesToExactlyOneOfOwnerAndThieves) {
  constexpr int kItems = 200'000;
  LocalQueue<int, 16> queue;
  std::vector<std::atomic<int>> seen(kItems);
  std::atomic<bool> is_done{false};
  std::vector<std::thread> thieves;
  for (int t = 0; t < 2; ++t) {
    thieves.emplace_back([&] {
      LocalQueue<int, 16> own;
      while (!is_done) {
        int item = -1;
        if (queue.steal_into(own, item) == 0) {
          std::this_thread::yield();
          continue;
        }
        ++seen[static_cast<std::size_t>(item)];
        while (own.pop(item)) {
          ++seen[static_cast<std::size_t>(item)];
        }
      }
    });
  }
  int item = -1;
  for (int next = 0; next < kItems;) {
    if (queue.push(next)) {
      ++next;
    } else if (!queue.take_second_half([&seen](int i) { ++seen[static_cast<std::size_t>(i)]; }) &&
               queue.pop(item)) {
      ++seen[static_cast<std::size_t>(item)];
    }
    if (next % 7 == 0 && (next % 2 == 0 ? queue.pop(item) : queue.pop_back(item))) {
      ++seen[static_cast<std::size_t>(item)];
    }
  }
  while (queue.pop(item)) {
    ++seen[static_cast<std::size_t>(item)];
  }
  is_done = true;
  for (std::thread& thief : thieves) {
    thief.join();
  }
  for (int i = 0; i < kItems; ++i) {
    ASSERT_EQ(seen[static_cast<std::size_t>(i)], 1) << i;
  }
}

}  // namespace
}  // namespace ringo::detail
