// SPDX-License-Identifier: MIT
//
// mpsc: a receiver that makes room sends for the task that waits longest, which need not run for
// it; but not for a task that was aborted, nor for what is a part of a task (an arm of a select, a
// member of a race_all, a generator's body), whose value is surely not sent if it is dropped.

#include <ringo/cancellation_token.h>
#include <ringo/generator.h>
#include <ringo/join_all.h>
#include <ringo/join_error.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using mpsc::TryRecvError;
using testing_support::Tracked;

Task<bool> sends(mpsc::Sender<int> sender, int value) {
  const auto sent = co_await sender.send(value);
  co_return sent.has_value();
}

/// Until all that is ready has run. (Nothing else runs meanwhile: CO_TEST_PAUSED is one thread.)
Task<void> let_others_run() {
  for (int i = 0; i < 4; ++i) {
    co_await yield_now();
  }
}

CO_TEST_PAUSED(MpscWaitingSend, IsDoneByTheReceiverThatMakesRoom) {
  auto [tx, rx] = mpsc::channel<int>(1);
  CO_ASSERT_TRUE(tx.try_send(0).has_value());
  std::vector<JoinHandle<bool>> senders;
  for (int i = 1; i <= 3; ++i) {
    senders.push_back(spawn(sends(tx, i)));
    co_await let_others_run();
  }
  // No sender runs between these.
  for (int i = 0; i <= 3; ++i) {
    CO_ASSERT_EQ(rx.try_recv().value(), i);
    CO_ASSERT_EQ(rx.len(), i < 3 ? 1U : 0U);
    CO_ASSERT_EQ(tx.capacity(), i < 3 ? 0U : 1U);
  }
  CO_ASSERT_FALSE(senders.front().is_finished());
  for (JoinHandle<bool>& sender : senders) {
    const JoinResult<bool> sent = co_await sender;
    CO_ASSERT_TRUE(sent.value());
  }
}

CO_TEST_PAUSED(MpscWaitingSend, ReceiveOfManyMakesRoomForMany) {
  auto [tx, rx] = mpsc::channel<int>(2);
  CO_ASSERT_TRUE(tx.try_send(0).has_value());
  CO_ASSERT_TRUE(tx.try_send(1).has_value());
  std::vector<JoinHandle<bool>> senders;
  for (int i = 2; i < 7; ++i) {
    senders.push_back(spawn(sends(tx, i)));
    co_await let_others_run();
  }
  std::vector<int> values;
  for (std::size_t seen = 2; seen <= 6; seen += 2) {
    const std::size_t count = co_await rx.recv_many(values, 10);
    CO_ASSERT_EQ(count, 2U);
    CO_ASSERT_EQ(values.size(), seen);
  }
  const std::size_t last = co_await rx.recv_many(values, 10);
  CO_ASSERT_EQ(last, 1U);
  for (int i = 0; i < 7; ++i) {
    CO_ASSERT_EQ(values[static_cast<std::size_t>(i)], i);
  }
}

CO_TEST_PAUSED(MpscWaitingSend, KeepsItsPlaceAmongThoseWhoReserve) {
  auto [tx, rx] = mpsc::channel<int>(2);
  CO_ASSERT_TRUE(tx.try_send(0).has_value());
  CO_ASSERT_TRUE(tx.try_send(1).has_value());
  const auto reserves = [](mpsc::Sender<int> sender) -> Task<void> {
    auto permits = co_await sender.reserve_many(2);
    permits->next()->send(3);
    permits->next()->send(4);
  };
  JoinHandle<bool> first = spawn(sends(tx, 2));
  co_await let_others_run();
  JoinHandle<void> second = spawn(reserves(tx));
  co_await let_others_run();
  JoinHandle<bool> third = spawn(sends(tx, 5));
  co_await let_others_run();
  CO_ASSERT_EQ(rx.try_recv().value(), 0);
  CO_ASSERT_EQ(rx.len(), 2U) << "the first who waits has sent";
  CO_ASSERT_EQ(rx.try_recv().value(), 1);
  CO_ASSERT_EQ(rx.len(), 1U) << "two permits are needed, and one is there";
  CO_ASSERT_EQ(rx.try_recv().value(), 2);
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty) << "both permits are out";
  for (int i = 3; i <= 5; ++i) {
    const std::optional<int> value = co_await rx.recv();
    CO_ASSERT_EQ(value, i);
  }
  (void)co_await first;
  (void)co_await second;
  (void)co_await third;
}

CO_TEST_PAUSED(MpscWaitingSend, AbortThatComesAfterTheRoomIsTooLate) {
  const int before = Tracked::alive();
  auto [tx, rx] = mpsc::channel<Tracked>(1);
  CO_ASSERT_TRUE(tx.try_send(Tracked()).has_value());
  const auto sends_one = [](mpsc::Sender<Tracked> sender) -> Task<void> {
    (void)co_await sender.send(Tracked());
  };
  JoinHandle<void> early = spawn(sends_one(tx));
  co_await let_others_run();
  JoinHandle<void> late = spawn(sends_one(tx));
  co_await let_others_run();
  early.abort();
  const JoinResult<void> aborted = co_await early;
  CO_ASSERT_TRUE(aborted.error().is_cancelled());
  CO_ASSERT_TRUE(rx.try_recv().has_value());
  late.abort();
  const JoinResult<void> aborted_too = co_await late;
  CO_ASSERT_TRUE(aborted_too.error().is_cancelled());
  CO_ASSERT_TRUE(rx.try_recv().has_value()) << "it had been sent";
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty) << "the early one was not";
  CO_ASSERT_EQ(tx.capacity(), 1U);
  CO_ASSERT_EQ(Tracked::alive(), before);
}

CO_TEST_PAUSED(MpscWaitingSend, ThatLosesASelectWasSurelyNotSent) {
  const int before = Tracked::alive();
  auto [tx, rx] = mpsc::channel<Tracked>(1);
  CO_ASSERT_TRUE(tx.try_send(Tracked()).has_value());
  const auto sends_unless = [](mpsc::Sender<Tracked> sender,
                               CancellationToken token) -> Task<std::size_t> {
    auto won = co_await select(biased, token.cancelled(), sender.send(Tracked()));
    co_return won.index();
  };
  const CancellationToken token;
  JoinHandle<std::size_t> loses = spawn(sends_unless(tx, token));
  co_await let_others_run();
  // Both arms can go on before the task runs.
  CO_ASSERT_TRUE(rx.try_recv().has_value());
  token.cancel();
  const JoinResult<std::size_t> winner = co_await loses;
  CO_ASSERT_EQ(winner.value(), 0U);
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
  CO_ASSERT_EQ(tx.capacity(), 1U);
  CO_ASSERT_EQ(Tracked::alive(), before);

  CO_ASSERT_TRUE(tx.try_send(Tracked()).has_value());
  JoinHandle<std::size_t> wins = spawn(sends_unless(tx, CancellationToken()));
  co_await let_others_run();
  CO_ASSERT_TRUE(rx.try_recv().has_value());
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty) << "the task itself has to send it";
  const JoinResult<std::size_t> sent = co_await wins;
  CO_ASSERT_EQ(sent.value(), 1U);
  CO_ASSERT_TRUE(rx.try_recv().has_value());
}

CO_TEST_PAUSED(MpscWaitingSend, OfATaskThatWasAbortedBeforeIsNotDone) {
  auto [tx, rx] = mpsc::channel<int>(1);
  CO_ASSERT_TRUE(tx.try_send(0).has_value());
  JoinHandle<bool> first = spawn(sends(tx, 1));
  co_await let_others_run();
  JoinHandle<bool> second = spawn(sends(tx, 2));
  co_await let_others_run();
  // Before it runs, and so is still in the queue.
  first.abort();
  CO_ASSERT_EQ(rx.try_recv().value(), 0);
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
  const JoinResult<bool> aborted = co_await first;
  CO_ASSERT_TRUE(aborted.error().is_cancelled());
  const std::optional<int> next = co_await rx.recv();
  CO_ASSERT_EQ(next, 2) << "whose turn it was then";
  const JoinResult<bool> sent = co_await second;
  CO_ASSERT_TRUE(sent.value());
}

CO_TEST_PAUSED(MpscWaitingSend, ThatLosesARaceOfManyWasSurelyNotSent) {
  auto [tx, rx] = mpsc::channel<int>(1);
  CO_ASSERT_TRUE(tx.try_send(0).has_value());
  const CancellationToken token;
  const auto waits = [](CancellationToken cancelled) -> Task<bool> {
    co_await cancelled.cancelled();
    co_return false;
  };
  const auto races = [&waits](mpsc::Sender<int> sender, CancellationToken cancelled) -> Task<bool> {
    std::vector<Task<bool>> tasks;
    tasks.push_back(waits(std::move(cancelled)));
    tasks.push_back(sends(std::move(sender), 1));
    auto winner = co_await race_all(std::move(tasks));
    co_return winner.value;
  };
  JoinHandle<bool> racer = spawn(races(tx, token));
  co_await let_others_run();
  token.cancel();
  CO_ASSERT_EQ(rx.try_recv().value(), 0);
  const JoinResult<bool> sent = co_await racer;
  CO_ASSERT_FALSE(sent.value());
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
  CO_ASSERT_EQ(tx.capacity(), 1U);
}

Generator<int> sends_and_yields(mpsc::Sender<int> sender) {
  (void)co_await sender.send(1);
  co_yield 1;
}

CO_TEST_PAUSED(MpscWaitingSend, OfAGeneratorThatIsDroppedWasSurelyNotDone) {
  auto [tx, rx] = mpsc::channel<int>(1);
  CO_ASSERT_TRUE(tx.try_send(0).has_value());
  const CancellationToken token;
  const auto takes_unless = [](mpsc::Sender<int> sender,
                               CancellationToken cancelled) -> Task<std::size_t> {
    Generator<int> numbers = sends_and_yields(std::move(sender));
    auto won = co_await select(biased, cancelled.cancelled(), numbers.next());
    co_return won.index();
  };
  JoinHandle<std::size_t> loses = spawn(takes_unless(tx, token));
  co_await let_others_run();
  token.cancel();
  CO_ASSERT_EQ(rx.try_recv().value(), 0);
  const JoinResult<std::size_t> winner = co_await loses;
  CO_ASSERT_EQ(winner.value(), 0U);
  CO_ASSERT_EQ(rx.try_recv().error(), TryRecvError::kEmpty);
  CO_ASSERT_EQ(tx.capacity(), 1U);
}

CO_TEST_PAUSED(MpscWaitingSend, OfAThreadIsDoneForItToo) {
  auto [tx, rx] = mpsc::channel<std::unique_ptr<int>>(1);
  CO_ASSERT_TRUE(tx.try_send(std::make_unique<int>(0)).has_value());
  std::thread thread([sender = tx]() mutable {
    for (int i = 1; i <= 100; ++i) {
      EXPECT_TRUE(sender.blocking_send(std::make_unique<int>(i)).has_value());
    }
  });
  for (int i = 0; i <= 100; ++i) {
    const std::optional<std::unique_ptr<int>> value = co_await rx.recv();
    CO_ASSERT_TRUE(value.has_value());
    CO_ASSERT_EQ(**value, i);
  }
  thread.join();
}

// Tasks that wait to send are aborted while the receiver makes room, with several workers by
// another thread than the receiver's.
CO_TEST(MpscWaitingSend, RacesWithAborts) {
  const int before = Tracked::alive();
  for (int round = 0; round < 200; ++round) {
    auto [tx, rx] = mpsc::channel<Tracked>(1);
    CO_ASSERT_TRUE(tx.try_send(Tracked()).has_value());
    const auto sends_two = [](mpsc::Sender<Tracked> sender) -> Task<void> {
      (void)co_await sender.send(Tracked());
      (void)co_await sender.send(Tracked());
    };
    std::vector<JoinHandle<void>> senders;
    for (int i = 0; i < 8; ++i) {
      senders.push_back(spawn(sends_two(tx)));
    }
    const auto aborts = [](std::vector<JoinHandle<void>>& tasks) -> Task<void> {
      for (std::size_t i = 0; i < tasks.size(); i += 2) {
        tasks[i].abort();
        co_await yield_now();
      }
    };
    JoinHandle<void> aborter = spawn(aborts(senders));
    std::size_t received = 0;
    drop(std::move(tx));
    while (co_await rx.recv()) {
      ++received;
    }
    CO_ASSERT_GE(received, 9U) << "four that were not aborted, and what was there";
    CO_ASSERT_LE(received, 17U);
    (void)co_await aborter;
    for (JoinHandle<void>& sender : senders) {
      (void)co_await sender;
    }
  }
  CO_ASSERT_EQ(Tracked::alive(), before);
}

}  // namespace
}  // namespace ringo
