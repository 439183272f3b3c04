// SPDX-License-Identifier: MIT
//
// Runtimes used in unusual places: inside tasks and jobs of others, in thread-local variables,
// under load. The rest of what Tokio's rt_common.rs and rt_threaded.rs test is in block_on_test.cc,
// shutdown_test.cc, scheduler_test.cc, fairness_test.cc, coop_api_test.cc and blocking_test.cc.

#include <ringo/block_in_place.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;

Task<int> gives(int value) {
  co_await yield_now();
  co_return value;
}
Task<void> spins(const std::atomic<bool>& stop) {
  while (!stop) {
    co_await yield_now();
  }
}

CO_TEST(RuntimeUse, ATaskMayMakeARuntimeAndDropItInTheBackground) {
  Runtime inner = testing_support::multi_thread_runtime(1);
  const JoinResult<int> value = co_await inner.spawn(gives(5));
  inner.shutdown_background();
  CO_ASSERT_EQ(value.value(), 5);
}

CO_TEST(RuntimeUse, AJobMayRunAnotherRuntimeWhoseTasksBlockInPlace) {
  const auto outer = [] {
    Runtime inner = testing_support::current_thread_runtime();
    const auto body = []() -> Task<int> {
      const auto nested = [] {
        Runtime innermost = testing_support::current_thread_runtime();
        return innermost.block_on(gives(6));
      };
      co_return co_await block_in_place(nested);
    };
    return inner.block_on(body());
  };
  const int value = co_await block_in_place(outer);
  CO_ASSERT_EQ(value, 6);
}

CO_TEST(RuntimeUse, AJobMaySleepInARuntimeOfItsOwn) {
  const auto job = [] {
    Runtime own = testing_support::paused_runtime();
    const auto sleeps = []() -> Task<int> {
      co_await time::sleep(1h);
      co_return 7;
    };
    return own.block_on(sleeps());
  };
  const JoinResult<int> value = co_await spawn_blocking(job);
  CO_ASSERT_EQ(value.value(), 7);
}

CO_TEST(RuntimeUse, AJobMayLockWhatATaskWaitsFor) {
  Mutex<int> shared(0);
  const auto adds = [&shared] { ++*shared.blocking_lock(); };
  co_await block_in_place(adds);
  const auto guard = co_await shared.lock();
  CO_ASSERT_EQ(*guard, 1);
}

TEST(RuntimeUse, AThreadLocalRuntimeEndsWithItsThread) {
  std::thread([] {
    thread_local std::optional<Runtime> runtime;
    runtime.emplace(testing_support::current_thread_runtime());
    EXPECT_EQ(runtime->block_on(gives(8)), 8);
  }).join();
}

/// Wakes a task when the thread ends.
class WakesAtThreadExit {
 public:
  explicit WakesAtThreadExit(std::shared_ptr<Notify> notify) : notify_(std::move(notify)) {}
  WakesAtThreadExit(const WakesAtThreadExit&) = delete;
  WakesAtThreadExit& operator=(const WakesAtThreadExit&) = delete;
  ~WakesAtThreadExit() { notify_->notify_one(); }

 private:
  std::shared_ptr<Notify> notify_;
};

CO_TEST(RuntimeUse, ADestructorOfAThreadLocalVariableMayWakeATask) {
  auto notify = std::make_shared<Notify>();
  std::thread thread([notify] {
    thread_local std::optional<WakesAtThreadExit> waker;
    waker.emplace(notify);
  });
  co_await notify->notified();
  thread.join();
}

TEST(RuntimeUse, BlockOnEndsUnderLoad) {
  for (const bool is_current_thread : {true, false}) {
    std::atomic<bool> stop{false};  // outlives the runtime, whose tasks look at it
    Runtime runtime = is_current_thread ? testing_support::current_thread_runtime()
                                        : testing_support::multi_thread_runtime(2);
    for (int i = 0; i < 50; ++i) {
      runtime.spawn(spins(stop)).detach();
    }
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(runtime.block_on(gives(i)), i);
    }
    stop = true;
  }
}

TEST(RuntimeUse, InjectionQueueMayBeServedAtEveryStep) {
  std::atomic<bool> stop{false};
  Runtime runtime = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).global_queue_interval(1).event_interval(1));
  for (int i = 0; i < 10; ++i) {
    runtime.spawn(spins(stop)).detach();
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(runtime.block_on(gives(i)), i);
  }
  stop = true;
}

CO_TEST(RuntimeUse, JoinErrorsSayWhatHappened) {
  const auto throws = []() -> Task<void> {
    throw std::runtime_error("whoops");
    co_return;
  };
  JoinHandle<void> failed = spawn(throws());
  const std::string id = std::to_string(failed.id().value());
  const JoinResult<void> error = co_await failed;
  CO_ASSERT_EQ(error.error().message(), "task " + id + " threw an exception: whoops");
  JoinHandle<int> aborted = spawn(gives(1));
  aborted.abort();
  const JoinResult<int> cancelled = co_await aborted;
  CO_ASSERT_EQ(cancelled.error().message(),
               "task " + std::to_string(aborted.id().value()) + " was cancelled");
}

}  // namespace
}  // namespace ringo
