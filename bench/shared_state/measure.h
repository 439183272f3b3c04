// SPDX-License-Identifier: MIT
//
// What the benchmarks of shared state have in common: threads that begin together, what each
// operation took, keys that are used more or less evenly, and one JSON object for each figure.
//
// Thread safety: each thread has an object of its own.

#pragma once

#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace bench {

inline std::int64_t now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// The processor time of all threads, which other programs do not add to.
inline std::int64_t cpu_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

template <class T>
void keep(const T& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

/// xorshift64*
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(0x9E37'79B9'7F4A'7C15U ^ (seed + 1)) {}
  std::uint64_t operator()() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545'F491'4F6C'DD1DU;
  }

 private:
  std::uint64_t state_;
};

/// Keys drawn beforehand, so that drawing costs nothing: uniformly, or as Zipf's law has it with
/// the exponent 0.99 (as YCSB), where the first of 10,000 keys gets a tenth of all.
class Keys {
 public:
  static constexpr std::size_t kDrawn = 1U << 16U;

  Keys(std::size_t count, bool is_skewed) {
    std::vector<double> sums(count);
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sum += is_skewed ? 1 / std::pow(static_cast<double>(i + 1), 0.99) : 1;
      sums[i] = sum;
    }
    Random random(1);
    drawn_.resize(kDrawn);
    for (std::uint64_t& key : drawn_) {
      const double at = static_cast<double>(random() >> 11U) * 0x1p-53 * sum;
      key =
          static_cast<std::uint64_t>(std::lower_bound(sums.begin(), sums.end(), at) - sums.begin());
    }
  }
  [[nodiscard]] std::uint64_t operator[](std::uint64_t random) const noexcept {
    return drawn_[random % kDrawn];
  }

 private:
  std::vector<std::uint64_t> drawn_;
};

/// What some of the operations took.
class Latencies {
 public:
  void add(std::int64_t ns) { samples_.push_back(ns); }
  void add(const Latencies& other) {
    samples_.insert(samples_.end(), other.samples_.begin(), other.samples_.end());
  }
  [[nodiscard]] std::int64_t quantile(double part) {
    if (samples_.empty()) {
      return 0;
    }
    const auto at = samples_.begin() +
                    static_cast<std::ptrdiff_t>(part * static_cast<double>(samples_.size() - 1));
    std::nth_element(samples_.begin(), at, samples_.end());
    return *at;
  }

 private:
  std::vector<std::int64_t> samples_;
};

struct Outcome {
  double ns_per_operation = 0;   ///< of the clock on the wall, all threads together
  double cpu_per_operation = 0;  ///< nanoseconds of processors
  Latencies latencies;           ///< of every 64th operation
};

/// Both clocks.
class Stopwatch {
 public:
  [[nodiscard]] Outcome stop(std::size_t operations) const {
    Outcome outcome;
    outcome.ns_per_operation =
        static_cast<double>(now_ns() - start_) / static_cast<double>(operations);
    outcome.cpu_per_operation =
        static_cast<double>(cpu_ns() - cpu_start_) / static_cast<double>(operations);
    return outcome;
  }

 private:
  std::int64_t start_ = now_ns();
  std::int64_t cpu_start_ = cpu_ns();
};

/// Binds the calling thread to one of the processors that it may use, each in turn: threads that
/// are to meet must not be put on one processor because another is busy.
inline void spread_over_processors(std::size_t thread) noexcept {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return;  // then the kernel spreads them
  }
  auto skip = thread % static_cast<std::size_t>(CPU_COUNT(&allowed));
  for (std::size_t processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(processor, &allowed) && skip-- == 0) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(processor, &one);
      sched_setaffinity(0, sizeof(one), &one);
      return;
    }
  }
}

/// Runs operation(thread, i) `each` times in each of `threads` threads that begin together.
template <class Operation>
Outcome run_threads(std::size_t threads, std::size_t each, Operation operation) {
  constexpr std::size_t kSampled = 64;
  std::atomic<std::size_t> ready{0};
  std::atomic<bool> begin{false};
  std::vector<Latencies> latencies(threads);
  std::vector<std::thread> running;
  running.reserve(threads);
  for (std::size_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      spread_over_processors(t);
      Latencies mine;
      ready.fetch_add(1);
      while (!begin.load()) {
        std::this_thread::yield();
      }
      for (std::size_t i = 0; i < each; ++i) {
        if (i % kSampled == 0) {
          const std::int64_t before = now_ns();
          operation(t, i);
          mine.add(now_ns() - before);
        } else {
          operation(t, i);
        }
      }
      latencies[t] = std::move(mine);
    });
  }
  while (ready.load() != threads) {
    std::this_thread::yield();
  }
  const Stopwatch stopwatch;
  begin.store(true);
  for (std::thread& thread : running) {
    thread.join();
  }
  Outcome outcome = stopwatch.stop(threads * each);
  for (const Latencies& one : latencies) {
    outcome.latencies.add(one);
  }
  return outcome;
}

struct Settings {
  bool is_quick = false;
  [[nodiscard]] std::size_t rounds() const noexcept { return is_quick ? 1 : 5; }
  [[nodiscard]] std::size_t scaled(std::size_t full) const noexcept {
    return is_quick ? full / 100 + 1 : full;
  }
};

/// Those who do the same work. They take turns, so that what disturbs the machine disturbs all.
class Contest {
 public:
  void add(std::string name, std::function<Outcome()> run) {
    contenders_.push_back({std::move(name), std::move(run), {}, {}, {}});
  }
  /// Prints one line for each: medians of the rounds, quantiles of all samples. `what` are the
  /// columns that tell figures apart: "\"threads\": 2".
  void run(std::string_view table, const std::string& what, const Settings& settings) {
    for (std::size_t round = 0; round < settings.rounds(); ++round) {
      for (Contender& one : contenders_) {
        const Outcome outcome = one.run();
        one.ns.push_back(outcome.ns_per_operation);
        one.cpu.push_back(outcome.cpu_per_operation);
        one.latencies.add(outcome.latencies);
      }
    }
    for (Contender& one : contenders_) {
      fmt::print(
          "{{\"table\": \"{}\", \"name\": \"{}\", {}, \"ns\": {:.2f}, \"cpu\": {:.2f}, "
          "\"p50\": {}, \"p99\": {}, \"p999\": {}}}\n",
          table, one.name, what, median(one.ns), median(one.cpu), one.latencies.quantile(0.5),
          one.latencies.quantile(0.99), one.latencies.quantile(0.999));
    }
    std::fflush(stdout);
  }

 private:
  struct Contender {
    std::string name;
    std::function<Outcome()> run;
    std::vector<double> ns;
    std::vector<double> cpu;
    Latencies latencies;
  };
  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }

  std::vector<Contender> contenders_;
};

void run_locks(const Settings& settings);
void run_maps(const Settings& settings);
void run_large_maps(const Settings& settings);
void run_growth(const Settings& settings);
void run_strategies(const Settings& settings);

}  // namespace bench
