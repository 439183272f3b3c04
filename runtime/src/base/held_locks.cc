// SPDX-License-Identifier: MIT
//
// The list of held locks of each thread, and the reports of lock_check.h. Compiled to almost
// nothing without RINGO_CHECK_SUSPEND.
//
// Thread safety: a list is its thread's; the shared record is behind its own lock.

#include <ringo/config.h>
#include <ringo/lock_check.h>

#if !RINGO_CHECK_SUSPEND

namespace ringo {
void set_lock_check(LockCheck /*check*/) noexcept {}
}  // namespace ringo

#else

#include <ringo/detail/context.h>
#include <ringo/detail/held_locks.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "base/lock_order.h"
#include "base/std_mutex_check.h"

namespace ringo {
namespace detail {
namespace {

/// The task that runs on this thread, kept by value: it may have ended when it is reported.
struct TaskName {
  std::uint64_t id = 0;
  std::source_location spawned_at;

  static TaskName current() noexcept {
    const TaskHeader* const task = thread_context.task;
    return task == nullptr ? TaskName{} : TaskName{task->id, task->spawned_at};
  }
  [[nodiscard]] std::string text() const {
    return id == 0 ? std::string("a thread outside any task")
                   : fmt::format("task {} spawned at {}:{}", id, spawned_at.file_name(),
                                 spawned_at.line());
  }
};

struct HeldLock {
  LockName name{};
  std::source_location since;
  const void* std_caller = nullptr;  ///< of a std::mutex, whose line is not known
  TaskName task;

  [[nodiscard]] const void* node() const noexcept {
    return name.group != nullptr ? name.group : name.lock;
  }
  [[nodiscard]] std::string taken() const {
    return std_caller != nullptr ? describe_caller(std_caller)
                                 : fmt::format("{}:{}", since.file_name(), since.line());
  }
  [[nodiscard]] std::string kind() const {
    // allow(std-mutex): it is only named
    return std_caller != nullptr ? "std::mutex" : "mutex";
  }
};

/// Trivially destructible: locks are taken until a thread's very end.
struct HeldLocks {
  std::array<HeldLock, kMaxHeldLocks> locks{};
  std::size_t count = 0;
  std::size_t begin = 0;      ///< the first that the running coroutines have taken
  std::size_t untracked = 0;  ///< held beyond kMaxHeldLocks
};

constinit thread_local HeldLocks thread_locks{};

/// A guard that a coroutine was suspended with; only in the mode kReport do we get to keep one.
struct SuspendedLock {
  HeldLock held;
  std::source_location suspended_at;
};

struct Shared {
  Mutex mutex;
  LockOrderGraph orders RINGO_GUARDED_BY(mutex);
  bool has_said_full RINGO_GUARDED_BY(mutex) = false;
  std::vector<SuspendedLock> suspended RINGO_GUARDED_BY(mutex);
  std::atomic<std::size_t> suspended_count{0};
};

Shared& shared() {
  static Shared* const instance = new Shared;  // locks are taken until the program's very end
  return *instance;
}

LockCheck check_of_environment() noexcept {
  // Before main() has threads, or once: nobody changes the environment meanwhile.
  const char* const text = std::getenv("RINGO_LOCK_CHECK");  // NOLINT(concurrency-mt-unsafe)
  const std::string_view word = text == nullptr ? "abort" : text;
  if (word == "off") {
    return LockCheck::kOff;
  }
  return word == "report" ? LockCheck::kReport : LockCheck::kAbort;
}

std::atomic<LockCheck>& lock_check() noexcept {
  static constinit std::atomic<LockCheck> check{LockCheck::kAbort};
  static const bool is_read = [] {
    check.store(check_of_environment(), std::memory_order_relaxed);
    return true;
  }();
  (void)is_read;
  return check;
}

bool is_off() noexcept {
  return lock_check().load(std::memory_order_relaxed) == LockCheck::kOff;
}

/// kHang: the thread would never go on.
enum class Severity : bool { kFault, kHang };

void report(Severity severity, const std::string& text) {
  const std::string line = "ringo: " + text + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
  if (severity == Severity::kHang ||
      lock_check().load(std::memory_order_relaxed) == LockCheck::kAbort) {
    std::abort();
  }
}

void hold(const HeldLock& lock) noexcept {
  HeldLocks& mine = thread_locks;
  if (mine.count == kMaxHeldLocks) {
    ++mine.untracked;
    return;
  }
  mine.locks[mine.count++] = lock;
}

/// A holder that is suspended cannot unlock before somebody resumes it: most likely this thread.
void check_suspended_holder(const void* lock, const std::string& wanted_at) {
  Shared& all = shared();
  if (all.suspended_count.load(std::memory_order_relaxed) == 0) {
    return;
  }
  std::string text;
  {
    const MutexGuard guard(all.mutex);
    for (const SuspendedLock& one : all.suspended) {
      if (one.held.name.lock == lock) {
        text = fmt::format(
            "deadlock: {} {} is wanted at {} by {}, but its holder is suspended: it was taken at "
            "{} "
            "by {}, which awaits at {}:{}, and this thread, blocked, cannot resume it",
            one.held.kind(), lock, wanted_at, TaskName::current().text(), one.held.taken(),
            one.held.task.text(), one.suspended_at.file_name(), one.suspended_at.line());
      }
    }
  }
  if (!text.empty()) {
    report(Severity::kHang, text);
  }
}

void check_own(const HeldLock& wanted, const std::string& wanted_at) {
  const HeldLocks& mine = thread_locks;
  for (std::size_t i = 0; i < mine.count; ++i) {
    const HeldLock& held = mine.locks[i];
    const bool is_same = held.name.lock == wanted.name.lock;
    const bool is_group = held.name.group != nullptr && held.name.group == wanted.name.group;
    if (is_same || (is_group &&
                    (held.name.lock == held.name.group || wanted.name.lock == wanted.name.group))) {
      report(Severity::kHang,
             fmt::format("deadlock: {} {} is wanted at {} by {}, but this thread holds it already: "
                         "it was taken at {} by {}",
                         held.kind(), wanted.name.lock, wanted_at, TaskName::current().text(),
                         held.taken(), held.task.text()));
    } else if (is_group) {
      report(Severity::kFault,
             fmt::format("two shards of {} at once, taken at {} and at {}: another thread may take "
                         "them the other way round; with_all() takes several in order",
                         held.name.group, held.taken(), wanted_at));
    }
  }
}

void check_orders(const HeldLock& wanted) {
  const HeldLocks& mine = thread_locks;
  for (std::size_t i = 0; i < mine.count; ++i) {
    const HeldLock& held = mine.locks[i];
    if (held.std_caller != nullptr || held.node() == wanted.node()) {
      continue;
    }
    std::vector<LockOrder> orders{{held.node(), held.since, wanted.node(), wanted.since}};
    bool says_full = false;
    bool is_inversion = false;
    {
      Shared& all = shared();
      const MutexGuard guard(all.mutex);
      const std::vector<LockOrder> others = all.orders.add(orders.front());
      is_inversion = !others.empty();
      orders.insert(orders.end(), others.begin(), others.end());
      says_full = all.orders.is_full() && !all.has_said_full;
      all.has_said_full = all.orders.is_full();
    }
    if (is_inversion) {
      report(Severity::kFault,
             "lock order inversion, a deadlock when two threads meet:" + describe(orders));
    }
    if (says_full) {
      std::fputs("ringo: more orders of locks than are remembered: no more are checked\n", stderr);
    }
  }
}

}  // namespace

void note_lock_wanted(LockName name, const std::source_location& where) noexcept {
  if (is_off()) {
    return;
  }
  const HeldLock wanted{name, where, nullptr, {}};
  const bool holds_any = thread_locks.count != 0;
  if (holds_any || shared().suspended_count.load(std::memory_order_relaxed) != 0) {
    check_own(wanted, wanted.taken());
    check_suspended_holder(name.lock, wanted.taken());
    check_orders(wanted);
  }
}

void note_locked(LockName name, const std::source_location& where) noexcept {
  if (!is_off()) {
    hold({name, where, nullptr, TaskName::current()});
  }
}

void note_std_mutex_wanted(const void* mutex, const void* caller, Relock relock) noexcept {
  const bool holds_any = thread_locks.count != 0;
  if (relock == Relock::kIsAllowed || is_off() ||
      (!holds_any && shared().suspended_count.load(std::memory_order_relaxed) == 0)) {
    return;
  }
  const HeldLocks& mine = thread_locks;
  const bool is_mine = std::any_of(mine.locks.begin(), mine.locks.begin() + mine.count,
                                   [&](const HeldLock& held) { return held.name.lock == mutex; });
  if (is_mine) {
    check_own({{mutex}, {}, caller, {}}, describe_caller(caller));
  }
  check_suspended_holder(mutex, describe_caller(caller));
}

void note_std_mutex_locked(const void* mutex, const void* caller) noexcept {
  if (!is_off()) {
    hold({{mutex}, {}, caller, TaskName::current()});
  }
}

void note_unlocked(const void* lock) noexcept {
  HeldLocks& mine = thread_locks;
  for (std::size_t i = mine.count; i-- > 0;) {
    if (mine.locks[i].name.lock == lock) {
      std::copy(mine.locks.begin() + i + 1, mine.locks.begin() + mine.count,
                mine.locks.begin() + i);
      --mine.count;
      mine.begin = std::min(mine.begin, mine.count);
      return;
    }
  }
  if (mine.untracked != 0) {
    --mine.untracked;
    return;
  }
  Shared& all = shared();
  if (all.suspended_count.load(std::memory_order_relaxed) != 0) {
    const MutexGuard guard(all.mutex);
    std::erase_if(all.suspended,
                  [&](const SuspendedLock& one) { return one.held.name.lock == lock; });
    all.suspended_count.store(all.suspended.size(), std::memory_order_relaxed);
  }
}

void note_lock_destroyed(const void* lock) noexcept {
  Shared& all = shared();
  const MutexGuard guard(all.mutex);
  all.orders.remove(lock);
}

void check_suspend(const std::source_location& where) noexcept {
  HeldLocks& mine = thread_locks;
  if (mine.count == mine.begin) [[likely]] {
    return;
  }
  while (mine.count > mine.begin) {
    const HeldLock held = mine.locks[--mine.count];
    if (is_off()) {
      continue;
    }
    {
      Shared& all = shared();
      const MutexGuard guard(all.mutex);
      all.suspended.push_back({held, where});
      all.suspended_count.store(all.suspended.size(), std::memory_order_relaxed);
    }
    report(Severity::kFault,
           fmt::format("guard of {} {} taken at {} is held across co_await at {}:{} (by {}). End "
                       "its scope or unlock() it before; state that must stay locked over an await "
                       "belongs in a ringo::Mutex<T> or in a task of its own",
                       held.kind(), held.name.lock, held.taken(), where.file_name(), where.line(),
                       TaskName::current().text()));
  }
}

std::size_t begin_coroutines() noexcept {
  HeldLocks& mine = thread_locks;
  const std::size_t before = mine.begin;
  mine.begin = mine.count;
  return before;
}

void end_coroutines(std::size_t before) noexcept {
  HeldLocks& mine = thread_locks;
  mine.begin = std::min(before, mine.count);
}

}  // namespace detail

void set_lock_check(LockCheck check) noexcept {
  detail::lock_check().store(check, std::memory_order_relaxed);
}

}  // namespace ringo

#endif
