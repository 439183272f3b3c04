// SPDX-License-Identifier: MIT
//
// A task cell without a coroutine and a run queue that only counts: for tests of what wakes tasks.
//
// Thread safety: as the task core's; read the counters when the wakers are done.

#pragma once

#include <ringo/detail/task_core.h>

#include <atomic>
#include <source_location>

namespace ringo::testing_support {

/// Takes the place of a run queue.
class CountingSchedule final : public detail::Schedule {
 public:
  void schedule(detail::TaskHeader& /*task*/) noexcept override {
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  [[nodiscard]] int count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> count_{0};
};

/// An idle task. Whoever owns it keeps it alive: its references are never given up.
struct FakeTask : detail::TaskHeader {
  explicit FakeTask(detail::Schedule& schedule) noexcept
      : TaskHeader(detail::TaskState::kIdleWithHandle, kNoKind, &schedule,
                   std::source_location::current()) {}
  FakeTask(const FakeTask&) = delete;
  FakeTask& operator=(const FakeTask&) = delete;
  ~FakeTask() = default;

  /// Runs "it": true if it had been notified. It is idle again afterwards.
  [[nodiscard]] bool take_notification() noexcept {
    if (!state.is_running()) {
      return false;
    }
    (void)state.start_running();
    return !state.stop_running();
  }

 private:
  static constexpr detail::TaskKind kNoKind{nullptr, nullptr, nullptr, nullptr};
};

}  // namespace ringo::testing_support
