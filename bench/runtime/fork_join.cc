// SPDX-License-Identifier: MIT
//
// Recursive fork-join: by full tasks, each with its own cell and handle, and by fork_join().
//
// Thread safety: none; called by the main thread.

#include <ringo/fork_join.h>
#include <ringo/join_error.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "harness.h"

namespace bench {
namespace {

using ringo::JoinHandle;
using ringo::JoinResult;
using ringo::Task;

Task<std::uint64_t> fib_spawn_both(unsigned n) {
  if (n < 2) {
    co_return n;
  }
  JoinHandle<std::uint64_t> left = ringo::spawn(fib_spawn_both(n - 1));
  JoinHandle<std::uint64_t> right = ringo::spawn(fib_spawn_both(n - 2));
  const JoinResult<std::uint64_t> a = co_await left;
  const JoinResult<std::uint64_t> b = co_await right;
  co_return a.value() + b.value();
}

Task<std::uint64_t> fib_spawn_one(unsigned n) {
  if (n < 2) {
    co_return n;
  }
  JoinHandle<std::uint64_t> left = ringo::spawn(fib_spawn_one(n - 1));
  const std::uint64_t b = co_await fib_spawn_one(n - 2);
  const JoinResult<std::uint64_t> a = co_await left;
  co_return a.value() + b;
}

Task<std::uint64_t> fib_fork(unsigned n) {
  if (n < 2) {
    co_return n;
  }
  const auto [a, b] = co_await ringo::fork_join(fib_fork(n - 1), fib_fork(n - 2));
  co_return a + b;
}

/// A tree whose inner nodes have ten children; the leaves return their numbers.
Task<std::uint64_t> skynet(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) {
    co_return first;
  }
  const std::uint64_t share = leaves / 10;
  std::vector<JoinHandle<std::uint64_t>> children;
  children.reserve(10);
  for (std::uint64_t i = 0; i < 10; ++i) {
    children.push_back(ringo::spawn(skynet(first + i * share, share)));
  }
  std::uint64_t sum = 0;
  for (JoinHandle<std::uint64_t>& child : children) {
    const JoinResult<std::uint64_t> part = co_await child;
    sum += part.value();
  }
  co_return sum;
}

Task<std::uint64_t> skynet_fork(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) {
    co_return first;
  }
  const std::uint64_t share = leaves / 10;
  std::array<Task<std::uint64_t>, 10> children{skynet_fork(first, share),
                                               skynet_fork(first + share, share),
                                               skynet_fork(first + 2 * share, share),
                                               skynet_fork(first + 3 * share, share),
                                               skynet_fork(first + 4 * share, share),
                                               skynet_fork(first + 5 * share, share),
                                               skynet_fork(first + 6 * share, share),
                                               skynet_fork(first + 7 * share, share),
                                               skynet_fork(first + 8 * share, share),
                                               skynet_fork(first + 9 * share, share)};
  const std::array<std::uint64_t, 10> parts = co_await ringo::fork_join(std::move(children));
  std::uint64_t sum = 0;
  for (const std::uint64_t part : parts) {
    sum += part;
  }
  co_return sum;
}

Task<Sample> run_fib_fork(unsigned n, std::uint64_t expected) {
  const Stopwatch stopwatch;
  const std::uint64_t result = co_await fib_fork(n);
  const Sample sample = stopwatch.stop();
  require(result == expected, "fib30_fork: a wrong number");
  co_return sample;
}

Task<Sample> run_skynet_fork(std::uint64_t leaves) {
  const Stopwatch stopwatch;
  const std::uint64_t sum = co_await skynet_fork(0, leaves);
  const Sample sample = stopwatch.stop();
  require(sum == leaves * (leaves - 1) / 2, "skynet_1m_fork: a wrong sum");
  co_return sample;
}

Task<Sample> run_fib_both(unsigned n, std::uint64_t expected) {
  const Stopwatch stopwatch;
  JoinHandle<std::uint64_t> root = ringo::spawn(fib_spawn_both(n));
  const JoinResult<std::uint64_t> result = co_await root;
  const Sample sample = stopwatch.stop();
  require(result.value() == expected, "fib30_spawn_both: a wrong number");
  co_return sample;
}

Task<Sample> run_fib_one(unsigned n, std::uint64_t expected) {
  const Stopwatch stopwatch;
  const std::uint64_t result = co_await fib_spawn_one(n);
  const Sample sample = stopwatch.stop();
  require(result == expected, "fib30_spawn_one: a wrong number");
  co_return sample;
}

Task<Sample> run_skynet(std::uint64_t leaves) {
  const Stopwatch stopwatch;
  JoinHandle<std::uint64_t> root = ringo::spawn(skynet(0, leaves));
  const JoinResult<std::uint64_t> sum = co_await root;
  const Sample sample = stopwatch.stop();
  require(sum.value() == leaves * (leaves - 1) / 2, "skynet_1m: a wrong sum");
  co_return sample;
}

std::uint64_t fib(unsigned n) {
  std::uint64_t current = 0;
  std::uint64_t next = 1;
  for (; n != 0; --n) {
    const std::uint64_t sum = current + next;
    current = next;
    next = sum;
  }
  return current;
}

}  // namespace

void run_fork_join_benchmarks(Suite& suite) {
  const bool is_quick = suite.settings().is_quick;
  const unsigned n = is_quick ? 15 : 30;
  const std::uint64_t expected = fib(n);
  const std::size_t nodes = 2 * fib(n + 1) - 1;
  suite.task("fib30_spawn_both", nodes, [=] { return run_fib_both(n, expected); });
  suite.task("fib30_spawn_one", nodes, [=] { return run_fib_one(n, expected); });
  const std::uint64_t leaves = is_quick ? 1'000 : 1'000'000;
  const std::size_t tasks = (leaves * 10 - 1) / 9;
  suite.task("skynet_1m", tasks, [=] { return run_skynet(leaves); });
  suite.task("fib30_fork", nodes, [=] { return run_fib_fork(n, expected); });
  suite.task("skynet_1m_fork", tasks, [=] { return run_skynet_fork(leaves); });
}

}  // namespace bench
