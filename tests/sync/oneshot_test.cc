// SPDX-License-Identifier: MIT
//
// oneshot: one value, once. The behaviours are those of Tokio's sync_oneshot tests; those about
// wakers that are replaced by hand (receiver_changes_task, sender_changes_task) are covered by
// awaiting the same half from two tasks in turn.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

Task<void> send_after_yields(oneshot::Sender<int> sender, int yields, int value) {
  for (int i = 0; i < yields; ++i) {
    co_await yield_now();
  }
  (void)sender.send(value);
}

CO_TEST(Oneshot, HeaderExample) {
  auto [tx, rx] = ringo::oneshot::channel<int>();
  (void)tx.send(7);
  ringo::Result<int> seven = co_await rx;
  CO_ASSERT_EQ(seven.value(), 7);
}

CO_TEST(Oneshot, ValueBeforeReceiver) {
  auto [tx, rx] = oneshot::channel<int>();
  CO_ASSERT_TRUE(tx.send(7).has_value());
  const Result<int> value = co_await rx;
  CO_ASSERT_TRUE(value.has_value());
  CO_ASSERT_EQ(*value, 7);
}

struct alignas(256) Wide {
  explicit Wide(int n) : number(n) {}
  int number;
};

CO_TEST(Oneshot, OfAnOverAlignedValue) {
  for (int i = 0; i < 20; ++i) {
    auto [tx, rx] = oneshot::channel<Wide>();
    EXPECT_TRUE(tx.send(Wide(i)).has_value());
    const Result<Wide> received = rx.try_recv().value();
    CO_ASSERT_EQ(received->number, i);
  }
  co_return;
}

CO_TEST(Oneshot, ReceiverBeforeValue) {
  auto [tx, rx] = oneshot::channel<int>();
  spawn(send_after_yields(std::move(tx), 3, 8)).detach();
  const Result<int> value = co_await rx;
  CO_ASSERT_TRUE(value.has_value());
  CO_ASSERT_EQ(*value, 8);
}

CO_TEST(Oneshot, DroppedSenderGivesClosed) {
  auto [tx, rx] = oneshot::channel<int>();
  auto waits = [](oneshot::Receiver<int> receiver) -> Task<bool> {
    const Result<int> value = co_await receiver;
    co_return !value.has_value() && value.error().kind() == ErrorKind::kClosed;
  };
  JoinHandle<bool> waiter = spawn(waits(std::move(rx)));
  co_await yield_now();
  drop(std::move(tx));
  const JoinResult<bool> is_closed = co_await waiter;
  CO_ASSERT_TRUE(is_closed.value());
}

CO_TEST(Oneshot, SendToDroppedReceiverGivesTheValueBack) {
  auto [tx, rx] = oneshot::channel<std::unique_ptr<int>>();
  CO_ASSERT_FALSE(tx.is_closed());
  drop(std::move(rx));
  CO_ASSERT_TRUE(tx.is_closed());
  auto refused = tx.send(std::make_unique<int>(5));
  CO_ASSERT_FALSE(refused.has_value());
  CO_ASSERT_EQ(*refused.error(), 5);
  co_return;
}

CO_TEST(Oneshot, ClosedEndsWhenTheReceiverIsDropped) {
  auto [tx, rx] = oneshot::channel<int>();
  auto waits = [](oneshot::Sender<int> sender) -> Task<bool> {
    co_await sender.closed();
    co_return sender.is_closed();
  };
  JoinHandle<bool> waiter = spawn(waits(std::move(tx)));
  co_await yield_now();
  drop(std::move(rx));
  const JoinResult<bool> is_closed = co_await waiter;
  CO_ASSERT_TRUE(is_closed.value());
}

CO_TEST(Oneshot, ClosedEndsWhenTheReceiverCloses) {
  auto [tx, rx] = oneshot::channel<int>();
  rx.close();
  co_await tx.closed();
  CO_ASSERT_FALSE(tx.send(1).has_value());
  const Result<int> value = co_await rx;
  CO_ASSERT_FALSE(value.has_value());
}

CO_TEST(Oneshot, ValueSentBeforeCloseIsReceived) {
  auto [tx, rx] = oneshot::channel<int>();
  CO_ASSERT_TRUE(tx.send(3).has_value());
  rx.close();
  const auto value = rx.try_recv();
  CO_ASSERT_TRUE(value.has_value());
  CO_ASSERT_EQ(*value, 3);
  co_return;
}

TEST(Oneshot, TryRecvTellsEmptyFromClosed) {
  auto [tx, rx] = oneshot::channel<int>();
  EXPECT_EQ(rx.try_recv().error(), oneshot::TryRecvError::kEmpty);
  EXPECT_TRUE(rx.is_empty());
  EXPECT_FALSE(rx.is_terminated());
  EXPECT_TRUE(tx.send(1).has_value());
  EXPECT_FALSE(rx.is_empty());
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(rx.try_recv().error(), oneshot::TryRecvError::kClosed);
  EXPECT_TRUE(rx.is_terminated());

  auto [unused, other] = oneshot::channel<int>();
  drop(std::move(unused));
  EXPECT_EQ(other.try_recv().error(), oneshot::TryRecvError::kClosed);
}

// Tokio's close_after_recv, try_recv_after_completion(_await): after the value there is nothing.
CO_TEST(Oneshot, NothingComesAfterTheValue) {
  auto [tx, rx] = oneshot::channel<int>();
  CO_ASSERT_TRUE(tx.send(1).has_value());
  const Result<int> value = co_await rx;
  CO_ASSERT_EQ(value.value(), 1);
  CO_ASSERT_EQ(rx.try_recv().error(), oneshot::TryRecvError::kClosed);
  rx.close();
  CO_ASSERT_EQ(rx.try_recv().error(), oneshot::TryRecvError::kClosed);
  CO_ASSERT_TRUE(rx.is_terminated());
  CO_ASSERT_TRUE(rx.is_empty());
}

CO_TEST(Oneshot, ClosingBeforeTheValueEndsBothSides) {
  auto [tx, rx] = oneshot::channel<int>();
  CO_ASSERT_EQ(rx.try_recv().error(), oneshot::TryRecvError::kEmpty);
  rx.close();
  CO_ASSERT_TRUE(tx.is_closed());
  CO_ASSERT_EQ(rx.try_recv().error(), oneshot::TryRecvError::kClosed);
  CO_ASSERT_TRUE(rx.is_terminated());
  CO_ASSERT_TRUE(rx.is_empty());
  auto refused = tx.send(2);
  CO_ASSERT_EQ(refused.error(), 2);
  const Result<int> nothing = co_await rx;
  CO_ASSERT_EQ(nothing.error().kind(), ErrorKind::kClosed);
}

TEST(Oneshot, TellsWhetherItIsEmptyOrTerminated) {
  {
    auto [tx, rx] = oneshot::channel<int>();
    EXPECT_TRUE(rx.is_empty());
    EXPECT_FALSE(rx.is_terminated());
    EXPECT_TRUE(tx.send(1).has_value());
    EXPECT_FALSE(rx.is_empty());
    EXPECT_FALSE(rx.is_terminated()) << "there is a value to take";
    rx.close();
    EXPECT_FALSE(rx.is_empty()) << "closing does not take it";
    EXPECT_EQ(rx.try_recv().value(), 1);
    EXPECT_TRUE(rx.is_empty());
    EXPECT_TRUE(rx.is_terminated());
  }
  {
    auto [tx, rx] = oneshot::channel<int>();
    drop(std::move(tx));
    EXPECT_TRUE(rx.is_empty());
    EXPECT_TRUE(rx.is_terminated());
  }
}

CO_TEST_PAUSED(Oneshot, CancelledWaitForTheCloseMayBeRepeatedElsewhere) {
  auto [tx, rx] = oneshot::channel<int>();
  const Result<void> nothing = co_await time::timeout(1ms, tx.closed());
  CO_ASSERT_FALSE(nothing.has_value());
  auto waits = [](oneshot::Sender<int> sender) -> Task<bool> {
    co_await sender.closed();
    co_return sender.is_closed();
  };
  JoinHandle<bool> other = spawn(waits(std::move(tx)));
  co_await time::sleep(1ms);
  CO_ASSERT_FALSE(other.is_finished());
  drop(std::move(rx));
  const JoinResult<bool> is_closed = co_await other;
  CO_ASSERT_TRUE(is_closed.value());
}

CO_TEST(Oneshot, AwaitingTwiceGivesClosed) {
  auto [tx, rx] = oneshot::channel<int>();
  CO_ASSERT_TRUE(tx.send(1).has_value());
  const Result<int> first = co_await rx;
  const Result<int> second = co_await rx;
  CO_ASSERT_TRUE(first.has_value());
  CO_ASSERT_FALSE(second.has_value());
}

CO_TEST(Oneshot, CancelledReceiveLosesNothingAndMayBeRepeated) {
  auto [tx, rx] = oneshot::channel<int>();
  const Result<int> nothing = co_await time::timeout(1ms, rx);
  CO_ASSERT_FALSE(nothing.has_value());
  CO_ASSERT_TRUE(tx.send(4).has_value());
  const Result<int> value = co_await rx;
  CO_ASSERT_EQ(value.value(), 4);
}

CO_TEST(Oneshot, ReceiverMayMoveToAnotherTaskAfterACancelledWait) {
  auto [tx, rx] = oneshot::channel<int>();
  const Result<int> nothing = co_await time::timeout(1ms, rx);
  CO_ASSERT_FALSE(nothing.has_value());
  auto waits = [](oneshot::Receiver<int> receiver) -> Task<int> {
    const Result<int> value = co_await receiver;
    co_return value.value();
  };
  JoinHandle<int> other = spawn(waits(std::move(rx)));
  co_await yield_now();
  CO_ASSERT_TRUE(tx.send(6).has_value());
  const JoinResult<int> value = co_await other;
  CO_ASSERT_EQ(value.value(), 6);
}

TEST(Oneshot, UnreceivedValueIsDestroyedOnce) {
  const int before = Tracked::alive();
  {
    auto [tx, rx] = oneshot::channel<Tracked>();
    EXPECT_TRUE(tx.send(Tracked()).has_value());
  }
  {
    auto [tx, rx] = oneshot::channel<Tracked>();
    drop(std::move(rx));
    EXPECT_FALSE(tx.send(Tracked()).has_value());
  }
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(Oneshot, BlockingRecvWaitsForAThread) {
  auto [tx, rx] = oneshot::channel<std::string>();
  std::thread sender([half = std::move(tx)]() mutable { (void)half.send("from a thread"); });
  EXPECT_EQ(rx.blocking_recv().value(), "from a thread");
  sender.join();
}

CO_TEST(Oneshot, BlockingRecvIsRefusedOnAWorker) {
  auto [tx, rx] = oneshot::channel<int>();
  CO_ASSERT_TRUE(tx.send(1).has_value());
  EXPECT_THROW((void)rx.blocking_recv(), UsageError);
  co_return;
}

Task<Tracked> receives_after_a_while() {
  auto [tx, rx] = oneshot::channel<Tracked>();
  auto sends = [](oneshot::Sender<Tracked> sender) -> Task<void> {
    co_await yield_now();
    (void)sender.send(Tracked());
  };
  JoinHandle<void> sender = spawn(sends(std::move(tx)));
  Result<Tracked> value = co_await rx;
  (void)co_await sender;
  co_return *std::move(value);
}
Task<void> waits_for_close() {
  auto [tx, rx] = oneshot::channel<Tracked>();
  auto keeps = [](oneshot::Receiver<Tracked> receiver) -> Task<void> {
    co_await yield_now();
    drop(std::move(receiver));
  };
  JoinHandle<void> keeper = spawn(keeps(std::move(rx)));
  co_await tx.closed();
  (void)co_await keeper;
}

TEST(Oneshot, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return receives_after_a_while(); });
  testing_support::abort_at_every_step([] { return waits_for_close(); });
}

TEST(Oneshot, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return receives_after_a_while(); },
                                          testing_support::Holds::kElsewhereToo);
  testing_support::time_out_at_every_step([] { return waits_for_close(); },
                                          testing_support::Holds::kElsewhereToo);
}

Task<int> many_channels(int rounds) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) {
    auto [tx, rx] = oneshot::channel<int>();
    spawn(send_after_yields(std::move(tx), i % 3, 1)).detach();
    const Result<int> value = co_await rx;
    sum += value.value();
  }
  co_return sum;
}

CO_TEST(Oneshot, ManyTasksAndChannels) {
  std::vector<JoinHandle<int>> tasks;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(spawn(many_channels(500)));
  }
  for (JoinHandle<int>& task : tasks) {
    const JoinResult<int> sum = co_await task;
    CO_ASSERT_EQ(sum.value(), 500);
  }
}

}  // namespace
}  // namespace ringo
