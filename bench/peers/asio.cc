// SPDX-License-Identifier: MIT
//
// peer_asio: what C++ had before: Asio's C++20 coroutines (Debian's libasio-dev; the same library
// as Boost.Asio) on an io_context that as many threads run as there are to be workers.
//
//   peer_asio suite multi|current WORKERS WARM_UPS REPETITIONS [PART,...]
//   peer_asio echo multi|current WORKERS PORT
//
// Asio has no tasks with handles; the nearest thing is measured: a co_spawn whose end the spawner
// awaits, a post, a channel, a timer.
// Thread safety: the workers share the io_context; the counters of a benchmark are atomic.

#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
// Asio 1.22 believes that clang has coroutines in <experimental/coroutine> only.
#define ASIO_HAS_CO_AWAIT 1
#define ASIO_HAS_STD_COROUTINE 1

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "suite.h"
#include <asio.hpp>  // NOLINT(misc-include-cleaner): as a whole
#include <asio/experimental/concurrent_channel.hpp>

// NOLINTBEGIN(misc-include-cleaner)

namespace {

using asio::awaitable;
using asio::use_awaitable;
using Channel = asio::experimental::concurrent_channel<void(asio::error_code, std::size_t)>;

constexpr std::size_t kMillion = 1'000'000;

void run_all(asio::io_context& context, std::size_t workers) {
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < workers; ++i) {
    others.emplace_back([&context] { context.run(); });
  }
  context.run();
  for (std::thread& thread : others) {
    thread.join();
  }
}

/// Runs one coroutine on a fresh context, with so many threads, to its end; nanoseconds.
template <typename F>
double timed(std::size_t workers, F make) {
  // The hint allows a context of one thread to leave out its locks' waiting.
  asio::io_context context(static_cast<int>(workers));
  asio::co_spawn(context, make(), [](const std::exception_ptr& error) {
    peer::require(error == nullptr, "asio: a coroutine failed");
  });
  const peer::Stopwatch stopwatch;
  run_all(context, workers);
  return stopwatch.ns();
}

awaitable<void> yield(std::size_t times) {
  const auto executor = co_await asio::this_coro::executor;
  for (std::size_t i = 0; i < times; ++i) {
    co_await asio::post(executor, use_awaitable);
  }
}

awaitable<void> yield_many() {
  const auto executor = co_await asio::this_coro::executor;
  for (int i = 0; i < 200; ++i) {
    asio::co_spawn(executor, yield(1000), asio::detached);
  }
}

awaitable<void> count_down(std::atomic<std::size_t>& remaining) {
  // relaxed: it is read when the threads that ran the context have been joined.
  remaining.fetch_sub(1, std::memory_order_relaxed);
  co_return;
}

awaitable<void> spawn_many(std::atomic<std::size_t>& remaining) {
  const auto executor = co_await asio::this_coro::executor;
  for (std::size_t i = remaining.load(); i > 0; --i) {
    asio::co_spawn(executor, count_down(remaining), asio::detached);
  }
}

awaitable<std::size_t> give_back(std::size_t value) {
  co_return value;
}

awaitable<void> spawn_await(std::size_t times) {
  const auto executor = co_await asio::this_coro::executor;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < times; ++i) {
    sum += co_await asio::co_spawn(executor, give_back(i), use_awaitable);
  }
  peer::require(sum == times * (times - 1) / 2, "asio: a wrong sum");
}

awaitable<void> produce(std::shared_ptr<Channel> channel, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    co_await channel->async_send(asio::error_code(), i, use_awaitable);
  }
}

awaitable<void> through_channel(std::size_t capacity, std::size_t count) {
  const auto executor = co_await asio::this_coro::executor;
  const auto channel = std::make_shared<Channel>(executor, capacity);
  asio::co_spawn(executor, produce(channel, count), asio::detached);
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += co_await channel->async_receive(use_awaitable);
  }
  peer::require(sum == count * (count - 1) / 2, "asio: a wrong sum");
}

/// A cancelled wait still has to be completed, so all of them are run to their ends.
awaitable<void> register_and_cancel(std::size_t times) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  for (std::size_t i = 0; i < times; ++i) {
    timer.expires_after(std::chrono::milliseconds(1000 + i % 1000));
    timer.async_wait([](const asio::error_code& /*is_cancelled*/) {});
    timer.cancel();
    if (i % 64 == 0) {
      co_await asio::post(executor, use_awaitable);
    }
  }
}

void run_suite(peer::Suite& suite) {
  const std::size_t workers = suite.workers();
  constexpr std::size_t kTasks = 200'000;
  suite.measure("spawn_many_local", kTasks, [workers] {
    std::atomic<std::size_t> remaining = kTasks;
    const double ns = timed(workers, [&] { return spawn_many(remaining); });
    peer::require(remaining == 0, "asio: a coroutine is missing");
    return ns;
  });
  suite.measure("spawn_await", 100'000,
                [workers] { return timed(workers, [] { return spawn_await(100'000); }); });
  suite.measure("yield_many", 200'000, [workers] { return timed(workers, yield_many); });
  suite.measure("yield_one", kMillion,
                [workers] { return timed(workers, [] { return yield(kMillion); }); });
  suite.measure("mpsc_b32_1p", kMillion,
                [workers] { return timed(workers, [] { return through_channel(32, kMillion); }); });
  suite.measure("mpsc_b1000_1p", kMillion, [workers] {
    return timed(workers, [] { return through_channel(1000, kMillion); });
  });
  suite.measure("sleep_register_cancel", kMillion,
                [workers] { return timed(workers, [] { return register_and_cancel(kMillion); }); });
}

awaitable<void> echo(asio::ip::tcp::socket socket) {
  std::array<char, 1024> buffer{};
  for (;;) {
    asio::error_code error;
    const std::size_t count = co_await socket.async_read_some(
        asio::buffer(buffer), asio::redirect_error(use_awaitable, error));
    if (error || count == 0) {
      co_return;
    }
    co_await asio::async_write(socket, asio::buffer(buffer, count),
                               asio::redirect_error(use_awaitable, error));
  }
}

awaitable<void> serve(std::uint16_t port) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::acceptor acceptor(executor, {asio::ip::address_v4::loopback(), port});
  std::puts("listening");
  std::fflush(stdout);
  for (;;) {
    asio::ip::tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
    socket.set_option(asio::ip::tcp::no_delay(true));
    asio::co_spawn(executor, echo(std::move(socket)), asio::detached);
  }
}

void run_echo(int argc, char** argv) {
  peer::require(argc == 5, "usage: peer_asio echo multi|current WORKERS PORT");
  const std::size_t workers = std::string_view(argv[2]) == "current" ? 1 : std::stoul(argv[3]);
  const auto port = static_cast<std::uint16_t>(std::stoul(argv[4]));
  (void)timed(workers, [port] { return serve(port); });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "echo") {
      run_echo(argc, argv);
    } else {
      peer::Suite suite("asio", argc, argv);
      run_suite(suite);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "peer_asio: %s\n", error.what());
    return 1;
  }
  return 0;
}
// NOLINTEND(misc-include-cleaner)
