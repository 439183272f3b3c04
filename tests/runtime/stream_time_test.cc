// SPDX-License-Identifier: MIT
//
// Adaptors of streams that know the time, on a clock that stands still. The cases of
// chunks_timeout, timeout and throttle are those of tokio-stream.
//
// Thread safety: tests.

#include <ringo/generator.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/stream.h>
#include <ringo/stream_sources.h>
#include <ringo/stream_time.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/stream_support.h"

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::count_to;
using testing_support::Tracked;
using Numbers = std::vector<int>;

// A timer fires at the end of its tick of 131 us.
constexpr Duration kTick = 132us;

/// Items that each come so long after the one before.
Generator<int> after(std::vector<Duration> pauses, Tracked /*held*/ = Tracked()) {
  int count = 0;
  for (const Duration pause : pauses) {
    co_await time::sleep(pause);
    co_yield ++count;
  }
}

CO_TEST_PAUSED(StreamTime, HeaderExample) {
  auto [tx, rx] = ringo::mpsc::channel<int>(4);
  std::vector<Numbers> stored;
  const auto store = [&stored](const Numbers& batch) { stored.push_back(batch); };
  (void)tx.try_send(1);
  (void)tx.try_send(2);
  drop(std::move(tx));
  auto batches = ringo::stream::as_stream(std::move(rx)) | ringo::stream::chunks_timeout(100, 10ms);
  while (std::optional<std::vector<int>> batch = co_await batches.next()) {
    store(*batch);
  }
  EXPECT_EQ(stored, (std::vector<Numbers>{{1, 2}}));
}

CO_TEST_PAUSED(StreamTime, ChunksEndWhenFullLateOrAtTheEnd) {
  auto batches = after({0s, 0s, 0s, 1ms, 30ms, 5s, 1ms}) | stream::chunks_timeout(3, 20ms);
  const auto got_1 = co_await batches.next();
  EXPECT_EQ(got_1, (Numbers{1, 2, 3}));  // full
  const Instant begun = Clock::now();
  const auto got_2 = co_await batches.next();
  EXPECT_EQ(got_2, (Numbers{4}));  // late: counted from its first item
  EXPECT_GE(Clock::now() - begun, 21ms);
  EXPECT_LE(Clock::now() - begun, 21ms + 2 * kTick);
  const auto got_3 = co_await batches.next();
  EXPECT_EQ(got_3, (Numbers{5}));
  const auto got_4 = co_await batches.next();
  EXPECT_EQ(got_4, (Numbers{6, 7}));  // the end
  EXPECT_EQ(co_await batches.next(), std::nullopt);
  EXPECT_THROW((void)stream::chunks_timeout(0, 1s), UsageError);
}

CO_TEST_PAUSED(StreamTime, ADroppedNextKeepsTheBatch) {
  auto batches = after({0s, 10ms, 10ms}) | stream::chunks_timeout(3, 1s);
  for (int i = 0; i < 3; ++i) {
    const auto late = co_await time::timeout(4ms, batches.next());
    CO_ASSERT_FALSE(late.has_value());
  }
  const auto got_5 = co_await batches.next();
  EXPECT_EQ(got_5, (Numbers{1, 2, 3}));
}

CO_TEST_PAUSED(StreamTime, TimeoutTellsOnceThatAnItemIsLate) {
  auto timed = after({1ms, 100ms, 1ms}) | stream::timeout(10ms);
  std::optional<Result<int>> first = co_await timed.next();
  EXPECT_EQ(first->value(), 1);
  std::optional<Result<int>> late = co_await timed.next();
  EXPECT_EQ(late->error().kind(), ErrorKind::kTimedOut);
  std::optional<Result<int>> second = co_await timed.next();
  EXPECT_EQ(second->value(), 2);
  std::optional<Result<int>> third = co_await timed.next();
  EXPECT_EQ(third->value(), 3);
  std::optional<Result<int>> end = co_await timed.next();
  EXPECT_FALSE(end.has_value());
}

CO_TEST_PAUSED(StreamTime, TimeoutRepeatingTellsItAgainAndAgain) {
  auto timed = after({35ms}) | stream::timeout_repeating(10ms);
  for (int i = 0; i < 3; ++i) {
    std::optional<Result<int>> late = co_await timed.next();
    EXPECT_EQ(late->error().kind(), ErrorKind::kTimedOut);
  }
  std::optional<Result<int>> first = co_await timed.next();
  EXPECT_EQ(first->value(), 1);
}

CO_TEST_PAUSED(StreamTime, ThrottleKeepsItsDistance) {
  const Instant start = Clock::now();
  auto slow = count_to(3) | stream::throttle(100ms);
  EXPECT_EQ(co_await slow.next(), 1);
  EXPECT_EQ(Clock::now(), start);
  EXPECT_EQ(co_await slow.next(), 2);
  EXPECT_GE(Clock::now() - start, 100ms);
  co_await time::sleep(150ms);  // longer than the pause
  const Instant asked = Clock::now();
  EXPECT_EQ(co_await slow.next(), 3);
  EXPECT_EQ(Clock::now(), asked);
}

Task<std::size_t> uses_all() {
  auto timed = after({1ms, 0s, 3ms, 1ms}) | stream::throttle(1ms) | stream::timeout(2ms) |
               stream::filter_map(
                   [](Result<int> item) { return item ? std::optional(*item) : std::nullopt; }) |
               stream::chunks_timeout(2, 2ms) | stream::collect();
  const std::vector<Numbers> batches = co_await std::move(timed);
  co_return batches.size();
}

TEST(StreamTime, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return uses_all(); });
}

TEST(StreamTime, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return uses_all(); });
}

}  // namespace
}  // namespace ringo
