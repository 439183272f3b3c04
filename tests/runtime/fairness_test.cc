// SPDX-License-Identifier: MIT
//
// The scheduler's promise in numbers (docs/guide/spawning.md): a task that is woken on a worker
// with n tasks in its queue runs after at most 5 n + 24 further runs of others, one that is woken
// or spawned from outside, with m before it, after at most 124 (m + 1); whatever the others do. One
// worker is driven step by step, so that each run can be counted and nothing depends on threads.
//
// Where the numbers come from: a step takes one task from a queue and runs up to 3 more out of the
// LIFO slot; one step in 31 serves the injection queue, one in 61 may serve what the driver has
// woken. 4 / (1 - 1/31 - 1/61) < 5, and 4 * 31 = 124.

#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/runtime_shared.h"
#include "scheduler/worker.h"
#include "support/abort_harness.h"
#include "support/random_seed.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;

/// A task that is woken again and again, and how long it had to wait for its run each time.
class Probe {
 public:
  explicit Probe(detail::Worker& worker) : worker_(&worker) {}

  /// `ahead`: in the queue that it will wait in.
  void wake(std::size_t ahead) {
    if (is_waiting_) {
      is_waiting_ = false;
      ahead_ = ahead;
      woken_at_ = polls();
      bell_.notify_one();
    }
  }
  Task<void> run(std::uint64_t per_task, std::uint64_t at_most) {
    for (;;) {
      is_waiting_ = true;
      co_await bell_.notified();
      const std::uint64_t waited = polls() - woken_at_ - 1;
      longest_ = std::max(longest_, waited);
      ++runs_;
      EXPECT_LE(waited, per_task * ahead_ + at_most) << "behind " << ahead_ << " others";
    }
  }
  [[nodiscard]] std::uint64_t longest() const { return longest_; }
  [[nodiscard]] int runs() const { return runs_; }

 private:
  [[nodiscard]] std::uint64_t polls() const { return worker_->metrics().polls; }

  detail::Worker* worker_;
  Notify bell_;
  bool is_waiting_ = false;
  std::size_t ahead_ = 0;
  std::uint64_t woken_at_ = 0;
  std::uint64_t longest_ = 0;
  int runs_ = 0;
};

Task<void> yields() {
  for (;;) {
    co_await yield_now();
  }
}
Task<void> ends() {
  co_return;
}
/// A turn of each goes through the LIFO slot.
Task<void> serves(Notify& mine, Notify& other) {
  for (;;) {
    co_await mine.notified();
    other.notify_one();
  }
}
Task<void> returns(Notify& mine, Notify& other) {
  for (;;) {
    other.notify_one();
    co_await mine.notified();
  }
}
/// The probe is put into the LIFO slot, and out of it by the next wake: the longest way.
Task<void> wakes_the_probe(Probe& probe, detail::Worker& worker, Notify& mine, Notify& other) {
  for (;;) {
    probe.wake(worker.queue().length());
    other.notify_one();
    co_await mine.notified();
  }
}
Task<void> spawns() {
  for (;;) {
    spawn(ends()).detach();
    co_await yield_now();
  }
}
Task<void> sleeps() {
  for (;;) {
    co_await time::sleep(1ms);
  }
}

struct Neighbours {
  int pairs = 0;
  int yielders = 0;
  int spawners = 0;
  int sleepers = 0;
  std::size_t injected = 0;  ///< kept in the injection queue
};

struct Longest {
  std::uint64_t local = 0;
  std::uint64_t remote = 0;
  int runs = 0;
};

Longest run_beside(const Neighbours& neighbours) {
  std::vector<std::unique_ptr<Notify>> bells;
  const auto bell = [&bells]() -> Notify& {
    return *bells.emplace_back(std::make_unique<Notify>());
  };
  std::unique_ptr<Probe> local;
  std::unique_ptr<Probe> remote;
  testing_support::SteppedRuntime stepped(true);
  detail::RuntimeShared& shared = stepped.runtime().handle().shared();
  detail::Worker& worker = *shared.workers().front();
  local = std::make_unique<Probe>(worker);
  remote = std::make_unique<Probe>(worker);
  const auto add = [&stepped](Task<void> task) {
    stepped.runtime().spawn(std::move(task)).detach();
  };
  add(local->run(5, 24));
  add(remote->run(124, 124));
  Notify& mine = bell();
  Notify& others = bell();
  add(serves(others, mine));
  add(wakes_the_probe(*local, worker, mine, others));
  for (int i = 0; i < neighbours.pairs; ++i) {
    Notify& first = bell();
    Notify& second = bell();
    add(serves(first, second));
    add(returns(second, first));
  }
  for (int i = 0; i < neighbours.yielders; ++i) {
    add(yields());
  }
  for (int i = 0; i < neighbours.spawners; ++i) {
    add(spawns());
  }
  for (int i = 0; i < neighbours.sleepers; ++i) {
    add(sleeps());
  }
  for (int i = 0; i < 6000; ++i) {
    remote->wake(shared.injection().length());
    while (shared.injection().length() < neighbours.injected) {
      add(ends());
    }
    shared.clock().advance_to(shared.clock().now() + 50'000);
    stepped.step();
  }
  return {local->longest(), remote->longest(), std::min(local->runs(), remote->runs())};
}

TEST(Fairness, BesideNobodyItRunsSoon) {
  const Longest longest = run_beside({});
  EXPECT_GT(longest.runs, 10);
  EXPECT_LE(longest.local, 24U);
  EXPECT_LE(longest.remote, 124U);
}

TEST(Fairness, BesidePairsThatWakeEachOther) {
  const Longest longest = run_beside({.pairs = 30});
  EXPECT_GT(longest.runs, 5);
  EXPECT_GE(longest.local, 30U) << "the test shows nothing";
}

TEST(Fairness, BesideTasksThatYield) {
  const Longest longest = run_beside({.yielders = 100});
  EXPECT_GT(longest.runs, 5);
  EXPECT_GE(longest.local, 90U) << "the test shows nothing";
}

TEST(Fairness, BesideTasksThatSpawn) {
  const Longest longest = run_beside({.spawners = 60});
  EXPECT_GT(longest.runs, 5);
  EXPECT_GE(longest.local, 60U) << "the test shows nothing";
}

TEST(Fairness, BesideTimers) {
  const Longest longest = run_beside({.yielders = 20, .sleepers = 100});
  EXPECT_GT(longest.runs, 5);
}

TEST(Fairness, BesideAFullInjectionQueue) {
  const Longest longest = run_beside({.yielders = 10, .injected = 20});
  EXPECT_GT(longest.runs, 3);
  EXPECT_GE(longest.remote, 20U * 31U) << "the test shows nothing";
}

TEST(Fairness, BesideAnyMixture) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int round = 0; round < 10; ++round) {
    const Neighbours neighbours{.pairs = static_cast<int>(random() % 20),
                                .yielders = static_cast<int>(random() % 60),
                                .spawners = static_cast<int>(random() % 20),
                                .sleepers = static_cast<int>(random() % 60),
                                .injected = random() % 10};
    const Longest longest = run_beside(neighbours);
    EXPECT_GT(longest.runs, 0);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace ringo
