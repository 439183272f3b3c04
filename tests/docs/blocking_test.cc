// SPDX-License-Identifier: MIT
//
// The code of docs/guide/blocking.md, compiled and run: the guide quotes it from here
// (scripts/check_docs.py).
//
// Thread safety: tests.

#include <ringo/block_in_place.h>
#include <ringo/bounded_blocking.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn_blocking.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>

#include <atomic>
#include <cstddef>
#include <istream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

using ringo::JoinResult;
using ringo::Result;
using ringo::Task;

std::string read_file(const std::string& path) {
  return "contents of " + path;
}
std::size_t digest(const std::string& text) {
  return text.size();
}

// --- spawn_blocking -----------------------------------------------------------------------------

Task<std::string> load(std::string path) {
  auto job = ringo::spawn_blocking([path] { return read_file(path); });
  JoinResult<std::string> text = co_await job;
  co_return std::move(text).value_or("");
}

CO_TEST(BlockingGuide, AJobOnAThreadOfItsOwn) {
  const std::string text = co_await load("notes");
  CO_ASSERT_EQ(text, "contents of notes");
}

// --- block_in_place -----------------------------------------------------------------------------

Task<std::vector<std::string>> read_lines(std::istream& input) {
  std::vector<std::string> lines;
  const auto read_all = [&] {  // refers to what is in this frame
    for (std::string line; std::getline(input, line);) {
      lines.push_back(line);
    }
  };
  co_await ringo::block_in_place(read_all);
  co_return lines;
}

CO_TEST(BlockingGuide, AFunctionThatUsesTheTasksLocals) {
  std::istringstream input("one\ntwo\n");
  const std::vector<std::string> lines = co_await read_lines(input);
  CO_ASSERT_EQ(lines, (std::vector<std::string>{"one", "two"}));
}

// --- a limit ------------------------------------------------------------------------------------

ringo::Builder four_jobs_and_sixteen_that_wait() {
  return ringo::Builder::multi_thread().max_blocking_threads(4).blocking_queue_limit(16);
}

Task<std::size_t> digest_all(std::vector<std::string> texts) {
  ringo::JoinSet<std::size_t> digests;
  for (std::string& text : texts) {
    auto job = [text = std::move(text)] { return digest(text); };
    digests.add(co_await ringo::spawn_blocking_bounded(std::move(job)));  // waits for room
  }
  std::size_t sum = 0;
  for (const std::size_t one : co_await std::move(digests).join_all()) {
    sum += one;
  }
  co_return sum;
}

Task<bool> is_refused_when_busy(std::string text) {
  auto job = ringo::try_spawn_blocking([text] { return digest(text); });
  if (!job) {
    co_return job.error().kind() == ringo::ErrorKind::kFull;  // say so to the client, at once
  }
  (void)co_await *job;
  co_return false;
}

TEST(BlockingGuide, ALimitForTheQueue) {
  std::atomic<bool> may_end{false};  // outlives the runtime, whose jobs look at it
  ringo::Runtime runtime =
      ringo::testing_support::build_runtime(four_jobs_and_sixteen_that_wait().worker_threads(1));
  EXPECT_EQ(runtime.block_on(digest_all(std::vector<std::string>(100, "abc"))), 300U);
  EXPECT_FALSE(runtime.block_on(is_refused_when_busy("abc")));
  {
    const auto entered = runtime.enter();
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(ringo::try_spawn_blocking([&may_end] { may_end.wait(false); }).has_value());
    }
  }
  EXPECT_TRUE(runtime.block_on(is_refused_when_busy("abc")));
  may_end = true;
  may_end.notify_all();
}

// --- a thread for good --------------------------------------------------------------------------

Task<int> sum_from_a_thread() {
  auto [tx, rx] = ringo::mpsc::channel<int>(8);
  auto producer = ringo::spawn_blocking([sender = std::move(tx)]() mutable {
    for (int i = 1; i <= 100; ++i) {
      if (!sender.blocking_send(i)) {
        return;  // the receiver has gone
      }
    }
  });
  int sum = 0;
  for (;;) {
    std::optional<int> value = co_await rx.recv();
    if (!value) {
      break;
    }
    sum += *value;
  }
  (void)co_await producer;
  co_return sum;
}

CO_TEST(BlockingGuide, AThreadThatTalksToATask) {
  const int sum = co_await sum_from_a_thread();
  CO_ASSERT_EQ(sum, 5050);
}

}  // namespace
