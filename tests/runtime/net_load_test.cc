// SPDX-License-Identifier: MIT
//
// Sockets under load, in small; net_load_slow_test.cc is the same in large.

#include "net_load.h"

#include <ringo/runtime.h>

#include <cstddef>
#include <cstdint>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/random_seed.h"

namespace {

using ringo::testing_support::echo_load;
using ringo::testing_support::multi_thread_runtime;
using ringo::testing_support::seeded_random;
using ringo::testing_support::transfer_both_ways;

CO_TEST(NetLoad, TransfersBothWaysThroughSmallBuffers) {
  co_await transfer_both_ways(std::size_t{4} << 20, 16 * 1024);
}

CO_TEST(NetLoad, ManyTasksConverse) {
  auto random = seeded_random();
  const std::uint64_t seed = random();
  co_await echo_load(50, 40, seed);
}

TEST(NetLoad, ManyTasksConverseOnFourWorkers) {
  auto random = seeded_random();
  multi_thread_runtime(4).block_on(echo_load(50, 40, random()));
}

}  // namespace
