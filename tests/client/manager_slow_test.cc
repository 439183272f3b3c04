// SPDX-License-Identifier: MIT
//
// The loads of manager_load.h in full size.
//
// Thread safety: tests.

#include <random>

#include <gtest/gtest.h>

#include "client/manager_load.h"

#include "support/co_test.h"
#include "support/random_seed.h"

namespace ringo::client {
namespace {

CO_TEST(ManagerUnderLoad, GivesEveryCallerItsOwnReply) {
  co_await testing::many_callers(10'000, 100);
}

TEST(ManagerUnderLoad, IsNotDisturbedByCallersThatAreAborted) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int round = 0; round < 20; ++round) {
    testing_support::multi_thread_runtime().block_on(
        testing::many_callers_and_aborts(1000, 50, random()));
  }
}

CO_TEST(ManagerUnderLoad, GetsLargeValuesThroughSmallBuffers) {
  co_await testing::large_values(10'000, 100);
}

}  // namespace
}  // namespace ringo::client
