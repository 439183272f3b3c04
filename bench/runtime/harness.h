// SPDX-License-Identifier: MIT
//
// What the benchmarks of the runtime share: a stopwatch that also counts instructions, and the
// Suite, which runs each benchmark some times and prints its figures.
//
// A benchmark does its work once, takes the time itself (what it sets up and tears down is not
// measured), and checks sums and counts. Each runs inside a spawned task, unless it is said to run
// outside. Nothing is pinned.
//
// Thread safety: a Suite is the main thread's; a Stopwatch may be used in any task.

#pragma once

#include <ringo/metrics.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// Says what went wrong and ends the program: a wrong benchmark has no figures.
[[noreturn]] void fail(std::string_view what) noexcept;

inline void require(bool holds, std::string_view what) noexcept {
  if (!holds) [[unlikely]] {
    fail(what);
  }
}

/// Makes the compiler believe that the value is used.
template <class T>
void keep(const T& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

/// A cheap hash, so that a map does not hide what leads to it.
struct MulHash {
  std::size_t operator()(std::uint64_t key) const noexcept {
    const std::uint64_t product = key * 0x9E37'79B9'7F4A'7C15U;
    return product ^ (product >> 32);
  }
};

/// What one run of a benchmark took in all.
struct Sample {
  double ns = 0;
  double instructions = 0;  ///< of all threads, in user mode; 0 when they are not counted
};

/// Counts the user instructions of this process. Counting is off but for one run of its own, since
/// the counter makes switching threads dearer.
class InstructionCounter {
 public:
  /// Before any thread is started: threads inherit the counter. Where the kernel forbids it (or
  /// there is no such counter) all reads give 0.
  static void open() noexcept;
  static void enable() noexcept;
  static void disable() noexcept;
  [[nodiscard]] static double read() noexcept;
};

class Stopwatch {
 public:
  Stopwatch() noexcept
      : instructions_(InstructionCounter::read()), start_(std::chrono::steady_clock::now()) {}

  [[nodiscard]] Sample stop() const noexcept {
    const std::chrono::duration<double, std::nano> elapsed =
        std::chrono::steady_clock::now() - start_;
    Sample sample;
    sample.ns = elapsed.count();
    sample.instructions = InstructionCounter::read() - instructions_;
    return sample;
  }

 private:
  double instructions_;
  std::chrono::steady_clock::time_point start_;
};

struct Settings {
  bool is_current_thread = false;
  bool is_json = false;
  bool is_quick = false;  ///< tiny counts: does everything still run?
  std::size_t workers = 1;
  std::size_t warm_ups = 2;
  std::size_t repetitions = 7;
  std::vector<std::string> filters;  ///< run what contains one of these; empty: everything
};

[[nodiscard]] ringo::Runtime make_runtime(const Settings& settings);

/// How the workers shared the work, run by run.
struct Sharing {
  std::vector<double> least;   ///< the part of all polls that the idlest worker made
  std::vector<double> stolen;  ///< stolen tasks per poll

  void add(const ringo::RuntimeMetrics& before, const ringo::RuntimeMetrics& after);
};

class Suite {
 public:
  explicit Suite(Settings settings);

  [[nodiscard]] bool wants(std::string_view name) const noexcept;
  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] ringo::Runtime& runtime() noexcept { return runtime_; }
  [[nodiscard]] Sharing& sharing() noexcept { return sharing_; }
  /// A number of operations: what is asked for, or a hundredth of it in a quick run.
  [[nodiscard]] std::size_t scaled(std::size_t full) const noexcept {
    return settings_.is_quick ? full / 100 + 1 : full;
  }

  /// A benchmark that works on the calling thread, outside the runtime.
  void outside(std::string_view name, std::size_t operations,
               const std::function<Sample(ringo::Runtime&)>& run);
  /// A benchmark that works inside a spawned task. `make` makes its coroutine.
  void task(std::string_view name, std::size_t operations,
            const std::function<ringo::Task<Sample>()>& make);

  /// Prints one figure: the values of the repetitions, per operation, in nanoseconds.
  void print(std::string_view name, std::size_t operations, std::vector<double> values,
             double instructions = 0);

 private:
  Settings settings_;
  ringo::Runtime runtime_;
  Sharing sharing_;  ///< of the benchmark that is to be printed next
};

/// Awaits tasks in order and checks that each of them ended well.
[[nodiscard]] ringo::Task<void> join_all(std::vector<ringo::JoinHandle<void>> handles);

/// The benchmarks by theme.
void run_scheduler_benchmarks(Suite& suite);
void run_channel_benchmarks(Suite& suite);
void run_fan_out_benchmarks(Suite& suite);
void run_lock_benchmarks(Suite& suite);
void run_timer_benchmarks(Suite& suite);
void run_stream_benchmarks(Suite& suite);
void run_fork_join_benchmarks(Suite& suite);

/// Memory of a million parked tasks of a kind: "pending", "sleep", "oneshot" or "buf4k".
void measure_memory(const Settings& settings, std::string_view kind);

}  // namespace bench
