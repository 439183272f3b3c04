// SPDX-License-Identifier: MIT
//
// Channels: messages from producers to one receiver, replies, and the two together as one task that
// owns a map and serves many.
//
// Thread safety: none; called by the main thread.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "harness.h"

namespace bench {
namespace {

using ringo::JoinHandle;
using ringo::Result;
using ringo::Task;
namespace mpsc = ringo::mpsc;
namespace oneshot = ringo::oneshot;

constexpr std::size_t kMessages = 1'000'000;

// --- mpsc -------------------------------------------------------------------------------------

Task<void> produce(mpsc::Sender<std::size_t> tx, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto sent = co_await tx.send(i);
    require(sent.has_value(), "mpsc: the receiver has gone");
  }
}

Task<void> produce_unbounded(mpsc::UnboundedSender<std::size_t> tx, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto sent = tx.send(i);
    require(sent.has_value(), "mpsc: the receiver has gone");
  }
  co_return;
}

/// Receives all; each producer has sent 0, 1, … `each` - 1.
Task<Sample> consume(mpsc::Receiver<std::size_t> rx, Stopwatch stopwatch, std::size_t producers,
                     std::size_t each) {
  std::size_t sum = 0;
  for (;;) {
    const std::optional<std::size_t> value = co_await rx.recv();
    if (!value) {
      break;
    }
    sum += *value;
  }
  const Sample sample = stopwatch.stop();
  require(sum == producers * (each * (each - 1) / 2), "mpsc: a wrong sum");
  co_return sample;
}

Task<Sample> mpsc_bounded(std::size_t capacity, std::size_t producers, std::size_t messages) {
  auto [tx, rx] = mpsc::channel<std::size_t>(capacity);
  const std::size_t each = messages / producers;
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < producers; ++i) {
    ringo::spawn(produce(tx, each)).detach();
  }
  ringo::drop(std::move(tx));
  co_return co_await consume(std::move(rx), stopwatch, producers, each);
}

Task<Sample> mpsc_unbounded(std::size_t producers, std::size_t messages) {
  auto [tx, rx] = mpsc::unbounded_channel<std::size_t>();
  const std::size_t each = messages / producers;
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < producers; ++i) {
    ringo::spawn(produce_unbounded(tx, each)).detach();
  }
  ringo::drop(std::move(tx));
  co_return co_await consume(std::move(rx), stopwatch, producers, each);
}

Task<Sample> mpsc_same_task(std::size_t messages) {
  auto [tx, rx] = mpsc::channel<std::size_t>(1000);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < messages; ++i) {
    const auto sent = co_await tx.send(i);
    const std::optional<std::size_t> value = co_await rx.recv();
    require(sent.has_value() && value == i, "mpsc_b1000_same_task: a wrong value");
  }
  co_return stopwatch.stop();
}

// --- oneshot ----------------------------------------------------------------------------------

Task<Sample> oneshot_same_task(std::size_t times) {
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    auto [tx, rx] = oneshot::channel<std::size_t>();
    const auto sent = tx.send(i);
    const Result<std::size_t> value = co_await rx;
    require(sent.has_value() && value.has_value() && *value == i,
            "oneshot_same_task: a wrong value");
  }
  co_return stopwatch.stop();
}

Task<void> send_once(oneshot::Sender<std::size_t> tx, std::size_t value) {
  const auto sent = tx.send(value);
  require(sent.has_value(), "oneshot: the receiver has gone");
  co_return;
}

Task<Sample> oneshot_cross_task(std::size_t times) {
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    auto [tx, rx] = oneshot::channel<std::size_t>();
    ringo::spawn(send_once(std::move(tx), i)).detach();
    const Result<std::size_t> value = co_await rx;
    require(value.has_value() && *value == i, "oneshot_cross_task: a wrong value");
  }
  co_return stopwatch.stop();
}

// --- request and response ---------------------------------------------------------------------

class Request {
 public:
  Request(std::uint64_t key, oneshot::Sender<std::uint64_t> reply) noexcept
      : key_(key), reply_(std::move(reply)) {}

  [[nodiscard]] std::uint64_t key() const noexcept { return key_; }
  void answer(std::uint64_t value) {
    const auto sent = reply_.send(value);
    require(sent.has_value(), "request_response_64: nobody waits for the reply");
  }

 private:
  std::uint64_t key_;
  oneshot::Sender<std::uint64_t> reply_;
};

Task<std::uint64_t> manage(mpsc::Receiver<Request> requests) {
  std::unordered_map<std::uint64_t, std::uint64_t, MulHash> counters;
  std::uint64_t served = 0;
  for (;;) {
    std::optional<Request> request = co_await requests.recv();
    if (!request) {
      break;
    }
    request->answer(++counters[request->key() % 1024]);
    ++served;
  }
  co_return served;
}

Task<void> make_requests(mpsc::Sender<Request> manager, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    auto [reply, response] = oneshot::channel<std::uint64_t>();
    Request request(first + i, std::move(reply));
    const auto sent = co_await manager.send(std::move(request));
    const Result<std::uint64_t> value = co_await response;
    require(sent.has_value() && value.has_value() && *value > 0,
            "request_response_64: a wrong reply");
  }
}

Task<Sample> request_response(std::size_t tasks, std::size_t each) {
  auto [tx, rx] = mpsc::channel<Request>(32);
  const Stopwatch stopwatch;
  JoinHandle<std::uint64_t> manager = ringo::spawn(manage(std::move(rx)));
  std::vector<JoinHandle<void>> clients;
  clients.reserve(tasks);
  for (std::size_t i = 0; i < tasks; ++i) {
    clients.push_back(ringo::spawn(make_requests(tx, i * each, each)));
  }
  ringo::drop(std::move(tx));
  co_await join_all(std::move(clients));
  const ringo::JoinResult<std::uint64_t> served = co_await manager;
  const Sample sample = stopwatch.stop();
  require(served.value() == tasks * each, "request_response_64: a request is missing");
  co_return sample;
}

void run_mpsc(Suite& suite) {
  struct Bounded {
    std::string_view name;
    std::size_t capacity;
    std::size_t producers;
  };
  const std::size_t messages = suite.scaled(kMessages) / 4 * 4;
  for (const Bounded& one :
       {Bounded{"mpsc_b32_1p", 32, 1}, Bounded{"mpsc_b32_4p", 32, 4},
        Bounded{"mpsc_b1000_1p", 1000, 1}, Bounded{"mpsc_b1000_4p", 1000, 4}}) {
    suite.task(one.name, messages,
               [=] { return mpsc_bounded(one.capacity, one.producers, messages); });
  }
  suite.task("mpsc_unb_1p", messages, [=] { return mpsc_unbounded(1, messages); });
  suite.task("mpsc_unb_4p", messages, [=] { return mpsc_unbounded(4, messages); });
  suite.task("mpsc_b1000_same_task", messages, [=] { return mpsc_same_task(messages); });
}

}  // namespace

void run_channel_benchmarks(Suite& suite) {
  run_mpsc(suite);
  const std::size_t times = suite.scaled(1'000'000);
  suite.task("oneshot_same_task", times, [=] { return oneshot_same_task(times); });
  const std::size_t crossings = suite.scaled(100'000);
  suite.task("oneshot_cross_task", crossings, [=] { return oneshot_cross_task(crossings); });
  const std::size_t requests = suite.scaled(10'000);
  suite.task("request_response_64", 64 * requests, [=] { return request_response(64, requests); });
}

}  // namespace bench
