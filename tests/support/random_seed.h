// SPDX-License-Identifier: MIT
//
// The random source of a test: a new seed each run, printed, and taken back
// from RINGO_TEST_SEED to replay it.
//
// Thread safety: each call gives an engine of its own.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace ringo::testing_support {

inline std::mt19937_64 seeded_random() {
  const char* given = std::getenv("RINGO_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 0)
                       : (std::uint64_t{std::random_device()()} << 32) | std::random_device()();
  testing::Test::RecordProperty("seed", std::to_string(seed));
  std::printf("RINGO_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return std::mt19937_64(seed);
}

}  // namespace ringo::testing_support
