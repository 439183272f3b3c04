// SPDX-License-Identifier: MIT
//
// The code of docs/guide/spawning.md, compiled and run: the guide quotes it from here
// (scripts/check_docs.py).
//
// Thread safety: tests.

#include <ringo/abort_on_drop.h>
#include <ringo/cancellation_token.h>
#include <ringo/coop.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/local_set.h>
#include <ringo/named.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/task_tracker.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/thread_id.h"

namespace {

using namespace std::chrono_literals;
using ringo::JoinResult;
using ringo::Task;

Task<int> answer(int question) {
  co_await ringo::yield_now();
  if (question < 0) {
    throw std::invalid_argument("a negative question");
  }
  co_return 2 * question;
}

// --- handles ------------------------------------------------------------------------------------

Task<int> ask(int question) {
  ringo::JoinHandle<int> handle = ringo::spawn(answer(question));
  JoinResult<int> result = co_await handle;
  if (!result) {
    co_return result.error().is_cancelled() ? -1 : -2;  // aborted, or it has thrown
  }
  co_return *result;
}

CO_TEST(SpawningGuide, AHandleGivesTheResult) {
  const int good = co_await ask(21);
  CO_ASSERT_EQ(good, 42);
  const int bad = co_await ask(-1);
  CO_ASSERT_EQ(bad, -2);
}

Task<bool> wait_for_ever(std::atomic<bool>& is_there) {
  struct Note {
    explicit Note(std::atomic<bool>& flag) : there(flag) { there = true; }
    ~Note() { there = false; }
    std::atomic<bool>& there;
  } note(is_there);
  co_await ringo::time::sleep(ringo::Duration::max());
  co_return true;
}

Task<void> parent(std::atomic<bool>& is_there) {
  ringo::AbortOnDrop child(ringo::spawn(wait_for_ever(is_there)));
  while (!is_there) {
    co_await ringo::yield_now();
  }
  // However this is left, by a return, an exception or an abort: the child ends too.
}

CO_TEST(SpawningGuide, AChildThatEndsWithItsParent) {
  std::atomic<bool> is_there{false};
  co_await parent(is_there);
  while (is_there) {
    co_await ringo::yield_now();
  }
}

// --- many ---------------------------------------------------------------------------------------

Task<int> sum_of_answers() {
  ringo::JoinSet<int> set;
  for (int i = 0; i < 10; ++i) {
    set.spawn(answer(i));
  }
  int sum = 0;
  for (;;) {
    std::optional<JoinResult<int>> ended = co_await set.join_next();  // in the order of ending
    if (!ended) {
      co_return sum;
    }
    sum += ended->value_or(0);
  }
}

CO_TEST(SpawningGuide, ASetOfTasks) {
  const int sum = co_await sum_of_answers();
  CO_ASSERT_EQ(sum, 90);
}

Task<void> serve_connection(int /*number*/, ringo::CancellationToken stop, int& served) {
  co_await stop.cancelled();
  ++served;  // says goodbye to its client
}

Task<int> serve_until_told(int connections) {
  ringo::CancellationToken stop;
  ringo::TaskTracker tracker;
  int served = 0;
  for (int i = 0; i < connections; ++i) {
    tracker.spawn(serve_connection(i, stop, served)).detach();
  }
  stop.cancel();            // asks all of them to end,
  tracker.close();          // and says that no more will come:
  co_await tracker.wait();  // ends when the last one has
  co_return served;
}

TEST(SpawningGuide, ATrackerKnowsWhenAllHaveEnded) {
  ringo::Runtime runtime = ringo::testing_support::current_thread_runtime();
  EXPECT_EQ(runtime.block_on(serve_until_told(5)), 5);
}

// --- names --------------------------------------------------------------------------------------

Task<std::string> who_am_i() {
  co_return std::string(ringo::current_task_name());
}

Task<std::string> introduce(int number) {
  auto handle = ringo::spawn(ringo::named("connection " + std::to_string(number), who_am_i()));
  co_return *co_await handle;
}

CO_TEST(SpawningGuide, ANameForDiagnostics) {
  const std::string name = co_await introduce(17);
  CO_ASSERT_EQ(name, "connection 17");
}

// --- one thread ---------------------------------------------------------------------------------

/// May be used on the thread that has made it, and on no other.
class Canvas {
 public:
  void draw(std::string_view what) {
    EXPECT_EQ(ringo::testing_support::thread_id(), thread_);
    text_ += what;
  }
  const std::string& text() const { return text_; }

 private:
  std::thread::id thread_ = ringo::testing_support::thread_id();
  std::string text_;
};

Task<void> paint(Canvas& canvas) {
  for (int i = 0; i < 3; ++i) {
    JoinResult<int> value = co_await ringo::spawn(answer(i));  // by the workers, on other threads
    canvas.draw(std::to_string(*value));                       // and here again on ours
  }
}

std::string paint_in_main(ringo::Runtime& workers) {
  Canvas canvas;
  ringo::LocalSet set;
  auto painter = set.spawn_local(paint(canvas));
  auto wait = [](ringo::JoinHandle<void> handle) -> Task<void> { (void)co_await handle; };
  set.block_on(workers, wait(std::move(painter)));
  return canvas.text();
}

TEST(SpawningGuide, TasksThatStayOnOneThread) {
  ringo::Runtime workers = ringo::testing_support::multi_thread_runtime(2);
  EXPECT_EQ(paint_in_main(workers), "024");
}

// --- the budget ---------------------------------------------------------------------------------

Task<std::uint64_t> checksum(std::vector<std::uint64_t> blocks) {
  std::uint64_t sum = 0;
  for (const std::uint64_t block : blocks) {
    sum = sum * 31 + block;
    co_await ringo::consume_budget();  // without it the loop would hold up the worker
  }
  co_return sum;
}

CO_TEST(SpawningGuide, ALoopThatLetsOthersRun) {
  const std::uint64_t sum = co_await checksum(std::vector<std::uint64_t>(1000, 1));
  CO_ASSERT_NE(sum, 0U);
}

}  // namespace
