// SPDX-License-Identifier: MIT
//
// broadcast: every receiver gets every value, or is told what it missed. The behaviours are
// those of Tokio's sync_broadcast and sync_broadcast_weak tests, and what its users wish for beside
// lagging. Not applicable in C++: change_tasks (a wait cannot move to another task) and
// send_in_waker_drop (a waker runs no user code). What a value's destructor or copy constructor
// does to the channel is tested instead.

#include <ringo/spawn.h>
#include <ringo/sync/broadcast.h>
#include <ringo/sync/broadcast_error.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/manual_wait.h"
#include "support/random_seed.h"
#include "support/tracked.h"
#include "sync/broadcast_support.h"

namespace ringo {
namespace {

using namespace broadcast_testing;  // NOLINT(google-build-using-namespace)
using broadcast::Overflow;
using testing_support::ManualWait;
using testing_support::Tracked;

static_assert(!std::is_copy_constructible_v<broadcast::Receiver<int>>);
static_assert(std::is_nothrow_move_constructible_v<broadcast::Receiver<int>>);
static_assert(std::is_copy_constructible_v<broadcast::Sender<int>>);
static_assert(std::is_copy_constructible_v<broadcast::WeakSender<int>>);

CO_TEST(Broadcast, HeaderExample) {
  auto [tx, rx] = ringo::broadcast::channel<std::string>(16);
  ringo::broadcast::Receiver<std::string> second = tx.subscribe();
  tx.send("hello").value();
  auto first_copy = co_await rx.recv();
  auto second_copy = co_await second.recv();
  CO_ASSERT_EQ(first_copy.value(), "hello");
  CO_ASSERT_EQ(second_copy.value(), "hello");
}

template <class T>
class BroadcastOf : public testing::Test {};
TYPED_TEST_SUITE(BroadcastOf, Values, ValueNames);

TYPED_TEST(BroadcastOf, EveryReceiverGetsEveryValue) {
  using T = TypeParam;
  auto [tx, rx1] = broadcast::channel<T>(16);
  broadcast::Receiver<T> rx2 = tx.subscribe();
  EXPECT_TRUE(is_empty(rx1));
  EXPECT_TRUE(is_empty(rx2));
  EXPECT_EQ(tx.send(T(1)).value(), 2U);
  EXPECT_TRUE(gives(rx1, T(1)));
  EXPECT_TRUE(gives(rx2, T(1)));
  EXPECT_TRUE(is_empty(rx1));
  EXPECT_TRUE(is_empty(rx2));
}

TYPED_TEST(BroadcastOf, LaggingReceiverIsToldHowManyItMissed) {
  using T = TypeParam;
  auto [tx, rx1] = broadcast::channel<T>(2);
  broadcast::Receiver<T> rx2 = tx.subscribe();
  tx.send(T(1)).value();
  tx.send(T(2)).value();
  EXPECT_TRUE(gives(rx1, T(1)));
  tx.send(T(3)).value();
  EXPECT_TRUE(lags(rx2, 1));
  EXPECT_TRUE(gives(rx2, T(2)));
  EXPECT_TRUE(gives(rx1, T(2)));
  EXPECT_TRUE(gives(rx1, T(3)));
  tx.send(T(4)).value();
  tx.send(T(5)).value();
  EXPECT_TRUE(lags(rx2, 1));
  tx.send(T(6)).value();
  EXPECT_TRUE(lags(rx2, 1));
  EXPECT_EQ(tx.metrics().lagged_values, 3U);
}

TYPED_TEST(BroadcastOf, RandomUseAgreesWithAModel) {
  using T = TypeParam;
  constexpr std::uint64_t kCapacity = 8;
  std::mt19937_64 random = testing_support::seeded_random();
  auto [tx, first] = broadcast::channel<T>(kCapacity);
  struct Known {
    broadcast::Receiver<T> receiver;
    std::uint64_t next;
  };
  std::vector<Known> receivers;
  receivers.push_back(Known{std::move(first), 0});
  std::uint64_t sent = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t choice = random() % 100;
    if (choice < 55) {
      const auto reached = tx.send(T(static_cast<int>(sent)));
      ASSERT_EQ(reached.has_value(), !receivers.empty());
      sent += reached.has_value() ? 1 : 0;
    } else if (choice < 58 && receivers.size() < 5) {
      receivers.push_back(Known{tx.subscribe(), sent});
    } else if (choice < 60 && !receivers.empty()) {
      const std::size_t at = random() % receivers.size();
      std::swap(receivers[at], receivers.back());
      receivers.pop_back();
    } else if (!receivers.empty()) {
      Known& known = receivers[random() % receivers.size()];
      ASSERT_EQ(known.receiver.len(), sent - known.next);
      if (known.next == sent) {
        ASSERT_TRUE(is_empty(known.receiver));
      } else if (sent - known.next > kCapacity) {
        ASSERT_TRUE(lags(known.receiver, sent - kCapacity - known.next));
        known.next = sent - kCapacity;
      } else {
        ASSERT_TRUE(gives(known.receiver, T(static_cast<int>(known.next))));
        ++known.next;
      }
    }
    std::uint64_t longest = 0;
    for (const Known& known : receivers) {
      longest = std::max(longest, sent - known.next);
    }
    ASSERT_EQ(tx.len(), std::min(longest, kCapacity));
    ASSERT_EQ(tx.is_empty(), longest == 0);
  }
}

// ---- Waiting

TEST(Broadcast, SendWakesWhoWaits) {
  auto [tx, rx1] = broadcast::channel<std::string>(16);
  broadcast::Receiver<std::string> rx2 = tx.subscribe();
  {
    ManualWait recv1(rx1.recv());
    ManualWait recv2(rx2.recv());
    EXPECT_FALSE(recv1.poll());
    EXPECT_FALSE(recv2.poll());
    tx.send("hello").value();
    EXPECT_TRUE(recv1.is_woken());
    EXPECT_TRUE(recv2.is_woken());
    ASSERT_TRUE(recv1.poll());
    ASSERT_TRUE(recv2.poll());
    EXPECT_EQ(recv1.result(), "hello");
    EXPECT_EQ(recv2.result(), "hello");
  }
  ManualWait recv1(rx1.recv());
  ManualWait recv2(rx2.recv());
  EXPECT_FALSE(recv1.poll());
  tx.send("world").value();
  EXPECT_TRUE(recv1.is_woken());
  EXPECT_FALSE(recv2.is_woken());
  ASSERT_TRUE(recv1.poll());
  ASSERT_TRUE(recv2.poll());
  EXPECT_EQ(recv1.result(), "world");
  EXPECT_EQ(recv2.result(), "world");
}

TEST(Broadcast, SlowReceiverGetsEachValueInTurn) {
  auto [tx, rx1] = broadcast::channel<std::string>(16);
  broadcast::Receiver<std::string> rx2 = tx.subscribe();
  {
    ManualWait recv2(rx2.recv());
    EXPECT_FALSE(recv2.poll());
    {
      ManualWait recv1(rx1.recv());
      EXPECT_FALSE(recv1.poll());
      tx.send("one").value();
      EXPECT_TRUE(recv1.is_woken());
      EXPECT_TRUE(recv2.is_woken());
      tx.send("two").value();
      ASSERT_TRUE(recv1.poll());
      EXPECT_EQ(recv1.result(), "one");
    }
    EXPECT_TRUE(gives<std::string>(rx1, "two"));
    ManualWait recv1(rx1.recv());
    EXPECT_FALSE(recv1.poll());
    tx.send("three").value();
    EXPECT_TRUE(recv1.is_woken());
    ASSERT_TRUE(recv1.poll());
    EXPECT_EQ(recv1.result(), "three");
    ASSERT_TRUE(recv2.poll());
    EXPECT_EQ(recv2.result(), "one");
  }
  EXPECT_TRUE(gives<std::string>(rx2, "two"));
  EXPECT_TRUE(gives<std::string>(rx2, "three"));
}

TEST(Broadcast, WakeWithoutAValueChangesNothing) {
  auto [tx, rx] = broadcast::channel<int>(4);
  ManualWait recv(rx.recv());
  EXPECT_FALSE(recv.poll());
  EXPECT_FALSE(recv.poll()) << "still in the queue, once";
  tx.send(1).value();
  ASSERT_TRUE(recv.poll());
  EXPECT_EQ(recv.result(), 1);
}

TEST(Broadcast, CancelledReceiveLosesNothing) {
  auto [tx, rx] = broadcast::channel<int>(4);
  {
    ManualWait recv(rx.recv());
    EXPECT_FALSE(recv.poll());
  }
  {
    ManualWait recv(rx.recv());
    EXPECT_FALSE(recv.poll());
    tx.send(1).value();
    EXPECT_TRUE(recv.is_woken());
    EXPECT_TRUE(recv.poll());
  }
  EXPECT_TRUE(gives(rx, 1));
  EXPECT_TRUE(is_empty(rx));
}

TEST(Broadcast, DroppingTheLastSenderWakesWhoWaits) {
  auto [tx, rx1] = broadcast::channel<int>(16);
  broadcast::Receiver<int> rx2 = tx.subscribe();
  std::optional<broadcast::Sender<int>> first(std::move(tx));
  std::optional<broadcast::Sender<int>> other(std::in_place, *first);
  ManualWait recv1(rx1.recv());
  ManualWait recv2(rx2.recv());
  EXPECT_FALSE(recv1.poll());
  EXPECT_FALSE(recv2.poll());
  first.reset();
  EXPECT_FALSE(recv1.is_woken());
  EXPECT_FALSE(recv1.poll());
  other.reset();
  EXPECT_TRUE(recv1.is_woken());
  EXPECT_TRUE(recv2.is_woken());
  ASSERT_TRUE(recv1.poll());
  ASSERT_TRUE(recv2.poll());
  EXPECT_EQ(recv1.result().error(), RecvError(RecvFailure::kClosed));
  EXPECT_EQ(recv2.result().error(), RecvError(RecvFailure::kClosed));
}

CO_TEST(Broadcast, ReceiveIsCooperative) {
  auto [tx, rx] = broadcast::channel<int>(8);
  auto other = [](std::shared_ptr<std::atomic<bool>> flag) -> Task<void> {
    flag->store(true);
    co_return;
  };
  auto has_run = std::make_shared<std::atomic<bool>>(false);
  JoinHandle<void> handle = spawn(other(has_run));
  // Ends only if the receives let the other task run.
  while (!has_run->load()) {
    CO_ASSERT_TRUE(tx.send(1).has_value());
    const auto received = co_await rx.recv();
    CO_ASSERT_TRUE(received.has_value());
  }
  (void)co_await handle;
}

// ---- Closing, counts, and who keeps what alive

TEST(Broadcast, SendWithoutReceiversGivesTheValueBack) {
  auto [tx, rx] = broadcast::channel<std::string>(16);
  drop(std::move(rx));
  auto refused = tx.send("hello");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().value, "hello");
  auto tried = tx.try_send("hello");
  ASSERT_FALSE(tried.has_value());
  EXPECT_EQ(tried.error().reason, broadcast::SendFailure::kClosed);
  EXPECT_EQ(tried.error().value, "hello");
  broadcast::Receiver<std::string> revived = tx.subscribe();
  EXPECT_EQ(tx.send("world").value(), 1U);
  EXPECT_TRUE(gives<std::string>(revived, "world"));
}

TEST(Broadcast, CapacityIsCheckedAtTheLimitAndBeyond) {
  EXPECT_THROW((void)broadcast::channel<int>(0), UsageError);
  EXPECT_THROW((void)broadcast::channel<int>(broadcast::kMaxCapacity + 1), UsageError);
  EXPECT_THROW((void)broadcast::Sender<std::string>(0), UsageError);
  auto [tx, rx] = broadcast::channel<int>(broadcast::kMaxCapacity);
  EXPECT_EQ(tx.capacity(), broadcast::kMaxCapacity);
  tx.send(1).value();
  EXPECT_TRUE(gives(rx, 1));
}

TEST(Broadcast, ReceiversAreCountedToTheLimitAndNotBeyond) {
  const broadcast::Sender<int> tx(1);
  std::vector<broadcast::Receiver<int>> receivers;
  receivers.reserve(broadcast::kMaxReceivers);
  for (std::size_t i = 0; i < broadcast::kMaxReceivers; ++i) {
    receivers.push_back(tx.subscribe());
  }
  EXPECT_THROW((void)tx.subscribe(), UsageError);
  EXPECT_THROW((void)receivers.front().resubscribe(), UsageError);
  EXPECT_EQ(tx.send(7).value(), broadcast::kMaxReceivers);
  EXPECT_TRUE(gives(receivers.front(), 7));
  EXPECT_TRUE(gives(receivers.back(), 7));
  receivers.pop_back();
  receivers.push_back(tx.subscribe());
  EXPECT_EQ(tx.receiver_count(), broadcast::kMaxReceivers);
}

TEST(Broadcast, SingleSlotKeepsTheLastValue) {
  auto [tx, rx] = broadcast::channel<int>(1);
  EXPECT_EQ(tx.capacity(), 1U);
  tx.send(1).value();
  EXPECT_TRUE(gives(rx, 1));
  EXPECT_TRUE(is_empty(rx));
  tx.send(2).value();
  tx.send(3).value();
  EXPECT_TRUE(lags(rx, 1));
  EXPECT_TRUE(gives(rx, 3));
  EXPECT_TRUE(is_empty(rx));
  tx.send(4).value();
  tx.send(5).value();
  drop(std::move(tx));
  EXPECT_TRUE(lags(rx, 1));
  EXPECT_TRUE(gives(rx, 5));
  EXPECT_TRUE(is_closed(rx));
}

TEST(Broadcast, BacklogIsReceivedAfterTheSenderHasGone) {
  auto [tx, rx] = broadcast::channel<int>(2);
  tx.send(1).value();
  tx.send(2).value();
  drop(std::move(tx));
  EXPECT_TRUE(rx.is_closed());
  EXPECT_TRUE(gives(rx, 1)) << "dropping the sender overwrites nothing";
  EXPECT_TRUE(gives(rx, 2));
  EXPECT_TRUE(is_closed(rx));
  EXPECT_TRUE(is_closed(rx));
}

TEST(Broadcast, LaggingReceiverRecoversWhetherClosedOrOpen) {
  for (const int extra : {1, 2}) {
    for (const bool is_open : {false, true}) {
      std::optional<broadcast::Sender<int>> tx(2);
      broadcast::Receiver<int> rx = tx->subscribe();
      for (int i = 1; i <= 2 + extra; ++i) {
        tx->send(i).value();
      }
      if (!is_open) {
        tx.reset();
      }
      EXPECT_TRUE(lags(rx, static_cast<std::uint64_t>(extra)));
      EXPECT_TRUE(gives(rx, 1 + extra));
      EXPECT_TRUE(gives(rx, 2 + extra));
      EXPECT_TRUE(is_open ? is_empty(rx) : is_closed(rx));
    }
  }
}

TEST(Broadcast, LagIsCountedByTheRoundedCapacity) {
  auto [tx, rx] = broadcast::channel<int>(3);
  EXPECT_EQ(tx.capacity(), 4U);
  for (int i = 1; i <= 4; ++i) {
    tx.send(i).value();
  }
  EXPECT_EQ(rx.len(), 4U);
  EXPECT_TRUE(gives(rx, 1));
  tx.send(5).value();
  EXPECT_EQ(rx.len(), 4U);
  tx.send(6).value();
  EXPECT_EQ(rx.len(), 5U) << "what it has lost counts until it is told";
  EXPECT_TRUE(lags(rx, 1));
  for (int i = 3; i <= 6; ++i) {
    EXPECT_TRUE(gives(rx, i));
  }
  EXPECT_TRUE(is_empty(rx));
}

TEST(Broadcast, LagCountsEveryValueOverwritten) {
  auto [tx, rx] = broadcast::channel<int>(4);
  for (int i = 1; i <= 4; ++i) {
    tx.send(i).value();
  }
  EXPECT_TRUE(gives(rx, 1));
  for (int i = 5; i <= 8; ++i) {
    tx.send(i).value();
  }
  EXPECT_TRUE(lags(rx, 3));
  for (int i = 5; i <= 8; ++i) {
    EXPECT_TRUE(gives(rx, i));
  }
  EXPECT_TRUE(is_empty(rx));
}

TEST(Broadcast, LagCanHappenAgain) {
  auto [tx, rx] = broadcast::channel<int>(2);
  for (int i = 1; i <= 3; ++i) {
    tx.send(i).value();
  }
  EXPECT_TRUE(lags(rx, 1));
  for (int i = 4; i <= 6; ++i) {
    tx.send(i).value();  // before it has read what was left: 2, 3 and 4 are gone
  }
  EXPECT_TRUE(lags(rx, 3));
  EXPECT_TRUE(gives(rx, 5));
  EXPECT_TRUE(gives(rx, 6));
  EXPECT_TRUE(is_empty(rx));
  for (int i = 7; i <= 9; ++i) {
    tx.send(i).value();  // from a clean cursor
  }
  EXPECT_TRUE(lags(rx, 1));
  EXPECT_EQ(rx.len(), 2U);
  EXPECT_TRUE(gives(rx, 8));
  EXPECT_EQ(rx.len(), 1U);
  EXPECT_TRUE(gives(rx, 9));
  EXPECT_EQ(rx.len(), 0U);
  EXPECT_TRUE(rx.is_empty());
}

TEST(Broadcast, LagIsPerReceiver) {
  auto [tx, slow] = broadcast::channel<int>(2);
  broadcast::Receiver<int> fast = tx.subscribe();
  for (int i = 1; i <= 4; ++i) {
    tx.send(i).value();
    EXPECT_TRUE(gives(fast, i));
  }
  EXPECT_TRUE(lags(slow, 2));
  EXPECT_TRUE(gives(slow, 3));
  EXPECT_TRUE(gives(slow, 4));
  EXPECT_TRUE(is_empty(slow));
  EXPECT_TRUE(is_empty(fast));
}

CO_TEST(Broadcast, AwaitedReceiveLagsAndGoesOn) {
  auto [tx, rx] = broadcast::channel<int>(2);
  for (const int i : {10, 20, 30}) {
    CO_ASSERT_TRUE(tx.send(i).has_value());
  }
  auto lagged = co_await rx.recv();
  CO_ASSERT_EQ(lagged.error(), RecvError(RecvFailure::kLagged, 1));
  auto first = co_await rx.recv();
  CO_ASSERT_EQ(first.value(), 20);
  auto second = co_await rx.recv();
  CO_ASSERT_EQ(second.value(), 30);
}

TEST(Broadcast, ResubscribedReceiverBeginsAtTheTail) {
  auto [tx, rx] = broadcast::channel<int>(3);
  tx.send(1).value();
  broadcast::Receiver<int> other = rx.resubscribe();
  EXPECT_TRUE(other.same_channel(rx));
  EXPECT_TRUE(is_empty(other));
  EXPECT_TRUE(gives(rx, 1));
  tx.send(2).value();
  EXPECT_TRUE(gives(other, 2));
  tx.send(3).value();
  EXPECT_TRUE(gives(rx, 2));
  EXPECT_TRUE(gives(rx, 3));
  EXPECT_TRUE(gives(other, 3));
  EXPECT_TRUE(is_empty(rx));
  EXPECT_TRUE(is_empty(other));
}

TEST(Broadcast, ResubscribedReceiverDoesNotInheritLagOrOpenness) {
  auto [tx, rx] = broadcast::channel<int>(1);
  tx.send(1).value();
  tx.send(2).value();
  broadcast::Receiver<int> other = rx.resubscribe();
  EXPECT_TRUE(lags(rx, 1));
  EXPECT_TRUE(is_empty(other));
  EXPECT_TRUE(gives(rx, 2));
  EXPECT_TRUE(is_empty(other));
  drop(std::move(tx));
  broadcast::Receiver<int> late = rx.resubscribe();
  EXPECT_TRUE(is_closed(late));
}

TEST(Broadcast, SenderLengthIsThatOfTheSlowest) {
  auto [tx, rx1] = broadcast::channel<int>(4);
  broadcast::Receiver<int> rx2 = tx.subscribe();
  EXPECT_EQ(tx.len(), 0U);
  EXPECT_TRUE(tx.is_empty());
  for (int i = 1; i <= 3; ++i) {
    tx.send(i).value();
  }
  EXPECT_EQ(tx.len(), 3U);
  EXPECT_TRUE(gives(rx1, 1));
  EXPECT_TRUE(gives(rx1, 2));
  EXPECT_EQ(tx.len(), 3U);
  EXPECT_TRUE(gives(rx2, 1));
  EXPECT_EQ(tx.len(), 2U);
  for (int i = 4; i <= 6; ++i) {
    tx.send(i).value();
  }
  EXPECT_EQ(tx.len(), 4U) << "not more than there is room for";
  EXPECT_FALSE(tx.is_empty());
  drop(std::move(rx1));
  drop(std::move(rx2));
  EXPECT_EQ(tx.len(), 0U);
}

TEST(Broadcast, ClosedEndsWhenTheLastReceiverGoes) {
  auto [tx, first] = broadcast::channel<int>(1);
  std::optional<broadcast::Receiver<int>> rx1(std::move(first));
  std::optional<broadcast::Receiver<int>> rx2(tx.subscribe());
  ManualWait closed(tx.closed());
  EXPECT_FALSE(closed.poll());
  rx1.reset();
  EXPECT_FALSE(closed.is_woken());
  EXPECT_FALSE(closed.poll());
  rx2.reset();
  EXPECT_TRUE(closed.is_woken());

  std::optional<broadcast::Receiver<int>> rx3(tx.subscribe());
  EXPECT_FALSE(closed.poll()) << "it was revived before the waiter looked";
  rx3.reset();
  EXPECT_TRUE(closed.is_woken());
  EXPECT_TRUE(closed.poll());
  ManualWait again(tx.closed());
  EXPECT_TRUE(again.poll());
}

TEST(Broadcast, NewSenderHasNoReceiver) {
  const broadcast::Sender<int> tx(1);
  EXPECT_EQ(tx.receiver_count(), 0U);
  {
    ManualWait closed(tx.closed());
    EXPECT_TRUE(closed.poll());
  }
  const broadcast::Receiver<int> rx = tx.subscribe();
  const broadcast::Receiver<int> rx2 = rx.resubscribe();
  EXPECT_EQ(tx.receiver_count(), 2U);
  ManualWait closed(tx.closed());
  EXPECT_FALSE(closed.poll());
}

TEST(Broadcast, WeakSendersDoNotKeepItOpen) {
  auto [tx, rx] = broadcast::channel<int>(10);
  const broadcast::WeakSender<int> weak = tx.downgrade();
  const broadcast::WeakSender<int> weak2(weak);
  EXPECT_EQ(tx.strong_count(), 1U);
  EXPECT_EQ(tx.weak_count(), 2U);
  EXPECT_EQ(rx.sender_weak_count(), 2U);
  {
    std::optional<broadcast::Sender<int>> strong = weak.upgrade();
    ASSERT_TRUE(strong.has_value());
    EXPECT_TRUE(strong->same_channel(tx));
    EXPECT_EQ(rx.sender_strong_count(), 2U);
    const broadcast::Sender<int> third(*strong);
    EXPECT_EQ(weak.strong_count(), 3U);
    EXPECT_EQ(strong->send(20).value(), 1U);
  }
  EXPECT_EQ(weak.strong_count(), 1U);
  EXPECT_FALSE(rx.is_closed());
  drop(std::move(tx));
  EXPECT_FALSE(weak.upgrade().has_value());
  EXPECT_EQ(weak.strong_count(), 0U);
  EXPECT_EQ(weak.weak_count(), 2U);
  EXPECT_TRUE(rx.is_closed());
  EXPECT_TRUE(gives(rx, 20));
  EXPECT_TRUE(is_closed(rx));
}

TEST(Broadcast, ValueGoesWithItsLastReader) {
  const auto value = std::make_shared<int>(1);
  auto [tx, rx1] = broadcast::channel<std::shared_ptr<int>>(16);
  broadcast::Receiver<std::shared_ptr<int>> rx2 = tx.subscribe();
  tx.send(value).value();
  EXPECT_EQ(value.use_count(), 2);
  {
    const auto received = rx1.try_recv();
    EXPECT_EQ(value.use_count(), 3);
  }
  EXPECT_EQ(value.use_count(), 2);
  {
    const auto received = rx2.try_recv();
    EXPECT_EQ(value.use_count(), 2) << "the last one gets the value itself";
  }
  EXPECT_EQ(value.use_count(), 1);

  tx.send(value).value();
  drop(std::move(rx1));
  EXPECT_EQ(value.use_count(), 2);
  drop(std::move(rx2));
  EXPECT_EQ(value.use_count(), 1) << "unconsumed values go with the last receiver";
}

TEST(Broadcast, OverwrittenAndUnreadValuesAreDestroyed) {
  const int before = Tracked::alive();
  {
    auto [tx, rx] = broadcast::channel<Tracked>(4);
    broadcast::Receiver<Tracked> lagging = tx.subscribe();
    for (int i = 0; i < 100; ++i) {
      (void)tx.send(Tracked());
      EXPECT_LE(Tracked::alive(), before + 4);
    }
    EXPECT_EQ(Tracked::alive(), before + 4);
    EXPECT_TRUE(rx.try_recv().error() == RecvError(RecvFailure::kLagged, 96));
    drop(std::move(rx));
    EXPECT_EQ(Tracked::alive(), before + 4);
    drop(std::move(tx));
    EXPECT_EQ(Tracked::alive(), before + 4);
    drop(std::move(lagging));
    EXPECT_EQ(Tracked::alive(), before);
  }
  EXPECT_EQ(Tracked::alive(), before);
}

// ---- User code in values

struct ThrowsWhenCopied {
  ThrowsWhenCopied(int n, bool must_throw) : number(n), throws(must_throw) {}
  ThrowsWhenCopied(const ThrowsWhenCopied& other)
      : number(other.number), throws(other.throws), tracked(other.tracked) {
    if (throws) {
      throw std::runtime_error("copied");
    }
  }
  ThrowsWhenCopied(ThrowsWhenCopied&&) = default;
  ThrowsWhenCopied& operator=(const ThrowsWhenCopied&) = default;
  ThrowsWhenCopied& operator=(ThrowsWhenCopied&&) = default;
  ~ThrowsWhenCopied() = default;

  int number;
  bool throws;
  Tracked tracked;
};

// Tokio's panic_in_clone.
TEST(Broadcast, ThrowingCopyLosesThatValueOnly) {
  const int before = Tracked::alive();
  {
    auto [tx, rx1] = broadcast::channel<ThrowsWhenCopied>(2, Overflow::kBackPressure);
    auto rx2 = tx.subscribe();
    (void)tx.try_send(ThrowsWhenCopied(0, true));
    (void)tx.try_send(ThrowsWhenCopied(1, false));
    EXPECT_THROW((void)rx1.try_recv(), std::runtime_error);
    EXPECT_EQ(rx1.try_recv().value().number, 1);
    EXPECT_EQ(tx.try_send(ThrowsWhenCopied(2, true)).error().reason, broadcast::SendFailure::kFull);
    EXPECT_EQ(rx2.try_recv().value().number, 0) << "the last one moves it";
    EXPECT_EQ(rx2.try_recv().value().number, 1);
    EXPECT_TRUE(tx.try_send(ThrowsWhenCopied(2, true)).has_value());
    EXPECT_TRUE(tx.try_send(ThrowsWhenCopied(3, true)).has_value()) << "no room was lost";
  }
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(Broadcast, AwaitedThrowingCopyComesOutOfTheAwait) {
  auto [tx, rx] = broadcast::channel<ThrowsWhenCopied>(2);
  const auto other = tx.subscribe();
  (void)tx.send(ThrowsWhenCopied(0, true));
  (void)tx.send(ThrowsWhenCopied(1, false));
  bool has_thrown = false;
  try {
    (void)co_await rx.recv();
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  CO_ASSERT_TRUE(has_thrown);
  auto next = co_await rx.recv();
  CO_ASSERT_EQ(next.value().number, 1);
}

/// Uses its channel whenever it is copied, moved or destroyed.
struct Meddler {
  explicit Meddler(const broadcast::Sender<Meddler>* sender) : channel(sender) {}
  Meddler(const Meddler& other) : channel(other.channel) { meddle(); }
  Meddler(Meddler&& other) noexcept : channel(std::exchange(other.channel, nullptr)) { meddle(); }
  Meddler& operator=(const Meddler&) = default;
  Meddler& operator=(Meddler&&) = default;
  ~Meddler() { meddle(); }
  void meddle() const noexcept {
    if (channel != nullptr) {
      const broadcast::Receiver<Meddler> receiver = channel->subscribe();
      EXPECT_GE(channel->receiver_count(), 1U);
      (void)channel->len();
    }
  }
  const broadcast::Sender<Meddler>* channel;
};

// Tokio's send_in_waker_drop, for what there is in C++: user code runs under none of our locks.
TEST(Broadcast, ValuesMayUseTheChannelThatTheyAreIn) {
  const broadcast::Sender<Meddler> tx(2);
  broadcast::Receiver<Meddler> rx1 = tx.subscribe();
  broadcast::Receiver<Meddler> rx2 = tx.subscribe();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(tx.send(Meddler(&tx)).has_value());
  }
  EXPECT_EQ(rx1.try_recv().error(), RecvError(RecvFailure::kLagged, 3));
  EXPECT_TRUE(rx1.try_recv().has_value());
  EXPECT_EQ(rx2.try_recv().error(), RecvError(RecvFailure::kLagged, 3));
  EXPECT_TRUE(rx2.try_recv().has_value());
}

}  // namespace
}  // namespace ringo
