// SPDX-License-Identifier: MIT
//
// The code of docs/guide/time.md, compiled and run: the guide quotes it from here
// (scripts/check_docs.py).
//
// Thread safety: tests.

#include <ringo/delay_queue.h>
#include <ringo/interval.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

using namespace std::chrono_literals;
using ringo::Result;
using ringo::Task;

// --- a limit for each step, and one for all --------------------------------------------------

Task<std::string> ask(int replica) {
  co_await ringo::time::sleep(replica == 3 ? 5ms : 1h);  // only the third is well
  co_return "answer " + std::to_string(replica);
}

Task<std::optional<std::string>> ask_until(ringo::Instant deadline) {
  for (int replica = 1; ringo::Clock::now() < deadline; ++replica) {
    const auto each = ringo::Clock::now() + 50ms;
    const Result<std::string> answer =
        co_await ringo::time::timeout_at(std::min(each, deadline), ask(replica));
    if (answer) {
      co_return *answer;
    }
  }
  co_return std::nullopt;
}

TEST(TimeGuide, DeadlineIsPassedOn) {
  const auto test = []() -> Task<void> {
    const auto found = co_await ask_until(ringo::time::deadline_after(1s));
    EXPECT_EQ(found, "answer 3");
    const auto none = co_await ask_until(ringo::time::deadline_after(80ms));
    EXPECT_FALSE(none.has_value());
  };
  ringo::testing_support::paused_runtime().block_on(test());
}

// --- idle for too long -------------------------------------------------------------------------

Task<int> receive_until_idle(ringo::mpsc::Receiver<int> rx) {
  int sum = 0;
  ringo::time::Sleep idle = ringo::time::sleep(30s);
  for (;;) {
    const auto message = co_await ringo::time::timeout_at(idle.deadline(), rx.recv());
    if (!message || !*message) {
      co_return sum;  // 30 seconds without a message, or no sender is left
    }
    sum += **message;
    idle.reset(ringo::time::deadline_after(30s));
  }
}

TEST(TimeGuide, IdleTimeIsReset) {
  const auto test = []() -> Task<void> {
    auto [tx, rx] = ringo::mpsc::channel<int>(4);
    auto receiver = ringo::spawn(receive_until_idle(std::move(rx)));
    for (int i = 1; i <= 3; ++i) {
      const auto sent = co_await tx.send(i);
      EXPECT_TRUE(sent.has_value());
      co_await ringo::time::sleep(20s);
    }
    const auto sum = co_await receiver;
    EXPECT_EQ(sum.value(), 6);
  };
  ringo::testing_support::paused_runtime().block_on(test());
}

// --- intervals ---------------------------------------------------------------------------------

Task<int> poll_a_sensor(int times) {
  auto ticks = ringo::time::interval(100ms);
  ticks.set_missed_tick(ringo::time::MissedTick::kSkip);
  int polls = 0;
  while (polls < times) {
    co_await ticks.tick();  // the first at once
    ++polls;
  }
  co_return polls;
}

TEST(TimeGuide, IntervalTicks) {
  const auto test = []() -> Task<void> {
    const auto start = ringo::Clock::now();
    const int polls = co_await poll_a_sensor(11);
    EXPECT_EQ(polls, 11);
    EXPECT_GE(ringo::Clock::now() - start, 1s);
  };
  ringo::testing_support::paused_runtime().block_on(test());
}

// --- many things that expire ---------------------------------------------------------------------

Task<void> expire_sessions(ringo::mpsc::Receiver<std::string> seen,
                           std::vector<std::string>& gone) {
  ringo::time::DelayQueue<std::string> sessions;
  bool is_done = false;
  while (!is_done) {
    co_await ringo::select(
        ringo::on_value(seen.recv(), [&](std::string name) { sessions.insert(name, 10min); }),
        ringo::on_value(sessions.next(), [&](auto expired) { gone.push_back(expired.value); }),
        ringo::otherwise([&] { is_done = true; }));  // no sender and no session is left
  }
}

TEST(TimeGuide, SessionsExpire) {
  const auto test = []() -> Task<void> {
    auto [tx, rx] = ringo::mpsc::channel<std::string>(4);
    std::vector<std::string> gone;
    auto expirer = ringo::spawn(expire_sessions(std::move(rx), gone));
    const auto ann = co_await tx.send("ann");
    EXPECT_TRUE(ann.has_value());
    co_await ringo::time::sleep(6min);
    const auto bob = co_await tx.send("bob");
    EXPECT_TRUE(bob.has_value());
    co_await ringo::time::sleep(5min);
    EXPECT_EQ(gone, std::vector<std::string>{"ann"});
    ringo::drop(std::move(tx));
    (void)co_await expirer;
    EXPECT_EQ(gone, (std::vector<std::string>{"ann", "bob"}));
  };
  ringo::testing_support::paused_runtime().block_on(test());
}

// --- tests take no time --------------------------------------------------------------------------

Task<std::chrono::hours> nightly_job() {
  const auto start = ringo::Clock::now();
  co_await ringo::time::sleep(24h);
  co_return std::chrono::duration_cast<std::chrono::hours>(ringo::Clock::now() - start);
}

TEST(TimeGuide, DayPassesInNoTime) {
  auto runtime = ringo::Builder::current_thread().start_paused().build();
  EXPECT_EQ(runtime->block_on(nightly_job()), 24h);
}

}  // namespace
