// SPDX-License-Identifier: MIT
//
// watch between threads and runtimes, and destroyed wherever it waits.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/watch.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using testing_support::Holds;
using testing_support::Tracked;

struct Text {
  explicit Text(int n) : text(std::to_string(n)) {}
  std::string text;
};

TEST(Watch, ChannelConnectsTwoRuntimes) {
  Runtime sending = testing_support::multi_thread_runtime();
  Runtime receiving = testing_support::current_thread_runtime();
  auto [tx, rx] = watch::channel<Text>(Text(0));
  auto sends = [](watch::Sender<Text> sender) -> Task<void> {
    for (int i = 1; i <= 1000; ++i) {
      (void)sender.send(Text(i));
      if (i % 16 == 0) {
        co_await yield_now();
      }
    }
  };
  sending.spawn(sends(std::move(tx))).detach();
  auto receives = [](watch::Receiver<Text> receiver) -> Task<int> {
    int last = 0;
    while (co_await receiver.changed()) {
      const watch::Ref<Text> value = receiver.borrow_and_update();
      const int number = std::stoi(value->text);
      EXPECT_GT(number, last);
      last = number;
    }
    co_return last;
  };
  EXPECT_EQ(receiving.block_on(receives(std::move(rx))), 1000);
}

/// Numbers that belong together: a torn read shows.
struct Whole {
  explicit Whole(std::uint64_t n) { numbers.fill(n); }
  std::array<std::uint64_t, 8> numbers;
};
struct WholeText {
  explicit WholeText(std::uint64_t n) : numbers(8, n) {}
  std::vector<std::uint64_t> numbers;
};

template <class T>
Task<std::uint64_t> follows(watch::Receiver<T> receiver) {
  std::uint64_t last = 0;
  for (;;) {
    const Result<void> changed = co_await receiver.changed();
    if (!changed) {
      co_return last;
    }
    const watch::Ref<T> value = receiver.borrow_and_update();
    const std::uint64_t number = value->numbers[0];
    EXPECT_TRUE(
        std::ranges::all_of(value->numbers, [&](const std::uint64_t& n) { return n == number; }));
    EXPECT_GE(number, last);
    last = number;
  }
}

template <class T>
Task<void> counts_up(watch::Sender<T> sender, int count) {
  for (int i = 0; i < count; ++i) {
    sender.send_modify([](T& value) {
      for (std::uint64_t& number : value.numbers) {
        ++number;
      }
    });
    if (i % 8 == 0) {
      co_await yield_now();
    }
  }
}

template <class T>
void loses_no_change() {
  constexpr int kSenders = 4;
  constexpr int kEach = 500;
  Runtime runtime = testing_support::multi_thread_runtime(4);
  auto [tx, rx] = watch::channel<T>(T(0));
  auto all = [](watch::Sender<T> sender, watch::Receiver<T> receiver) -> Task<void> {
    std::vector<JoinHandle<std::uint64_t>> receivers;
    for (int i = 0; i < 4; ++i) {
      receivers.push_back(spawn(follows<T>(receiver)));
    }
    std::vector<JoinHandle<void>> senders;
    for (int i = 0; i < kSenders; ++i) {
      senders.push_back(spawn(counts_up<T>(sender, kEach)));
    }
    drop(std::move(sender));
    for (JoinHandle<void>& handle : senders) {
      const JoinResult<void> ended = co_await handle;
      CO_ASSERT_TRUE(ended.has_value());
    }
    for (JoinHandle<std::uint64_t>& handle : receivers) {
      const JoinResult<std::uint64_t> last = co_await handle;
      CO_ASSERT_EQ(last.value(), std::uint64_t{kSenders * kEach}) << "the last value was not seen";
    }
  };
  runtime.block_on(all(std::move(tx), std::move(rx)));
}

// Concurrent modifications are all counted, no read is torn, and every receiver sees the last
// value.
TEST(Watch, LosesNoChangeOnManyThreads) {
  loses_no_change<Whole>();
  loses_no_change<WholeText>();
}

// A plain send between the reading and the storing of a modification must not be lost, nor undo it.
TEST(Watch, SendWaitsForAModificationToEnd) {
  auto [tx, rx] = watch::channel<int>(0);
  std::atomic<bool> has_begun{false};
  std::atomic<bool> may_end{false};
  std::thread modifier([&] {
    tx.send_modify([&](int& value) {
      has_begun.store(true);
      has_begun.notify_all();
      may_end.wait(false);
      value = 1;
    });
  });
  has_begun.wait(false);
  std::thread sender([&] { EXPECT_TRUE(tx.send(2).has_value()); });
  EXPECT_EQ(*rx.borrow(), 0) << "readers do not wait";
  may_end.store(true);
  may_end.notify_all();
  modifier.join();
  sender.join();
  EXPECT_EQ(*rx.borrow(), 2) << "the send came second";
}

TEST(Watch, HandlesComeAndGoOnManyThreads) {
  std::mt19937_64 random = testing_support::seeded_random();
  const int before = Tracked::alive();
  {
    Runtime runtime = testing_support::multi_thread_runtime(4);
    auto uses = [](watch::Sender<Tracked> sender, std::uint64_t seed) -> Task<void> {
      std::mt19937_64 choices(seed);
      for (int i = 0; i < 200; ++i) {
        watch::Receiver<Tracked> receiver = sender.subscribe();
        switch (choices() % 4) {
          case 0:
            (void)sender.send(Tracked());
            break;
          case 1:
            (void)sender.send_replace(Tracked());
            break;
          case 2: {
            const watch::Ref<Tracked> kept = receiver.borrow();
            co_await yield_now();
            break;
          }
          default: {
            const watch::Receiver<Tracked> copy(receiver);
            (void)receiver.borrow_and_update();
          }
        }
      }
    };
    auto all = [](Task<void> (*use)(watch::Sender<Tracked>, std::uint64_t),
                  std::uint64_t first) -> Task<void> {
      const watch::Sender<Tracked> tx{Tracked()};
      std::vector<JoinHandle<void>> tasks;
      for (std::uint64_t i = 0; i < 6; ++i) {
        tasks.push_back(spawn(use(tx, first + i)));
      }
      for (JoinHandle<void>& handle : tasks) {
        const JoinResult<void> ended = co_await handle;
        CO_ASSERT_TRUE(ended.has_value());
      }
      CO_ASSERT_EQ(tx.receiver_count(), 0U);
    };
    runtime.block_on(all(uses, random()));
  }
  EXPECT_EQ(Tracked::alive(), before);
}

// ---- Destroyed wherever it waits

Task<void> follows_and_closes() {
  auto [tx, rx] = watch::channel<Tracked>(Tracked());
  auto receives = [](watch::Receiver<Tracked> receiver) -> Task<int> {
    int count = 0;
    while (co_await receiver.changed()) {
      const watch::Ref<Tracked> value = receiver.borrow_and_update();
      co_await yield_now();
      ++count;
    }
    co_return count;
  };
  JoinHandle<int> other = spawn(receives(rx));
  drop(std::move(rx));
  for (int i = 0; i < 3; ++i) {
    (void)tx.send(Tracked());
    co_await yield_now();
  }
  drop(std::move(tx));
  (void)co_await other;
}

Task<void> waits_for_a_value() {
  auto [tx, rx] = watch::channel<int>(0);
  auto sends = [](watch::Sender<int> sender) -> Task<void> {
    const Tracked tracked;
    for (int i = 1; i < 4; ++i) {
      (void)sender.send(i);
      co_await yield_now();
    }
    co_await sender.closed();
  };
  JoinHandle<void> other = spawn(sends(std::move(tx)));
  const Tracked tracked;
  auto is_three = [tracked](const int& value) { return value == 3; };
  const Result<watch::Ref<int>> value = co_await rx.wait_for(std::move(is_three));
  CO_ASSERT_TRUE(value.has_value());
  drop(std::move(rx));
  (void)co_await other;
}

TEST(Watch, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return follows_and_closes(); });
  testing_support::abort_at_every_step([] { return waits_for_a_value(); });
}

TEST(Watch, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return follows_and_closes(); },
                                          Holds::kElsewhereToo);
  testing_support::time_out_at_every_step([] { return waits_for_a_value(); }, Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
