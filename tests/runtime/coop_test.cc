// SPDX-License-Identifier: MIT
//
// A wake is only a hint; and a task that is always ready lets others run.

#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/task_core.h>
#include <ringo/join.h>
#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <cstdint>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/gate.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;

/// Waits until somebody waits at the gate, and wakes them until they have been asked ten times.
Task<void> wake_for_nothing(Gate& gate) {
  while (gate.waiting() == 0) {
    co_await yield_now();
  }
  while (gate.questions() < 10) {
    gate.wake_for_nothing();
    co_await yield_now();
  }
}

CO_TEST(StaleWake, SpuriouslyWokenLeafStaysWaiting) {
  Gate gate;
  bool has_passed = false;
  const auto waits = [](Gate& waited, bool& passed) -> Task<void> {
    co_await waited.passed();
    passed = waited.is_open();
  };
  JoinHandle<void> handle = spawn(waits(gate, has_passed));
  co_await wake_for_nothing(gate);
  CO_ASSERT_FALSE(handle.is_finished());
  gate.open();
  (void)co_await handle;
  CO_ASSERT_TRUE(has_passed);
}

CO_TEST(StaleWake, OnAReusedBranchIndexHarmsNothing) {
  Gate first;
  Gate second;
  const auto inner = [](Gate& gate) -> Task<void> { co_await gate.passed(); };
  const auto two_selects = [inner](Gate& one, Gate& two) -> Task<bool> {
    const auto passed = co_await select(inner(one), time::sleep(1h));
    // The same indices again, for other waits.
    const auto again = co_await select(inner(two), time::sleep(1h));
    co_return passed.index() == 0 && again.index() == 0 && two.is_open();
  };
  JoinHandle<bool> handle = spawn(two_selects(first, second));
  while (first.waiting() == 0) {
    co_await yield_now();
  }
  first.open();
  while (second.waiting() == 0) {
    co_await yield_now();
  }
  const int before = second.questions();
  while (second.questions() < before + 10) {
    second.wake_for_nothing();  // sets the bit of the index as a late wake of `first` would
    co_await yield_now();
  }
  CO_ASSERT_FALSE(handle.is_finished());
  second.open();
  const JoinResult<bool> result = co_await handle;
  CO_ASSERT_TRUE(result.value());
}

CO_TEST(StaleWake, OfATimeoutAsksTheInnerWaitAndHarmsNothing) {
  Gate gate;
  const auto inner = [](Gate& waited) -> Task<void> { co_await waited.passed(); };
  const auto limited = [inner](Gate& waited) -> Task<bool> {
    const Result<Result<void>> passed =
        co_await time::timeout(1h, time::timeout_at(Instant::max(), inner(waited)));
    co_return passed.has_value() && waited.is_open();
  };
  JoinHandle<bool> handle = spawn(limited(gate));
  co_await wake_for_nothing(gate);
  CO_ASSERT_FALSE(handle.is_finished());
  gate.open();
  const JoinResult<bool> result = co_await handle;
  CO_ASSERT_TRUE(result.value());
}

CO_TEST(StaleWake, WakerUsedAfterCompletionWakesNobody) {
  Gate gate;
  detail::Waker kept;
  struct TakesWaker final : detail::LeafAwaiter<TakesWaker> {
    TakesWaker(Gate& gate, detail::Waker& waker) : gate_(&gate), waker_(&waker) {}
    bool poll() noexcept { return gate_->is_open(); }
    bool enlist(detail::Branch& branch) noexcept {
      *waker_ = detail::Waker::of(branch);
      return true;
    }
    bool is_ended() noexcept { return gate_->is_open(); }
    void await_resume() const noexcept {}
    Gate* gate_;
    detail::Waker* waker_;
  };
  const auto waits = [](Gate& waited, detail::Waker& waker) -> Task<void> {
    co_await TakesWaker(waited, waker);
  };
  {
    JoinHandle<void> handle = spawn(waits(gate, kept));
    while (!static_cast<bool>(kept)) {
      co_await yield_now();
    }
    handle.abort();
    (void)co_await handle;
  }
  CO_ASSERT_TRUE(static_cast<bool>(kept));
  kept.wake();  // holds the last reference to the cell
  co_await yield_now();
}

/// Where only the number of operations counts, however slow the machine is.
Runtime runtime_without_time_budget() {
  return testing_support::build_runtime(Builder::current_thread().time_budget(0ns));
}

TEST(Coop, AlwaysReadyTaskYieldsEvery128Operations) {
  Runtime runtime = runtime_without_time_budget();
  const auto ready = [](int times) -> Task<void> {
    const time::Sleep past(Instant{});
    for (int i = 0; i < times; ++i) {
      co_await past;
    }
  };
  const auto counts = [](int& rounds, const bool& is_done) -> Task<void> {
    while (!is_done) {
      ++rounds;
      co_await yield_now();
    }
  };
  const auto both = [ready, counts]() -> Task<int> {
    int rounds = 0;
    bool is_done = false;
    JoinHandle<void> counter = spawn(counts(rounds, is_done));
    co_await ready(128 * 100);
    is_done = true;
    (void)co_await counter;
    co_return rounds;
  };
  const int rounds = runtime.block_on(both());
  EXPECT_GE(rounds, 98);
  EXPECT_LE(rounds, 110);
  const std::uint64_t yields = runtime.metrics().workers[0].forced_yields;
  EXPECT_GE(yields, 98U);
  EXPECT_LE(yields, 101U);
}

TEST(Coop, BudgetOf128IsExact) {
  for (const int operations : {127, 128, 129}) {
    Runtime runtime = runtime_without_time_budget();
    const auto ready = [](int times) -> Task<void> {
      co_await yield_now();  // a fresh budget from here on
      const time::Sleep past(Instant{});
      for (int i = 0; i < times; ++i) {
        co_await past;
      }
    };
    runtime.block_on(ready(operations));
    EXPECT_EQ(runtime.metrics().workers[0].forced_yields, operations > 128 ? 1U : 0U) << operations;
  }
}

TEST(Coop, ArmsThatEndTogetherSpendNoMoreThanThereIs) {
  Runtime runtime = runtime_without_time_budget();
  const auto waits_for_both = [](Notify& first, Notify& second,
                                 const bool& others_ran) -> Task<int> {
    (void)co_await join(first.notified(), second.notified());
    int operations = 0;
    const time::Sleep past(Instant{});
    while (!others_ran && operations < 1000) {
      co_await past;
      ++operations;
    }
    co_return operations;
  };
  const auto sets = [](bool& flag) -> Task<void> {
    flag = true;
    co_return;
  };
  // Uses up all but one unit, and leaves the rest of its turn to the one that it has woken.
  const auto wakes_both = [](Notify& first, Notify& second) -> Task<void> {
    const time::Sleep past(Instant{});
    for (int i = 0; i < 127; ++i) {
      co_await past;
    }
    first.notify_one();
    second.notify_one();
  };
  const auto all = [=]() -> Task<int> {
    Notify first;
    Notify second;
    bool others_ran = false;
    JoinHandle<int> waiter = spawn(waits_for_both(first, second, others_ran));
    co_await yield_now();  // it has begun to wait
    JoinHandle<void> other = spawn(sets(others_ran));
    JoinHandle<void> waker = spawn(wakes_both(first, second));  // the newest runs first
    const JoinResult<int> operations = co_await waiter;
    (void)co_await waker;
    (void)co_await other;
    co_return operations.value();
  };
  EXPECT_EQ(runtime.block_on(all()), 1) << "the first operation after it lets the others run";
}

TEST(Coop, TimeoutOfAnAlwaysReadyTaskStillStrikes) {
  Runtime runtime = testing_support::current_thread_runtime();
  const auto for_ever = []() -> Task<void> {
    const time::Sleep past(Instant{});
    for (;;) {
      co_await past;
    }
  };
  const auto limited = [for_ever]() -> Task<bool> {
    const Result<void> result = co_await time::timeout(5ms, for_ever());
    co_return result.has_value();
  };
  EXPECT_FALSE(runtime.block_on(limited()));
}

}  // namespace
}  // namespace ringo
