// SPDX-License-Identifier: MIT
//
// broadcast with the two policies that Tokio's has not: back-pressure, and disconnecting the slow.
// Its users ask for them (a slow receiver that lags loses data, and large buffers only put it off).

#include <ringo/detail/broadcast_channel.h>
#include <ringo/join_error.h>
#include <ringo/spawn.h>
#include <ringo/sync/broadcast.h>
#include <ringo/sync/broadcast_error.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/manual_wait.h"
#include "support/tracked.h"
#include "sync/broadcast_support.h"

namespace ringo {
namespace {

using namespace broadcast_testing;  // NOLINT(google-build-using-namespace)
using broadcast::Overflow;
using testing_support::ManualWait;
using testing_support::Tracked;

// ---- Back-pressure

TEST(BroadcastBackPressure, TrySendTellsFullUntilTheSlowestHasMadeRoom) {
  auto [tx, rx1] = broadcast::channel<std::string>(2, Overflow::kBackPressure);
  broadcast::Receiver<std::string> rx2 = tx.subscribe();
  EXPECT_EQ(tx.try_send("1").value(), 2U);
  EXPECT_EQ(tx.try_send("2").value(), 2U);
  auto full = tx.try_send("3");
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().reason, broadcast::SendFailure::kFull);
  EXPECT_EQ(full.error().value, "3");
  EXPECT_TRUE(gives<std::string>(rx1, "1"));
  EXPECT_FALSE(tx.try_send("3").has_value());
  EXPECT_TRUE(gives<std::string>(rx2, "1"));
  EXPECT_TRUE(tx.try_send("3").has_value());
  EXPECT_FALSE(tx.try_send("4").has_value());
  for (const char* text : {"2", "3"}) {
    EXPECT_TRUE(gives<std::string>(rx1, text));
    EXPECT_TRUE(gives<std::string>(rx2, text));
  }
  EXPECT_EQ(tx.metrics().lagged_values, 0U);
}

TEST(BroadcastBackPressure, SendThatCannotWaitIsAUsageError) {
  auto [tx, rx] = broadcast::channel<int>(2, Overflow::kBackPressure);
  EXPECT_THROW((void)tx.send(1), UsageError);
  EXPECT_TRUE(is_empty(rx));
}

TEST(BroadcastBackPressure, SendersWaitInLine) {
  auto [tx, rx] = broadcast::channel<int>(1, Overflow::kBackPressure);
  EXPECT_TRUE(tx.try_send(1).has_value());
  ManualWait first(tx.send_wait(2));
  ManualWait second(tx.send_wait(3));
  EXPECT_FALSE(first.poll());
  EXPECT_FALSE(second.poll());
  EXPECT_TRUE(gives(rx, 1));
  EXPECT_TRUE(first.is_woken());
  EXPECT_FALSE(second.is_woken());
  EXPECT_EQ(tx.try_send(4).error().reason, broadcast::SendFailure::kFull) << "nobody overtakes";
  ASSERT_TRUE(first.poll());
  EXPECT_EQ(first.result().value(), 1U);
  EXPECT_FALSE(second.poll());
  EXPECT_TRUE(gives(rx, 2));
  ASSERT_TRUE(second.poll());
  EXPECT_EQ(second.result().value(), 1U);
  EXPECT_TRUE(gives(rx, 3));
}

TEST(BroadcastBackPressure, CancelledSendIsNotSentAndPassesItsTurnOn) {
  auto [tx, rx] = broadcast::channel<int>(1, Overflow::kBackPressure);
  EXPECT_TRUE(tx.try_send(1).has_value());
  std::optional<ManualWait<broadcast::detail::SendAwaiter<int>>> first(std::in_place,
                                                                       tx.send_wait(2));
  ManualWait second(tx.send_wait(3));
  EXPECT_FALSE(first->poll());
  EXPECT_FALSE(second.poll());
  EXPECT_TRUE(gives(rx, 1));
  EXPECT_TRUE(first->is_woken());
  EXPECT_TRUE(first->poll());
  first.reset();
  EXPECT_TRUE(second.is_woken());
  ASSERT_TRUE(second.poll());
  EXPECT_TRUE(second.result().has_value());
  EXPECT_TRUE(gives(rx, 3));
  EXPECT_TRUE(tx.try_send(4).has_value()) << "all the room has come home";
}

TEST(BroadcastBackPressure, SlowReceiverThatGoesMakesRoom) {
  auto [tx, rx] = broadcast::channel<std::string>(2, Overflow::kBackPressure);
  auto slow = tx.subscribe();
  EXPECT_TRUE(tx.try_send("1").has_value());
  EXPECT_TRUE(tx.try_send("2").has_value());
  EXPECT_TRUE(gives<std::string>(rx, "1"));
  EXPECT_TRUE(gives<std::string>(rx, "2"));
  ManualWait send(tx.send_wait("3"));
  EXPECT_FALSE(send.poll());
  drop(std::move(slow));
  EXPECT_TRUE(send.is_woken());
  ASSERT_TRUE(send.poll());
  EXPECT_EQ(send.result().value(), 1U);
  EXPECT_TRUE(gives<std::string>(rx, "3"));
}

TEST(BroadcastBackPressure, WaitingSendFailsWhenTheLastReceiverGoes) {
  auto [tx, rx] = broadcast::channel<std::string>(1, Overflow::kBackPressure);
  EXPECT_TRUE(tx.try_send("1").has_value());
  ManualWait first(tx.send_wait("2"));
  ManualWait second(tx.send_wait("3"));
  EXPECT_FALSE(first.poll());
  EXPECT_FALSE(second.poll());
  drop(std::move(rx));
  ASSERT_TRUE(first.poll());
  auto refused = first.result();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().value, "2");
}

CO_TEST(BroadcastBackPressure, EveryWaitingSendFailsWhenTheLastReceiverGoes) {
  auto [tx, rx] = broadcast::channel<int>(1, Overflow::kBackPressure);
  auto sends = [](broadcast::Sender<int> sender, int value) -> Task<int> {
    auto sent = co_await sender.send_wait(value);
    co_return sent ? 0 : sent.error().value;
  };
  CO_ASSERT_TRUE(tx.try_send(1).has_value());
  std::vector<JoinHandle<int>> senders;
  for (int i = 10; i < 15; ++i) {
    senders.push_back(spawn(sends(tx, i)));
  }
  co_await yield_now();
  drop(std::move(rx));
  for (int i = 10; i < 15; ++i) {
    const JoinResult<int> returned = co_await senders[static_cast<std::size_t>(i - 10)];
    CO_ASSERT_EQ(returned.value(), i);
  }
  const auto revived = tx.subscribe();
  CO_ASSERT_TRUE(tx.try_send(2).has_value()) << "all the room has come home";
}

template <class T>
Task<void> back_pressure_loses_nothing() {
  constexpr int kValues = 2000;
  auto [tx, first] = broadcast::channel<T>(4, Overflow::kBackPressure);
  std::vector<JoinHandle<std::uint64_t>> receivers;
  receivers.push_back(spawn(receives_in_order<T>(std::move(first))));
  for (int i = 0; i < 3; ++i) {
    receivers.push_back(spawn(receives_in_order<T>(tx.subscribe())));
  }
  for (int i = 0; i < kValues; ++i) {
    auto sent = co_await tx.send_wait(T(i));
    CO_ASSERT_EQ(sent.value(), 4U);
  }
  drop(std::move(tx));
  for (JoinHandle<std::uint64_t>& receiver : receivers) {
    const JoinResult<std::uint64_t> count = co_await receiver;
    CO_ASSERT_EQ(count.value(), static_cast<std::uint64_t>(kValues));
  }
}

CO_TEST(BroadcastBackPressure, LosesNothingWithSmallValues) {
  co_await back_pressure_loses_nothing<Plain>();
}
CO_TEST(BroadcastBackPressure, LosesNothingWithLargeValues) {
  co_await back_pressure_loses_nothing<Text>();
}

// ---- Disconnecting the slow

template <class T>
class BroadcastDisconnect : public testing::Test {};
TYPED_TEST_SUITE(BroadcastDisconnect, Values, ValueNames);

TYPED_TEST(BroadcastDisconnect, SlowReceiverIsToldHowManyItMissed) {
  using T = TypeParam;
  auto [tx, slow] = broadcast::channel<T>(2, Overflow::kDisconnectSlow);
  broadcast::Receiver<T> fast = tx.subscribe();
  EXPECT_EQ(tx.send(T(1)).value(), 2U);
  EXPECT_EQ(tx.send(T(2)).value(), 2U);
  EXPECT_TRUE(gives(fast, T(1)));
  EXPECT_EQ(tx.receiver_count(), 2U);
  EXPECT_EQ(tx.metrics().disconnected_receivers, 0U);
  EXPECT_EQ(tx.send(T(3)).value(), 1U) << "the slow one was in the way";
  EXPECT_EQ(tx.receiver_count(), 1U);
  EXPECT_EQ(tx.metrics().disconnected_receivers, 1U);
  EXPECT_EQ(slow.len(), 2U);
  EXPECT_TRUE(fails(slow, RecvFailure::kDisconnected, 2));
  EXPECT_TRUE(fails(slow, RecvFailure::kDisconnected, 2)) << "from now on";
  EXPECT_EQ(slow.len(), 0U);
  EXPECT_TRUE(gives(fast, T(2)));
  EXPECT_TRUE(gives(fast, T(3)));
  EXPECT_TRUE(is_empty(fast));
  broadcast::Receiver<T> again = slow.resubscribe();
  EXPECT_EQ(tx.send(T(4)).value(), 2U);
  EXPECT_TRUE(gives(again, T(4)));
  EXPECT_TRUE(fails(slow, RecvFailure::kDisconnected, 2));
  drop(std::move(tx));
  EXPECT_TRUE(is_closed(again));
  EXPECT_TRUE(fails(slow, RecvFailure::kDisconnected, 2));
}

TYPED_TEST(BroadcastDisconnect, SendFailsIfAllWereTooSlow) {
  using T = TypeParam;
  auto [tx, rx] = broadcast::channel<T>(1, Overflow::kDisconnectSlow);
  ManualWait closed(tx.closed());
  EXPECT_FALSE(closed.poll());
  EXPECT_TRUE(tx.send(T(1)).has_value());
  auto refused = tx.send(T(2));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().value, T(2));
  EXPECT_TRUE(closed.is_woken());
  EXPECT_TRUE(closed.poll());
  EXPECT_TRUE(fails(rx, RecvFailure::kDisconnected, 1));
}

TEST(BroadcastDisconnect, AwaitedReceiveAfterDisconnectionDoesNotWait) {
  auto [tx, rx] = broadcast::channel<int>(1, Overflow::kDisconnectSlow);
  const auto fast = tx.subscribe();
  EXPECT_TRUE(tx.send(1).has_value());
  EXPECT_FALSE(tx.send(2).has_value());
  for (int i = 0; i < 2; ++i) {
    ManualWait recv(rx.recv());
    ASSERT_TRUE(recv.poll());
    EXPECT_EQ(recv.result().error(), RecvError(RecvFailure::kDisconnected, 1));
  }
}

TEST(BroadcastDisconnect, ValuesOfADisconnectedReceiverAreDestroyed) {
  const int before = Tracked::alive();
  auto [tx, noticing] = broadcast::channel<Tracked>(2, Overflow::kDisconnectSlow);
  auto leaving = tx.subscribe();
  for (int i = 0; i < 3; ++i) {
    (void)tx.send(Tracked());
  }
  EXPECT_EQ(tx.receiver_count(), 0U);
  EXPECT_EQ(Tracked::alive(), before + 2);
  EXPECT_FALSE(noticing.try_recv().has_value());
  EXPECT_EQ(Tracked::alive(), before + 2);
  drop(std::move(leaving));
  EXPECT_EQ(Tracked::alive(), before) << "nobody is left to read them";
}

}  // namespace
}  // namespace ringo
