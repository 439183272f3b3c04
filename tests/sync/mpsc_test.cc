// SPDX-License-Identifier: MIT
//
// mpsc: many senders, one receiver: sending, receiving, waiting, threads and runtimes. Reservations
// and the members that tell are in mpsc_permit_test.cc (with what of Tokio's does not apply), weak
// senders in mpsc_weak_test.cc, memory in mpsc_memory_test.cc. That a Receiver cannot be copied is
// checked at compile time.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Holds;
using testing_support::Tracked;

static_assert(!std::is_copy_constructible_v<mpsc::Receiver<int>>);
static_assert(std::is_nothrow_move_constructible_v<mpsc::Receiver<int>>);
static_assert(std::is_copy_constructible_v<mpsc::Sender<int>>);

CO_TEST(Mpsc, HeaderExample) {
  auto [tx, rx] = ringo::mpsc::channel<std::string>(32);
  co_await tx.send("hello");
  ringo::drop(std::move(tx));
  while (std::optional<std::string> message = co_await rx.recv()) {
    fmt::print("{}\n", *message);
  }
}

CO_TEST(Mpsc, DeliversInOrderThenEnds) {
  auto [tx, rx] = mpsc::channel<int>(4);
  for (int i = 0; i < 3; ++i) {
    const auto sent = co_await tx.send(i);
    CO_ASSERT_TRUE(sent.has_value());
  }
  drop(std::move(tx));
  for (int i = 0; i < 3; ++i) {
    const std::optional<int> value = co_await rx.recv();
    CO_ASSERT_EQ(value, i);
  }
  const std::optional<int> end = co_await rx.recv();
  CO_ASSERT_FALSE(end.has_value());
  CO_ASSERT_TRUE(rx.is_closed());
}

// S37: with a capacity of 32 the 33rd send sleeps until the receiver removes one.
CO_TEST_PAUSED(Mpsc, ThirtyThirdSendWaitsForOneReceive) {
  auto [tx, rx] = mpsc::channel<int>(32);
  for (int i = 0; i < 32; ++i) {
    CO_ASSERT_TRUE(tx.try_send(i).has_value());
  }
  CO_ASSERT_EQ(tx.capacity(), 0U);
  CO_ASSERT_EQ(tx.max_capacity(), 32U);
  auto sends = [](mpsc::Sender<int> sender) -> Task<bool> {
    const auto sent = co_await sender.send(32);
    co_return sent.has_value();
  };
  JoinHandle<bool> sender = spawn(sends(tx));
  co_await time::sleep(1h);
  CO_ASSERT_FALSE(sender.is_finished());
  const std::optional<int> first = co_await rx.recv();
  CO_ASSERT_EQ(first, 0);
  const JoinResult<bool> sent = co_await sender;
  CO_ASSERT_TRUE(sent.value());
  CO_ASSERT_EQ(rx.len(), 32U);
}

TEST(Mpsc, TrySendTellsFullFromClosedAndGivesTheValueBack) {
  auto [tx, rx] = mpsc::channel<std::unique_ptr<int>>(1);
  EXPECT_TRUE(tx.try_send(std::make_unique<int>(1)).has_value());
  auto full = tx.try_send(std::make_unique<int>(2));
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().reason, mpsc::SendFailure::kFull);
  EXPECT_EQ(*full.error().value, 2);
  rx.close();
  auto closed = tx.try_send(std::make_unique<int>(3));
  ASSERT_FALSE(closed.has_value());
  EXPECT_EQ(closed.error().reason, mpsc::SendFailure::kClosed);
  EXPECT_EQ(*closed.error().value, 3);
}

TEST(Mpsc, CapacityIsCheckedAtTheLimitAndBeyond) {
  EXPECT_THROW((void)mpsc::channel<int>(0), UsageError);
  EXPECT_THROW((void)mpsc::channel<int>(mpsc::kMaxCapacity + 1), UsageError);
  auto [tx, rx] = mpsc::channel<int>(mpsc::kMaxCapacity);
  EXPECT_EQ(tx.capacity(), mpsc::kMaxCapacity);
}

TEST(Mpsc, TryRecvTellsEmptyFromDisconnected) {
  auto [tx, rx] = mpsc::channel<int>(2);
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kEmpty);
  EXPECT_TRUE(tx.try_send(1).has_value());
  drop(std::move(tx));
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kDisconnected);

  auto [utx, urx] = mpsc::unbounded_channel<int>();
  EXPECT_EQ(urx.try_recv().error(), mpsc::TryRecvError::kEmpty);
  EXPECT_TRUE(utx.send(1).has_value());
  drop(std::move(utx));
  EXPECT_EQ(urx.try_recv().value(), 1);
  EXPECT_EQ(urx.try_recv().error(), mpsc::TryRecvError::kDisconnected);
}

CO_TEST(Mpsc, SendToDroppedReceiverGivesTheValueBack) {
  auto [tx, rx] = mpsc::channel<std::string>(1);
  drop(std::move(rx));
  CO_ASSERT_TRUE(tx.is_closed());
  auto refused = co_await tx.send("returned");
  CO_ASSERT_FALSE(refused.has_value());
  CO_ASSERT_EQ(refused.error().value, "returned");

  auto [utx, urx] = mpsc::unbounded_channel<std::string>();
  drop(std::move(urx));
  auto unbounded_refused = utx.send("returned");
  CO_ASSERT_FALSE(unbounded_refused.has_value());
  CO_ASSERT_EQ(unbounded_refused.error().value, "returned");
}

CO_TEST(Mpsc, WaitingSenderFailsWhenTheReceiverCloses) {
  auto [tx, rx] = mpsc::channel<int>(1);
  CO_ASSERT_TRUE(tx.try_send(1).has_value());
  auto sends = [](mpsc::Sender<int> sender) -> Task<int> {
    auto sent = co_await sender.send(2);
    co_return sent ? 0 : sent.error().value;
  };
  JoinHandle<int> sender = spawn(sends(tx));
  co_await yield_now();
  rx.close();
  const JoinResult<int> returned = co_await sender;
  CO_ASSERT_EQ(returned.value(), 2);
  const std::optional<int> buffered = co_await rx.recv();
  CO_ASSERT_EQ(buffered, 1);
  const std::optional<int> end = co_await rx.recv();
  CO_ASSERT_FALSE(end.has_value());
}

CO_TEST(Mpsc, ClosedChannelStillDeliversWhatPermitsSend) {
  auto [tx, rx] = mpsc::channel<int>(2);
  Result<mpsc::Permit<int>> permit = co_await tx.reserve();
  CO_ASSERT_TRUE(permit.has_value());
  rx.close();
  CO_ASSERT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kEmpty) << "a permit is out";
  CO_ASSERT_FALSE(rx.is_closed());
  permit->send(5);
  const std::optional<int> value = co_await rx.recv();
  CO_ASSERT_EQ(value, 5);
  const std::optional<int> end = co_await rx.recv();
  CO_ASSERT_FALSE(end.has_value());
}

Task<bool> recv_gives_end(mpsc::Receiver<int> receiver) {
  receiver.close();
  const std::optional<int> value = co_await receiver.recv();
  co_return !value.has_value();
}

// Tokio #8260 and its relatives: the last permit of a closed channel ends the receiver's wait,
// however it goes.
CO_TEST(Mpsc, LastPermitOfAClosedChannelEndsTheReceiver) {
  {
    auto [tx, rx] = mpsc::channel<int>(2);
    auto permit = tx.try_reserve();
    JoinHandle<bool> receiver = spawn(recv_gives_end(std::move(rx)));
    co_await yield_now();
    drop(*std::move(permit));
    const JoinResult<bool> has_ended = co_await receiver;
    CO_ASSERT_TRUE(has_ended.value());
  }
  {
    auto [tx, rx] = mpsc::channel<int>(4);
    auto permits = tx.try_reserve_many(3);
    JoinHandle<bool> receiver = spawn(recv_gives_end(std::move(rx)));
    co_await yield_now();
    drop(*std::move(permits));
    const JoinResult<bool> has_ended = co_await receiver;
    CO_ASSERT_TRUE(has_ended.value());
  }
  {
    auto [tx, rx] = mpsc::channel<int>(1);
    Result<mpsc::OwnedPermit<int>> permit = co_await std::move(tx).reserve_owned();
    CO_ASSERT_TRUE(permit.has_value());
    JoinHandle<bool> receiver = spawn(recv_gives_end(std::move(rx)));
    co_await yield_now();
    drop(std::move(*permit).release());
    const JoinResult<bool> has_ended = co_await receiver;
    CO_ASSERT_TRUE(has_ended.value());
  }
}

TEST(Mpsc, ReservationsCountAgainstTheCapacity) {
  auto [tx, rx] = mpsc::channel<int>(3);
  auto permits = tx.try_reserve_many(2);
  ASSERT_TRUE(permits.has_value());
  EXPECT_EQ(permits->size(), 2U);
  EXPECT_EQ(tx.capacity(), 1U);
  EXPECT_EQ(tx.try_reserve_many(2).error(), mpsc::SendFailure::kFull);
  EXPECT_EQ(tx.try_reserve_many(0).value().size(), 0U);
  permits->next()->send(1);
  permits->next()->send(2);
  EXPECT_FALSE(permits->next().has_value());
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(rx.try_recv().value(), 2);
  EXPECT_EQ(tx.capacity(), 3U);
}

CO_TEST(Mpsc, ReserveManyBeyondTheCapacityIsRefused) {
  auto [tx, rx] = mpsc::channel<int>(3);
  auto all = co_await tx.reserve_many(3);
  CO_ASSERT_TRUE(all.has_value());
  drop(*std::move(all));
  auto too_many = co_await tx.reserve_many(4);
  CO_ASSERT_FALSE(too_many.has_value());
  CO_ASSERT_EQ(too_many.error().kind(), ErrorKind::kInvalidInput);
  rx.close();
  auto closed = co_await tx.reserve();
  CO_ASSERT_EQ(closed.error().kind(), ErrorKind::kClosed);
}

CO_TEST(Mpsc, OwnedPermitGivesTheSenderBack) {
  auto [tx, rx] = mpsc::channel<int>(1);
  Result<mpsc::OwnedPermit<int>> permit = co_await std::move(tx).reserve_owned();
  mpsc::Sender<int> again = std::move(*permit).send(1);
  CO_ASSERT_EQ(again.try_send(2).error().reason, mpsc::SendFailure::kFull);
  const std::optional<int> value = co_await rx.recv();
  CO_ASSERT_EQ(value, 1);
}

CO_TEST_PAUSED(Mpsc, SendTimeoutGivesTheValueBack) {
  auto [tx, rx] = mpsc::channel<std::string>(1);
  auto sent = co_await tx.send_timeout("first", 1s);
  CO_ASSERT_TRUE(sent.has_value());
  auto late = co_await tx.send_timeout("second", 1s);
  CO_ASSERT_FALSE(late.has_value());
  CO_ASSERT_EQ(late.error().reason, mpsc::SendFailure::kTimedOut);
  CO_ASSERT_EQ(late.error().value, "second");
  rx.close();
  auto closed = co_await tx.send_timeout("third", 1s);
  CO_ASSERT_EQ(closed.error().reason, mpsc::SendFailure::kClosed);
}

CO_TEST(Mpsc, RecvManyTakesWhatIsThereUpToTheLimit) {
  auto [tx, rx] = mpsc::channel<int>(100);
  for (int i = 0; i < 70; ++i) {
    CO_ASSERT_TRUE(tx.try_send(i).has_value());
  }
  std::vector<int> values{-1};
  CO_ASSERT_EQ(co_await rx.recv_many(values, 0), 0U);
  CO_ASSERT_EQ(co_await rx.recv_many(values, 50), 50U);
  CO_ASSERT_EQ(co_await rx.recv_many(values, 50), 20U);
  CO_ASSERT_EQ(values.size(), 71U);
  CO_ASSERT_EQ(values.back(), 69);
  CO_ASSERT_EQ(tx.capacity(), 100U);
  drop(std::move(tx));
  CO_ASSERT_EQ(co_await rx.recv_many(values, 50), 0U);
}

CO_TEST(Mpsc, ClosedEndsWhenTheReceiverGoes) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto waits = [](mpsc::Sender<int> sender) -> Task<bool> {
    co_await sender.closed();
    co_return sender.is_closed();
  };
  JoinHandle<bool> waiter = spawn(waits(tx));
  co_await yield_now();
  drop(std::move(rx));
  const JoinResult<bool> is_closed = co_await waiter;
  CO_ASSERT_TRUE(is_closed.value());
}

TEST(Mpsc, LengthAndEmptinessFollowTheQueue) {
  auto [tx, rx] = mpsc::unbounded_channel<int>();
  EXPECT_TRUE(rx.is_empty());
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(tx.send(i).has_value());
    EXPECT_EQ(rx.len(), static_cast<std::size_t>(i) + 1);
  }
  rx.close();
  EXPECT_FALSE(tx.send(100).has_value());
  EXPECT_EQ(rx.len(), 100U);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(rx.try_recv().value(), i);
  }
  EXPECT_TRUE(rx.is_empty());
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kDisconnected);
}

TEST(Mpsc, UnreceivedValuesAreDestroyed) {
  const int before = Tracked::alive();
  {
    auto [tx, rx] = mpsc::channel<Tracked>(100);
    for (int i = 0; i < 70; ++i) {
      EXPECT_TRUE(tx.try_send(Tracked()).has_value());
    }
    EXPECT_EQ(Tracked::alive(), before + 70);
    drop(std::move(rx));
    EXPECT_EQ(Tracked::alive(), before) << "with the receiver, not with the last sender";
  }
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(Mpsc, BlockingHalvesMeetAcrossThreads) {
  auto [tx, rx] = mpsc::channel<int>(2);
  std::thread sender([half = std::move(tx)] {
    for (int i = 0; i < 1000; ++i) {
      EXPECT_TRUE(half.blocking_send(i).has_value());
    }
  });
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(rx.blocking_recv(), i);
  }
  std::vector<int> rest;
  while (rx.blocking_recv_many(rest, 64) != 0) {
  }
  sender.join();
  EXPECT_EQ(rest.size(), 500U);
  EXPECT_EQ(rest.back(), 999);
}

CO_TEST(Mpsc, BlockingMembersAreRefusedOnAWorker) {
  auto [tx, rx] = mpsc::channel<int>(2);
  EXPECT_THROW((void)tx.blocking_send(1), UsageError);
  EXPECT_THROW((void)rx.blocking_recv(), UsageError);
  std::vector<int> values;
  EXPECT_THROW((void)rx.blocking_recv_many(values, 1), UsageError);
  co_return;
}

CO_TEST(Mpsc, KeptJoinHandleKeepsNoSenderAlive) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto sends = [](mpsc::Sender<int> sender) -> Task<void> { (void)co_await sender.send(1); };
  JoinHandle<void> kept = spawn(sends(std::move(tx)));
  const std::optional<int> value = co_await rx.recv();
  CO_ASSERT_EQ(value, 1);
  const std::optional<int> end = co_await rx.recv();
  CO_ASSERT_FALSE(end.has_value());
  (void)co_await kept;
}

TEST(Mpsc, ChannelConnectsTwoRuntimes) {
  Runtime sending = testing_support::multi_thread_runtime();
  Runtime receiving = testing_support::current_thread_runtime();
  auto [tx, rx] = mpsc::channel<int>(3);
  auto sends = [](mpsc::Sender<int> sender) -> Task<void> {
    for (int i = 0; i < 1000; ++i) {
      (void)co_await sender.send(i);
    }
  };
  sending.spawn(sends(std::move(tx))).detach();
  auto receives = [](mpsc::Receiver<int> receiver) -> Task<int> {
    int count = 0;
    while (co_await receiver.recv()) {
      ++count;
    }
    co_return count;
  };
  EXPECT_EQ(receiving.block_on(receives(std::move(rx))), 1000);
}

struct Numbered {
  int producer;
  int number;
};

Task<void> produce(mpsc::Sender<Numbered> sender, int producer, int count) {
  for (int i = 0; i < count; ++i) {
    const auto sent = co_await sender.send(Numbered{producer, i});
    EXPECT_TRUE(sent.has_value());
  }
}

CO_TEST(Mpsc, KeepsTheOrderOfEachOfManyProducers) {
  constexpr int kProducers = 8;
  constexpr int kEach = 2000;
  auto [tx, rx] = mpsc::channel<Numbered>(7);
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

Task<void> produce_unbounded(mpsc::UnboundedSender<Numbered> sender, int producer, int count) {
  for (int i = 0; i < count; ++i) {
    EXPECT_TRUE(sender.send(Numbered{producer, i}).has_value());
    if (i % 64 == 0) {
      co_await yield_now();
    }
  }
}

CO_TEST(Mpsc, UnboundedKeepsTheOrderOfEachOfManyProducers) {
  constexpr int kProducers = 8;
  constexpr int kEach = 5000;
  auto [tx, rx] = mpsc::unbounded_channel<Numbered>();
  for (int i = 0; i < kProducers; ++i) {
    spawn(produce_unbounded(tx, i, kEach)).detach();
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

CO_TEST(Mpsc, ReceiverDroppedUnderManyProducers) {
  for (int round = 0; round < 50; ++round) {
    const int before = Tracked::alive();
    auto [tx, rx] = mpsc::unbounded_channel<Tracked>();
    auto sends = [](mpsc::UnboundedSender<Tracked> sender) -> Task<void> {
      while (sender.send(Tracked())) {
        co_await yield_now();
      }
    };
    std::vector<JoinHandle<void>> producers;
    for (int i = 0; i < 4; ++i) {
      producers.push_back(spawn(sends(tx)));
    }
    for (int i = 0; i < 40; ++i) {
      (void)co_await rx.recv();
    }
    drop(std::move(rx));
    for (JoinHandle<void>& producer : producers) {
      (void)co_await producer;
    }
    drop(std::move(tx));
    CO_ASSERT_EQ(Tracked::alive(), before);
  }
}

Task<void> sends_and_receives() {
  auto [tx, rx] = mpsc::channel<Tracked>(1);
  auto sends = [](mpsc::Sender<Tracked> sender) -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      (void)co_await sender.send(Tracked());
    }
  };
  JoinHandle<void> sender = spawn(sends(std::move(tx)));
  int count = 0;
  while (co_await rx.recv()) {
    ++count;
  }
  EXPECT_EQ(count, 3);
  (void)co_await sender;
}

Task<void> waits_to_send() {
  auto [tx, rx] = mpsc::channel<Tracked>(1);
  auto receives = [](mpsc::Receiver<Tracked> receiver) -> Task<void> {
    while (const std::optional<Tracked> value = co_await receiver.recv()) {
      co_await yield_now();
    }
  };
  JoinHandle<void> receiver = spawn(receives(std::move(rx)));
  for (int i = 0; i < 2; ++i) {
    (void)co_await tx.send(Tracked());
    Result<mpsc::Permit<Tracked>> permit = co_await tx.reserve();
    if (permit) {
      permit->send(Tracked());
    }
  }
  drop(std::move(tx));
  (void)co_await receiver;
}

TEST(Mpsc, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return sends_and_receives(); });
  testing_support::abort_at_every_step([] { return waits_to_send(); });
}

TEST(Mpsc, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return sends_and_receives(); },
                                          Holds::kElsewhereToo);
  testing_support::time_out_at_every_step([] { return waits_to_send(); }, Holds::kElsewhereToo);
}

// Cancel safety of recv: whatever is cancelled, every value arrives, once.
CO_TEST(Mpsc, CancelledReceivesLoseNothing) {
  constexpr int kCount = 300;
  auto [tx, rx] = mpsc::channel<int>(4);
  auto sends = [](mpsc::Sender<int> sender) -> Task<void> {
    for (int i = 0; i < kCount; ++i) {
      (void)co_await sender.send(i);
      if (i % 16 == 0) {
        co_await time::sleep(300us);
      }
    }
  };
  spawn(sends(std::move(tx))).detach();
  int expected = 0;
  while (expected < kCount) {
    const Result<std::optional<int>> value = co_await time::timeout(100us, rx.recv());
    if (value) {
      CO_ASSERT_EQ(*value, expected);
      ++expected;
    }
  }
}

}  // namespace
}  // namespace ringo
