// SPDX-License-Identifier: MIT
//
// The room of a bounded channel, which the receiver gives back without telling the senders: it is
// there for whoever asks after a receive, never more than the capacity, and no sender waits beside
// it.

#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mpsc_error.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringo {
namespace {

TEST(MpscRoom, IsThereAfterAReceive) {
  auto [tx, rx] = mpsc::channel<int>(3);
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(tx.try_send(i).has_value());
    }
    ASSERT_EQ(tx.try_send(3).error().reason, mpsc::SendFailure::kFull);
    ASSERT_EQ(tx.capacity(), 0U);
    ASSERT_EQ(rx.try_recv().value(), 0);
    ASSERT_EQ(tx.capacity(), 1U);
    ASSERT_EQ(tx.try_reserve_many(2).error(), mpsc::SendFailure::kFull);
    ASSERT_TRUE(tx.try_reserve().has_value()) << "and has given it back";
    ASSERT_EQ(rx.try_recv().value(), 1);
    ASSERT_EQ(rx.capacity(), 2U);
    {
      const auto permits = tx.try_reserve_many(2);
      ASSERT_TRUE(permits.has_value());
      ASSERT_EQ(tx.capacity(), 0U);
      ASSERT_EQ(tx.try_send(3).error().reason, mpsc::SendFailure::kFull);
    }
    ASSERT_EQ(tx.capacity(), 2U);
    ASSERT_EQ(rx.try_recv().value(), 2);
    ASSERT_EQ(tx.capacity(), 3U);
  }
}

TEST(MpscRoom, OfAClosedChannelComesHome) {
  auto [tx, rx] = mpsc::channel<int>(3);
  for (int i = 0; i < 5; ++i) {  // some of the room is not known to the senders
    ASSERT_TRUE(tx.try_send(i).has_value());
    ASSERT_EQ(rx.try_recv().value(), i);
  }
  auto permit = tx.try_reserve();
  ASSERT_TRUE(permit.has_value());
  ASSERT_TRUE(tx.try_send(5).has_value());
  rx.close();
  EXPECT_EQ(rx.try_recv().value(), 5);
  EXPECT_FALSE(rx.is_closed()) << "a permit is out";
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kEmpty);
  std::move(*permit).send(6);
  EXPECT_EQ(rx.try_recv().value(), 6);
  EXPECT_TRUE(rx.is_closed());
  EXPECT_EQ(rx.try_recv().error(), mpsc::TryRecvError::kDisconnected);
  EXPECT_EQ(tx.capacity(), 3U);
}

/// Two senders who wait when the channel is full, one of whom also gives reservations back, and a
/// receiver: whoever were forgotten would wait for ever.
void exchange(std::size_t capacity) {
  constexpr std::uint64_t kEach = 3000;
  auto [tx, rx] = mpsc::channel<std::uint64_t>(capacity);
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> sent{0};
  const auto produce = [&](const mpsc::Sender<std::uint64_t>& sender, bool is_choosy) {
    for (std::uint64_t i = 0; i < kEach; ++i) {
      if (is_choosy && i % 7 == 0) {
        const auto unused = sender.try_reserve_many(capacity);
      }
      if (is_choosy && i % 3 == 0 && sender.try_send(i).has_value()) {
        sent.fetch_add(1);
      } else {
        ASSERT_TRUE(sender.blocking_send(i).has_value());
        sent.fetch_add(1);
      }
      ASSERT_LE(sender.capacity(), capacity);
    }
  };
  std::vector<std::thread> senders;
  for (const bool is_choosy : {false, true}) {
    senders.emplace_back([&produce, is_choosy, sender = tx] { produce(sender, is_choosy); });
  }
  ringo::drop(std::move(tx));
  std::uint64_t sum = 0;
  for (;;) {
    // Those counted as sent and not received are in the channel, but for the one just taken out.
    const std::uint64_t taken = received.load();
    ASSERT_LE(sent.load(), taken + capacity);
    const auto value = rx.blocking_recv();
    if (!value) {
      break;
    }
    sum += *value;
    received.fetch_add(1);
  }
  for (std::thread& sender : senders) {
    sender.join();
  }
  EXPECT_EQ(received.load(), 2 * kEach);
  EXPECT_EQ(sum, kEach * (kEach - 1));
}

TEST(MpscRoom, IsNeverBesideASenderThatWaits) {
  for (const std::size_t capacity : {1U, 2U, 3U, 32U}) {
    exchange(capacity);
  }
}

}  // namespace
}  // namespace ringo
