// SPDX-License-Identifier: MIT
//
// Proves that a coroutine may be destroyed wherever it waits. The same task is run again and again
// on a current_thread runtime with a paused clock, scheduler step by scheduler step; in run k it is
// aborted (or loses a timeout) after k steps, until a run ends undisturbed. Each run checks that
// the result is a value or "cancelled", that no Tracked of its frames is left the moment it has
// ended, that the runtime still works, and that nothing at all is left when it has been shut down.
// Run it under AddressSanitizer.
//
//   TEST(Mpsc, RecvMayBeAbortedAnywhere) {
//     testing_support::abort_at_every_step([] { return receives_ten(); });
//     testing_support::time_out_at_every_step([] { return receives_ten(); });
//   }
//
// Thread safety: none; one harness at a time, because Tracked counts for the whole process.

#pragma once

#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <chrono>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

#include "scheduler/runtime_shared.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo::testing_support {

/// Far beyond all that a test waits for.
inline constexpr std::chrono::hours kHarnessDeadline{1000};
inline constexpr int kMaxHarnessSteps = 20'000;

/// Drives a paused current_thread runtime by single steps, on the calling thread.
class SteppedRuntime {
 public:
  explicit SteppedRuntime(bool has_lifo_slot)
      : runtime_(build_runtime(has_lifo_slot
                                   ? Builder::current_thread().start_paused()
                                   : Builder::current_thread().start_paused().disable_lifo_slot())),
        worker_(*runtime_.handle().shared().workers().front()) {}

  [[nodiscard]] Runtime& runtime() noexcept { return runtime_; }

  /// Runs one task, or lets time go on to the next timer, or waits for the blocking pool.
  void step() {
    const detail::Worker::Entered entered(worker_);
    if (worker_.step() == detail::Worker::Step::kNothing) {
      worker_.park();
    }
  }
  void advance(Duration duration) {
    const detail::Worker::Entered entered(worker_);
    detail::RuntimeClock& clock = runtime_.handle().shared().clock();
    worker_.wheel().settle(clock.now());
    clock.advance_to(clock.now() + duration.count());
    worker_.poll_driver();
  }
  /// False: it did not end in kMaxHarnessSteps.
  template <class T>
  [[nodiscard]] bool run_until_finished(const JoinHandle<T>& handle) {
    for (int i = 0; i < kMaxHarnessSteps && !handle.is_finished(); ++i) {
      step();
    }
    return handle.is_finished();
  }

 private:
  Runtime runtime_;
  detail::Worker& worker_;
};

namespace harness_detail {

inline Task<int> sleep_and_yield() {
  co_await time::sleep(std::chrono::milliseconds(3));
  co_await yield_now();
  co_return 42;
}
inline Task<int> still_works() {
  JoinHandle<int> other = spawn(sleep_and_yield());
  const JoinResult<int> result = co_await other;
  co_return result.value();
}

template <class T>
Task<JoinResult<T>> take(JoinHandle<T> handle) {
  co_return co_await handle;
}

/// Whatever was spawned by the task may still be ending; it must, without more time.
inline void check_runtime(SteppedRuntime& stepped) {
  EXPECT_EQ(stepped.runtime().block_on(still_works()), 42) << "the runtime does not work any more";
}

/// One run. True: the task ended before step `abort_after`.
template <class MakeTask>
bool run_and_abort(MakeTask& make_task, int abort_after, bool has_lifo_slot) {
  using T = typename decltype(make_task())::value_type;
  bool has_ended_by_itself = false;
  const int alive_before = Tracked::alive();
  {
    SteppedRuntime stepped(has_lifo_slot);
    JoinHandle<T> handle = stepped.runtime().spawn(make_task());
    for (int i = 0; i < abort_after && !handle.is_finished(); ++i) {
      stepped.step();
    }
    has_ended_by_itself = handle.is_finished();
    handle.abort();
    EXPECT_TRUE(stepped.run_until_finished(handle))
        << "the aborted task does not end (aborted after step " << abort_after << ")";
    if (!handle.is_finished()) {
      return true;
    }
    JoinHandle<JoinResult<T>> taken = stepped.runtime().spawn(take(std::move(handle)));
    EXPECT_TRUE(stepped.run_until_finished(taken));
    const JoinResult<T> result = stepped.runtime().block_on(take(std::move(taken))).value();
    EXPECT_TRUE(result.has_value() || result.error().is_cancelled()) << result.error().message();
    if (has_ended_by_itself) {
      EXPECT_TRUE(result.has_value()) << "it had ended, and the abort came too late";
    }
    check_runtime(stepped);
  }
  EXPECT_EQ(Tracked::alive(), alive_before) << "leaked when aborted after step " << abort_after;
  return has_ended_by_itself;
}

template <class T>
Task<bool> lose_timeout(Task<T> inner, bool holds_in_frames_only, int alive_before) {
  auto result = co_await time::timeout(kHarnessDeadline, std::move(inner));
  bool has_won = true;
  if constexpr (requires { result.error().kind(); }) {
    has_won = result.has_value() || result.error().kind() != ErrorKind::kTimedOut;
  }
  if (!has_won && holds_in_frames_only) {
    // The loser's frames are gone before timeout() returns.
    EXPECT_EQ(Tracked::alive(), alive_before);
  }
  co_return has_won;
}

}  // namespace harness_detail

/// Whether the frames of the task are all that holds a Tracked: not so where it spawns others.
enum class Holds : bool { kInFramesOnly, kElsewhereToo };

/// Aborts the task that `make_task()` makes after 0, 1, 2 … steps.
template <class MakeTask>
void abort_at_every_step(MakeTask make_task) {
  for (const bool has_lifo_slot : {true, false}) {
    int step = 0;
    while (!harness_detail::run_and_abort(make_task, step, has_lifo_slot)) {
      ++step;
      ASSERT_LT(step, kMaxHarnessSteps) << "the task does not end";
      ASSERT_FALSE(testing::Test::HasFailure());
    }
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

/// Lets a timeout around the task strike after 0, 1, 2 … steps.
template <class MakeTask>
void time_out_at_every_step(MakeTask make_task, Holds holds = Holds::kInFramesOnly) {
  for (const bool has_lifo_slot : {true, false}) {
    for (int strike_after = 0;; ++strike_after) {
      ASSERT_LT(strike_after, kMaxHarnessSteps) << "the task does not end";
      const int alive_before = Tracked::alive();
      bool has_won = false;
      {
        SteppedRuntime stepped(has_lifo_slot);
        JoinHandle<bool> handle = stepped.runtime().spawn(
            harness_detail::lose_timeout(make_task(), holds == Holds::kInFramesOnly, alive_before));
        for (int i = 0; i < strike_after && !handle.is_finished(); ++i) {
          stepped.step();
        }
        const bool has_ended_by_itself = handle.is_finished();
        stepped.advance(kHarnessDeadline);
        ASSERT_TRUE(stepped.run_until_finished(handle)) << "struck after step " << strike_after;
        const JoinResult<bool> result =
            stepped.runtime().block_on(harness_detail::take(std::move(handle)));
        ASSERT_TRUE(result.has_value()) << result.error().message();
        has_won = has_ended_by_itself;
        if (has_won) {
          EXPECT_TRUE(*result);
        }
        harness_detail::check_runtime(stepped);
      }
      ASSERT_EQ(Tracked::alive(), alive_before) << "leaked when struck after step " << strike_after;
      ASSERT_FALSE(testing::Test::HasFailure());
      if (has_won) {
        break;
      }
    }
  }
}

}  // namespace ringo::testing_support
