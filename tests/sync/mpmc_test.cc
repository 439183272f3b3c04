// SPDX-License-Identifier: MIT
//
// mpmc: every value to exactly one receiver. Tokio has no such channel; the behaviours are those of
// Rust's async-channel (bounded and unbounded, weak handles, force_send, close from both sides),
// and beyond it that a cancelled receive loses nothing, not even at the end of a closed channel.

#include <ringo/detail/mpmc_channel.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpmc.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/manual_wait.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using mpmc::SendFailure;
using mpmc::TryRecvError;
using testing_support::Holds;
using testing_support::ManualWait;
using testing_support::Tracked;

static_assert(std::is_copy_constructible_v<mpmc::Sender<int>>);
static_assert(std::is_copy_constructible_v<mpmc::Receiver<int>>);
static_assert(std::is_nothrow_move_constructible_v<mpmc::Receiver<int>>);

CO_TEST(Mpmc, HeaderExample) {
  auto [tx, rx] = ringo::mpmc::bounded<std::string>(32);
  ringo::mpmc::Receiver<std::string> colleague = rx;
  auto sent = co_await tx.send("work");
  std::optional<std::string> work = co_await colleague.recv();
  CO_ASSERT_TRUE(sent.has_value());
  CO_ASSERT_EQ(work, "work");
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
}

// ---- Without waiting

TEST(Mpmc, EachValueGoesToOneReceiver) {
  auto [tx, rx1] = mpmc::bounded<std::unique_ptr<int>>(2);
  const mpmc::Receiver<std::unique_ptr<int>> rx2(rx1);
  EXPECT_EQ(rx1.try_recv().error(), TryRecvError::kEmpty);
  EXPECT_TRUE(tx.try_send(std::make_unique<int>(1)).has_value());
  EXPECT_TRUE(tx.try_send(std::make_unique<int>(2)).has_value());
  EXPECT_TRUE(tx.is_full());
  auto full = tx.try_send(std::make_unique<int>(3));
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().reason, SendFailure::kFull);
  EXPECT_EQ(*full.error().value, 3);
  EXPECT_EQ(*rx1.try_recv().value(), 1);
  EXPECT_EQ(rx1.len(), 1U);
  EXPECT_EQ(*rx2.try_recv().value(), 2);
  EXPECT_TRUE(rx1.is_empty());
  EXPECT_EQ(rx1.try_recv().error(), TryRecvError::kEmpty);
}

TEST(Mpmc, CapacityIsCheckedAtTheLimitAndBeyond) {
  EXPECT_THROW((void)mpmc::bounded<int>(0), UsageError);
  EXPECT_THROW((void)mpmc::bounded<int>(mpmc::kMaxCapacity + 1), UsageError);
  auto [tx, rx] = mpmc::bounded<int>(mpmc::kMaxCapacity);
  EXPECT_EQ(tx.capacity(), mpmc::kMaxCapacity);
  EXPECT_TRUE(tx.try_send(1).has_value());
  EXPECT_FALSE(rx.is_full());
}

TEST(Mpmc, UnboundedIsNeverFull) {
  auto [tx, rx] = mpmc::unbounded<int>();
  EXPECT_FALSE(tx.capacity().has_value());
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(tx.try_send(i).has_value());
  }
  EXPECT_EQ(tx.len(), 1000U);
  EXPECT_FALSE(tx.is_full());
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(rx.try_recv().value(), i);
  }
}

TEST(Mpmc, ForceSendReplacesTheOldest) {
  auto [tx, rx] = mpmc::bounded<std::string>(2);
  EXPECT_FALSE(tx.force_send("1").value().has_value());
  EXPECT_FALSE(tx.force_send("2").value().has_value());
  EXPECT_EQ(tx.force_send("3").value(), "1");
  EXPECT_EQ(tx.len(), 2U);
  EXPECT_EQ(rx.try_recv().value(), "2");
  EXPECT_EQ(rx.try_recv().value(), "3");
  rx.close();
  EXPECT_EQ(tx.force_send("4").error().value, "4");
}

// ---- Closing

TEST(Mpmc, ClosesFromEitherSideAndDrains) {
  for (const bool is_sender : {true, false}) {
    auto [tx, rx] = mpmc::bounded<int>(4);
    EXPECT_TRUE(tx.try_send(1).has_value());
    EXPECT_TRUE(is_sender ? tx.close() : rx.close());
    EXPECT_FALSE(is_sender ? rx.close() : tx.close()) << "it was closed already";
    EXPECT_TRUE(tx.is_closed());
    EXPECT_TRUE(rx.is_closed());
    auto refused = tx.try_send(2);
    EXPECT_EQ(refused.error().reason, SendFailure::kClosed);
    EXPECT_EQ(rx.try_recv().value(), 1);
    EXPECT_EQ(rx.try_recv().error(), TryRecvError::kDisconnected);
    ManualWait recv(rx.recv());
    ASSERT_TRUE(recv.poll());
    EXPECT_FALSE(recv.result().has_value());
  }
}

TEST(Mpmc, ClosesWithTheLastSenderOrReceiver) {
  const int before = Tracked::alive();
  {
    auto [tx, rx] = mpmc::unbounded<Tracked>();
    std::optional<mpmc::Sender<Tracked>> tx2(tx);
    drop(std::move(tx));
    EXPECT_FALSE(rx.is_closed());
    EXPECT_EQ(rx.sender_count(), 1U);
    EXPECT_TRUE(tx2->try_send(Tracked()).has_value());
    tx2.reset();
    EXPECT_TRUE(rx.is_closed());
    EXPECT_TRUE(rx.try_recv().has_value());
    EXPECT_EQ(rx.try_recv().error(), TryRecvError::kDisconnected);
  }
  {
    auto [tx, rx] = mpmc::unbounded<Tracked>();
    std::optional<mpmc::Receiver<Tracked>> rx2(rx);
    EXPECT_EQ(tx.receiver_count(), 2U);
    drop(std::move(rx));
    EXPECT_FALSE(tx.is_closed());
    EXPECT_TRUE(tx.try_send(Tracked()).has_value());
    EXPECT_EQ(Tracked::alive(), before + 1);
    rx2.reset();
    EXPECT_TRUE(tx.is_closed());
    EXPECT_EQ(Tracked::alive(), before) << "nobody can receive it any more";
    EXPECT_EQ(tx.try_send(Tracked()).error().reason, SendFailure::kClosed);
  }
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(Mpmc, WeakHandlesKeepNothingOpen) {
  auto [tx, rx] = mpmc::bounded<int>(2);
  const mpmc::WeakSender<int> weak_tx = tx.downgrade();
  const mpmc::WeakReceiver<int> weak_rx = rx.downgrade();
  {
    std::optional<mpmc::Sender<int>> sender = weak_tx.upgrade();
    std::optional<mpmc::Receiver<int>> receiver = weak_rx.upgrade();
    ASSERT_TRUE(sender && receiver);
    EXPECT_TRUE(sender->same_channel(tx));
    EXPECT_TRUE(receiver->same_channel(tx));
    EXPECT_EQ(tx.sender_count(), 2U);
    EXPECT_EQ(tx.receiver_count(), 2U);
    EXPECT_TRUE(sender->try_send(1).has_value());
    EXPECT_EQ(receiver->try_recv().value(), 1);
  }
  drop(std::move(tx));
  EXPECT_FALSE(weak_tx.upgrade().has_value());
  EXPECT_TRUE(rx.is_closed());
  EXPECT_TRUE(weak_rx.upgrade().has_value());
  drop(std::move(rx));
  EXPECT_FALSE(weak_rx.upgrade().has_value());
}

TEST(Mpmc, ClosedEndsWhenTheChannelCloses) {
  auto [tx, rx] = mpmc::bounded<int>(1);
  ManualWait sender_side(tx.closed());
  ManualWait receiver_side(rx.closed());
  EXPECT_FALSE(sender_side.poll());
  EXPECT_FALSE(receiver_side.poll());
  tx.close();
  EXPECT_TRUE(sender_side.is_woken());
  EXPECT_TRUE(receiver_side.is_woken());
  EXPECT_TRUE(sender_side.poll());
  EXPECT_TRUE(receiver_side.poll());
}

// ---- Waiting receivers

TEST(Mpmc, ReceiversAreServedInTheOrderInWhichTheyWait) {
  auto [tx, rx] = mpmc::bounded<int>(4);
  ManualWait first(rx.recv());
  ManualWait second(rx.recv());
  EXPECT_FALSE(first.poll());
  EXPECT_FALSE(second.poll());
  EXPECT_FALSE(second.poll()) << "still in the queue, once";
  EXPECT_TRUE(tx.try_send(1).has_value());
  EXPECT_TRUE(first.is_woken());
  EXPECT_FALSE(second.is_woken());
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kEmpty) << "it is in the first one's hands";
  EXPECT_TRUE(tx.try_send(2).has_value());
  EXPECT_TRUE(second.is_woken());
  ASSERT_TRUE(second.poll());
  EXPECT_EQ(second.result(), 2);
  ASSERT_TRUE(first.poll());
  EXPECT_EQ(first.result(), 1);
}

TEST(Mpmc, CancelledReceiveGivesItsValueToTheNext) {
  auto [tx, rx] = mpmc::bounded<int>(4);
  std::optional<ManualWait<mpmc::detail::RecvAwaiter<int>>> first(std::in_place, rx.recv());
  ManualWait second(rx.recv());
  EXPECT_FALSE(first->poll());
  EXPECT_FALSE(second.poll());
  EXPECT_TRUE(tx.try_send(1).has_value());
  EXPECT_TRUE(first->is_woken());
  first.reset();
  EXPECT_TRUE(second.is_woken());
  ASSERT_TRUE(second.poll());
  EXPECT_EQ(second.result(), 1);
}

TEST(Mpmc, CancelledReceiveGivesItsValueBackToTheFront) {
  auto [tx, rx] = mpmc::bounded<int>(2);
  for (const bool has_looked : {true, false}) {
    {
      ManualWait recv(rx.recv());
      EXPECT_FALSE(recv.poll());
      for (int i = 1; i <= 3; ++i) {
        EXPECT_TRUE(tx.try_send(i).has_value()) << "one is in the receiver's hands";
      }
      if (has_looked) {
        EXPECT_TRUE(recv.poll());
      }
    }
    EXPECT_EQ(rx.len(), 3U);
    EXPECT_EQ(tx.try_send(4).error().reason, SendFailure::kFull);
    for (int i = 1; i <= 3; ++i) {
      EXPECT_EQ(rx.try_recv().value(), i);
    }
  }
}

TEST(Mpmc, ClosingWakesWaitingReceivers) {
  auto [tx, rx] = mpmc::bounded<int>(2);
  ManualWait first(rx.recv());
  ManualWait second(rx.recv());
  EXPECT_FALSE(first.poll());
  EXPECT_FALSE(second.poll());
  drop(std::move(tx));
  EXPECT_TRUE(first.is_woken());
  EXPECT_TRUE(second.is_woken());
  ASSERT_TRUE(first.poll());
  ASSERT_TRUE(second.poll());
  EXPECT_FALSE(first.result().has_value());
  EXPECT_FALSE(second.result().has_value());
}

// The last value of a closed channel is in the hands of a receiver that is then cancelled.
TEST(Mpmc, ClosedChannelIsNotFinishedBeforeItsLastValueIsReceived) {
  for (const bool is_cancelled : {true, false}) {
    auto [tx, rx] = mpmc::bounded<int>(2);
    std::optional<ManualWait<mpmc::detail::RecvAwaiter<int>>> holder(std::in_place, rx.recv());
    EXPECT_FALSE(holder->poll());
    ManualWait early(rx.recv());
    EXPECT_FALSE(early.poll());
    EXPECT_TRUE(tx.try_send(1).has_value());
    drop(std::move(tx));
    EXPECT_FALSE(early.is_woken());
    EXPECT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
    ManualWait late(rx.recv());
    EXPECT_FALSE(late.poll()) << "the value may still come back";
    if (is_cancelled) {
      holder.reset();
      EXPECT_TRUE(early.is_woken());
      EXPECT_FALSE(late.is_woken());
      ASSERT_TRUE(early.poll());
      EXPECT_EQ(early.result(), 1);
    } else {
      ASSERT_TRUE(holder->poll());
      EXPECT_EQ(holder->result(), 1);
      EXPECT_TRUE(early.is_woken());
      ASSERT_TRUE(early.poll());
      EXPECT_FALSE(early.result().has_value());
    }
    EXPECT_TRUE(late.is_woken());
    ASSERT_TRUE(late.poll());
    EXPECT_FALSE(late.result().has_value());
  }
}

TEST(Mpmc, ValueInTheHandsOfTheLastReceiverIsDestroyedWithIt) {
  const int before = Tracked::alive();
  auto [tx, rx] = mpmc::bounded<Tracked>(2);
  {
    std::optional<mpmc::Receiver<Tracked>> last(std::move(rx));
    std::optional<ManualWait<mpmc::detail::RecvAwaiter<Tracked>>> recv(std::in_place, last->recv());
    EXPECT_FALSE(recv->poll());
    EXPECT_TRUE(tx.try_send(Tracked()).has_value());
    EXPECT_TRUE(tx.try_send(Tracked()).has_value());
    EXPECT_EQ(Tracked::alive(), before + 2);
    recv.reset();
    EXPECT_EQ(last->len(), 2U);
  }
  EXPECT_EQ(Tracked::alive(), before);
}

// ---- recv_many

TEST(Mpmc, RecvManyTakesWhatIsThereUpToTheLimit) {
  auto [tx, rx] = mpmc::bounded<int>(100);
  for (int i = 0; i < 70; ++i) {
    EXPECT_TRUE(tx.try_send(i).has_value());
  }
  std::vector<int> values{-1};
  for (const auto& [limit, expected] : {std::pair(0, 0), std::pair(50, 50), std::pair(50, 20)}) {
    ManualWait recv(rx.recv_many(values, static_cast<std::size_t>(limit)));
    ASSERT_TRUE(recv.poll());
    EXPECT_EQ(recv.result(), static_cast<std::size_t>(expected));
  }
  EXPECT_EQ(values.size(), 71U);
  EXPECT_EQ(values.back(), 69);
  ManualWait waiting(rx.recv_many(values, 3));
  EXPECT_FALSE(waiting.poll());
  for (int i = 70; i < 75; ++i) {
    EXPECT_TRUE(tx.try_send(i).has_value());
  }
  EXPECT_TRUE(waiting.is_woken());
  ASSERT_TRUE(waiting.poll());
  EXPECT_EQ(waiting.result(), 3U);
  EXPECT_EQ(values.back(), 72);
  drop(std::move(tx));
  for (const std::size_t expected : {2U, 0U}) {
    ManualWait recv(rx.recv_many(values, 50));
    ASSERT_TRUE(recv.poll());
    EXPECT_EQ(recv.result(), expected);
  }
}

TEST(Mpmc, CancelledRecvManyGivesAllBack) {
  auto [tx, rx] = mpmc::bounded<int>(8);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(tx.try_send(i).has_value());
  }
  std::vector<int> values;
  {
    ManualWait recv(rx.recv_many(values, 3));
    EXPECT_TRUE(recv.poll());
    EXPECT_EQ(rx.len(), 2U);
  }
  EXPECT_TRUE(values.empty());
  EXPECT_EQ(rx.len(), 5U);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(rx.try_recv().value(), i);
  }
}

struct ThrowsWhenMoved {
  ThrowsWhenMoved(int n, std::shared_ptr<bool> may_throw)
      : number(n), throws(std::move(may_throw)) {}
  ThrowsWhenMoved(const ThrowsWhenMoved&) = default;
  // NOLINTNEXTLINE(performance-noexcept-move-constructor,performance-move-constructor-init)
  ThrowsWhenMoved(ThrowsWhenMoved&& other) : number(other.number), throws(other.throws) {
    if (number == 1 && *throws) {
      throw std::runtime_error("moved");
    }
  }
  ThrowsWhenMoved& operator=(const ThrowsWhenMoved&) = default;
  ThrowsWhenMoved& operator=(ThrowsWhenMoved&&) = default;
  ~ThrowsWhenMoved() = default;

  int number;
  std::shared_ptr<bool> throws;
};

TEST(Mpmc, ThrowingMoveLeavesTheRestToOthers) {
  auto throws = std::make_shared<bool>(false);
  auto [tx, rx] = mpmc::unbounded<ThrowsWhenMoved>();
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(tx.try_send(ThrowsWhenMoved(i, throws)).has_value());
  }
  *throws = true;
  std::vector<ThrowsWhenMoved> values;
  values.reserve(8);
  {
    ManualWait recv(rx.recv_many(values, 8));
    ASSERT_TRUE(recv.poll());
    EXPECT_THROW((void)recv.result(), std::runtime_error);
  }
  EXPECT_EQ(values.size(), 1U);
  EXPECT_EQ(rx.len(), 3U);
  EXPECT_THROW((void)rx.try_recv(), std::runtime_error);
  EXPECT_EQ(rx.try_recv().value().number, 2) << "the one that cannot be moved is lost";
  EXPECT_EQ(rx.try_recv().value().number, 3);
}

// ---- Waiting senders

TEST(Mpmc, SendersWaitInLine) {
  auto [tx, rx] = mpmc::bounded<int>(1);
  EXPECT_TRUE(tx.try_send(1).has_value());
  ManualWait first(tx.send(2));
  ManualWait second(tx.send(3));
  EXPECT_FALSE(first.poll());
  EXPECT_FALSE(second.poll());
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_TRUE(first.is_woken());
  EXPECT_FALSE(second.is_woken());
  EXPECT_EQ(tx.try_send(4).error().reason, SendFailure::kFull) << "nobody overtakes";
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kEmpty) << "it sends when it runs";
  ASSERT_TRUE(first.poll());
  EXPECT_TRUE(first.result().has_value());
  EXPECT_FALSE(second.poll());
  EXPECT_EQ(rx.try_recv().value(), 2);
  ASSERT_TRUE(second.poll());
  EXPECT_TRUE(second.result().has_value());
  EXPECT_EQ(rx.try_recv().value(), 3);
  EXPECT_TRUE(tx.try_send(4).has_value());
}

TEST(Mpmc, GrantedSenderMayServeAWaitingReceiver) {
  auto [tx, rx] = mpmc::bounded<int>(1);
  EXPECT_TRUE(tx.try_send(1).has_value());
  ManualWait first(tx.send(2));
  ManualWait second(tx.send(3));
  EXPECT_FALSE(first.poll());
  EXPECT_FALSE(second.poll());
  EXPECT_EQ(rx.try_recv().value(), 1);
  ManualWait recv(rx.recv());
  EXPECT_FALSE(recv.poll());
  ASSERT_TRUE(first.poll());
  EXPECT_TRUE(recv.is_woken());
  EXPECT_TRUE(second.is_woken()) << "the first one's room is free again";
  ASSERT_TRUE(second.poll());
  ASSERT_TRUE(recv.poll());
  EXPECT_EQ(recv.result(), 2);
  EXPECT_EQ(rx.try_recv().value(), 3);
}

TEST(Mpmc, CancelledSendIsNotSentAndPassesItsTurnOn) {
  const int before = Tracked::alive();
  auto [tx, rx] = mpmc::bounded<Tracked>(1);
  EXPECT_TRUE(tx.try_send(Tracked()).has_value());
  std::optional<ManualWait<mpmc::detail::SendAwaiter<Tracked>>> first(std::in_place,
                                                                      tx.send(Tracked()));
  std::optional<ManualWait<mpmc::detail::SendAwaiter<Tracked>>> second(std::in_place,
                                                                       tx.send(Tracked()));
  ManualWait third(tx.send(Tracked()));
  EXPECT_FALSE(first->poll());
  EXPECT_FALSE(second->poll());
  EXPECT_FALSE(third.poll());
  second.reset();
  EXPECT_TRUE(rx.try_recv().has_value());
  EXPECT_TRUE(first->is_woken());
  first.reset();
  EXPECT_TRUE(third.is_woken());
  EXPECT_TRUE(rx.is_empty());
  EXPECT_EQ(Tracked::alive(), before + 1);
  EXPECT_TRUE(third.poll());
  EXPECT_TRUE(rx.try_recv().has_value());
  EXPECT_TRUE(tx.try_send(Tracked()).has_value()) << "all the room has come home";
}

TEST(Mpmc, ClosingGivesWaitingSendersTheirValuesBack) {
  auto [tx, rx] = mpmc::bounded<std::string>(1);
  EXPECT_TRUE(tx.try_send("1").has_value());
  ManualWait granted(tx.send("2"));
  ManualWait waiting(tx.send("3"));
  EXPECT_FALSE(granted.poll());
  EXPECT_FALSE(waiting.poll());
  EXPECT_EQ(rx.try_recv().value(), "1");
  EXPECT_TRUE(granted.is_woken());
  rx.close();
  EXPECT_TRUE(waiting.is_woken());
  ASSERT_TRUE(granted.poll());
  ASSERT_TRUE(waiting.poll());
  EXPECT_EQ(granted.result().error().value, "2");
  EXPECT_EQ(waiting.result().error().value, "3");
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kDisconnected);
}

CO_TEST(Mpmc, BothSidesAreCooperative) {
  auto [tx, rx] = mpmc::unbounded<int>();
  auto has_run = std::make_shared<std::atomic<bool>>(false);
  auto other = [](std::shared_ptr<std::atomic<bool>> flag) -> Task<void> {
    flag->store(true);
    co_return;
  };
  JoinHandle<void> handle = spawn(other(has_run));
  // Ends only if the waits let the other task run.
  while (!has_run->load()) {
    const auto sent = co_await tx.send(1);
    CO_ASSERT_TRUE(sent.has_value());
    const std::optional<int> value = co_await rx.recv();
    CO_ASSERT_EQ(value, 1);
  }
  (void)co_await handle;
}

// ---- Threads and runtimes

TEST(Mpmc, BlockingHandlesMeetAcrossThreads) {
  constexpr int kEach = 1000;
  auto [tx, rx] = mpmc::bounded<int>(2);
  std::vector<std::thread> threads;
  std::atomic<std::int64_t> sum{0};
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([half = mpmc::Sender<int>(tx)] {
      for (int n = 1; n <= kEach; ++n) {
        EXPECT_TRUE(half.blocking_send(n).has_value());
      }
    });
  }
  drop(std::move(tx));
  threads.emplace_back([half = mpmc::Receiver<int>(rx), &sum] {
    while (const std::optional<int> value = half.blocking_recv()) {
      sum.fetch_add(*value);
    }
  });
  std::vector<int> values;
  while (rx.blocking_recv_many(values, 7) != 0) {
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const int value : values) {
    sum.fetch_add(value);
  }
  EXPECT_EQ(sum.load(), std::int64_t{2} * kEach * (kEach + 1) / 2);
}

CO_TEST(Mpmc, BlockingMembersAreRefusedOnAWorker) {
  auto [tx, rx] = mpmc::bounded<int>(2);
  EXPECT_THROW((void)tx.blocking_send(1), UsageError);
  EXPECT_THROW((void)rx.blocking_recv(), UsageError);
  std::vector<int> values;
  EXPECT_THROW((void)rx.blocking_recv_many(values, 1), UsageError);
  co_return;
}

TEST(Mpmc, ChannelConnectsTwoRuntimes) {
  Runtime sending = testing_support::multi_thread_runtime();
  Runtime receiving = testing_support::current_thread_runtime();
  auto [tx, rx] = mpmc::bounded<int>(3);
  auto sends = [](mpmc::Sender<int> sender) -> Task<void> {
    for (int i = 0; i < 1000; ++i) {
      (void)co_await sender.send(i);
    }
  };
  sending.spawn(sends(std::move(tx))).detach();
  auto receives = [](mpmc::Receiver<int> receiver) -> Task<int> {
    int count = 0;
    while (const std::optional<int> value = co_await receiver.recv()) {
      EXPECT_EQ(*value, count);
      ++count;
    }
    co_return count;
  };
  EXPECT_EQ(receiving.block_on(receives(std::move(rx))), 1000);
}

struct Numbered {
  Numbered(int from, int n) noexcept : producer(from), number(n) {}
  int producer;
  int number;
};

Task<void> produce(mpmc::Sender<Numbered> sender, int producer, int count) {
  for (int i = 0; i < count; ++i) {
    const auto sent = co_await sender.send(Numbered(producer, i));
    EXPECT_TRUE(sent.has_value());
  }
}

/// Receives with cancellations: by the clock, which may strike at any moment.
Task<std::vector<Numbered>> consume(mpmc::Receiver<Numbered> receiver, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Numbered> received;
  for (;;) {
    if (random() % 4 == 0) {
      auto limited = co_await time::timeout(std::chrono::microseconds(1), receiver.recv());
      if (!limited) {
        continue;
      }
      if (!*limited) {
        break;
      }
      received.push_back(**limited);
    } else if (random() % 3 == 0) {
      if (co_await receiver.recv_many(received, 3) == 0) {
        break;
      }
    } else {
      const std::optional<Numbered> value = co_await receiver.recv();
      if (!value) {
        break;
      }
      received.push_back(*value);
    }
  }
  co_return received;
}

Task<void> every_value_once(std::size_t capacity, std::uint64_t seed) {
  constexpr int kProducers = 4;
  constexpr int kEach = 600;
  auto halves = capacity == 0 ? mpmc::unbounded<Numbered>() : mpmc::bounded<Numbered>(capacity);
  std::vector<JoinHandle<std::vector<Numbered>>> consumers;
  for (std::uint64_t i = 0; i < 4; ++i) {
    consumers.push_back(spawn(consume(halves.receiver, seed + i)));
  }
  for (int i = 0; i < kProducers; ++i) {
    spawn(produce(halves.sender, i, kEach)).detach();
  }
  drop(std::move(halves.sender));
  std::vector<int> times(std::size_t{kProducers} * kEach);
  for (JoinHandle<std::vector<Numbered>>& consumer : consumers) {
    const JoinResult<std::vector<Numbered>> received = co_await consumer;
    for (const Numbered& value : received.value()) {
      ++times[static_cast<std::size_t>(value.producer) * kEach +
              static_cast<std::size_t>(value.number)];
    }
  }
  CO_ASSERT_TRUE(std::ranges::all_of(times, [](int count) { return count == 1; }));
}

TEST(Mpmc, EveryValueIsReceivedOnceInSpiteOfCancellations) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (const std::size_t capacity : {std::size_t{1}, std::size_t{5}, std::size_t{0}}) {
    testing_support::multi_thread_runtime(4).block_on(every_value_once(capacity, random()));
    testing_support::current_thread_runtime().block_on(every_value_once(capacity, random()));
  }
}

CO_TEST(Mpmc, OneConsumerSeesEachProducersOrder) {
  constexpr int kProducers = 4;
  constexpr int kEach = 1000;
  auto [tx, rx] = mpmc::bounded<Numbered>(7);
  for (int i = 0; i < kProducers; ++i) {
    spawn(produce(tx, i, kEach)).detach();
  }
  drop(std::move(tx));
  std::vector<int> next(kProducers);
  int total = 0;
  while (const std::optional<Numbered> value = co_await rx.recv()) {
    CO_ASSERT_EQ(value->number, next[static_cast<std::size_t>(value->producer)]++);
    ++total;
  }
  CO_ASSERT_EQ(total, kProducers * kEach);
}

CO_TEST(Mpmc, ReceiversDroppedUnderManyProducers) {
  const int before = Tracked::alive();
  for (int round = 0; round < 30; ++round) {
    auto [tx, rx] = mpmc::bounded<Tracked>(3);
    auto sends = [](mpmc::Sender<Tracked> sender) -> Task<void> {
      for (;;) {
        const auto sent = co_await sender.send(Tracked());
        if (!sent) {
          break;
        }
      }
    };
    auto receives = [](mpmc::Receiver<Tracked> receiver) -> Task<void> {
      for (int i = 0; i < 20; ++i) {
        (void)co_await receiver.recv();
      }
    };
    std::vector<JoinHandle<void>> tasks;
    for (int i = 0; i < 3; ++i) {
      tasks.push_back(spawn(sends(tx)));
      tasks.push_back(spawn(receives(rx)));
    }
    drop(std::move(tx));
    drop(std::move(rx));
    for (JoinHandle<void>& handle : tasks) {
      (void)co_await handle;
    }
    CO_ASSERT_EQ(Tracked::alive(), before);
  }
}

// ---- Destroyed wherever it waits

Task<void> two_consumers() {
  auto [tx, rx] = mpmc::bounded<Tracked>(1);
  auto receives = [](mpmc::Receiver<Tracked> receiver) -> Task<int> {
    int count = 0;
    while (co_await receiver.recv()) {
      ++count;
    }
    co_return count;
  };
  JoinHandle<int> other = spawn(receives(rx));
  auto sends = [](mpmc::Sender<Tracked> sender) -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      (void)co_await sender.send(Tracked());
    }
  };
  JoinHandle<void> sender = spawn(sends(std::move(tx)));
  std::vector<Tracked> mine;
  while (co_await rx.recv_many(mine, 2) != 0) {
  }
  drop(std::move(rx));
  const JoinResult<int> theirs = co_await other;
  if (theirs) {
    EXPECT_EQ(mine.size() + static_cast<std::size_t>(*theirs), 3U);
  }
  (void)co_await sender;
}

Task<void> waits_to_send_and_for_the_end() {
  auto [tx, rx] = mpmc::bounded<Tracked>(1);
  auto receives = [](mpmc::Receiver<Tracked> receiver) -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      (void)co_await receiver.recv();
      co_await yield_now();
    }
  };
  JoinHandle<void> receiver = spawn(receives(std::move(rx)));
  for (int i = 0; i < 4; ++i) {
    (void)co_await tx.send(Tracked());
  }
  co_await tx.closed();
  (void)co_await receiver;
}

TEST(Mpmc, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return two_consumers(); });
  testing_support::abort_at_every_step([] { return waits_to_send_and_for_the_end(); });
}

TEST(Mpmc, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return two_consumers(); }, Holds::kElsewhereToo);
  testing_support::time_out_at_every_step([] { return waits_to_send_and_for_the_end(); },
                                          Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
