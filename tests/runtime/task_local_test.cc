// SPDX-License-Identifier: MIT
//
// TaskLocal: who sees the value, and who does not.
//
// Thread safety: tests.

#include <ringo/join.h>
#include <ringo/join_error.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/task_local.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"

namespace ringo {
namespace {

constinit TaskLocal<int> request_id;
constinit TaskLocal<std::string> user;

Task<int> read_after_yields(int yields) {
  for (int i = 0; i < yields; ++i) {
    co_await yield_now();
  }
  co_return request_id.try_get().value_or(-1);
}

CO_TEST(TaskLocal, IsSeenInItsScopeOnly) {
  EXPECT_EQ(request_id.try_get(), std::nullopt);
  const int seen = co_await request_id.scope(42, read_after_yields(3));
  EXPECT_EQ(seen, 42);
  EXPECT_EQ(request_id.try_get(), std::nullopt);
}

CO_TEST(TaskLocal, IsNotSeenByTasksThatRunMeanwhile) {
  auto scoped = [](int id) -> Task<int> {
    co_return co_await request_id.scope(id, read_after_yields(20));
  };
  std::vector<JoinHandle<int>> tasks;
  for (int i = 0; i < 20; ++i) {
    tasks.push_back(i % 2 == 0 ? spawn(scoped(i)) : spawn(read_after_yields(20)));
  }
  for (int i = 0; i < 20; ++i) {
    const JoinResult<int> seen = co_await tasks[static_cast<std::size_t>(i)];
    CO_ASSERT_EQ(seen.value(), i % 2 == 0 ? i : -1);
  }
}

CO_TEST(TaskLocal, IsNotSeenByTasksThatAreSpawnedInside) {
  auto spawns = []() -> Task<int> {
    auto child = spawn(read_after_yields(0));  // and awaited at once: runs in place
    const JoinResult<int> seen = co_await child;
    EXPECT_EQ(request_id.get(), 7);
    co_return seen.value();
  };
  const int seen = co_await request_id.scope(7, spawns());
  EXPECT_EQ(seen, -1);
}

CO_TEST(TaskLocal, Nests) {
  auto outer = []() -> Task<int> {
    const int before = request_id.get();
    const int inner = co_await request_id.scope(2, read_after_yields(2));
    co_return before * 100 + inner * 10 + request_id.get();
  };
  const int seen = co_await request_id.scope(1, outer());
  EXPECT_EQ(seen, 121);
}

CO_TEST(TaskLocal, KeysAreApart) {
  auto both = []() -> Task<std::string> {
    co_await yield_now();
    co_return user.get() + std::to_string(request_id.get());
  };
  auto inner = [both]() -> Task<std::string> { co_return co_await request_id.scope(5, both()); };
  const std::string seen = co_await user.scope("ann", invoke(inner));
  EXPECT_EQ(seen, "ann5");
}

CO_TEST(TaskLocal, EachBranchHasItsOwn) {
  const auto [one, two, none] =
      co_await join(request_id.scope(1, read_after_yields(5)),
                    request_id.scope(2, read_after_yields(3)), read_after_yields(4));
  EXPECT_EQ(one, 1);
  EXPECT_EQ(two, 2);
  EXPECT_EQ(none, -1);
}

CO_TEST(TaskLocal, CanBeChangedInPlace) {
  auto counts = []() -> Task<int> {
    for (int i = 0; i < 5; ++i) {
      request_id.with([](int& id) { ++id; });
      co_await yield_now();
    }
    co_return request_id.get();
  };
  const int counted = co_await request_id.scope(10, counts());
  EXPECT_EQ(counted, 15);
}

struct SeesWhenDestroyed {
  explicit SeesWhenDestroyed(int& where) : seen(&where) {}
  SeesWhenDestroyed(SeesWhenDestroyed&& other) noexcept
      : seen(std::exchange(other.seen, nullptr)) {}
  SeesWhenDestroyed& operator=(SeesWhenDestroyed&&) = delete;
  ~SeesWhenDestroyed() {
    if (seen != nullptr) {
      *seen = request_id.try_get().value_or(-1);
    }
  }
  int* seen;
};

CO_TEST(TaskLocal, IsSeenByTheDestructorsOfACancelledScope) {
  int seen = 0;
  auto waits = [](SeesWhenDestroyed /*held*/) -> Task<void> {
    co_await time::sleep(Duration::max());
  };
  co_await select(request_id.scope(9, waits(SeesWhenDestroyed(seen))), yield_now());
  EXPECT_EQ(seen, 9);
  EXPECT_EQ(request_id.try_get(), std::nullopt);
}

TEST(TaskLocal, HasAScopeWithoutATask) {
  EXPECT_THROW((void)request_id.get(), UsageError);
  EXPECT_THROW(request_id.with([](int&) {}), UsageError);
  const int seen = request_id.sync_scope(3, [] { return request_id.get(); });
  EXPECT_EQ(seen, 3);
  EXPECT_THROW((void)request_id.get(), UsageError);
}

Task<void> scopes() {
  (void)co_await request_id.scope(1, read_after_yields(3));
  (void)co_await join(request_id.scope(1, read_after_yields(1)), read_after_yields(2));
}

TEST(TaskLocal, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return scopes(); });
}

}  // namespace
}  // namespace ringo
