// SPDX-License-Identifier: MIT
//
// Weak senders of both kinds of channel, and the counts: the behaviours of Tokio's sync_mpsc_weak
// tests. Each is checked for bounded and unbounded channels alike.

#include <ringo/join_error.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using testing_support::Tracked;

struct BoundedKind {
  template <class T>
  static auto make() {
    return mpsc::channel<T>(100);
  }
  template <class Sender, class T>
  static bool send(const Sender& sender, T value) {
    return sender.try_send(std::move(value)).has_value();
  }
};
struct UnboundedKind {
  template <class T>
  static auto make() {
    return mpsc::unbounded_channel<T>();
  }
  template <class Sender, class T>
  static bool send(const Sender& sender, T value) {
    return sender.send(std::move(value)).has_value();
  }
};

template <class Kind>
class MpscWeak : public testing::Test {};
using Kinds = testing::Types<BoundedKind, UnboundedKind>;
TYPED_TEST_SUITE(MpscWeak, Kinds);

TYPED_TEST(MpscWeak, SendsWhileAStrongOneLives) {
  auto [tx, rx] = TypeParam::template make<int>();
  auto weak = tx.downgrade();
  {
    auto strong = weak.upgrade();
    ASSERT_TRUE(strong.has_value());
    EXPECT_TRUE(strong->same_channel(tx));
    EXPECT_TRUE(TypeParam::send(*strong, 1));
  }
  EXPECT_TRUE(TypeParam::send(tx, 2));
  drop(std::move(tx));
  EXPECT_FALSE(weak.upgrade().has_value());
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(rx.try_recv().value(), 2);
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kDisconnected);
}

TYPED_TEST(MpscWeak, UpgradedOneKeepsTheChannelOpen) {
  auto [tx, rx] = TypeParam::template make<int>();
  auto weak = tx.downgrade();
  auto strong = weak.upgrade();
  ASSERT_TRUE(strong.has_value());
  drop(std::move(tx));
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kEmpty);
  auto again = weak.upgrade();
  ASSERT_TRUE(again.has_value());
  strong.reset();
  EXPECT_TRUE(TypeParam::send(*again, 3));
  again.reset();
  EXPECT_FALSE(weak.upgrade().has_value());
  EXPECT_EQ(rx.try_recv().value(), 3);
  EXPECT_TRUE(rx.is_closed());
}

TYPED_TEST(MpscWeak, DoesNotUpgradeOnceTheLastStrongOneHasGone) {
  auto [tx, rx] = TypeParam::template make<int>();
  auto weak = tx.downgrade();
  auto copy = weak;
  drop(std::move(tx));
  EXPECT_FALSE(weak.upgrade().has_value());
  EXPECT_FALSE(copy.upgrade().has_value());
  EXPECT_TRUE(rx.is_closed());
}

TYPED_TEST(MpscWeak, DoesNotKeepValuesAliveAfterTheReceiver) {
  const int before = Tracked::alive();
  auto [tx, rx] = TypeParam::template make<Tracked>();
  auto weak = tx.downgrade();
  EXPECT_TRUE(TypeParam::send(tx, Tracked()));
  EXPECT_TRUE(TypeParam::send(tx, Tracked()));
  EXPECT_EQ(Tracked::alive(), before + 2);
  drop(std::move(rx));
  EXPECT_EQ(Tracked::alive(), before);
  auto strong = weak.upgrade();
  ASSERT_TRUE(strong.has_value()) << "a sender lives, if to no purpose";
  EXPECT_FALSE(TypeParam::send(*strong, Tracked()));
  EXPECT_EQ(Tracked::alive(), before);
}

TYPED_TEST(MpscWeak, ReceiverMayBeGoneWhenItIsUpgraded) {
  auto [tx, rx] = TypeParam::template make<int>();
  auto weak = tx.downgrade();
  rx.close();
  auto strong = weak.upgrade();
  ASSERT_TRUE(strong.has_value());
  EXPECT_TRUE(strong->is_closed());
}

TYPED_TEST(MpscWeak, StrongCountFollowsCopiesAndDrops) {
  auto [tx, rx] = TypeParam::template make<int>();
  EXPECT_EQ(tx.strong_count(), 1U);
  EXPECT_EQ(rx.sender_strong_count(), 1U);
  {
    auto copy = tx;
    EXPECT_EQ(copy.strong_count(), 2U);
    auto moved = std::move(copy);
    EXPECT_EQ(rx.sender_strong_count(), 2U);
  }
  EXPECT_EQ(tx.strong_count(), 1U);
  drop(std::move(tx));
  EXPECT_EQ(rx.sender_strong_count(), 0U);
}

TYPED_TEST(MpscWeak, WeakCountFollowsCopiesAndDrops) {
  auto [tx, rx] = TypeParam::template make<int>();
  EXPECT_EQ(tx.weak_count(), 0U);
  {
    auto weak = tx.downgrade();
    auto copy = weak;
    EXPECT_EQ(copy.weak_count(), 2U);
    auto moved = std::move(copy);
    EXPECT_EQ(rx.sender_weak_count(), 2U);
    EXPECT_EQ(moved.strong_count(), 1U);
  }
  EXPECT_EQ(tx.weak_count(), 0U);
  EXPECT_EQ(rx.sender_weak_count(), 0U);
}

TYPED_TEST(MpscWeak, CountsAreIndependent) {
  auto [tx, rx] = TypeParam::template make<int>();
  auto second = tx;
  auto weak = second.downgrade();
  auto third = weak.upgrade();
  EXPECT_EQ(rx.sender_strong_count(), 3U);
  EXPECT_EQ(rx.sender_weak_count(), 1U);
  drop(std::move(weak));
  drop(std::move(second));
  EXPECT_EQ(rx.sender_strong_count(), 2U);
  EXPECT_EQ(rx.sender_weak_count(), 0U);
}

TYPED_TEST(MpscWeak, AssignmentReleasesWhatWasThere) {
  auto [first, first_rx] = TypeParam::template make<int>();
  auto [second, second_rx] = TypeParam::template make<int>();
  EXPECT_FALSE(first.same_channel(second));
  first = second;
  EXPECT_TRUE(first.same_channel(second));
  EXPECT_TRUE(first_rx.is_closed());
  EXPECT_EQ(second_rx.sender_strong_count(), 2U);
  auto weak = first.downgrade();
  weak = second.downgrade();
  EXPECT_EQ(second_rx.sender_weak_count(), 1U);
}

TEST(MpscWeakPermit, OwnedPermitCountsAsASender) {
  auto [tx, rx] = mpsc::channel<int>(1);
  const mpsc::WeakSender<int> weak = tx.downgrade();
  auto permit = std::move(tx).try_reserve_owned();
  ASSERT_TRUE(permit.has_value());
  EXPECT_TRUE(weak.upgrade().has_value());
  drop(std::move(*permit).send(1));
  EXPECT_FALSE(weak.upgrade().has_value());
  EXPECT_EQ(rx.try_recv().value(), 1);
}

TEST(MpscWeakPermit, PermitKeepsTheChannelOpenButUpgradesNothing) {
  auto [tx, rx] = mpsc::channel<int>(1);
  const mpsc::WeakSender<int> weak = tx.downgrade();
  auto permit = tx.try_reserve();
  ASSERT_TRUE(permit.has_value());
  drop(std::move(tx));
  EXPECT_FALSE(weak.upgrade().has_value());
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kEmpty);
  permit->send(1);
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kDisconnected);
}

// An actor that sends to itself must not keep itself alive by it.
template <class Kind, class Weak, class Receiver>
Task<int> act(Weak self, Receiver inbox) {
  int handled = 0;
  while (const std::optional<int> message = co_await inbox.recv()) {
    ++handled;
    if (*message > 0) {
      if (auto strong = self.upgrade()) {
        EXPECT_TRUE(Kind::send(*strong, *message - 1));
      }
    }
  }
  co_return handled;
}

CO_TEST(MpscWeakActor, EndsWithItsLastForeignSender) {
  auto [tx, rx] = mpsc::channel<int>(10);
  CO_ASSERT_TRUE(tx.try_send(5).has_value());
  auto weak = tx.downgrade();
  JoinHandle<int> actor =
      spawn(act<BoundedKind, mpsc::WeakSender<int>, mpsc::Receiver<int>>(weak, std::move(rx)));
  while (tx.capacity() != 10) {
    co_await yield_now();
  }
  drop(std::move(tx));
  const JoinResult<int> handled = co_await actor;
  CO_ASSERT_GE(handled.value(), 1);
}

CO_TEST(MpscWeakActor, EndsWithItsLastForeignUnboundedSender) {
  auto [tx, rx] = mpsc::unbounded_channel<int>();
  CO_ASSERT_TRUE(tx.send(5).has_value());
  JoinHandle<int> actor =
      spawn(act<UnboundedKind, mpsc::WeakUnboundedSender<int>, mpsc::Receiver<int>>(tx.downgrade(),
                                                                                    std::move(rx)));
  drop(std::move(tx));
  const JoinResult<int> handled = co_await actor;
  CO_ASSERT_GE(handled.value(), 1);
}

}  // namespace
}  // namespace ringo
