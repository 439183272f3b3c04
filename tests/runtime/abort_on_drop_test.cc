// SPDX-License-Identifier: MIT
//
// AbortOnDrop and JoinQueue: handles that take their tasks along.

#include <ringo/abort_on_drop.h>
#include <ringo/join_error.h>
#include <ringo/join_queue.h>
#include <ringo/named.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

Task<int> never(Tracked /*held*/) {
  co_await time::sleep(Duration::max());
  co_return 0;
}
Task<int> twice(int n) {
  co_await yield_now();
  co_return 2 * n;
}
Task<int> after_yields(int n, int yields) {
  for (int i = 0; i < yields; ++i) {
    co_await yield_now();
  }
  co_return n;
}
Task<int> throws() {
  throw std::runtime_error("broken");
  co_return 0;
}

struct Session {};
Task<std::string> read_replies(Session& /*session*/) {
  co_await yield_now();
  co_return "closed";
}
Task<void> write_requests(Session& /*session*/) {
  co_await yield_now();
}

CO_TEST(AbortOnDrop, HeaderExample) {
  Session session;
  ringo::AbortOnDrop reader(ringo::spawn(read_replies(session)));
  co_await write_requests(session);
  auto why = co_await reader;
  CO_ASSERT_EQ(why.value(), "closed");
}

CO_TEST(AbortOnDrop, TakesItsTaskAlong) {
  const int before = Tracked::alive();
  std::optional<AbortHandle> watch;
  {
    const AbortOnDrop handle(spawn(never(Tracked())));
    watch.emplace(handle.abort_handle());
    co_await yield_now();
    EXPECT_FALSE(handle.is_finished());
    EXPECT_EQ(handle.id(), watch->id());
  }
  while (!watch->is_finished()) {
    co_await yield_now();
  }
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(AbortOnDrop, MayBeAwaitedAgainAfterATimeout) {
  auto [tx, rx] = oneshot::channel<int>();
  const auto waits = [](oneshot::Receiver<int> receiver) -> Task<int> {
    const Result<int> value = co_await receiver;
    co_return *value;
  };
  AbortOnDrop handle(spawn(waits(std::move(rx))));
  const Result<JoinResult<int>> too_early = co_await time::timeout(0ms, handle);
  CO_ASSERT_FALSE(too_early.has_value());
  (void)tx.send(3);
  const JoinResult<int> value = co_await handle;
  CO_ASSERT_EQ(value.value(), 3);
}

CO_TEST(AbortOnDrop, DetachedTaskGoesOn) {
  AbortOnDrop handle(spawn(twice(4)));
  JoinHandle<int> detached = std::move(handle).detach();
  const JoinResult<int> value = co_await detached;
  CO_ASSERT_EQ(value.value(), 8);
}

CO_TEST(AbortOnDrop, AssignmentAbortsTheTaskThatItHad) {
  AbortOnDrop handle(spawn(never(Tracked())));
  const AbortHandle first = handle.abort_handle();
  AbortOnDrop other(spawn(twice(1)));
  handle = std::move(other);
  while (!first.is_finished()) {
    co_await yield_now();
  }
  const JoinResult<int> value = co_await handle;
  CO_ASSERT_EQ(value.value(), 2);
}

Task<void> awaits_a_child() {
  const Tracked held;
  AbortOnDrop child(spawn(never(Tracked())));
  co_await time::sleep(2ms);
  child.abort();
  (void)co_await child;
}

TEST(AbortOnDrop, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return awaits_a_child(); });
  testing_support::time_out_at_every_step([] { return awaits_a_child(); },
                                          testing_support::Holds::kElsewhereToo);
}

// --- JoinQueue --------------------------------------------------------------------------------

CO_TEST(JoinQueue, HeaderExample) {
  std::vector<int> doubled;
  ringo::JoinQueue<int> queue;
  for (int i = 0; i < 10; ++i) {
    queue.spawn(twice(i));
  }
  for (;;) {
    auto done = co_await queue.join_next();
    if (!done) {
      break;
    }
    doubled.push_back(done->value());
  }
  CO_ASSERT_EQ(doubled, (std::vector<int>{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}));
}

CO_TEST(JoinQueue, GivesResultsInTheOrderOfSpawning) {
  JoinQueue<int> queue;
  for (int i = 0; i < 5; ++i) {
    queue.spawn(after_yields(i, 10 - 2 * i));
  }
  queue.spawn_blocking([] { return 5; });
  const std::vector<int> values = co_await std::move(queue).join_all();
  CO_ASSERT_EQ(values, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

CO_TEST(JoinQueue, TryJoinNextWaitsForTheOldest) {
  JoinQueue<int> queue;
  EXPECT_FALSE(queue.try_join_next().has_value());
  auto [tx, rx] = oneshot::channel<int>();
  const auto waits = [](oneshot::Receiver<int> receiver) -> Task<int> {
    const Result<int> value = co_await receiver;
    co_return *value;
  };
  queue.spawn(waits(std::move(rx)));
  const AbortHandle second = queue.spawn(twice(2));
  while (!second.is_finished()) {
    co_await yield_now();
  }
  EXPECT_FALSE(queue.try_join_next().has_value());
  (void)tx.send(1);
  std::optional<JoinResult<int>> first = co_await queue.join_next();
  EXPECT_EQ(first->value(), 1);
  first = queue.try_join_next();
  EXPECT_EQ(first->value(), 4);
  EXPECT_TRUE(queue.is_empty());
}

CO_TEST(JoinQueue, AbortsOnDropAndOnShutdown) {
  const int before = Tracked::alive();
  std::optional<AbortHandle> watch;
  {
    JoinQueue<int> queue;
    watch.emplace(queue.spawn(never(Tracked())));
  }
  while (!watch->is_finished()) {
    co_await yield_now();
  }
  JoinQueue<int> queue;
  queue.spawn(never(Tracked()));
  queue.spawn(twice(1));
  co_await queue.shutdown();
  EXPECT_TRUE(queue.is_empty());
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(JoinQueue, AnExceptionAbortsTheOthers) {
  const int before = Tracked::alive();
  JoinQueue<int> queue;
  queue.spawn(throws());
  const AbortHandle other = queue.spawn(never(Tracked()));
  bool has_thrown = false;
  try {
    (void)co_await std::move(queue).join_all();
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  CO_ASSERT_TRUE(has_thrown);
  while (!other.is_finished()) {
    co_await yield_now();
  }
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(JoinQueue, DetachedTasksGoOn) {
  auto [tx, rx] = oneshot::channel<int>();
  const auto sends = [](oneshot::Sender<int> sender) -> Task<int> {
    co_await yield_now();
    (void)sender.send(1);
    co_return 0;
  };
  {
    JoinQueue<int> queue;
    queue.spawn(sends(std::move(tx)));
    queue.detach_all();
    EXPECT_EQ(queue.size(), 0U);
  }
  const Result<int> sent = co_await rx;
  CO_ASSERT_EQ(sent.value(), 1);
}

Task<void> uses_a_queue() {
  const Tracked held;
  JoinQueue<int> queue;
  queue.spawn(twice(1));
  queue.spawn(named("second", after_yields(2, 3)));
  (void)co_await queue.join_next();
  (void)co_await queue.join_next();
  queue.spawn(never(Tracked()));
  co_await queue.shutdown();
}

TEST(JoinQueue, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return uses_a_queue(); });
  testing_support::time_out_at_every_step([] { return uses_a_queue(); },
                                          testing_support::Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
