// SPDX-License-Identifier: MIT
//
// The code of docs/guide/shutdown.md and docs/guide/diagnostics.md, compiled and run: the guides
// quote it from here (scripts/check_docs.py).
//
// Thread safety: each test has runtimes of its own.

#include <ringo/cancellation_token.h>
#include <ringo/metrics.h>
#include <ringo/named.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>
#include <ringo/task_tracker.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

using namespace std::chrono_literals;

// --- docs/guide/shutdown.md -------------------------------------------------------------------

ringo::Task<void> serve_one(ringo::CancellationToken stop, std::vector<std::string>& log) {
  co_await stop.cancelled();
  co_await ringo::time::sleep(10ms);  // says goodbye to its peer
  log.emplace_back("finished");
}

ringo::Task<void> serve(std::vector<std::string>& log) {
  ringo::CancellationToken stop;
  ringo::TaskTracker connections;
  for (int i = 0; i < 2; ++i) {
    connections.spawn(serve_one(stop.child_token(), log)).detach();
  }
  stop.cancel();  // as when a signal has come
  connections.close();
  if (!co_await ringo::time::timeout(5s, connections.wait())) {
    log.emplace_back("some were cut off");
  }
}

CO_TEST_PAUSED(Guide, ServiceStopsGracefully) {
  std::vector<std::string> log;
  co_await serve(log);
  EXPECT_THAT(log, testing::ElementsAre("finished", "finished"));
}

ringo::Task<std::string> end_another(ringo::Runtime plugin) {
  const ringo::ShutdownResult ended = co_await plugin.shutdown(5s);
  co_return ended ? "all of it has ended" : ended.message();
}

CO_TEST(Guide, OneRuntimeEndsAnother) {
  ringo::Runtime plugin = ringo::testing_support::multi_thread_runtime(1);
  const std::string said = co_await end_another(std::move(plugin));
  EXPECT_EQ(said, "all of it has ended");
}

// --- docs/guide/diagnostics.md ----------------------------------------------------------------

ringo::Task<void> wait_for_orders(ringo::Notify& orders) {
  co_await orders.notified();
}

ringo::Task<std::string> show_tasks() {
  ringo::Notify orders;
  auto clerk = ringo::spawn(ringo::named("clerk", wait_for_orders(orders)));
  co_await ringo::yield_now();
  const ringo::TaskDump dump = co_await ringo::Handle::current().dump(1s);
  orders.notify_one();
  (void)co_await clerk;
  co_return dump.to_string();
}

TEST(Guide, DumpNamesTasksAndLines) {
  ringo::Runtime runtime = ringo::testing_support::current_thread_runtime();
  const std::string text = runtime.block_on(show_tasks());
  EXPECT_THAT(text, testing::HasSubstr("clerk"));
  EXPECT_THAT(text, testing::HasSubstr("wait_for_orders"));
  EXPECT_THAT(text, testing::HasSubstr("operations_test.cc"));
}

TEST(Guide, BuilderReportsAndObserves) {
  std::atomic<int> failed{0};
  std::atomic<int> spawned{0};
  const auto fails = []() -> ringo::Task<void> {
    throw std::runtime_error("nobody awaits me");
    co_return;
  };
  {
    const auto runtime =
        ringo::Builder::multi_thread()
            .worker_threads(1)
            .watchdog(250ms)
            .on_stall([](const ringo::Stall& stall) {
              (void)stall.spawned_at; /* log it */
            })
            .on_task_spawn([&spawned](const ringo::TaskMeta&) { spawned.fetch_add(1); })
            .on_unhandled_exception([&failed](const ringo::UnhandledException&) {
              failed.fetch_add(1);
              failed.notify_all();
            })
            .build();
    ASSERT_TRUE(runtime.has_value());
    runtime->spawn(fails()).detach();
    failed.wait(0);
    const ringo::RuntimeMetrics metrics = runtime->metrics();
    EXPECT_EQ(metrics.num_workers(), 1U);
    EXPECT_GE(metrics.spawned_tasks_count(), 1U);
  }
  EXPECT_EQ(failed.load(), 1);
  EXPECT_GE(spawned.load(), 1);
}

}  // namespace
