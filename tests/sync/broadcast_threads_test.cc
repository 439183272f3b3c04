// SPDX-License-Identifier: MIT
//
// broadcast between threads and runtimes, and destroyed wherever it waits.

#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/broadcast.h>
#include <ringo/sync/broadcast_error.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/random_seed.h"
#include "support/tracked.h"
#include "sync/broadcast_support.h"

namespace ringo {
namespace {

using namespace broadcast_testing;  // NOLINT(google-build-using-namespace)
using broadcast::Overflow;
using testing_support::Holds;
using testing_support::Tracked;

// ---- Threads and runtimes

TEST(Broadcast, BlockingHalvesMeetAcrossThreads) {
  auto [tx, rx] = broadcast::channel<int>(2, Overflow::kBackPressure);
  std::thread sender([half = std::move(tx)] {
    for (int i = 0; i < 1000; ++i) {
      EXPECT_TRUE(half.blocking_send(i).has_value());
    }
  });
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(rx.blocking_recv().value(), i);
  }
  EXPECT_EQ(rx.blocking_recv().error(), RecvError(RecvFailure::kClosed));
  sender.join();
}

CO_TEST(Broadcast, BlockingMembersAreRefusedOnAWorker) {
  auto [tx, rx] = broadcast::channel<int>(2);
  EXPECT_THROW((void)tx.blocking_send(1), UsageError);
  EXPECT_THROW((void)rx.blocking_recv(), UsageError);
  co_return;
}

TEST(Broadcast, ChannelConnectsTwoRuntimes) {
  Runtime sending = testing_support::multi_thread_runtime();
  Runtime receiving = testing_support::current_thread_runtime();
  auto [tx, rx] = broadcast::channel<Text>(4, Overflow::kBackPressure);
  auto sends = [](broadcast::Sender<Text> sender) -> Task<void> {
    for (int i = 0; i < 1000; ++i) {
      (void)co_await sender.send_wait(Text(i));
    }
  };
  sending.spawn(sends(std::move(tx))).detach();
  EXPECT_EQ(receiving.block_on(receives_in_order<Text>(std::move(rx))), 1000U);
}

/// What a receiver has got and missed must add up to what was sent.
template <class T>
Task<void> adds_up(broadcast::Receiver<T> receiver, std::uint64_t expected) {
  std::uint64_t next = 0;
  for (;;) {
    auto value = co_await receiver.recv();
    if (value) {
      CO_ASSERT_TRUE(Stamped<T>::is_whole(*value));
      CO_ASSERT_EQ(Stamped<T>::number(*value), next);
      ++next;
    } else if (value.error().reason == RecvFailure::kLagged) {
      CO_ASSERT_GE(value.error().missed, 1U);
      next += value.error().missed;
    } else {
      CO_ASSERT_EQ(value.error().reason, RecvFailure::kClosed);
      break;
    }
  }
  CO_ASSERT_EQ(next, expected);
}

template <class T>
void lag_is_told_exactly() {
  constexpr int kValues = 20'000;
  Runtime runtime = testing_support::multi_thread_runtime();
  std::optional<broadcast::Sender<T>> tx(8);
  std::vector<JoinHandle<void>> receivers;
  for (int i = 0; i < 3; ++i) {
    receivers.push_back(runtime.spawn(adds_up(tx->subscribe(), std::uint64_t{kValues})));
  }
  for (int i = 0; i < kValues; ++i) {
    EXPECT_EQ(tx->send(T(i)).value(), 3U);
  }
  tx.reset();
  auto join = [](std::vector<JoinHandle<void>> handles) -> Task<void> {
    for (JoinHandle<void>& handle : handles) {
      const JoinResult<void> ended = co_await handle;
      CO_ASSERT_TRUE(ended.has_value());
    }
  };
  runtime.block_on(join(std::move(receivers)));
}

// A sender that never waits against receivers on other threads: no torn value, no wrong count.
TEST(Broadcast, LagIsToldExactlyToManyThreads) {
  lag_is_told_exactly<Large>();
  lag_is_told_exactly<Text>();
}

template <class T>
Task<void> comes_and_goes(broadcast::Sender<T> sender, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < 150; ++i) {
    broadcast::Receiver<T> receiver = sender.subscribe();
    for (std::uint64_t n = random() % 8; n != 0; --n) {
      if (random() % 2 == 0) {
        // g++ 12 finds no destructor for this as a temporary of a coroutine template.
        const auto sent = sender.try_send(T(i));
        CO_ASSERT_TRUE(sent.has_value() ||
                       sent.error().reason != broadcast::SendFailure::kTimedOut);
      }
      auto value = receiver.try_recv();
      if (value) {
        CO_ASSERT_TRUE(Stamped<T>::is_whole(*value));
      }
    }
    if (random() % 4 == 0) {
      co_await yield_now();
    }
  }
}

template <class T>
void come_and_go(Overflow overflow, std::uint64_t seed) {
  Runtime runtime = testing_support::multi_thread_runtime(4);
  const broadcast::Sender<T> tx(4, overflow);
  auto all = [](broadcast::Sender<T> sender, std::uint64_t first) -> Task<void> {
    std::vector<JoinHandle<void>> tasks;
    for (std::uint64_t i = 0; i < 6; ++i) {
      tasks.push_back(spawn(comes_and_goes<T>(sender, first + i)));
    }
    for (JoinHandle<void>& handle : tasks) {
      const JoinResult<void> ended = co_await handle;
      CO_ASSERT_TRUE(ended.has_value());
    }
  };
  runtime.block_on(all(tx, seed));
  EXPECT_EQ(tx.receiver_count(), 0U);
  EXPECT_EQ(tx.len(), 0U);
  // Nothing is left behind, not even with back-pressure: the whole capacity is free.
  broadcast::Receiver<T> rx = tx.subscribe();
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(tx.try_send(T(i)).has_value());
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(gives(rx, T(i)));
  }
}

TEST(Broadcast, ReceiversComeAndGoOnManyThreads) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (const Overflow overflow :
       {Overflow::kLag, Overflow::kBackPressure, Overflow::kDisconnectSlow}) {
    come_and_go<Large>(overflow, random());
    come_and_go<Text>(overflow, random());
  }
}

// ---- Destroyed wherever it waits

Task<void> sends_to_two(Overflow overflow) {
  auto [tx, first] = broadcast::channel<Tracked>(2, overflow);
  auto receives = [](broadcast::Receiver<Tracked> receiver) -> Task<int> {
    int count = 0;
    for (;;) {
      auto value = co_await receiver.recv();
      if (!value && value.error().reason != RecvFailure::kLagged) {
        break;
      }
      ++count;
    }
    co_return count;
  };
  broadcast::Receiver<Tracked> second = tx.subscribe();
  JoinHandle<int> other = spawn(receives(std::move(first)));
  for (int i = 0; i < 3; ++i) {
    (void)co_await tx.send_wait(Tracked());
    (void)co_await second.recv();
  }
  drop(std::move(second));
  drop(std::move(tx));
  (void)co_await other;
}

Task<void> waits_for_a_receiver_to_go() {
  const broadcast::Sender<Tracked> tx(1);
  auto leaves = [](broadcast::Receiver<Tracked> receiver) -> Task<void> {
    (void)co_await receiver.recv();
    co_await yield_now();
  };
  JoinHandle<void> other = spawn(leaves(tx.subscribe()));
  co_await yield_now();
  (void)tx.send(Tracked());
  co_await tx.closed();
  (void)co_await other;
}

TEST(Broadcast, MayBeAbortedAnywhere) {
  for (const Overflow overflow :
       {Overflow::kLag, Overflow::kBackPressure, Overflow::kDisconnectSlow}) {
    testing_support::abort_at_every_step([overflow] { return sends_to_two(overflow); });
  }
  testing_support::abort_at_every_step([] { return waits_for_a_receiver_to_go(); });
}

TEST(Broadcast, MayLoseATimeoutAnywhere) {
  for (const Overflow overflow :
       {Overflow::kLag, Overflow::kBackPressure, Overflow::kDisconnectSlow}) {
    testing_support::time_out_at_every_step([overflow] { return sends_to_two(overflow); },
                                            Holds::kElsewhereToo);
  }
  testing_support::time_out_at_every_step([] { return waits_for_a_receiver_to_go(); },
                                          Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
