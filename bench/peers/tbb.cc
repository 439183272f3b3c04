// SPDX-License-Identifier: MIT
//
// peer_tbb: structured fork-join by oneTBB's task_group, beside our fork_join(): Fibonacci of 30
// and a tree of a million leaves.
//
// Thread safety: the tree's parts are summed by who spawned them.

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "suite.h"

namespace {

std::uint64_t fib(unsigned n) {  // NOLINT(misc-no-recursion): that is the benchmark
  if (n < 2) {
    return n;
  }
  std::uint64_t left = 0;
  tbb::task_group group;
  group.run([&left, n] { left = fib(n - 1); });
  const std::uint64_t right = fib(n - 2);
  group.wait();
  return left + right;
}

std::uint64_t skynet(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) {
    return first;
  }
  const std::uint64_t share = leaves / 10;
  std::array<std::uint64_t, 10> parts{};
  tbb::task_group group;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    group.run([&parts, i, first, share] { parts[i] = skynet(first + i * share, share); });
  }
  parts[0] = skynet(first, share);
  group.wait();
  return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0});
}

constexpr unsigned kFib = 30;
constexpr std::uint64_t kFibResult = 832'040;
constexpr std::size_t kFibNodes = 2'692'537;
constexpr std::uint64_t kLeaves = 1'000'000;
constexpr std::size_t kSkynetTasks = 1'111'111;

}  // namespace

int main(int argc, char** argv) {
  peer::Suite suite("tbb", argc, argv);
  const auto workers = static_cast<int>(suite.workers());
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, suite.workers());
  tbb::task_arena arena(workers);
  suite.measure("fib30_fork", kFibNodes, [&] {
    const peer::Stopwatch stopwatch;
    peer::require(arena.execute([] { return fib(kFib); }) == kFibResult, "tbb: a wrong number");
    return stopwatch.ns();
  });
  suite.measure("skynet_1m_fork", kSkynetTasks, [&] {
    const peer::Stopwatch stopwatch;
    peer::require(arena.execute([] { return skynet(0, kLeaves); }) == kLeaves * (kLeaves - 1) / 2,
                  "tbb: a wrong sum");
    return stopwatch.ns();
  });
  return 0;
}
