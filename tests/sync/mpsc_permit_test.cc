// SPDX-License-Identifier: MIT
//
// mpsc: reservations, closing while they are out, and what the receiver's members say. With
// mpsc_test.cc and mpsc_memory_test.cc it covers the behaviours of Tokio's sync_mpsc tests. Not
// applicable in C++: poll_recv and Stream (send_recv_stream_*), no_t_bounds (templates have none),
// drop_all_elements_during_panic (destructors do not throw), recv_timeout_panic (without a runtime
// there is no co_await), and release_waker_on_rx_drop and wake (no wakers of the user's).

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using mpsc::SendFailure;
using mpsc::TryRecvError;
using testing_support::Tracked;

TEST(MpscPermit, DroppedPermitsGiveTheirRoomBack) {
  auto [tx, rx] = mpsc::channel<int>(4);
  {
    auto one = tx.try_reserve();
    auto two = tx.try_reserve_many(2);
    ASSERT_TRUE(one.has_value());
    ASSERT_TRUE(two.has_value());
    EXPECT_EQ(tx.capacity(), 1U);
    EXPECT_EQ(rx.capacity(), 1U);
    EXPECT_EQ(rx.max_capacity(), 4U);
    two->next()->send(1);  // one of the two; the other is dropped
  }
  EXPECT_EQ(tx.capacity(), 3U);
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(tx.capacity(), 4U);
}

TEST(MpscPermit, TryReserveTellsFullFromClosed) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto permit = tx.try_reserve();
  ASSERT_TRUE(permit.has_value());
  EXPECT_EQ(tx.try_reserve().error(), SendFailure::kFull);
  EXPECT_EQ(tx.try_send(1).error().reason, SendFailure::kFull);
  permit->send(1);
  EXPECT_EQ(tx.try_reserve().error(), SendFailure::kFull);
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_TRUE(tx.try_reserve().has_value());
  rx.close();
  EXPECT_EQ(tx.try_reserve().error(), SendFailure::kClosed);
}

TEST(MpscPermit, TryReserveManyAtTheLimitAndBeyond) {
  auto [tx, rx] = mpsc::channel<int>(3);
  EXPECT_EQ(tx.try_reserve_many(0).value().size(), 0U);
  EXPECT_EQ(tx.try_reserve_many(3).value().size(), 3U);
  EXPECT_EQ(tx.try_reserve_many(4).error(), SendFailure::kFull);
  EXPECT_EQ(tx.try_reserve_many(mpsc::kMaxCapacity + 1).error(), SendFailure::kFull);
  EXPECT_EQ(tx.try_reserve_many(SIZE_MAX).error(), SendFailure::kFull);
  EXPECT_EQ(tx.capacity(), 3U);
  rx.close();
  EXPECT_EQ(tx.try_reserve_many(1).error(), SendFailure::kClosed);
  EXPECT_EQ(tx.try_reserve_many(0).error(), SendFailure::kClosed);
}

TEST(MpscPermit, TryReserveOwnedGivesTheSenderBack) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto permit = mpsc::Sender<int>(tx).try_reserve_owned();
  ASSERT_TRUE(permit.has_value());
  EXPECT_TRUE(permit->same_channel_as_sender(tx));
  auto refused = mpsc::Sender<int>(tx).try_reserve_owned();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, SendFailure::kFull);
  EXPECT_TRUE(refused.error().value.same_channel(tx));
  mpsc::Sender<int> again = std::move(*permit).release();
  auto second = std::move(again).try_reserve_owned();
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(second->same_channel(*second));
  drop(std::move(*second).send(3));
  EXPECT_EQ(rx.try_recv().value(), 3);
}

CO_TEST(MpscPermit, ReserveManyOfNoneIsReadyEvenIfFull) {
  auto [tx, rx] = mpsc::channel<int>(1);
  CO_ASSERT_TRUE(tx.try_send(1).has_value());
  auto none = co_await tx.reserve_many(0);
  CO_ASSERT_TRUE(none.has_value());
  CO_ASSERT_EQ(none->size(), 0U);
  CO_ASSERT_FALSE(none->next().has_value());
}

CO_TEST(MpscPermit, ReservedManyAreSentInOrder) {
  auto [tx, rx] = mpsc::channel<int>(5);
  auto permits = co_await tx.reserve_many(5);
  CO_ASSERT_TRUE(permits.has_value());
  for (int i = 0; auto permit = permits->next(); ++i) {
    permit->send(i);
  }
  CO_ASSERT_FALSE(permits->next().has_value());
  for (int i = 0; i < 5; ++i) {
    CO_ASSERT_EQ(rx.try_recv().value(), i);
  }
}

CO_TEST(MpscPermit, ReserveOnAClosedChannelFails) {
  auto [tx, rx] = mpsc::channel<int>(2);
  rx.close();
  auto one = co_await tx.reserve();
  CO_ASSERT_EQ(one.error().kind(), ErrorKind::kClosed);
  auto many = co_await tx.reserve_many(2);
  CO_ASSERT_EQ(many.error().kind(), ErrorKind::kClosed);
  auto too_many = co_await tx.reserve_many(3);
  CO_ASSERT_EQ(too_many.error().kind(), ErrorKind::kClosed);
  auto owned = co_await std::move(tx).reserve_owned();
  CO_ASSERT_EQ(owned.error().kind(), ErrorKind::kClosed);
}

Task<ErrorKind> fails_to_reserve(mpsc::Sender<int> sender, std::size_t count) {
  auto permits = co_await sender.reserve_many(count);
  EXPECT_FALSE(permits.has_value());
  co_return permits ? ErrorKind::kTimedOut : permits.error().kind();
}

CO_TEST(MpscPermit, ClosingFailsAllThatWait) {
  auto [tx, rx] = mpsc::channel<int>(3);
  CO_ASSERT_TRUE(tx.try_send(1).has_value());
  JoinHandle<ErrorKind> big = spawn(fails_to_reserve(tx, 3));
  co_await yield_now();
  JoinHandle<ErrorKind> small = spawn(fails_to_reserve(tx, 3));
  co_await yield_now();
  rx.close();
  const JoinResult<ErrorKind> first = co_await big;
  CO_ASSERT_EQ(first.value(), ErrorKind::kClosed);
  const JoinResult<ErrorKind> second = co_await small;
  CO_ASSERT_EQ(second.value(), ErrorKind::kClosed);
}

Task<bool> ends(mpsc::Receiver<int> receiver, int values) {
  for (int i = 0; i < values; ++i) {
    const std::optional<int> value = co_await receiver.recv();
    EXPECT_TRUE(value.has_value());
  }
  const std::optional<int> end = co_await receiver.recv();
  co_return !end.has_value();
}

// Every way in which the last reservation of a closed channel can go ends the receiver's wait.
CO_TEST(MpscPermit, LastReservationOfAClosedChannelEndsTheReceiver) {
  for (int way = 0; way < 6; ++way) {
    auto [tx, rx] = mpsc::channel<int>(2);
    Result<mpsc::Permit<int>> permit = co_await tx.reserve();
    auto owned = mpsc::Sender<int>(tx).try_reserve_owned();
    CO_ASSERT_TRUE(permit.has_value());
    CO_ASSERT_TRUE(owned.has_value());
    rx.close();
    JoinHandle<bool> receiver = spawn(ends(std::move(rx), way % 3 == 0 ? 0 : way % 3));
    co_await yield_now();
    switch (way) {
      case 0:
        drop(*std::move(permit));
        drop(std::move(*owned).release());
        break;
      case 1:
        permit->send(1);
        drop(*std::move(owned));
        break;
      case 2:
        permit->send(1);
        drop(std::move(*owned).send(2));
        break;
      case 3:
        drop(*std::move(owned));
        drop(*std::move(permit));
        break;
      case 4:
        drop(std::move(*owned).send(1));
        drop(*std::move(permit));
        break;
      default:
        drop(std::move(*owned).send(1));
        permit->send(2);
        break;
    }
    const JoinResult<bool> has_ended = co_await receiver;
    CO_ASSERT_TRUE(has_ended.value());
  }
}

Task<void> reserves(mpsc::Sender<int> sender, std::size_t count) {
  (void)co_await sender.reserve_many(count);
}

// Tokio's failed_reserve_* and cancelled_reserve_*: a waiting reservation that fails, or is
// cancelled, leaves nothing behind that would keep the receiver waiting.
CO_TEST(MpscPermit, FailedAndCancelledReservationsLeaveNothingBehind) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}}) {
    for (const bool is_cancelled : {false, true}) {
      auto [tx, rx] = mpsc::channel<int>(2);
      auto held = tx.try_reserve_many(2);
      CO_ASSERT_TRUE(held.has_value());
      JoinHandle<void> waiting = spawn(reserves(tx, count));
      co_await yield_now();
      if (is_cancelled) {
        waiting.abort();
      }
      rx.close();
      JoinHandle<bool> receiver = spawn(ends(std::move(rx), 0));
      co_await yield_now();
      drop(*std::move(held));
      const JoinResult<bool> has_ended = co_await receiver;
      CO_ASSERT_TRUE(has_ended.value());
      (void)co_await waiting;
    }
  }
}

// permit_available_not_acquired_close: what a dropped permit could have given to a waiter is not
// given any more once the channel is closed.
CO_TEST(MpscPermit, RoomThatComesAfterTheCloseGoesToNobody) {
  auto [tx, rx] = mpsc::channel<int>(1);
  Result<mpsc::Permit<int>> permit = co_await tx.reserve();
  JoinHandle<ErrorKind> waiting = spawn(fails_to_reserve(tx, 1));
  co_await yield_now();
  rx.close();
  drop(*std::move(permit));
  const JoinResult<ErrorKind> kind = co_await waiting;
  CO_ASSERT_EQ(kind.value(), ErrorKind::kClosed);
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kDisconnected);
}

CO_TEST_PAUSED(MpscPermit, BigReservationHoldsSmallOnesUpUntilItIsCancelled) {
  auto [tx, rx] = mpsc::channel<int>(3);
  auto held = tx.try_reserve_many(2);
  CO_ASSERT_TRUE(held.has_value());
  JoinHandle<void> big = spawn(reserves(tx, 3));
  co_await time::sleep(1ms);
  JoinHandle<void> small = spawn(reserves(tx, 1));
  co_await time::sleep(1ms);
  CO_ASSERT_FALSE(small.is_finished());
  CO_ASSERT_EQ(tx.try_send(1).error().reason, SendFailure::kFull) << "nobody overtakes the queue";
  big.abort();
  (void)co_await small;
  CO_ASSERT_TRUE(tx.try_send(1).has_value());
}

CO_TEST_PAUSED(MpscPermit, CancelledSendDestroysItsValueAndKeepsTheRoom) {
  const int before = Tracked::alive();
  auto [tx, rx] = mpsc::channel<Tracked>(1);
  CO_ASSERT_TRUE(tx.try_send(Tracked()).has_value());
  const auto late = co_await time::timeout(1ms, tx.send(Tracked()));
  CO_ASSERT_FALSE(late.has_value());
  CO_ASSERT_EQ(Tracked::alive(), before + 1);
  CO_ASSERT_TRUE(rx.try_recv().has_value());
  CO_ASSERT_EQ(tx.capacity(), 1U);
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
}

TEST(MpscReceiver, TryRecvAfterCloseDrainsThenDisconnects) {
  auto [tx, rx] = mpsc::channel<int>(3);
  EXPECT_TRUE(tx.try_send(1).has_value());
  EXPECT_TRUE(tx.try_send(2).has_value());
  auto permit = tx.try_reserve();
  ASSERT_TRUE(permit.has_value());
  rx.close();
  EXPECT_EQ(tx.try_send(3).error().reason, SendFailure::kClosed);
  EXPECT_EQ(rx.try_recv().value(), 1);
  EXPECT_EQ(rx.try_recv().value(), 2);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kEmpty) << "a permit is out";
  permit->send(3);
  EXPECT_EQ(rx.try_recv().value(), 3);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kDisconnected);
}

TEST(MpscReceiver, TryRecvOfAClosedEmptyChannelDisconnects) {
  auto [tx, rx] = mpsc::channel<int>(3);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
  rx.close();
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kDisconnected);
  auto [utx, urx] = mpsc::unbounded_channel<int>();
  EXPECT_EQ(urx.try_recv().error(), TryRecvError::kEmpty);
  urx.close();
  urx.close();
  EXPECT_EQ(urx.try_recv().error(), TryRecvError::kDisconnected);
}

TEST(MpscReceiver, IsClosedFollowsBothSidesAndThePermits) {
  {
    auto [tx, rx] = mpsc::channel<int>(2);
    EXPECT_FALSE(rx.is_closed());
    EXPECT_TRUE(tx.try_send(1).has_value());
    EXPECT_FALSE(rx.is_closed());
    rx.close();
    EXPECT_TRUE(rx.is_closed()) << "whatever is still in it";
    EXPECT_TRUE(tx.is_closed());
  }
  {
    auto [tx, rx] = mpsc::channel<int>(2);
    EXPECT_TRUE(tx.try_send(1).has_value());
    auto permit = tx.try_reserve();
    drop(std::move(tx));
    EXPECT_FALSE(rx.is_closed()) << "the permit may still send";
    permit->send(2);
    drop(*std::move(permit));
    EXPECT_TRUE(rx.is_closed());
    EXPECT_EQ(rx.len(), 2U);
  }
  {
    auto [tx, rx] = mpsc::unbounded_channel<int>();
    EXPECT_TRUE(tx.send(1).has_value());
    EXPECT_FALSE(rx.is_closed());
    drop(std::move(tx));
    EXPECT_TRUE(rx.is_closed());
    EXPECT_EQ(rx.len(), 1U);
  }
}

// Both kinds, at the edges of the blocks of 32: how many there are, by any means of sending and
// closing.
template <class Send, class Receiver>
void check_lengths(Send send, Receiver& rx, std::size_t count) {
  EXPECT_TRUE(rx.is_empty());
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(rx.len(), i);
    ASSERT_TRUE(send(static_cast<int>(i)));
    EXPECT_FALSE(rx.is_empty());
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (i == count / 2) {
      rx.close();
      EXPECT_FALSE(send(-1));
      EXPECT_FALSE(send(-1)) << "a send to a closed channel changes nothing, however often";
    }
    EXPECT_EQ(rx.len(), count - i);
    EXPECT_FALSE(rx.is_empty());
    EXPECT_EQ(rx.try_recv().value(), static_cast<int>(i));
  }
  EXPECT_TRUE(rx.is_empty());
  EXPECT_EQ(rx.len(), 0U);
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kDisconnected);
}

TEST(MpscReceiver, LengthIsExactAtTheEdgesOfBlocks) {
  for (const std::size_t count : {1U, 2U, 31U, 32U, 33U, 63U, 64U, 65U, 200U}) {
    auto [tx, rx] = mpsc::channel<int>(count);
    check_lengths([&sender = tx](int value) { return sender.try_send(value).has_value(); }, rx,
                  count);
    auto [utx, urx] = mpsc::unbounded_channel<int>();
    check_lengths([&sender = utx](int value) { return sender.send(value).has_value(); }, urx,
                  count);
  }
}

CO_TEST(MpscReceiver, RecvManyAppendsToWhatIsThereAndStopsAtTheLimit) {
  auto [tx, rx] = mpsc::unbounded_channel<int>();
  for (int i = 0; i < 100; ++i) {
    CO_ASSERT_TRUE(tx.send(i).has_value());
  }
  std::vector<int> values;
  values.reserve(3);
  const std::size_t first = co_await rx.recv_many(values, 3);
  CO_ASSERT_EQ(first, 3U);
  const std::size_t second = co_await rx.recv_many(values, 1000);
  CO_ASSERT_EQ(second, 97U);
  CO_ASSERT_EQ(values.size(), 100U);
  rx.close();
  const std::size_t none = co_await rx.recv_many(values, 5);
  CO_ASSERT_EQ(none, 0U);
  CO_ASSERT_EQ(values.size(), 100U);
}

/// A value without a move of its own, whose copies fail when they are told to.
class Fragile {
 public:
  explicit Fragile(int number) : number_(number) {}
  Fragile(const Fragile& other) : number_(other.number_) {
    if (copies_until_failure == 0) {
      throw std::runtime_error("a copy failed");
    }
    if (copies_until_failure > 0) {
      --copies_until_failure;
    }
  }
  Fragile& operator=(const Fragile&) = default;
  ~Fragile() = default;

  [[nodiscard]] int number() const { return number_; }

  inline static int copies_until_failure = -1;

 private:
  int number_;
};

TEST(MpscThrowing, FailedSendsTakeNoRoomAndStopNobody) {
  auto [tx, rx] = mpsc::channel<Fragile>(2);
  auto [utx, urx] = mpsc::unbounded_channel<Fragile>();
  for (int i = 0; i < 100; ++i) {
    Fragile value(i);
    Fragile other(i);
    Fragile::copies_until_failure = 1;  // the argument, then the slot
    EXPECT_THROW((void)tx.try_send(value), std::runtime_error);
    Fragile::copies_until_failure = 1;
    EXPECT_THROW((void)utx.send(other), std::runtime_error);
    Fragile::copies_until_failure = -1;
    EXPECT_EQ(tx.capacity(), 2U);
    EXPECT_TRUE(tx.try_send(value).has_value());
    EXPECT_TRUE(utx.send(other).has_value());
    EXPECT_EQ(rx.try_recv().value().number(), i);
    EXPECT_EQ(urx.try_recv().value().number(), i);
  }
  EXPECT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
  EXPECT_EQ(urx.try_recv().error(), TryRecvError::kEmpty);
}

TEST(MpscThrowing, DroppedReceiverMovesNothing) {
  for (const bool is_bounded : {true, false}) {
    auto [tx, rx] = mpsc::channel<Fragile>(4);
    auto [utx, urx] = mpsc::unbounded_channel<Fragile>();
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE(
          (is_bounded ? tx.try_send(Fragile(i)).has_value() : utx.send(Fragile(i)).has_value()));
    }
    Fragile::copies_until_failure = 0;
    drop(std::move(rx));
    drop(std::move(urx));
    Fragile::copies_until_failure = -1;
    EXPECT_TRUE(tx.is_closed());
    EXPECT_EQ(tx.capacity(), 4U) << "the values were dropped, and have left their room";
  }
}

TEST(MpscThrowing, FailedReceiveLosesNothing) {
  auto [tx, rx] = mpsc::channel<Fragile>(4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(tx.try_send(Fragile(i)).has_value());
  }
  Fragile::copies_until_failure = 0;
  EXPECT_THROW((void)rx.try_recv(), std::runtime_error);
  Fragile::copies_until_failure = -1;
  EXPECT_EQ(rx.len(), 4U);
  EXPECT_EQ(rx.try_recv().value().number(), 0);
  std::vector<Fragile> values;
  values.reserve(4);
  Fragile::copies_until_failure = 2;
  EXPECT_THROW((void)rx.blocking_recv_many(values, 4), std::runtime_error);
  Fragile::copies_until_failure = -1;
  EXPECT_EQ(values.size(), 2U) << "what was taken before is there";
  EXPECT_EQ(tx.capacity(), 3U) << "and has left its room";
  EXPECT_EQ(rx.try_recv().value().number(), 3);
}

CO_TEST(MpscThrowing, FailedAwaitedSendIsTheSendersAlone) {
  auto [tx, rx] = mpsc::channel<Fragile>(1);
  bool has_thrown = false;
  try {
    const Fragile value(1);
    Fragile::copies_until_failure = 2;  // the argument, the awaiter, then the slot
    (void)co_await tx.send(value);
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  Fragile::copies_until_failure = -1;
  CO_ASSERT_TRUE(has_thrown);
  CO_ASSERT_EQ(tx.capacity(), 1U);
  const auto sent = co_await tx.send(Fragile(2));
  CO_ASSERT_TRUE(sent.has_value());
  const std::optional<Fragile> received = co_await rx.recv();
  CO_ASSERT_EQ(received->number(), 2);
}

Task<void> reserves_and_sends() {
  auto [tx, rx] = mpsc::channel<Tracked>(2);
  auto receives = [](mpsc::Receiver<Tracked> receiver) -> Task<void> {
    std::vector<Tracked> values;
    while (co_await receiver.recv_many(values, 2) != 0) {
      values.clear();
      co_await yield_now();
    }
  };
  JoinHandle<void> receiver = spawn(receives(std::move(rx)));
  for (int i = 0; i < 2; ++i) {
    auto permits = co_await tx.reserve_many(2);
    if (permits) {
      permits->next()->send(Tracked());
    }
  }
  auto owned = co_await std::move(tx).reserve_owned();
  if (owned) {
    drop(std::move(*owned).send(Tracked()));
  }
  (void)co_await receiver;
}
Task<void> waits_for_the_receiver_to_go() {
  auto [tx, rx] = mpsc::channel<Tracked>(1);
  auto goes = [](mpsc::Receiver<Tracked> receiver) -> Task<void> {
    (void)co_await receiver.recv();
    co_await yield_now();
  };
  JoinHandle<void> receiver = spawn(goes(std::move(rx)));
  (void)co_await tx.send(Tracked());
  (void)co_await tx.send_timeout(Tracked(), 1h);
  co_await tx.closed();
  (void)co_await receiver;
}

TEST(MpscPermit, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return reserves_and_sends(); });
  testing_support::abort_at_every_step([] { return waits_for_the_receiver_to_go(); });
}

TEST(MpscPermit, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return reserves_and_sends(); },
                                          testing_support::Holds::kElsewhereToo);
  testing_support::time_out_at_every_step([] { return waits_for_the_receiver_to_go(); },
                                          testing_support::Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
