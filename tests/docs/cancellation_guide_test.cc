// SPDX-License-Identifier: MIT
//
// The code of docs/guide/cancellation.md, compiled and run: the guide quotes it from here
// (scripts/check_docs.py).
//
// Thread safety: tests.

#include <ringo/cancellation_token.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/result.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <memory>
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

// --- hard ---------------------------------------------------------------------------------------

struct Cleanup {
  explicit Cleanup(std::string& to) noexcept : log(to) {}
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;
  ~Cleanup() { log += "cleaned up "; }
  std::string& log;
};

Task<void> work(std::string& log) {
  const Cleanup cleanup(log);
  co_await ringo::time::sleep(1h);
  log += "never here";
}

CO_TEST(CancellationGuide, Hard) {
  std::string log;
  std::atomic<bool> has_begun{false};
  auto begin_to_work = [](std::string& to, std::atomic<bool>& begun) -> Task<void> {
    begun = true;  // until it first waits it cannot be stopped any more
    co_await work(to);
  };
  auto handle = ringo::spawn(begin_to_work(log, has_begun));
  while (!has_begun) {
    co_await ringo::yield_now();
  }
  handle.abort();
  ringo::JoinResult<void> ended = co_await handle;
  EXPECT_TRUE(ended.error().is_cancelled());
  EXPECT_EQ(log, "cleaned up ");
}

CO_TEST_PAUSED(CancellationGuide, Timeout) {
  std::string log;
  Result<void> done = co_await ringo::time::timeout(10ms, work(log));
  EXPECT_EQ(done.error().kind(), ringo::ErrorKind::kTimedOut);
  EXPECT_EQ(log, "cleaned up ");  // before timeout() returned
}

// --- cooperative --------------------------------------------------------------------------------

Task<std::string> session(ringo::mpsc::Receiver<std::string> requests,
                          ringo::CancellationToken stop) {
  std::string log;
  for (;;) {
    // nullopt: cancelled; else what recv() gave
    auto received = co_await stop.run_until_cancelled(requests.recv());
    if (!received || !*received) {
      break;
    }
    log += **received + " ";
  }
  co_await ringo::time::sleep(1ms);  // may await: nothing has been destroyed
  co_return log + "bye";
}

CO_TEST_PAUSED(CancellationGuide, Cooperative) {
  auto [tx, rx] = ringo::mpsc::channel<std::string>(4);
  const ringo::CancellationToken stop;
  auto running = ringo::spawn(session(std::move(rx), stop.child_token()));
  (void)co_await tx.send("one");
  co_await ringo::time::sleep(1ms);
  stop.cancel();
  ringo::JoinResult<std::string> log = co_await running;
  EXPECT_EQ(log.value(), "one bye");
}

CO_TEST_PAUSED(CancellationGuide, FirstAskThenInsist) {
  const ringo::CancellationToken stop;
  ringo::JoinSet<> sessions;
  const auto ignores_it = []() -> Task<void> { co_await ringo::time::sleep(1h); };
  const auto obeys = [](ringo::CancellationToken token) -> Task<void> {
    co_await token.cancelled();
  };
  sessions.spawn(obeys(stop));
  sessions.spawn(ignores_it());
  stop.cancel();
  const auto all_ended = [](ringo::JoinSet<>& set) -> Task<void> {
    while (co_await set.join_next()) {
    }
  };
  Result<void> in_time = co_await ringo::time::timeout(5s, all_ended(sessions));
  if (!in_time) {
    co_await sessions.shutdown();  // aborts who is left, and waits for their ends
  }
  EXPECT_FALSE(in_time.has_value());
  EXPECT_TRUE(sessions.is_empty());
}

// --- shield -------------------------------------------------------------------------------------

Task<void> commit(std::vector<int>& journal) {
  journal.push_back(1);
  co_await ringo::time::sleep(5ms);
  journal.push_back(2);
}
Task<void> saves(std::vector<int>& journal) {
  co_await ringo::shield(commit(journal));
}

CO_TEST_PAUSED(CancellationGuide, Shield) {
  std::vector<int> journal;
  auto saving = ringo::spawn(saves(journal));
  co_await ringo::yield_now();
  saving.abort();
  (void)co_await saving;
  EXPECT_EQ(journal.size(), 2U);
}

// --- a value that must not be lost --------------------------------------------------------------

CO_TEST_PAUSED(CancellationGuide, ReserveKeepsTheValue) {
  auto [tx, rx] = ringo::mpsc::channel<std::unique_ptr<int>>(1);
  (void)tx.try_send(std::make_unique<int>(1));
  auto value = std::make_unique<int>(2);
  auto room = co_await ringo::time::timeout(1ms, tx.reserve());
  if (room) {
    room->send(std::move(value));  // made, or moved, only when there is room
  }
  EXPECT_NE(value, nullptr);
}

}  // namespace
