// SPDX-License-Identifier: MIT
//
// pending(): it ends by what surrounds it, and by nothing else.
//
// Thread safety: tests.

#include <ringo/join_error.h>
#include <ringo/pending.h>
#include <ringo/result.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

Task<int> waits_for_ever(Tracked /*held*/) {
  co_return co_await pending<int>();
}

CO_TEST(Pending, LosesToWhateverIsReady) {
  const auto winner = co_await select(pending<int>(), yield_now());
  EXPECT_EQ(winner.index(), 1U);
}

CO_TEST_PAUSED(Pending, OutlastsAnyTimeout) {
  const Result<int> value = co_await time::timeout(1000h, pending<int>());
  CO_ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().kind(), ErrorKind::kTimedOut);
}

CO_TEST(Pending, EndsWhenItsTaskIsAborted) {
  JoinHandle<int> handle = spawn(waits_for_ever(Tracked()));
  co_await yield_now();
  EXPECT_FALSE(handle.is_finished());
  handle.abort();
  const JoinResult<int> ended = co_await handle;
  CO_ASSERT_FALSE(ended.has_value());
  EXPECT_TRUE(ended.error().is_cancelled());
}

Task<int> loses() {
  const auto winner = co_await select(waits_for_ever(Tracked()), yield_now());
  co_return static_cast<int>(winner.index());
}

TEST(Pending, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return loses(); });
}

}  // namespace
}  // namespace ringo
