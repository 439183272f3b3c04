// SPDX-License-Identifier: MIT
//
// bench_c2c: the round trip of a cache line between two processors, in nanoseconds.
//
//   bench_c2c 0 1
//
// The host of a virtual machine moves its processors about: at times two of them share a cache, at
// times they do not, and whatever crosses cores then costs two or three times as much for the same
// instructions. bench/lib/machine.py asks before and after each run which of the two it is.
//
// Thread safety: none needed; the two threads share one atomic.

#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ratio>
#include <string_view>
#include <system_error>
#include <thread>

namespace {

constexpr std::size_t kSamples = 15;
constexpr std::uint32_t kTrips = 2000;  // of a sample

bool pin_to(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return ::sched_setaffinity(0, sizeof(set), &set) == 0;
}

int to_processor(std::string_view word) {
  int value = -1;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size() && value < CPU_SETSIZE ? value
                                                                                         : -1;
}

/// Odd numbers go one way, the next even one back. Pairs: the release store of one side is read
/// by the acquire load of the other; nothing else is shared.
class Line {
 public:
  void go(std::uint32_t trip) {
    word_.store(2 * trip + 1, std::memory_order_release);
    while (word_.load(std::memory_order_acquire) != 2 * trip + 2) {
    }
  }
  void answer(std::uint32_t trip) {
    while (word_.load(std::memory_order_acquire) != 2 * trip + 1) {
    }
    word_.store(2 * trip + 2, std::memory_order_release);
  }

 private:
  alignas(128) std::atomic<std::uint32_t> word_{0};
};

double measure(Line& line, std::uint32_t& trip) {
  const auto start = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < kTrips; ++i) {
    line.go(trip++);
  }
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count() / kTrips;
}

}  // namespace

int main(int argc, char** argv) {
  const int here = argc == 3 ? to_processor(argv[1]) : -1;
  const int there = argc == 3 ? to_processor(argv[2]) : -1;
  // On one processor the two would wait for each other's time slices.
  if (here < 0 || there < 0 || here == there || !pin_to(there) || !pin_to(here)) {
    std::fprintf(stderr, "usage: bench_c2c CPU OTHER_CPU\n");
    return 2;
  }
  Line line;
  std::thread other([&line, there] {
    (void)pin_to(there);
    for (std::uint32_t trip = 0; trip < (kSamples + 1) * kTrips; ++trip) {
      line.answer(trip);
    }
  });
  std::uint32_t trip = 0;
  (void)measure(line, trip);  // warm-up
  std::array<double, kSamples> samples{};
  for (double& sample : samples) {
    sample = measure(line, trip);
  }
  other.join();
  std::sort(samples.begin(), samples.end());
  std::printf("%.0f\n", samples[kSamples / 2]);
  return 0;
}
