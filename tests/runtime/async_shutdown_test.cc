// SPDX-License-Identifier: MIT
//
// Ending a runtime from async code, its own or another's, and what is said of who outlives it.
//
// Thread safety: tests.

#include <ringo/runtime.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/blocking_gate.h"
#include "support/co_test.h"
#include "support/gate.h"

namespace {

using namespace std::chrono_literals;
using ringo::Builder;
using ringo::Handle;
using ringo::Runtime;
using ringo::ShutdownResult;
using ringo::Task;
using ringo::testing_support::BlockingGate;
using ringo::testing_support::build_runtime;
using ringo::testing_support::Gate;

Task<void> pass(Gate& gate) {
  co_await gate.passed();
}
Task<void> pass_shielded(Gate& gate) {
  co_await ringo::shield(pass(gate));
}

Builder builder_of(bool is_current_thread) {
  return is_current_thread ? Builder::current_thread() : Builder::multi_thread().worker_threads(2);
}

CO_TEST(AsyncShutdown, EndsAnotherRuntime) {
  for (const bool is_current_thread : {false, true}) {
    Gate gate;
    auto other = std::make_unique<Runtime>(build_runtime(builder_of(is_current_thread)));
    auto task = other->spawn(pass(gate));
    const ShutdownResult result = co_await other->shutdown();
    EXPECT_TRUE(result.is_complete);
    EXPECT_TRUE(task.is_finished());
    EXPECT_EQ(result.message(), "");
    // It has ended: to destroy it here is no error any more.
    other.reset();
  }
}

TEST(AsyncShutdown, EndsTheRuntimeOfItsOwnTask) {
  for (const bool is_current_thread : {false, true}) {
    Runtime runtime = build_runtime(builder_of(is_current_thread));
    std::atomic<bool> has_returned{false};
    auto body = [](std::atomic<bool>& returned) -> Task<void> {
      (void)co_await Handle::current().shutdown();
      returned = true;
    };
    // The root is one of the tasks that end.
    EXPECT_THROW(runtime.block_on(body(has_returned)), std::runtime_error);
    EXPECT_FALSE(has_returned);
    EXPECT_TRUE(runtime.shutdown_timeout(1h));
  }
}

TEST(AsyncShutdown, ReturnsInsideAShieldOfItsOwnRuntime) {
  for (const bool is_current_thread : {false, true}) {
    Runtime runtime = build_runtime(builder_of(is_current_thread));
    std::atomic<bool> has_returned{false};
    auto inner = [](std::atomic<bool>& returned) -> Task<void> {
      const ShutdownResult result = co_await Handle::current().shutdown();
      EXPECT_FALSE(result.is_complete);
      returned = true;
    };
    auto body = [inner](std::atomic<bool>& returned) -> Task<void> {
      co_await ringo::shield(inner(returned));
    };
    EXPECT_THROW(runtime.block_on(body(has_returned)), std::runtime_error);
    EXPECT_TRUE(has_returned);
    EXPECT_TRUE(runtime.shutdown_timeout(1h));
  }
}

CO_TEST(AsyncShutdown, MayBeAwaitedTwiceAndFromTheHandle) {
  Runtime other = build_runtime(Builder::multi_thread());
  const Handle handle = other.handle();
  const ShutdownResult first = co_await handle.shutdown();
  const ShutdownResult second = co_await handle.shutdown();
  EXPECT_TRUE(first.is_complete);
  EXPECT_TRUE(second.is_complete);
}

TEST(ShutdownTimeout, NamesATaskThatIsPinned) {
  Gate gate;
  Runtime runtime = build_runtime(Builder::multi_thread().worker_threads(2));
  auto pinned = runtime.spawn(pass_shielded(gate));
  while (gate.waiting() == 0) {
    std::this_thread::yield();
  }
  const ShutdownResult result = runtime.shutdown_timeout(1ms);
  EXPECT_FALSE(result.is_complete);
  ASSERT_EQ(result.left.tasks.size(), 1U);
  EXPECT_EQ(result.left.tasks[0].id, pinned.id());
  EXPECT_THAT(result.left.tasks[0].spawned_at.file_name(),
              testing::EndsWith("async_shutdown_test.cc"));
  EXPECT_EQ(result.left.tasks[0].waits_at.operation, "shield");
  EXPECT_THAT(result.message(), testing::HasSubstr("waits for shield"));
  gate.open();
  EXPECT_TRUE(runtime.shutdown_timeout(1h));
  EXPECT_TRUE(pinned.is_finished());
}

TEST(ShutdownTimeout, NamesATaskThatDoesNotSuspend) {
  const BlockingGate gate;
  std::atomic<bool> is_blocked{false};
  Runtime runtime = build_runtime(Builder::multi_thread().worker_threads(1).disable_watchdog());
  auto block = [](std::atomic<bool>& flag, const BlockingGate& until) -> Task<void> {
    flag = true;
    until.block();
    co_return;
  };
  auto stuck = runtime.spawn(block(is_blocked, gate));
  while (!is_blocked) {
    std::this_thread::yield();
  }
  const ShutdownResult result = runtime.shutdown_timeout(1ms);
  EXPECT_FALSE(result.is_complete);
  ASSERT_EQ(result.left.stuck_workers.size(), 1U);
  EXPECT_EQ(result.left.stuck_workers[0].task, stuck.id());
  EXPECT_THAT(result.message(), testing::HasSubstr("does not suspend"));
  gate.open();
  EXPECT_TRUE(runtime.shutdown_timeout(1h));
}

TEST(ShutdownTimeout, CountsClosuresThatDoNotReturn) {
  const BlockingGate gate;
  Runtime runtime = build_runtime(Builder::current_thread());
  auto body = [](const BlockingGate& until) -> Task<void> {
    std::atomic<bool> has_begun{false};
    auto job = ringo::spawn_blocking([&until, &has_begun] {
      has_begun = true;
      until.block();
    });
    while (!has_begun) {
      co_await ringo::yield_now();
    }
    job.detach();
  };
  runtime.block_on(body(gate));
  const ShutdownResult result = runtime.shutdown_timeout(1ms);
  EXPECT_FALSE(result.is_complete);
  EXPECT_EQ(result.blocking_threads_left, 1U);
  EXPECT_THAT(result.message(), testing::HasSubstr("1 blocking closure"));
  gate.open();
  EXPECT_TRUE(runtime.shutdown_timeout(1h));
}

}  // namespace
