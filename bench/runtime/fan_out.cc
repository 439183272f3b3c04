// SPDX-License-Identifier: MIT
//
// From one sender to many receivers: broadcast (each gets every message) and watch (each sees the
// newest value). The sender waits until all have got what it sent, so that nobody lags.
//
// Thread safety: none; called by the main thread.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/broadcast.h>
#include <ringo/sync/notify.h>
#include <ringo/sync/watch.h>
#include <ringo/task.h>

#include <atomic>
#include <cstddef>
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
namespace broadcast = ringo::broadcast;
namespace watch = ringo::watch;

constexpr std::size_t kBatch = 512;

/// What the sender waits for.
class Round {
 public:
  // release: pairs with arrive().
  void begin(std::size_t receivers) { waiting_.store(receivers, std::memory_order_release); }
  void arrive() {
    // acq_rel: what all receivers did happens before the last one's wake, and is_over().
    if (waiting_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      all_arrived_.notify_one();
    }
  }
  // acquire: pairs with arrive().
  [[nodiscard]] bool is_over() const { return waiting_.load(std::memory_order_acquire) == 0; }
  [[nodiscard]] ringo::Notify& all_arrived() { return all_arrived_; }

 private:
  std::atomic<std::size_t> waiting_{0};
  ringo::Notify all_arrived_;
};

Task<void> wait_for(std::shared_ptr<Round> round) {
  while (!round->is_over()) {
    co_await round->all_arrived().notified();
  }
}

Task<std::size_t> receive_all(broadcast::Receiver<std::size_t> rx, std::shared_ptr<Round> round) {
  std::size_t received = 0;
  for (;;) {
    const auto message = co_await rx.recv();
    if (!message) {
      break;
    }
    if (++received % kBatch == 0) {
      round->arrive();
    }
  }
  co_return received;
}

Task<std::size_t> see_all(watch::Receiver<std::size_t> rx, std::shared_ptr<Round> round) {
  std::size_t sum = 0;
  for (;;) {
    const Result<void> changed = co_await rx.changed();
    if (!changed) {
      break;
    }
    sum += *rx.borrow_and_update();
    round->arrive();
  }
  co_return sum;
}

Task<void> check_each(std::vector<JoinHandle<std::size_t>> handles, std::size_t expected) {
  for (JoinHandle<std::size_t>& handle : handles) {
    const JoinResult<std::size_t> result = co_await handle;
    require(result.value() == expected, "broadcast or watch: a message is missing");
  }
}

Task<Sample> run_broadcast(std::size_t receivers, std::size_t batches) {
  auto [tx, rx] = broadcast::channel<std::size_t>(1024);
  const auto round = std::make_shared<Round>();
  std::vector<JoinHandle<std::size_t>> handles;
  handles.reserve(receivers);
  for (std::size_t i = 0; i < receivers; ++i) {
    handles.push_back(ringo::spawn(receive_all(tx.subscribe(), round)));
  }
  ringo::drop(std::move(rx));
  const Stopwatch stopwatch;
  for (std::size_t batch = 0; batch < batches; ++batch) {
    round->begin(receivers);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const auto sent = tx.send(i);
      require(sent.has_value(), "broadcast: nobody receives");
    }
    co_await wait_for(round);
  }
  const Sample sample = stopwatch.stop();
  ringo::drop(std::move(tx));
  co_await check_each(std::move(handles), kBatch * batches);
  co_return sample;
}

Task<Sample> run_watch(std::size_t receivers, std::size_t rounds) {
  auto [tx, rx] = watch::channel<std::size_t>(0U);
  const auto round = std::make_shared<Round>();
  std::vector<JoinHandle<std::size_t>> handles;
  handles.reserve(receivers);
  for (std::size_t i = 0; i < receivers; ++i) {
    handles.push_back(ringo::spawn(see_all(rx, round)));
  }
  ringo::drop(std::move(rx));
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < rounds; ++i) {
    round->begin(receivers);
    const auto sent = tx.send(i);
    require(sent.has_value(), "watch: nobody receives");
    co_await wait_for(round);
  }
  const Sample sample = stopwatch.stop();
  ringo::drop(std::move(tx));
  co_await check_each(std::move(handles), rounds * (rounds - 1) / 2);
  co_return sample;
}

}  // namespace

void run_fan_out_benchmarks(Suite& suite) {
  const std::size_t batches = suite.scaled(400);
  suite.task("broadcast_1rx", kBatch * batches, [=] { return run_broadcast(1, batches); });
  suite.task("broadcast_10rx", kBatch * batches, [=] { return run_broadcast(10, batches); });
  const std::size_t rounds = suite.scaled(20'000);
  suite.task("watch_10rx_round", rounds, [=] { return run_watch(10, rounds); });
}

}  // namespace bench
