// SPDX-License-Identifier: MIT
//
// Barrier: all are let go together, one of them as the leader. The behaviours are those of Tokio's
// sync_barrier tests; barrier_future_is_send has no counterpart, since any task may go on in any
// thread. Different from Tokio, who gives up has not arrived.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/barrier.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

Task<bool> arrive(Barrier& barrier) {
  const BarrierWaitResult result = co_await barrier.wait();
  co_return result.is_leader();
}

CO_TEST(Barrier, HeaderExample) {
  auto arrives_alone = [](ringo::Barrier& phase) -> Task<void> {
    (void)co_await phase.wait();
    (void)co_await phase.wait();
  };
  ringo::Barrier phase(3);
  JoinHandle<void> second = spawn(arrives_alone(phase));
  JoinHandle<void> third = spawn(arrives_alone(phase));
  ringo::BarrierWaitResult arrived = co_await phase.wait();
  bool came_last = arrived.is_leader();
  (void)co_await phase.wait();
  (void)co_await second;
  (void)co_await third;
  (void)came_last;
}

CO_TEST(Barrier, OfNoneOrOneDoesNotWait) {
  Barrier none(0);
  Barrier one(1);
  for (int i = 0; i < 3; ++i) {
    const BarrierWaitResult first = co_await none.wait();
    const BarrierWaitResult second = co_await one.wait();
    CO_ASSERT_TRUE(first.is_leader());
    CO_ASSERT_TRUE(second.is_leader());
  }
}

CO_TEST_PAUSED(Barrier, OfTwoLetsBothGoAndTheLastLeads) {
  Barrier barrier(2);
  for (int round = 0; round < 3; ++round) {
    JoinHandle<bool> first = spawn(arrive(barrier));
    co_await time::sleep(1ms);
    CO_ASSERT_FALSE(first.is_finished());
    const BarrierWaitResult last = co_await barrier.wait();
    const JoinResult<bool> was_leader = co_await first;
    CO_ASSERT_TRUE(last.is_leader());
    CO_ASSERT_FALSE(was_leader.value());
  }
}

CO_TEST_PAUSED(Barrier, WhoGivesUpHasNotArrived) {
  Barrier barrier(3);
  JoinHandle<bool> first = spawn(arrive(barrier));
  JoinHandle<bool> aborted = spawn(arrive(barrier));
  co_await time::sleep(1ms);
  aborted.abort();
  (void)co_await aborted;
  const Result<BarrierWaitResult> timed_out = co_await time::timeout(1ms, barrier.wait());
  CO_ASSERT_FALSE(timed_out.has_value());
  JoinHandle<bool> second = spawn(arrive(barrier));
  co_await time::sleep(1ms);
  CO_ASSERT_FALSE(first.is_finished());
  const BarrierWaitResult last = co_await barrier.wait();
  CO_ASSERT_TRUE(last.is_leader());
  (void)co_await first;
  (void)co_await second;
}

constexpr int kParties = 7;
constexpr int kRounds = 100;

Task<int> go_through(std::shared_ptr<Barrier> barrier, std::shared_ptr<std::atomic<int>> arrivals) {
  int led = 0;
  for (int round = 1; round <= kRounds; ++round) {
    arrivals->fetch_add(1);
    const BarrierWaitResult result = co_await barrier->wait();
    led += result.is_leader() ? 1 : 0;
    EXPECT_GE(arrivals->load(), round * kParties) << "somebody was let go too early";
  }
  co_return led;
}

CO_TEST(Barrier, LetsManyThroughAgainAndAgainWithOneLeaderEach) {
  auto barrier = std::make_shared<Barrier>(kParties);
  auto arrivals = std::make_shared<std::atomic<int>>(0);
  std::vector<JoinHandle<int>> tasks;
  for (int i = 0; i < kParties; ++i) {
    tasks.push_back(spawn(go_through(barrier, arrivals)));
  }
  int led = 0;
  for (JoinHandle<int>& task : tasks) {
    const JoinResult<int> result = co_await task;
    led += result.value();
  }
  CO_ASSERT_EQ(led, kRounds);
  CO_ASSERT_EQ(arrivals->load(), kRounds * kParties);
}

CO_TEST_PAUSED(Barrier, WaitIsCooperative) {
  Barrier barrier(1);
  bool has_other_run = false;
  auto runs = [](bool& flag) -> Task<void> {
    flag = true;
    co_return;
  };
  JoinHandle<void> other = spawn(runs(has_other_run));
  for (int i = 0; i < 1000; ++i) {
    (void)co_await barrier.wait();
  }
  CO_ASSERT_TRUE(has_other_run) << "a loop of successes kept the other task from running";
  (void)co_await other;
}

Task<int> meets_others() {
  auto barrier = std::make_shared<Barrier>(3);
  auto meets = [](std::shared_ptr<Barrier> met, Tracked /*tracked*/) -> Task<void> {
    (void)co_await met->wait();
    co_await yield_now();
    (void)co_await met->wait();
  };
  JoinHandle<void> first = spawn(meets(barrier, Tracked()));
  JoinHandle<void> second = spawn(meets(barrier, Tracked()));
  const Tracked tracked;
  (void)co_await barrier->wait();
  (void)co_await barrier->wait();
  (void)co_await first;
  (void)co_await second;
  co_return 1;
}

TEST(Barrier, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return meets_others(); });
  testing_support::time_out_at_every_step([] { return meets_others(); },
                                          testing_support::Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
