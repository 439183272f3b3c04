// SPDX-License-Identifier: MIT
//
// Sockets under load, in large.

#include <ringo/runtime.h>

#include <cstddef>
#include <cstdint>

#include <gtest/gtest.h>

#include "net_load.h"
#include "support/co_test.h"
#include "support/random_seed.h"

namespace {

using ringo::testing_support::echo_load;
using ringo::testing_support::multi_thread_runtime;
using ringo::testing_support::seeded_random;
using ringo::testing_support::transfer_both_ways;

constexpr std::size_t kTransfer = std::size_t{64} << 20;

CO_TEST(NetLoad, Transfers64MiBBothWaysThroughTinyBuffers) {
  co_await transfer_both_ways(kTransfer, 4096);
}

TEST(NetLoad, Transfers64MiBBothWaysOnFourWorkers) {
  multi_thread_runtime(4).block_on(transfer_both_ways(kTransfer, 65536));
}

CO_TEST(NetLoad, ManyTasksConverseForLong) {
  auto random = seeded_random();
  const std::uint64_t seed = random();
  co_await echo_load(500, 100, seed);
}

TEST(NetLoad, ManyTasksConverseForLongOnFourWorkers) {
  auto random = seeded_random();
  multi_thread_runtime(4).block_on(echo_load(500, 100, random()));
}

}  // namespace
