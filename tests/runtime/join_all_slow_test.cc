// SPDX-License-Identifier: MIT
//
// A million branches in one task, woken one by one in a random order by another: each wake must
// touch its own branch only, else this takes days.
//
// Thread safety: tests.

#include <ringo/config.h>
#include <ringo/join_all.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/random_seed.h"

namespace ringo {
namespace {

// Sanitized builds have no frame pool, and need ten times the memory.
constexpr std::size_t kBranches = RINGO_FRAME_POOL ? 1'000'000 : 50'000;

Task<std::uint64_t> receive(oneshot::Receiver<std::uint64_t> receiver) {
  Result<std::uint64_t> received = co_await std::move(receiver);
  co_return received.value();
}

Task<void> send_all(std::vector<oneshot::Sender<std::uint64_t>> senders) {
  for (std::size_t i = 0; i < senders.size(); ++i) {
    (void)std::move(senders[i]).send(1);
    if (i % 64 == 0) {
      co_await yield_now();
    }
  }
}

CO_TEST(JoinAll, OfAMillion) {
  std::vector<oneshot::Sender<std::uint64_t>> senders;
  std::vector<Task<std::uint64_t>> tasks;
  for (std::size_t i = 0; i < kBranches; ++i) {
    auto [tx, rx] = oneshot::channel<std::uint64_t>();
    senders.push_back(std::move(tx));
    tasks.push_back(receive(std::move(rx)));
  }
  std::mt19937_64 random = testing_support::seeded_random();
  std::shuffle(senders.begin(), senders.end(), random);
  auto sending = spawn(send_all(std::move(senders)));
  const std::vector<std::uint64_t> values = co_await join_all(std::move(tasks));
  EXPECT_EQ(std::count(values.begin(), values.end(), 1U), static_cast<std::ptrdiff_t>(kBranches));
  (void)co_await sending;
}

}  // namespace
}  // namespace ringo
