// SPDX-License-Identifier: MIT
//
// spawn(), JoinHandle and what becomes of results and exceptions.

#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/gate.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using testing_support::Gate;
using testing_support::Tracked;

Task<int> gives(int n) {
  co_return n;
}
Task<void> throws(std::string what) {
  co_await yield_now();
  throw std::runtime_error(what);
}
Task<void> passes(Gate& gate) {
  co_await gate.passed();
}
template <class T>
Task<JoinResult<T>> take(JoinHandle<T> handle) {
  co_return co_await handle;
}

CO_TEST(Spawn, RunsWithoutBeingAwaited) {
  Gate gate;
  const auto opens = [](Gate& opened) -> Task<void> {
    opened.open();
    co_return;
  };
  spawn(opens(gate)).detach();
  co_await gate.passed();
}

CO_TEST(Spawn, TakesALambdaWithCaptures) {
  const auto number = std::make_unique<int>(5);
  int* borrowed = number.get();
  const auto reads = [borrowed]() -> Task<int> {
    co_await yield_now();
    co_return *borrowed;
  };
  JoinHandle<int> handle = spawn(reads);
  const JoinResult<int> five = co_await handle;
  CO_ASSERT_EQ(five.value(), 5);
}

CO_TEST(Spawn, OutsideOfAnyRuntimeIsAUsageError) {
  bool has_thrown = false;
  std::thread([&has_thrown] {
    try {
      (void)spawn(gives(1));
    } catch (const UsageError&) {
      has_thrown = true;
    }
  }).join();
  CO_ASSERT_TRUE(has_thrown);
}

CO_TEST(Spawn, IdsDifferAndAreKnownInside) {
  const auto own_id = []() -> Task<std::uint64_t> {
    co_await yield_now();
    co_return current_task_id().value();
  };
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 100; ++i) {
    JoinHandle<std::uint64_t> handle = spawn(own_id());
    const JoinResult<std::uint64_t> id = co_await handle;
    CO_ASSERT_EQ(id.value(), handle.id().value());
    ids.insert(id.value());
  }
  CO_ASSERT_EQ(ids.size(), 100U);
  CO_ASSERT_FALSE(ids.contains(0));
}

CO_TEST(Spawn, FromForeignThreads) {
  const Handle runtime = Handle::current();
  std::vector<JoinHandle<int>> handles;
  std::mutex mutex;  // a test's thread, not a task, holds it
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        JoinHandle<int> handle = runtime.spawn(gives(t * 500 + i));
        const std::scoped_lock lock(mutex);
        handles.push_back(std::move(handle));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  long sum = 0;
  for (JoinHandle<int>& handle : handles) {
    const JoinResult<int> result = co_await handle;
    sum += result.value();
  }
  CO_ASSERT_EQ(sum, 2000L * 1999 / 2);
}

TEST(Spawn, AfterShutdownGivesACancelledHandle) {
  for (const bool is_current_thread : {true, false}) {
    Runtime runtime = is_current_thread ? testing_support::current_thread_runtime()
                                        : testing_support::multi_thread_runtime();
    const Handle handle = runtime.handle();
    const Handle::EnterGuard entered = runtime.enter();
    runtime.shutdown_background();
    const int before = Tracked::alive();
    const auto never = [](Tracked) -> Task<int> { co_return 1; };
    JoinHandle<int> by_handle = handle.spawn(never(Tracked()));
    JoinHandle<int> by_runtime = runtime.spawn(never(Tracked()));
    JoinHandle<int> by_context = spawn(never(Tracked()));
    EXPECT_EQ(Tracked::alive(), before);
    Runtime other = testing_support::current_thread_runtime();
    EXPECT_TRUE(other.block_on(take(std::move(by_handle))).error().is_cancelled());
    EXPECT_TRUE(other.block_on(take(std::move(by_runtime))).error().is_cancelled());
    EXPECT_TRUE(other.block_on(take(std::move(by_context))).error().is_cancelled());
    EXPECT_THROW(runtime.block_on(gives(1)), std::runtime_error);
    JoinHandle<int> blocking = spawn_blocking([] { return 1; });
    EXPECT_TRUE(other.block_on(take(std::move(blocking))).error().is_cancelled());
  }
}

TEST(Spawn, HandleAndGuardMayOutliveTheRuntime) {
  std::optional<Runtime> runtime(testing_support::multi_thread_runtime());
  const Handle handle = runtime->handle();
  {
    const Handle::EnterGuard entered = runtime->enter();
    runtime.reset();
    JoinHandle<int> late = spawn(gives(1));
    EXPECT_TRUE(late.is_finished());
  }
  JoinHandle<int> later = handle.spawn(gives(1));
  EXPECT_TRUE(later.is_finished());
}

// --- JoinHandle -------------------------------------------------------------------------------

CO_TEST(JoinHandle, ExceptionComesOutAsJoinError) {
  JoinHandle<void> handle = spawn(throws("broken"));
  const JoinResult<void> result = co_await handle;
  CO_ASSERT_FALSE(result.has_value());
  CO_ASSERT_TRUE(result.error().is_exception());
  CO_ASSERT_EQ(result.error().id(), handle.id());
  CO_ASSERT_TRUE(result.error().message().find("broken") != std::string::npos);
  std::string what;
  try {
    result.error().rethrow();
  } catch (const std::runtime_error& error) {
    what = error.what();
  }
  CO_ASSERT_EQ(what, "broken");
}

CO_TEST(JoinHandle, SecondAwaitSaysCancelled) {
  JoinHandle<int> handle = spawn(gives(3));
  const JoinResult<int> first = co_await handle;
  const JoinResult<int> second = co_await handle;
  CO_ASSERT_EQ(first.value(), 3);
  CO_ASSERT_TRUE(second.error().is_cancelled());
}

CO_TEST(JoinHandle, MoveOnlyOutput) {
  const auto boxes = [](int n) -> Task<std::unique_ptr<int>> {
    co_return std::make_unique<int>(n);
  };
  JoinHandle<std::unique_ptr<int>> handle = spawn(boxes(9));
  JoinResult<std::unique_ptr<int>> result = co_await handle;
  CO_ASSERT_EQ(**result, 9);
}

CO_TEST(JoinHandle, DroppingItDetaches) {
  Gate gate;
  Gate done;
  const auto goes_on = [](Gate& first, Gate& second) -> Task<void> {
    co_await first.passed();
    second.open();
  };
  {
    const JoinHandle<void> dropped = spawn(goes_on(gate, done));
  }
  gate.open();
  co_await done.passed();
}

CO_TEST(JoinHandle, AwaitMayBeLostAndRepeated) {
  Gate gate;
  JoinHandle<void> handle = spawn(passes(gate));
  for (int i = 0; i < 10; ++i) {
    JoinHandle<JoinResult<void>> waits =
        spawn([](JoinHandle<void>& borrowed) -> Task<JoinResult<void>> {
          co_return co_await borrowed;
        }(handle));
    co_await yield_now();
    waits.abort();
    const JoinResult<JoinResult<void>> lost = co_await waits;
    CO_ASSERT_TRUE(lost.error().is_cancelled());
  }
  gate.open();
  const JoinResult<void> result = co_await handle;
  CO_ASSERT_TRUE(result.has_value());
}

TEST(JoinHandle, MayBeAwaitedInAnotherRuntime) {
  Runtime first = testing_support::multi_thread_runtime();
  Runtime second = testing_support::multi_thread_runtime();
  const auto yields = [](int n) -> Task<int> {
    co_await yield_now();
    co_return n;
  };
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(second.block_on(take(first.spawn(yields(i)))).value(), i);
  }
}

// --- exceptions that nobody fetches -----------------------------------------------------------

struct Unhandled {
  std::mutex mutex;
  std::vector<UnhandledException> seen;

  std::function<void(const UnhandledException&)> handler() {
    return [this](const UnhandledException& unhandled) {
      const std::scoped_lock lock(mutex);
      seen.push_back(unhandled);
    };
  }
  std::size_t count() {
    const std::scoped_lock lock(mutex);
    return seen.size();
  }
};

TEST(UnhandledException, ReachesTheHandlerWithTheSpawnSite) {
  for (const bool is_current_thread : {true, false}) {
    Unhandled unhandled;
    unsigned line = 0;
    {
      Builder builder =
          is_current_thread ? Builder::current_thread() : Builder::multi_thread().worker_threads(2);
      Runtime runtime =
          testing_support::build_runtime(builder.on_unhandled_exception(unhandled.handler()));
      const auto detaches = [](unsigned& spawned_at, Unhandled& seen) -> Task<void> {
        spawned_at = __LINE__ + 1;
        spawn(throws("lost")).detach();
        while (seen.count() == 0) {
          co_await yield_now();
        }
      };
      runtime.block_on(detaches(line, unhandled));
    }
    ASSERT_EQ(unhandled.seen.size(), 1U);
    EXPECT_EQ(unhandled.seen[0].spawned_at.line(), line);
    EXPECT_TRUE(std::string(unhandled.seen[0].spawned_at.file_name()).ends_with("spawn_test.cc"));
    EXPECT_NE(unhandled.seen[0].task.value(), 0U);
    EXPECT_THROW(std::rethrow_exception(unhandled.seen[0].exception), std::runtime_error);
  }
}

TEST(UnhandledException, ReachesTheHandlerWhereverTheHandleIsDropped) {
  Unhandled own;
  Unhandled other;
  Runtime runtime = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).on_unhandled_exception(own.handler()));
  Runtime second = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).on_unhandled_exception(other.handler()));
  const auto ended = [&runtime] {
    JoinHandle<void> handle = runtime.spawn(throws("lost"));
    while (!handle.is_finished()) {
      std::this_thread::yield();
    }
    return handle;
  };
  drop(ended());
  EXPECT_EQ(own.count(), 1U);
  {
    const auto entered = second.enter();
    drop(ended());
  }
  EXPECT_EQ(own.count(), 2U);
  EXPECT_EQ(other.count(), 0U);

  JoinHandle<void> outlives = ended();
  {
    const Runtime gone = std::move(runtime);
  }
  testing::internal::CaptureStderr();
  drop(std::move(outlives));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("lost"), std::string::npos);
  EXPECT_EQ(own.count(), 2U);
}

TEST(UnhandledException, ReachesTheHandlerUntilTheRuntimeIsDestroyed) {
  for (const bool is_current_thread : {true, false}) {
    Unhandled unhandled;
    std::optional<ringo::Handle> keeps_it_alive;
    std::optional<JoinHandle<void>> outlives_shutdown;
    std::optional<JoinHandle<void>> outlives_the_runtime;
    {
      Builder builder =
          is_current_thread ? Builder::current_thread() : Builder::multi_thread().worker_threads(2);
      Runtime runtime =
          testing_support::build_runtime(builder.on_unhandled_exception(unhandled.handler()));
      keeps_it_alive = runtime.handle();
      outlives_shutdown = runtime.spawn(throws("early"));
      outlives_the_runtime = runtime.spawn(throws("late"));
      const auto both_end = [](JoinHandle<void>& first, JoinHandle<void>& second) -> Task<void> {
        while (!first.is_finished() || !second.is_finished()) {
          co_await yield_now();
        }
      };
      runtime.block_on(both_end(*outlives_shutdown, *outlives_the_runtime));
      EXPECT_TRUE(runtime.shutdown_timeout(std::chrono::hours(1)));
      outlives_shutdown.reset();
      EXPECT_EQ(unhandled.count(), 1U);
    }
    testing::internal::CaptureStderr();
    outlives_the_runtime.reset();
    EXPECT_NE(testing::internal::GetCapturedStderr().find("late"), std::string::npos);
    EXPECT_EQ(unhandled.count(), 1U);
  }
}

// Whoever drops the handle: a destroyed runtime has no handler, and nobody else's is asked.
TEST(UnhandledException, OfADestroyedRuntimeIsNobodyElses) {
  Unhandled own;
  Unhandled other;
  Runtime second = testing_support::build_runtime(
      Builder::current_thread().on_unhandled_exception(other.handler()));
  std::optional<Runtime> first = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).on_unhandled_exception(own.handler()));
  std::vector<JoinHandle<void>> handles;
  handles.push_back(first->spawn(throws("one")));
  handles.push_back(first->spawn(throws("two")));
  handles.push_back(first->spawn_blocking([] { throw std::runtime_error("three"); }));
  for (const JoinHandle<void>& handle : handles) {
    while (!handle.is_finished()) {
      std::this_thread::yield();
    }
  }
  const ringo::Handle::EnterGuard entered = first->enter();
  first.reset();
  testing::internal::CaptureStderr();
  handles.erase(handles.begin());
  const auto drops = [](std::vector<JoinHandle<void>>& dropped) -> Task<void> {
    dropped.clear();
    co_return;
  };
  second.block_on(drops(handles));
  const std::string printed = testing::internal::GetCapturedStderr();
  EXPECT_NE(printed.find("one"), std::string::npos);
  EXPECT_NE(printed.find("two"), std::string::npos);
  EXPECT_NE(printed.find("three"), std::string::npos);
  EXPECT_EQ(own.count(), 0U);
  EXPECT_EQ(other.count(), 0U);
}

TEST(UnhandledException, FetchedOneIsNotReported) {
  Unhandled unhandled;
  {
    Runtime runtime = testing_support::build_runtime(
        Builder::multi_thread().worker_threads(2).on_unhandled_exception(unhandled.handler()));
    EXPECT_FALSE(runtime.block_on(take(runtime.spawn(throws("seen")))).has_value());
  }
  EXPECT_EQ(unhandled.count(), 0U);
}

TEST(UnhandledException, DefaultHandlerNamesTheSpawnSite) {
  testing::internal::CaptureStderr();
  {
    Runtime runtime = testing_support::current_thread_runtime();
    const auto detaches = []() -> Task<void> {
      spawn(throws("whoops")).detach();
      co_await yield_now();
      co_await yield_now();
      co_await yield_now();
    };
    runtime.block_on(detaches());
  }
  const std::string printed = testing::internal::GetCapturedStderr();
  EXPECT_NE(printed.find("whoops"), std::string::npos) << printed;
  EXPECT_NE(printed.find("spawn_test.cc:"), std::string::npos) << printed;
}

}  // namespace
}  // namespace ringo
