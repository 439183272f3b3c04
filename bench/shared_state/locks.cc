// SPDX-License-Identifier: MIT
//
// ParkingMutex beside std::mutex: alone, and contended by up to eight threads that hold it for some
// twenty nanoseconds and do as much again, or five times as much, in between.
//
// Thread safety: none; called by the main thread.

#include <ringo/guarded.h>
#include <ringo/parking_mutex.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "measure.h"

namespace bench {
namespace {

struct alignas(128) StdCounter {
  std::uint64_t add() {
    const std::lock_guard guard(mutex);
    return ++count;
  }
  std::mutex mutex;
  std::uint64_t count = 0;
};

struct alignas(128) ParkingCounter {
  std::uint64_t add() {
    const ringo::ParkingGuard guard(mutex);
    return ++count;
  }
  ringo::ParkingMutex mutex;
  std::uint64_t count = 0;
};

struct alignas(128) GuardedCounter {
  std::uint64_t add() {
    return count.with([](std::uint64_t& n) { return ++n; });
  }
  ringo::Guarded<std::uint64_t> count{0};
};

void work(int steps) {
  for (int i = 0; i < steps; ++i) {
    keep(i);
  }
}

template <class Counter>
std::function<Outcome()> contend(std::size_t threads, int outside, std::size_t operations) {
  return [=] {
    Counter counter;
    return run_threads(threads, operations / threads + 1, [&](std::size_t, std::size_t) {
      keep(counter.add());
      work(outside);
    });
  };
}

template <class Counter>
std::function<Outcome()> uncontended(std::size_t times) {
  return [=] {
    Counter counter;
    const Stopwatch stopwatch;
    for (std::size_t i = 0; i < times; ++i) {
      keep(counter.add());
    }
    return stopwatch.stop(times);
  };
}

void compare_uncontended(const Settings& settings) {
  // The C library leaves the atomic instructions out while there is but one thread.
  std::mutex until_done;
  std::unique_lock not_done(until_done);
  std::thread other([&] { const std::lock_guard done(until_done); });
  const std::size_t times = settings.scaled(500'000);
  Contest contest;
  contest.add("std::mutex", uncontended<StdCounter>(times));
  contest.add("ParkingMutex", uncontended<ParkingCounter>(times));
  contest.add("Guarded", uncontended<GuardedCounter>(times));
  contest.run("uncontended", "\"threads\": 1", settings);
  not_done.unlock();
  other.join();
}

}  // namespace

void run_locks(const Settings& settings) {
  compare_uncontended(settings);
  const std::size_t operations = settings.scaled(1'000'000);
  for (const std::size_t threads : {1U, 2U, 4U, 8U}) {
    for (const int outside : {0, 400}) {
      Contest contest;
      contest.add("std::mutex", contend<StdCounter>(threads, outside, operations));
      contest.add("ParkingMutex", contend<ParkingCounter>(threads, outside, operations));
      contest.run("locks", fmt::format("\"threads\": {}, \"outside\": {}", threads, outside),
                  settings);
    }
  }
}

}  // namespace bench
