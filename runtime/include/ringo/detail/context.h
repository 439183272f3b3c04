// SPDX-License-Identifier: MIT
//
// What the current thread is doing for which runtime. One thread-local record; it is read afresh
// after every suspension, because a task may go on in another thread.

#pragma once

#include <ringo/config.h>

#include <cstdint>

namespace ringo::detail {

struct TaskHeader;
class Worker;
class ForkStack;
class RuntimeShared;
class LocalSetCore;

/// How many operations a task may complete without suspending before it must let others run
/// (as tokio::task::coop).
inline constexpr std::uint32_t kCoopBudget = 128;
inline constexpr std::uint32_t kUnlimitedBudget = UINT32_MAX;

/// What the running task may still do.
struct Budget {
  std::uint32_t units = kUnlimitedBudget;
  /// Given out by renew_budget() unless the time is up. kUnlimitedBudget: always, and all of it.
  std::uint32_t reserve = kUnlimitedBudget;

  [[nodiscard]] bool is_unlimited() const noexcept { return reserve == kUnlimitedBudget; }
};

struct Context {
  Worker* worker = nullptr;  ///< set on a thread that runs a runtime's tasks
  RuntimeShared* runtime =
      nullptr;                 ///< the runtime that spawn() uses: the worker's, or an entered one
  TaskHeader* task = nullptr;  ///< the task that runs now
  ForkStack* forks = nullptr;  ///< the worker's
  Budget budget;
  LocalSetCore* local_set = nullptr;  ///< whose task runs now, or that was entered
#if !RINGO_SYMMETRIC_TRANSFER
  void* next_coroutine = nullptr;  ///< the trampoline's: see transfer() in promise.h
#endif
};

inline constinit thread_local Context thread_context{};

/// Gives the running task more of its budget. False: it has had all of it, or enough time.
[[nodiscard, gnu::cold]] bool renew_budget() noexcept;
/// What a task has when its turn begins.
[[nodiscard]] Budget fresh_budget() noexcept;

/// False: the running task has used its budget up, and the operation must
/// suspend once instead of completing.
[[nodiscard]] inline bool has_budget() noexcept {
  return thread_context.budget.units != 0 || renew_budget();
}
/// For an operation that has completed. Several may complete in one run that began with one unit
/// (the arms of a join): there is no less than none.
inline void spend_budget() noexcept {
  std::uint32_t& units = thread_context.budget.units;
  units -= units != 0 ? 1 : 0;
}

}  // namespace ringo::detail
