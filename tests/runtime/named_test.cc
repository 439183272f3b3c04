// SPDX-License-Identifier: MIT
//
// Names of tasks: who can tell them, and that a task without one is no larger.

#include <ringo/detail/task_cell.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/task_state.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/named.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

Task<std::string> tells() {
  co_await yield_now();
  co_return std::string(current_task_name());
}
Task<void> fails() {
  throw std::runtime_error("broken");
  co_return;
}

struct Stream {};
Task<std::string> serve(Stream /*stream*/) {
  co_return std::string(current_task_name());
}

CO_TEST(Named, HeaderExample) {
  Stream stream;
  // NOLINTNEXTLINE(performance-move-const-arg): as a real stream would be.
  auto handle = ringo::spawn(ringo::named("connection 17", serve(std::move(stream))));
  const JoinResult<std::string> name = co_await handle;
  CO_ASSERT_EQ(name.value(), "connection 17");
}

CO_TEST(Named, TaskKnowsItsName) {
  const JoinResult<std::string> name = co_await spawn(named("connection 17", tells()));
  EXPECT_EQ(name.value(), "connection 17");
  const JoinResult<std::string> none = co_await spawn(tells());
  EXPECT_EQ(none.value(), "");
  const JoinResult<std::string> empty = co_await spawn(named("", tells()));
  EXPECT_EQ(empty.value(), "");
  const std::string long_name(1000, 'n');
  const JoinResult<std::string> full = co_await spawn(named(long_name, tells()));
  EXPECT_EQ(full.value(), long_name);
}

CO_TEST(Named, TakesFunctionsToo) {
  const std::string own = "captured";
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines): named() keeps it.
  auto function = [own]() -> Task<std::string> {
    co_await yield_now();
    co_return own + " by " + std::string(current_task_name());
  };
  auto body = named("lambda", function);
  const JoinResult<std::string> task = co_await spawn(std::move(body));
  EXPECT_EQ(task.value(), "captured by lambda");
  auto job = named("job", [] { return std::string(current_task_name()); });
  const JoinResult<std::string> blocking = co_await spawn_blocking(std::move(job));
  EXPECT_EQ(blocking.value(), "job");
}

CO_TEST(Named, IsTakenWhereverTasksAreSpawned) {
  JoinSet<std::string> set;
  set.spawn(named("member", tells()));
  const auto member = co_await set.join_next();
  EXPECT_EQ(member->value(), "member");
  const JoinResult<std::string> handle =
      co_await Handle::current().spawn(named("by a handle", tells()));
  EXPECT_EQ(handle.value(), "by a handle");
}

TEST(Named, OutsideATaskThereIsNone) {
  EXPECT_EQ(current_task_name(), "");
}

TEST(Named, CellTellsTheNameToWhoeverKeepsIt) {
  struct NoSchedule final : detail::Schedule {
    void schedule(detail::TaskHeader& /*task*/) noexcept override {}
  } schedule;
  detail::TaskCell<void, std::string> cell(fails(), detail::TaskState::kIdleWithHandle, &schedule,
                                           std::source_location::current(), "held");
  EXPECT_EQ(detail::name_of(cell), "held");
  (void)detail::TaskCell<void, std::string>::cancel(cell);
  detail::TaskCell<void> unnamed(fails(), detail::TaskState::kIdleWithHandle, &schedule,
                                 std::source_location::current());
  EXPECT_EQ(detail::name_of(unnamed), "");
  (void)detail::TaskCell<void>::cancel(unnamed);
}

TEST(Named, TaskWithoutANameIsNoLarger) {
  EXPECT_EQ(sizeof(detail::TaskCell<int>), sizeof(detail::OutputCell<int>));
  EXPECT_EQ(sizeof(detail::TaskCell<void>), 128U);
  EXPECT_EQ(sizeof(detail::TaskCell<std::uint64_t>), 128U);
}

TEST(Named, ReportOfAnUnhandledExceptionHasTheName) {
  std::vector<std::string> names;
  {
    Runtime runtime =
        testing_support::build_runtime(Builder::current_thread().on_unhandled_exception(
            [&names](const UnhandledException& unhandled) { names.push_back(unhandled.name); }));
    const auto body = []() -> Task<void> {
      spawn(named("doomed", fails())).detach();
      spawn(fails()).detach();
      co_await yield_now();
      co_await yield_now();
    };
    JoinHandle<void> root = runtime.spawn(body());
    const auto take = [](JoinHandle<void>& handle) -> Task<void> { (void)co_await handle; };
    runtime.block_on(take(root));
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"", "doomed"}));
}

TEST(Named, DefaultReportHasTheName) {
  testing::internal::CaptureStderr();
  {
    Runtime runtime = testing_support::current_thread_runtime();
    const auto body = []() -> Task<void> {
      JoinHandle<void> handle = spawn(named("doomed", fails()));
      handle.detach();
      co_await yield_now();
      co_await yield_now();
    };
    runtime.block_on(body());
  }
  const std::string printed = testing::internal::GetCapturedStderr();
  EXPECT_NE(printed.find("named \"doomed\""), std::string::npos) << printed;
}

}  // namespace
}  // namespace ringo
