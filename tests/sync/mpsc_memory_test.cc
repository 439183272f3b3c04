// SPDX-License-Identifier: MIT
//
// What mpsc channels cost: nothing but themselves before their first value, two blocks at the most
// when they are empty, and nothing more after a burst (the wounds are Tokio #4031, #4321, #7355).

#include <ringo/sync/mpsc.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RINGO_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RINGO_TEST_SANITIZED 1
#endif
#endif

#ifdef RINGO_TEST_SANITIZED
#include <sanitizer/allocator_interface.h>
#else
#include <malloc.h>
#endif

namespace ringo {
namespace {

/// Bytes of the heap that are in use. The tests run on the main thread, alone.
std::size_t bytes_in_use() {
#ifdef RINGO_TEST_SANITIZED
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

// As the header of mpsc.h says: a channel, and a block of 32 values of 8 bytes, with the
// allocator's own bytes.
constexpr std::size_t kChannel = 384;
constexpr std::size_t kBlock = 400;
// What the allocator keeps back in its thread's cache, and the test itself.
constexpr std::size_t kSlack = 16 * 1024;

TEST(MpscMemory, ComesBackAfterABurst) {
  constexpr std::uint64_t kBurst = 1'000'000;
  auto [tx, rx] = mpsc::unbounded_channel<std::uint64_t>();
  const std::size_t before = bytes_in_use();
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t i = 0; i < kBurst; ++i) {
      ASSERT_TRUE(tx.send(i).has_value());
    }
    EXPECT_GT(bytes_in_use(), before + kBurst * sizeof(std::uint64_t));
    for (std::uint64_t i = 0; i < kBurst; ++i) {
      ASSERT_EQ(rx.try_recv().value(), i);
    }
    EXPECT_LT(bytes_in_use(), before + 2 * kBlock + kSlack);
  }
}

TEST(MpscMemory, StaysWhereItIsInSteadyUse) {
  auto [tx, rx] = mpsc::channel<std::uint64_t>(8);
  const std::size_t before = bytes_in_use();
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(tx.try_send(i).has_value());
    ASSERT_EQ(rx.try_recv().value(), i);
    if (i < 100 || i % 1000 == 0) {
      ASSERT_LT(bytes_in_use(), before + 2 * kBlock + 1024) << "after value " << i;
    }
  }
}

template <class MakeChannel>
void measure_idle(MakeChannel make, int values, std::size_t limit) {
  constexpr std::size_t kChannels = 100'000;
  using Halves = decltype(make());
  std::vector<Halves> channels;
  channels.reserve(kChannels);
  const std::size_t before = bytes_in_use();
  for (std::size_t i = 0; i < kChannels; ++i) {
    channels.push_back(make());
    for (int value = 0; value < values; ++value) {
      if constexpr (requires { channels.back().sender.try_send(0U); }) {
        ASSERT_TRUE(channels.back().sender.try_send(1U).has_value());
      } else {
        ASSERT_TRUE(channels.back().sender.send(1U).has_value());
      }
      ASSERT_TRUE(channels.back().receiver.try_recv().has_value());
    }
  }
  EXPECT_LT(bytes_in_use(), before + kChannels * limit + kSlack);
}

TEST(MpscMemory, OfChannelsThatHeldNothingIsTheChannel) {
  measure_idle([] { return mpsc::channel<std::uint64_t>(1000); }, 0, kChannel);
  measure_idle([] { return mpsc::unbounded_channel<std::uint64_t>(); }, 0, kChannel);
}

TEST(MpscMemory, OfChannelsThatAreEmptyAgainIsTwoBlocksAtTheMost) {
  measure_idle([] { return mpsc::channel<std::uint64_t>(1000); }, 1, kChannel + kBlock);
  measure_idle([] { return mpsc::channel<std::uint64_t>(1000); }, 33, kChannel + 2 * kBlock);
}

}  // namespace
}  // namespace ringo
