// SPDX-License-Identifier: MIT
//
// watch: the newest value, and whether it was seen. The behaviours are those of Tokio's sync_watch
// tests. Different on purpose: what borrow() gives is a snapshot and no lock, and a modification
// that throws leaves the value as it was. Beside it: the deadlocks that Tokio's users ran into with
// a borrowed value (held while sending, borrowed twice, held over an await), which cannot happen.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/watch.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/manual_wait.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using testing_support::ManualWait;
using testing_support::Tracked;

static_assert(std::is_copy_constructible_v<watch::Receiver<int>>);
static_assert(std::is_copy_constructible_v<watch::Sender<int>>);
static_assert(std::is_nothrow_move_constructible_v<watch::Receiver<int>>);

template <class T>
concept CanBeModifiedByACoroutine =
    requires(const watch::Sender<T>& tx, Task<void> (*change)(T&)) { tx.send_modify(change); };
static_assert(!CanBeModifiedByACoroutine<int>);

bool is_closed(const Result<void>& result) {
  return !result && result.error().kind() == ErrorKind::kClosed;
}

CO_TEST(Watch, HeaderExample) {
  auto [tx, rx] = ringo::watch::channel<std::string>("starting");
  tx.send("running").value();
  ringo::Result<void> has_changed = co_await rx.changed();
  ringo::watch::Ref<std::string> state = rx.borrow_and_update();
  CO_ASSERT_TRUE(has_changed.has_value());
  CO_ASSERT_EQ(*state, "running");
}

// ---- Both kinds of values: small trivial ones, and others.

struct Small {
  explicit Small(int n) : number(n) {}
  friend bool operator==(const Small&, const Small&) = default;
  int number;
};
struct Text {
  explicit Text(int n) : text(std::to_string(n)) {}
  friend bool operator==(const Text&, const Text&) = default;
  std::string text;
};

template <class T>
class WatchOf : public testing::Test {};
struct ValueNames {
  template <class T>
  // NOLINTNEXTLINE(readability-identifier-naming): the name that GoogleTest asks for.
  static std::string GetName(int /*index*/) {
    return std::is_same_v<T, Small> ? "Small" : "Text";
  }
};
using Values = testing::Types<Small, Text>;
TYPED_TEST_SUITE(WatchOf, Values, ValueNames);

TYPED_TEST(WatchOf, OneReceiverSeesEachChange) {
  using T = TypeParam;
  auto halves = watch::channel<T>(T(1));
  std::optional<watch::Sender<T>> tx(std::move(halves.sender));
  watch::Receiver<T> rx(std::move(halves.receiver));
  {
    ManualWait changed(rx.changed());
    EXPECT_FALSE(changed.poll()) << "the first value counts as seen";
  }
  EXPECT_EQ(*rx.borrow(), T(1));
  {
    ManualWait changed(rx.changed());
    EXPECT_FALSE(changed.poll());
    EXPECT_TRUE(tx->send(T(2)).has_value());
    EXPECT_TRUE(changed.is_woken());
    ASSERT_TRUE(changed.poll());
    EXPECT_TRUE(changed.result().has_value());
  }
  EXPECT_EQ(*rx.borrow(), T(2));
  {
    ManualWait changed(rx.changed());
    EXPECT_FALSE(changed.poll());
    tx.reset();
    EXPECT_TRUE(changed.is_woken());
    ASSERT_TRUE(changed.poll());
    EXPECT_TRUE(is_closed(changed.result()));
  }
  EXPECT_EQ(*rx.borrow(), T(2));
}

TYPED_TEST(WatchOf, ManyReceiversSeeTheNewest) {
  using T = TypeParam;
  auto [tx, rx1] = watch::channel<T>(T(1));
  watch::Receiver<T> rx2(rx1);
  {
    ManualWait changed2(rx2.changed());
    {
      ManualWait changed1(rx1.changed());
      EXPECT_FALSE(changed1.poll());
      EXPECT_FALSE(changed2.poll());
      EXPECT_TRUE(tx.send(T(2)).has_value());
      EXPECT_TRUE(changed1.is_woken());
      EXPECT_TRUE(changed2.is_woken());
      ASSERT_TRUE(changed1.poll());
      EXPECT_TRUE(changed1.result().has_value());
    }
    EXPECT_EQ(*rx1.borrow(), T(2));
    ManualWait changed1(rx1.changed());
    EXPECT_FALSE(changed1.poll());
    EXPECT_TRUE(tx.send(T(3)).has_value());
    EXPECT_TRUE(changed1.is_woken());
    ASSERT_TRUE(changed1.poll());
    ASSERT_TRUE(changed2.poll()) << "it has skipped one";
    EXPECT_TRUE(changed1.result().has_value());
    EXPECT_TRUE(changed2.result().has_value());
  }
  EXPECT_EQ(*rx1.borrow(), T(3));
  EXPECT_EQ(*rx2.borrow(), T(3));
  EXPECT_FALSE(rx2.has_changed().value());
}

TYPED_TEST(WatchOf, BorrowAndUpdateMarksWhatItReturns) {
  using T = TypeParam;
  auto [tx, rx] = watch::channel<T>(T(1));
  EXPECT_FALSE(rx.has_changed().value());
  EXPECT_TRUE(tx.send(T(2)).has_value());
  EXPECT_TRUE(rx.has_changed().value());
  EXPECT_TRUE(rx.borrow().has_changed());
  EXPECT_TRUE(rx.has_changed().value()) << "borrow() marks nothing";
  {
    const watch::Ref<T> value = rx.borrow_and_update();
    EXPECT_EQ(*value, T(2));
    EXPECT_TRUE(value.has_changed());
  }
  EXPECT_FALSE(rx.borrow_and_update().has_changed());
  EXPECT_FALSE(rx.has_changed().value());
  {
    ManualWait changed(rx.changed());
    EXPECT_FALSE(changed.poll());
  }
  EXPECT_TRUE(tx.send(T(3)).has_value());
  EXPECT_EQ(*rx.borrow_and_update(), T(3));
  drop(std::move(tx));
  EXPECT_EQ(*rx.borrow_and_update(), T(3));
  ManualWait changed(rx.changed());
  ASSERT_TRUE(changed.poll());
  EXPECT_TRUE(is_closed(changed.result()));
  EXPECT_FALSE(rx.has_changed().has_value());
}

TYPED_TEST(WatchOf, SendWithoutReceiversGivesTheValueBack) {
  using T = TypeParam;
  auto [tx, rx] = watch::channel<T>(T(1));
  drop(std::move(rx));
  auto refused = tx.send(T(2));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().value, T(2));
  EXPECT_EQ(*tx.borrow(), T(1)) << "not stored";
  EXPECT_EQ(*tx.send_replace(T(3)), T(1));
  tx.send_modify([](T& value) { value = T(4); });
  EXPECT_EQ(*tx.get(), T(4));
  watch::Receiver<T> late = tx.subscribe();
  EXPECT_EQ(*late.get(), T(4));
  EXPECT_FALSE(late.has_changed().value()) << "a subscriber has seen the current value";
  EXPECT_TRUE(tx.send(T(5)).has_value());
  EXPECT_TRUE(late.has_changed().value());
}

TYPED_TEST(WatchOf, ModificationIsAnnouncedOnce) {
  using T = TypeParam;
  auto [tx, rx] = watch::channel<T>(T(1));
  ManualWait changed(rx.changed());
  EXPECT_FALSE(changed.poll());
  EXPECT_FALSE(tx.send_if_modified([](T& value) {
    value = T(9);
    return false;
  }));
  EXPECT_FALSE(changed.is_woken());
  EXPECT_EQ(*rx.borrow(), T(1)) << "what was not announced has not happened";
  EXPECT_TRUE(tx.send_if_modified([](T& value) {
    value = T(2);
    return true;
  }));
  EXPECT_TRUE(changed.is_woken());
  ASSERT_TRUE(changed.poll());
  EXPECT_TRUE(changed.result().has_value());
  EXPECT_EQ(*rx.borrow(), T(2));
}

// Tokio's send_modify_panic, where the value stays half changed.
TYPED_TEST(WatchOf, ModificationThatThrowsChangesNothing) {
  using T = TypeParam;
  auto [tx, rx] = watch::channel<T>(T(1));
  tx.send_modify([](T& value) { value = T(2); });
  EXPECT_EQ(*rx.borrow_and_update(), T(2));
  ManualWait changed(rx.changed());
  EXPECT_FALSE(changed.poll());
  EXPECT_THROW(tx.send_modify([](T& value) {
    value = T(666);
    throw std::runtime_error("thrown by the modification");
  }),
               std::runtime_error);
  EXPECT_FALSE(changed.is_woken());
  EXPECT_FALSE(changed.poll());
  EXPECT_EQ(*rx.borrow(), T(2));
  tx.send_modify([](T& value) { value = T(3); });
  EXPECT_TRUE(changed.is_woken());
  ASSERT_TRUE(changed.poll());
  EXPECT_EQ(*rx.borrow_and_update(), T(3));
}

// ---- Seen and unseen

TEST(Watch, MarkChangedMakesTheValueUnseen) {
  auto [tx, rx] = watch::channel<std::string>("one");
  watch::Receiver<std::string> rx2(rx);
  rx.mark_changed();
  EXPECT_TRUE(rx.has_changed().value());
  {
    ManualWait changed(rx.changed());
    ASSERT_TRUE(changed.poll());
    EXPECT_TRUE(changed.result().has_value());
  }
  EXPECT_FALSE(rx2.has_changed().value()) << "each copy has seen for itself";
  rx2.mark_changed();
  EXPECT_EQ(*rx2.borrow(), "one");
  EXPECT_TRUE(rx2.has_changed().value());
  EXPECT_EQ(*rx2.borrow_and_update(), "one");
  EXPECT_FALSE(rx2.has_changed().value());
  EXPECT_TRUE(tx.send("two").has_value());
  EXPECT_EQ(*rx2.borrow_and_update(), "two");
  rx2.mark_changed();
  rx2.mark_changed();
  EXPECT_TRUE(rx2.has_changed().value());
  EXPECT_EQ(*rx2.borrow_and_update(), "two");
}

TEST(Watch, MarkChangedOnTheFirstVersionDoesNotUnderflow) {
  auto [tx, rx] = watch::channel<int>(1);
  rx.mark_changed();
  rx.mark_changed();
  EXPECT_TRUE(rx.has_changed().value());
  ManualWait changed(rx.changed());
  ASSERT_TRUE(changed.poll());
  EXPECT_TRUE(changed.result().has_value());
  EXPECT_FALSE(rx.has_changed().value());
}

TEST(Watch, MarkUnchangedMakesTheValueSeen) {
  auto [tx, rx] = watch::channel<std::string>("one");
  rx.mark_changed();
  EXPECT_TRUE(rx.has_changed().value());
  rx.mark_unchanged();
  EXPECT_FALSE(rx.has_changed().value());
  {
    ManualWait changed(rx.changed());
    EXPECT_FALSE(changed.poll());
  }
  EXPECT_TRUE(tx.send("two").has_value());
  EXPECT_TRUE(rx.has_changed().value());
  rx.mark_unchanged();
  EXPECT_FALSE(rx.has_changed().value());
  EXPECT_EQ(*rx.borrow_and_update(), "two");
}

TEST(Watch, CopyOfAReceiverHasSeenTheSame) {
  auto [tx, rx] = watch::channel<int>(1);
  EXPECT_TRUE(tx.send(2).has_value());
  const watch::Receiver<int> copy(rx);
  EXPECT_TRUE(copy.has_changed().value());
  EXPECT_TRUE(copy.same_channel(rx));
  EXPECT_EQ(tx.receiver_count(), 2U);
  const watch::Receiver<int> seen = tx.subscribe();
  EXPECT_FALSE(seen.has_changed().value());
  auto [other_tx, other_rx] = watch::channel<int>(1);
  EXPECT_FALSE(rx.same_channel(other_rx));
  EXPECT_FALSE(tx.same_channel(other_tx));
}

TEST(Watch, CancelledChangedMarksNothing) {
  auto [tx, rx] = watch::channel<int>(1);
  {
    ManualWait changed(rx.changed());
    EXPECT_FALSE(changed.poll());
    EXPECT_FALSE(changed.poll()) << "still in the queue, once";
    EXPECT_TRUE(tx.send(2).has_value());
    EXPECT_TRUE(changed.poll());
  }
  EXPECT_TRUE(rx.has_changed().value());
  {
    ManualWait changed(rx.changed());
    ASSERT_TRUE(changed.poll());
    EXPECT_TRUE(changed.result().has_value());
  }
  ManualWait changed(rx.changed());
  EXPECT_FALSE(changed.poll());
}

// ---- Closing

TEST(Watch, ReceiverSeesTheLastValueBeforeTheEnd) {
  auto halves = watch::channel<std::string>("one");
  std::optional<watch::Sender<std::string>> tx(std::move(halves.sender));
  watch::Receiver<std::string> rx(std::move(halves.receiver));
  EXPECT_TRUE(tx->send("two").has_value());
  {
    ManualWait changed(rx.changed());
    ASSERT_TRUE(changed.poll());
    EXPECT_TRUE(changed.result().has_value());
  }
  ManualWait changed(rx.changed());
  EXPECT_FALSE(changed.poll());
  EXPECT_TRUE(tx->send("three").has_value());
  tx.reset();
  EXPECT_TRUE(changed.is_woken());
  ASSERT_TRUE(changed.poll());
  EXPECT_TRUE(changed.result().has_value()) << "unseen, though closed";
  EXPECT_EQ(*rx.borrow(), "three");
  ManualWait again(rx.changed());
  ASSERT_TRUE(again.poll());
  EXPECT_TRUE(is_closed(again.result()));
  EXPECT_EQ(*rx.borrow(), "three");
}

TEST(Watch, HasChangedFailsIfAndOnlyIfClosed) {
  for (const bool is_seen : {true, false}) {
    auto [tx, rx] = watch::channel<std::string>("A");
    if (!is_seen) {
      EXPECT_TRUE(tx.send("B").has_value());
    }
    EXPECT_EQ(rx.has_changed().value(), !is_seen);
    drop(std::move(tx));
    EXPECT_EQ(rx.has_changed().error().kind(), ErrorKind::kClosed);
    ManualWait changed(rx.changed());
    ASSERT_TRUE(changed.poll());
    EXPECT_EQ(changed.result().has_value(), !is_seen);
  }
}

TEST(Watch, ClosesWithTheLastSender) {
  auto halves = watch::channel<int>(0);
  std::optional<watch::Sender<int>> tx1(std::move(halves.sender));
  std::optional<watch::Sender<int>> tx2(std::in_place, *tx1);
  watch::Receiver<int> rx(std::move(halves.receiver));
  EXPECT_EQ(tx1->sender_count(), 2U);
  EXPECT_TRUE(tx1->same_channel(*tx2));
  ManualWait changed(rx.changed());
  EXPECT_FALSE(changed.poll());
  tx1.reset();
  EXPECT_FALSE(changed.is_woken());
  tx2.reset();
  EXPECT_TRUE(changed.is_woken());
}

TEST(Watch, ClosedEndsWhenTheLastReceiverGoes) {
  auto halves = watch::channel<std::string>("one");
  const watch::Sender<std::string> tx(std::move(halves.sender));
  std::optional<watch::Receiver<std::string>> rx(std::move(halves.receiver));
  EXPECT_FALSE(tx.is_closed());
  ManualWait closed(tx.closed());
  EXPECT_FALSE(closed.poll());
  rx.reset();
  EXPECT_TRUE(closed.is_woken());
  EXPECT_TRUE(tx.is_closed());
  EXPECT_FALSE(tx.send("two").has_value());
  rx.emplace(tx.subscribe());
  EXPECT_FALSE(tx.is_closed());
  EXPECT_FALSE(closed.poll()) << "it was reopened before the waiter looked";
  rx.reset();
  EXPECT_TRUE(closed.poll());
  ManualWait at_once(tx.closed());
  EXPECT_TRUE(at_once.poll());
}

// ---- wait_for

TEST(Watch, WaitForLooksAtTheCurrentValueFirst) {
  auto [tx, rx] = watch::channel<int>(5);
  {
    ManualWait wait(rx.wait_for([](const int& value) { return value == 5; }));
    ASSERT_TRUE(wait.poll());
    const Result<watch::Ref<int>> value = wait.result();
    ASSERT_TRUE(value.has_value());
    EXPECT_EQ(**value, 5);
    EXPECT_FALSE(value->has_changed());
  }
  std::vector<int> shown;
  ManualWait wait(rx.wait_for([&shown](const int& value) {
    shown.push_back(value);
    return value >= 8;
  }));
  EXPECT_FALSE(wait.poll());
  EXPECT_FALSE(wait.poll());
  EXPECT_TRUE(tx.send(6).has_value());
  EXPECT_TRUE(wait.is_woken());
  EXPECT_FALSE(wait.poll());
  EXPECT_FALSE(rx.has_changed().value()) << "what was shown is seen";
  EXPECT_TRUE(tx.send(7).has_value());
  EXPECT_TRUE(tx.send(8).has_value());
  EXPECT_TRUE(wait.is_woken());
  ASSERT_TRUE(wait.poll());
  const Result<watch::Ref<int>> value = wait.result();
  EXPECT_EQ(**value, 8);
  EXPECT_TRUE(value->has_changed());
  EXPECT_EQ(shown, (std::vector<int>{5, 6, 8})) << "each version once; replaced ones are skipped";
}

TEST(Watch, WaitForFailsIfTheLastValueIsNotAccepted) {
  auto [tx, rx] = watch::channel<std::string>("A");
  watch::Receiver<std::string> other(rx);
  ManualWait rejects(rx.wait_for([](const std::string&) { return false; }));
  EXPECT_FALSE(rejects.poll());
  EXPECT_TRUE(tx.send("B").has_value());
  drop(std::move(tx));
  EXPECT_TRUE(rejects.is_woken());
  ASSERT_TRUE(rejects.poll());
  EXPECT_EQ(rejects.result().error().kind(), ErrorKind::kClosed);
  ManualWait accepts(other.wait_for([](const std::string& value) { return value == "B"; }));
  ASSERT_TRUE(accepts.poll());
  EXPECT_TRUE(accepts.result().has_value()) << "closed, but the last value is accepted";
}

TEST(Watch, WaitForThrowsWhatThePredicateThrows) {
  auto [tx, rx] = watch::channel<int>(0);
  ManualWait wait(rx.wait_for([](const int& value) {
    if (value == 1) {
      throw std::runtime_error("thrown by the predicate");
    }
    return false;
  }));
  EXPECT_FALSE(wait.poll());
  EXPECT_TRUE(tx.send(1).has_value());
  ASSERT_TRUE(wait.poll());
  EXPECT_THROW((void)wait.result(), std::runtime_error);
  EXPECT_EQ(*rx.borrow(), 1);
}

// ---- Deadlocks that Tokio's users ran into (#4246, #4360): a borrowed value is a read lock there.

TEST(Watch, BorrowedValueHoldsNobodyUp) {
  auto [tx, rx] = watch::channel<std::string>("one");
  const watch::Ref<std::string> first = rx.borrow();
  EXPECT_TRUE(tx.send("two").has_value()) << "while a value is borrowed";
  const watch::Ref<std::string> second = rx.borrow();
  tx.send_modify([&](std::string& value) {
    EXPECT_EQ(*rx.borrow(), "two") << "while it is being modified";
    value = "three";
  });
  const watch::Ref<std::string> third = rx.borrow_and_update();
  EXPECT_EQ(*first, "one");
  EXPECT_EQ(*second, "two");
  EXPECT_EQ(*third, "three");
}

CO_TEST(Watch, BorrowedValueMayBeKeptOverAnAwait) {
  auto [tx, rx] = watch::channel<std::string>("one");
  auto sends = [](watch::Sender<std::string> sender) -> Task<void> {
    EXPECT_TRUE(sender.send("two").has_value());
    co_return;
  };
  const watch::Ref<std::string> kept = rx.borrow();
  JoinHandle<void> other = spawn(sends(tx));
  const Result<void> changed = co_await rx.changed();
  CO_ASSERT_TRUE(changed.has_value());
  CO_ASSERT_EQ(*kept, "one");
  CO_ASSERT_EQ(*rx.borrow(), "two");
  (void)co_await other;
}

TEST(Watch, BorrowedValueOutlivesTheChannel) {
  const int before = Tracked::alive();
  {
    std::optional<watch::Ref<Tracked>> kept;
    {
      auto [tx, rx] = watch::channel<Tracked>(Tracked());
      kept.emplace(rx.borrow());
      EXPECT_TRUE(tx.send(Tracked()).has_value());
      EXPECT_EQ(Tracked::alive(), before + 2);
      const watch::Ref<Tracked> copy(*kept);
      EXPECT_EQ(&**kept, &*copy);
    }
    EXPECT_EQ(Tracked::alive(), before + 1);
  }
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(Watch, SendFromWithinAModificationIsAUsageError) {
  auto [tx, rx] = watch::channel<int>(1);
  for (const bool modifies : {true, false}) {
    EXPECT_THROW(tx.send_modify([&](int& value) {
      value = 2;
      if (modifies) {
        tx.send_modify([](int& inner) { ++inner; });
      } else {
        (void)tx.send(3);
      }
    }),
                 UsageError);
  }
  EXPECT_EQ(*rx.borrow(), 1);
  EXPECT_TRUE(tx.send(4).has_value()) << "the turn was given back";
  EXPECT_EQ(*rx.borrow(), 4);
}

/// Uses its channel when it is destroyed.
struct Meddler {
  explicit Meddler(const watch::Sender<Meddler>* sender) : channel(sender) {}
  Meddler(const Meddler&) = default;
  Meddler(Meddler&& other) noexcept : channel(std::exchange(other.channel, nullptr)) {}
  Meddler& operator=(const Meddler&) = default;
  Meddler& operator=(Meddler&&) = default;
  ~Meddler() {
    if (channel != nullptr) {
      (void)channel->send_replace(Meddler(nullptr));
    }
  }
  const watch::Sender<Meddler>* channel;
};

TEST(Watch, ValuesMayUseTheChannelWhenTheyAreDestroyed) {
  const watch::Sender<Meddler> tx(Meddler(nullptr));
  watch::Receiver<Meddler> rx = tx.subscribe();
  EXPECT_TRUE(tx.send(Meddler(&tx)).has_value());
  EXPECT_TRUE(tx.send(Meddler(nullptr)).has_value());
  EXPECT_TRUE(rx.borrow_and_update()->channel == nullptr);
  (void)tx.send_replace(Meddler(&tx));
  tx.send_modify([](Meddler& value) { value.channel = nullptr; });
  EXPECT_TRUE(rx.borrow_and_update()->channel == nullptr);
}

TEST(Watch, CarriesWhatCannotBeCopied) {
  auto [tx, rx] = watch::channel<std::unique_ptr<int>>(std::make_unique<int>(1));
  EXPECT_TRUE(tx.send(std::make_unique<int>(2)).has_value());
  EXPECT_EQ(**rx.borrow(), 2);
  const watch::Ref<std::unique_ptr<int>> old = tx.send_replace(std::make_unique<int>(3));
  EXPECT_EQ(**old, 2);
  drop(std::move(rx));
  auto refused = tx.send(std::make_unique<int>(4));
  EXPECT_EQ(*refused.error().value, 4);
}

// ---- Cooperation

template <class Step>
Task<void> others_get_their_turn(Step step) {
  auto has_run = std::make_shared<std::atomic<bool>>(false);
  auto other = [](std::shared_ptr<std::atomic<bool>> flag) -> Task<void> {
    flag->store(true);
    co_return;
  };
  JoinHandle<void> handle = spawn(other(has_run));
  while (!has_run->load()) {
    co_await step();
  }
  (void)co_await handle;
}

CO_TEST(Watch, EveryWaitIsCooperative) {
  {
    auto [tx, rx] = watch::channel<int>(0);
    drop(std::move(tx));
    auto fails = [&rx]() { return rx.changed(); };
    co_await others_get_their_turn(fails);
    auto never = [&rx]() { return rx.wait_for([](const int& value) { return value == 1; }); };
    co_await others_get_their_turn(never);
  }
  auto [tx, rx] = watch::channel<int>(0);
  auto changes = [&tx, &rx]() {
    EXPECT_TRUE(tx.send(1).has_value());
    return rx.changed();
  };
  co_await others_get_their_turn(changes);
  auto accepts = [&tx, &rx]() {
    EXPECT_TRUE(tx.send(1).has_value());
    return rx.wait_for([](const int& value) { return value == 1; });
  };
  co_await others_get_their_turn(accepts);
  drop(std::move(rx));
  auto closed = [&tx]() { return tx.closed(); };
  co_await others_get_their_turn(closed);
}

CO_TEST(Watch, SendersTakeTurns) {
  auto [tx1, rx] = watch::channel<int>(0);
  const watch::Sender<int> tx2(tx1);
  auto sees_two = [](watch::Receiver<int> receiver) -> Task<std::pair<int, int>> {
    (void)co_await receiver.changed();
    const int first = *receiver.borrow_and_update();
    (void)co_await receiver.changed();
    const int second = *receiver.borrow_and_update();
    std::pair<int, int> seen(first, second);
    co_return seen;
  };
  JoinHandle<std::pair<int, int>> handle = spawn(sees_two(rx));
  CO_ASSERT_TRUE(tx1.send(1).has_value());
  auto has_seen_one = [](watch::Sender<int> sender) -> Task<void> {
    // Whether it has seen 1 or will see 2 as its first: then a third value is its second.
    for (int i = 0; i < 3; ++i) {
      co_await yield_now();
    }
    EXPECT_TRUE(sender.send(2).has_value());
  };
  co_await has_seen_one(tx2);
  for (int next = 3; !handle.is_finished(); ++next) {
    (void)tx1.send_replace(next);
    co_await yield_now();
  }
  const JoinResult<std::pair<int, int>> seen = co_await handle;
  CO_ASSERT_LT(seen.value().first, seen.value().second);
}

// ---- Threads and runtimes

TEST(Watch, BlockingReceiverFollowsAnotherThread) {
  auto [tx, rx] = watch::channel<int>(0);
  watch::Receiver<int> waiting(rx);
  std::thread sender([half = std::move(tx)] {
    for (int i = 1; i <= 1000; ++i) {
      EXPECT_TRUE(half.send(i).has_value());
    }
  });
  const Result<watch::Ref<int>> reached =
      waiting.blocking_wait_for([](const int& value) { return value == 1000; });
  ASSERT_TRUE(reached.has_value());
  EXPECT_EQ(**reached, 1000);
  int last = 0;
  while (rx.blocking_changed()) {
    const int value = *rx.borrow_and_update();
    EXPECT_GT(value, last);
    last = value;
  }
  EXPECT_EQ(last, 1000);
  sender.join();
}

CO_TEST(Watch, BlockingMembersAreRefusedOnAWorker) {
  auto [tx, rx] = watch::channel<int>(0);
  EXPECT_THROW((void)rx.blocking_changed(), UsageError);
  EXPECT_THROW((void)rx.blocking_wait_for([](const int&) { return true; }), UsageError);
  co_return;
}

}  // namespace
}  // namespace ringo
