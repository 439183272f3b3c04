// SPDX-License-Identifier: MIT
//
// The code of docs/guide/choosing.md, compiled and run: the guide quotes it from here
// (scripts/check_docs.py).
//
// Thread safety: tests.

#include <ringo/cancellation_token.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/broadcast.h>
#include <ringo/sync/broadcast_error.h>
#include <ringo/sync/mpmc.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/oneshot.h>
#include <ringo/sync/semaphore.h>
#include <ringo/sync/watch.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

using ringo::JoinResult;
using ringo::Result;
using ringo::Task;

// --- a plain lock -------------------------------------------------------------------------------

class HitCounter {
 public:
  void add(const std::string& page) {
    const std::lock_guard guard(mutex_);
    ++hits_[page];
  }
  std::uint64_t hits(const std::string& page) const {
    const std::lock_guard guard(mutex_);
    const auto found = hits_.find(page);
    return found == hits_.end() ? 0 : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::uint64_t> hits_;
};

Task<void> visits(std::shared_ptr<HitCounter> counter) {
  for (int i = 0; i < 10; ++i) {
    counter->add("/");
    co_await ringo::yield_now();
  }
}

CO_TEST(Choosing, APlainLock) {
  auto counter = std::make_shared<HitCounter>();
  ringo::JoinSet<> visitors;
  for (int i = 0; i < 10; ++i) {
    visitors.spawn(visits(counter));
  }
  co_await std::move(visitors).join_all();
  EXPECT_EQ(counter->hits("/"), 100U);
  EXPECT_EQ(counter->hits("/none"), 0U);
}

// --- a task that owns the state -----------------------------------------------------------------

struct Add {
  Add(int an_amount, ringo::oneshot::Sender<int> a_reply)
      : amount(an_amount), reply(std::move(a_reply)) {}
  int amount;
  ringo::oneshot::Sender<int> reply;
};

Task<int> run_account(ringo::mpsc::Receiver<Add> requests) {
  int balance = 0;
  while (std::optional<Add> request = co_await requests.recv()) {
    balance += request->amount;  // may await here: nobody else has the balance
    (void)std::move(request->reply).send(balance);
  }
  co_return balance;
}

Task<int> add(ringo::mpsc::Sender<Add> account, int amount) {
  auto [reply, answer] = ringo::oneshot::channel<int>();
  Add request(amount, std::move(reply));
  const auto sent = co_await account.send(std::move(request));
  Result<int> balance = co_await answer;
  co_return sent ? balance.value_or(0) : 0;
}

CO_TEST(Choosing, ATaskThatOwnsTheState) {
  auto [account, requests] = ringo::mpsc::channel<Add>(32);
  auto running = ringo::spawn(run_account(std::move(requests)));
  ringo::JoinSet<int> customers;
  for (int i = 0; i < 100; ++i) {
    customers.spawn(add(account, 1));
  }
  ringo::drop(std::move(account));
  const std::vector<int> balances = co_await std::move(customers).join_all();
  EXPECT_EQ(balances.size(), 100U);
  const JoinResult<int> last = co_await running;
  EXPECT_EQ(last.value(), 100);
}

// --- a lock over an await -----------------------------------------------------------------------

Task<void> append_slowly(std::shared_ptr<ringo::Mutex<std::string>> text, char letter) {
  ringo::MutexGuard<std::string> guard = co_await text->lock();
  for (int i = 0; i < 3; ++i) {
    guard->push_back(letter);
    co_await ringo::yield_now();  // the others wait for us, and run meanwhile
  }
}

CO_TEST(Choosing, ALockOverAnAwait) {
  auto text = std::make_shared<ringo::Mutex<std::string>>();
  ringo::JoinSet<> writers;
  writers.spawn(append_slowly(text, 'a'));
  writers.spawn(append_slowly(text, 'b'));
  co_await std::move(writers).join_all();
  const ringo::MutexGuard<std::string> guard = co_await text->lock();
  EXPECT_TRUE(*guard == "aaabbb" || *guard == "bbbaaa") << *guard;
}

// --- a group of workers -------------------------------------------------------------------------

Task<int> work(ringo::mpmc::Receiver<int> jobs) {
  int done = 0;
  while (std::optional<int> job = co_await jobs.recv()) {
    done += *job;
    co_await ringo::yield_now();
  }
  co_return done;
}

CO_TEST(Choosing, AGroupOfWorkers) {
  auto [jobs, queue] = ringo::mpmc::bounded<int>(8);
  ringo::JoinSet<int> workers;
  for (int i = 0; i < 4; ++i) {
    workers.spawn(work(queue));
  }
  for (int i = 0; i < 100; ++i) {
    const auto sent = co_await jobs.send(1);
    CO_ASSERT_TRUE(sent.has_value());
  }
  ringo::drop(std::move(jobs));
  int done = 0;
  for (const int each : co_await std::move(workers).join_all()) {
    done += each;
  }
  EXPECT_EQ(done, 100);
}

// --- a limit ------------------------------------------------------------------------------------

Task<void> fetch(std::shared_ptr<ringo::Semaphore> slots, int& running, int& most) {
  const auto slot = co_await slots->acquire();  // given back at the end of the scope
  most = std::max(most, ++running);
  co_await ringo::yield_now();
  --running;
}

TEST(Choosing, ALimit) {
  int running = 0;
  int most = 0;
  auto fetches = [&]() -> Task<void> {
    auto slots = std::make_shared<ringo::Semaphore>(3);
    ringo::JoinSet<> all;
    for (int i = 0; i < 20; ++i) {
      all.spawn(fetch(slots, running, most));
    }
    co_await std::move(all).join_all();
  };
  ringo::testing_support::current_thread_runtime().block_on(fetches());
  EXPECT_EQ(most, 3);
}

// --- telling others -----------------------------------------------------------------------------

Task<int> follow(ringo::watch::Receiver<int> level) {
  int last = *level.borrow();
  while (co_await level.changed()) {
    last = *level.borrow_and_update();  // may skip values, never the newest
  }
  co_return last;
}

CO_TEST(Choosing, TheNewestValue) {
  auto [level, watching] = ringo::watch::channel<int>(0);
  auto following = ringo::spawn(follow(std::move(watching)));
  for (int i = 1; i <= 10; ++i) {
    (void)level.send(i);
    co_await ringo::yield_now();
  }
  ringo::drop(std::move(level));
  const JoinResult<int> last = co_await following;
  EXPECT_EQ(last.value(), 10);
}

Task<std::size_t> listen(ringo::broadcast::Receiver<std::string> events) {
  std::size_t heard = 0;
  for (;;) {
    auto event = co_await events.recv();
    if (event) {
      ++heard;
    } else if (event.error().reason != ringo::broadcast::RecvFailure::kLagged) {
      co_return heard;  // all senders have gone
    }
  }
}

CO_TEST(Choosing, EveryEventToEverybody) {
  auto [events, first] = ringo::broadcast::channel<std::string>(16);
  auto one = ringo::spawn(listen(std::move(first)));
  auto two = ringo::spawn(listen(events.subscribe()));
  for (int i = 0; i < 10; ++i) {
    (void)events.send("event");
  }
  ringo::drop(std::move(events));
  const JoinResult<std::size_t> heard_by_one = co_await one;
  const JoinResult<std::size_t> heard_by_two = co_await two;
  EXPECT_EQ(heard_by_one.value(), 10U);
  EXPECT_EQ(heard_by_two.value(), 10U);
}

Task<std::string> serve(ringo::CancellationToken stop) {
  while (!stop.is_cancelled()) {
    (void)co_await stop.run_until_cancelled(ringo::yield_now());
  }
  co_return "said good-bye";  // may await: nothing has been destroyed
}

CO_TEST(Choosing, TimeToEnd) {
  const ringo::CancellationToken stop;
  auto serving = ringo::spawn(serve(stop.child_token()));
  co_await ringo::yield_now();
  stop.cancel();
  const JoinResult<std::string> ended = co_await serving;
  EXPECT_EQ(ended.value(), "said good-bye");
}

}  // namespace
