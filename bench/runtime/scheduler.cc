// SPDX-License-Identifier: MIT
//
// Spawning, joining, yielding, waking. Every spawned task is a real one, with its own cell and
// handle, that any worker may run; nothing is batched.
//
// Thread safety: none; called by the main thread.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "harness.h"

namespace bench {
namespace {

using ringo::JoinHandle;
using ringo::JoinResult;
using ringo::Result;
using ringo::Task;

constexpr std::size_t kTasks = 10'000;
constexpr std::size_t kRounds = 20;

using DoneSender = ringo::oneshot::Sender<bool>;

void signal(DoneSender& done) {
  const auto sent = done.send(true);
  require(sent.has_value(), "nobody waits for the end");
}

/// Counts tasks that end; the last one tells the driver.
class Countdown {
 public:
  Countdown(std::size_t tasks, DoneSender done) : remaining_(tasks), done_(std::move(done)) {}

  void arrive() {
    // acq_rel: what all tasks did happens before the last one's signal.
    if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      signal(done_);
    }
  }

 private:
  std::atomic<std::size_t> remaining_;
  DoneSender done_;
};

Task<void> do_nothing() {
  co_return;
}

Task<std::uint64_t> give_back(std::uint64_t value) {
  co_return value;
}

Task<void> arrive(std::shared_ptr<Countdown> countdown) {
  countdown->arrive();
  co_return;
}

// --- spawning many ----------------------------------------------------------------------------

Task<Sample> spawn_many_local(std::size_t rounds) {
  const Stopwatch stopwatch;
  for (std::size_t round = 0; round < rounds; ++round) {
    auto [done, all_done] = ringo::oneshot::channel<bool>();
    const auto countdown = std::make_shared<Countdown>(kTasks, std::move(done));
    for (std::size_t i = 0; i < kTasks; ++i) {
      ringo::spawn(arrive(countdown)).detach();
    }
    const Result<bool> ended = co_await all_done;
    require(ended.has_value(), "spawn_many_local: a task is missing");
  }
  co_return stopwatch.stop();
}

Task<Sample> spawn_many_join(std::size_t rounds) {
  std::vector<JoinHandle<void>> handles;
  handles.reserve(kTasks);
  std::size_t joined = 0;
  const Stopwatch stopwatch;
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < kTasks; ++i) {
      handles.push_back(ringo::spawn(do_nothing()));
    }
    for (JoinHandle<void>& handle : handles) {
      const JoinResult<void> ended = co_await handle;
      joined += ended.has_value() ? 1 : 0;
    }
    handles.clear();
  }
  const Sample sample = stopwatch.stop();
  require(joined == rounds * kTasks, "spawn_many_join: a task is missing");
  co_return sample;
}

Sample spawn_many_remote(ringo::Runtime& runtime, std::size_t rounds) {
  std::vector<JoinHandle<void>> handles;
  const Stopwatch stopwatch;
  for (std::size_t round = 0; round < rounds; ++round) {
    handles.reserve(kTasks);
    for (std::size_t i = 0; i < kTasks; ++i) {
      handles.push_back(runtime.spawn(do_nothing()));
    }
    runtime.block_on(join_all(std::exchange(handles, {})));
  }
  return stopwatch.stop();
}

// --- spawning and awaiting one by one ---------------------------------------------------------

Task<Sample> spawn_await(std::size_t times) {
  const Stopwatch stopwatch;
  for (std::uint64_t i = 0; i < times; ++i) {
    JoinHandle<std::uint64_t> handle = ringo::spawn(give_back(i));
    const JoinResult<std::uint64_t> value = co_await handle;
    require(value.has_value() && *value == i, "spawn_await: a wrong value");
  }
  co_return stopwatch.stop();
}

Sample spawn_await_remote(ringo::Runtime& runtime, std::size_t times) {
  const Stopwatch stopwatch;
  for (std::uint64_t i = 0; i < times; ++i) {
    // block_on() spawns the task and sleeps until it has ended.
    require(runtime.block_on(give_back(i)) == i, "spawn_await_remote: a wrong value");
  }
  return stopwatch.stop();
}

// --- yielding ---------------------------------------------------------------------------------

Task<void> yield_times(std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    co_await ringo::yield_now();
  }
}

Task<Sample> yield_many(std::size_t tasks, std::size_t times) {
  std::vector<JoinHandle<void>> handles;
  handles.reserve(tasks);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < tasks; ++i) {
    handles.push_back(ringo::spawn(yield_times(times)));
  }
  co_await join_all(std::move(handles));
  co_return stopwatch.stop();
}

Task<Sample> yield_one(std::size_t times) {
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    co_await ringo::yield_now();
  }
  co_return stopwatch.stop();
}

// --- waking each other ------------------------------------------------------------------------

Task<void> answer(ringo::oneshot::Receiver<bool> question, DoneSender reply) {
  const Result<bool> asked = co_await question;
  require(asked.has_value(), "ping_pong: no question");
  signal(reply);
}

Task<void> ask(std::shared_ptr<Countdown> countdown) {
  auto [ping_tx, ping_rx] = ringo::oneshot::channel<bool>();
  auto [pong_tx, pong_rx] = ringo::oneshot::channel<bool>();
  ringo::spawn(answer(std::move(ping_rx), std::move(pong_tx))).detach();
  signal(ping_tx);
  const Result<bool> answered = co_await pong_rx;
  require(answered.has_value(), "ping_pong: no answer");
  countdown->arrive();
}

Task<Sample> ping_pong(std::size_t rounds, std::size_t pairs) {
  const Stopwatch stopwatch;
  for (std::size_t round = 0; round < rounds; ++round) {
    auto [done, all_done] = ringo::oneshot::channel<bool>();
    const auto countdown = std::make_shared<Countdown>(pairs, std::move(done));
    for (std::size_t i = 0; i < pairs; ++i) {
      ringo::spawn(ask(countdown)).detach();
    }
    const Result<bool> ended = co_await all_done;
    require(ended.has_value(), "ping_pong: a pair is missing");
  }
  co_return stopwatch.stop();
}

Task<void> link(DoneSender done, std::size_t more) {
  if (more == 0) {
    signal(done);
  } else {
    ringo::spawn(link(std::move(done), more - 1)).detach();
  }
  co_return;
}

Task<Sample> chained_spawn(std::size_t rounds, std::size_t depth) {
  const Stopwatch stopwatch;
  for (std::size_t round = 0; round < rounds; ++round) {
    auto [done, all_done] = ringo::oneshot::channel<bool>();
    ringo::spawn(link(std::move(done), depth - 1)).detach();
    const Result<bool> ended = co_await all_done;
    require(ended.has_value(), "chained_spawn: the chain broke");
  }
  co_return stopwatch.stop();
}

}  // namespace

void run_scheduler_benchmarks(Suite& suite) {
  const std::size_t rounds = suite.scaled(kRounds);
  suite.task("spawn_many_local", rounds * kTasks, [=] { return spawn_many_local(rounds); });
  suite.task("spawn_many_join", rounds * kTasks, [=] { return spawn_many_join(rounds); });
  suite.outside("spawn_many_remote", rounds * kTasks,
                [=](ringo::Runtime& runtime) { return spawn_many_remote(runtime, rounds); });
  const std::size_t awaits = suite.scaled(100'000);
  suite.task("spawn_await", awaits, [=] { return spawn_await(awaits); });
  const std::size_t trips = suite.scaled(10'000);
  suite.outside("spawn_await_remote", trips,
                [=](ringo::Runtime& runtime) { return spawn_await_remote(runtime, trips); });
  const std::size_t yields = suite.scaled(1'000);
  suite.task("yield_many", 200 * yields, [=] { return yield_many(200, yields); });
  const std::size_t lone_yields = suite.scaled(1'000'000);
  suite.task("yield_one", lone_yields, [=] { return yield_one(lone_yields); });
  suite.task("ping_pong", rounds * 1'000, [=] { return ping_pong(rounds, 1'000); });
  suite.task("chained_spawn", rounds * 1'000, [=] { return chained_spawn(rounds, 1'000); });
}

}  // namespace bench
