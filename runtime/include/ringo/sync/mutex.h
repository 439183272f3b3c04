// SPDX-License-Identifier: MIT
//
// Mutex<T>: a value that one task at a time may use, and may go on using over a co_await. First in
// first out: an unlocked mutex is handed to the task that has waited longest, and nobody overtakes
// it. As tokio::sync::Mutex.
//
//   ringo::Mutex<std::vector<int>> results;
//   ringo::MutexGuard<std::vector<int>> guard = co_await results.lock();
//   guard->push_back(42);
//   ringo::drop(std::move(guard));
//
// It is the most expensive way to share. If the value is used for a moment without a co_await, a
// plain lock costs less; if it is a connection or a file, a task that owns it and is asked through
// a channel is clearer. Many readers, few writers: RwLock<T>.
//
// A guard unlocks when it is destroyed, or sooner by drop(). A mutex is never poisoned: if its
// holder throws, or is aborted, the next one finds the value as it was left. Not recursive: a task
// that locks it twice waits for itself.
//
// Thread safety: all of it. No runtime is needed; holders and waiters may be in several runtimes
// and in plain threads. A guard is one owner's; it may be moved to, and destroyed on, any thread.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>
#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/context.h>
#include <ringo/detail/lock_access.h>
#include <ringo/detail/semaphore_core.h>

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo {

template <class T>
class Mutex;

/// A guard of a part of what a mutex protects. The mutex must outlive it.
template <class U>
using MappedMutexGuard = detail::LockedValue<U, detail::SemaphoreCore*>;
/// The same, keeping the mutex alive.
template <class U>
using OwnedMappedMutexGuard = detail::LockedValue<U, std::shared_ptr<detail::SemaphoreCore>>;

namespace detail {

template <class T, class Keeper>
class BasicMutexGuard;

template <class T>
struct MutexAccess {
  using Lock = ringo::Mutex<T>;  // not detail::Mutex
  static constexpr std::string_view kOperation = "Mutex::lock";
  static SemaphoreCore& core(Lock& mutex) noexcept { return mutex.core_; }
  static constexpr std::size_t permits(const Lock& /*mutex*/) noexcept { return 1; }
  static T& value(Lock& mutex) noexcept { return mutex.value_; }
  static const void* holder(const Lock& mutex) noexcept {
    return mutex.locked_by_.load(std::memory_order_relaxed);
  }
  template <class Keeper>
  static BasicMutexGuard<T, Keeper> guard(Keeper mutex) noexcept {
    // relaxed: for task dumps, which may see it late.
    mutex->locked_by_.store(thread_context.task, std::memory_order_relaxed);
    return BasicMutexGuard<T, Keeper>(std::move(mutex));
  }
};

template <class T, class Keeper>
class [[nodiscard]] BasicMutexGuard
    : public ExclusiveGuard<BasicMutexGuard<T, Keeper>, MutexAccess<T>, Keeper> {
 public:
  using ExclusiveGuard<BasicMutexGuard, MutexAccess<T>, Keeper>::ExclusiveGuard;

  /// The mutex that it holds.
  [[nodiscard]] const Keeper& mutex() const noexcept { return this->lock(); }
};

}  // namespace detail

/// Holds a mutex, which must outlive it, and gives access to the value.
template <class T>
using MutexGuard = detail::BasicMutexGuard<T, Mutex<T>*>;
/// The same, keeping the mutex alive.
template <class T>
using OwnedMutexGuard = detail::BasicMutexGuard<T, std::shared_ptr<Mutex<T>>>;

template <class T>
class Mutex {
 public:
  using value_type = T;

  Mutex()
    requires std::default_initializable<T>
  = default;
  explicit Mutex(T value) noexcept(std::is_nothrow_move_constructible_v<T>)
      : value_(std::move(value)) {}
  /// Makes the value in place.
  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit Mutex(std::in_place_t /*tag*/, Args&&... args) : value_(std::forward<Args>(args)...) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  /// Requires: nobody holds it or waits for it.
  ~Mutex() { RINGO_DCHECK(core_.available() == 1, "a Mutex was destroyed while it was held"); }

  /// Waits for the lock; cannot fail.
  ///
  /// Cancel safety: a lock that had been handed over goes to the next in the queue; the place in
  /// the queue is lost. Complexity: one compare-and-swap while it is free, one to unlock; no
  /// allocation.
  [[nodiscard]] detail::LockAwaiter<detail::MutexAccess<T>, Mutex*> lock() noexcept {
    return detail::LockAwaiter<detail::MutexAccess<T>, Mutex*>(this);
  }
  /// Locks it if it is free and nobody waits for it.
  [[nodiscard]] std::optional<MutexGuard<T>> try_lock() noexcept {
    return detail::try_lock<detail::MutexAccess<T>>(this);
  }
  /// lock() for threads. Panics: UsageError on a worker thread.
  [[nodiscard]] MutexGuard<T> blocking_lock() {
    return detail::block_on_leaf("Mutex::blocking_lock", lock());
  }

  /// The value without locking. Requires: nobody else uses the mutex.
  [[nodiscard]] T& get_mut() noexcept {
    RINGO_DCHECK(core_.available() == 1, "Mutex::get_mut while somebody holds the lock");
    return value_;
  }
  /// Moves the value out. Requires: nobody else uses the mutex.
  [[nodiscard]] T into_inner() && { return std::move(get_mut()); }

 private:
  friend detail::MutexAccess<T>;
  friend detail::PeekAccess;

  mutable detail::SemaphoreCore core_{1};
  detail::Atomic<const void*> locked_by_{nullptr};  ///< the last task to; only to be compared
  T value_{};
};

template <class T>
Mutex(T) -> Mutex<T>;

/// Mutex::lock() and its family, of guards that keep the mutex alive: for a guard that is stored,
/// or given to a task that outlives the caller.
template <class T>
[[nodiscard]] detail::LockAwaiter<detail::MutexAccess<T>, std::shared_ptr<Mutex<T>>> lock_owned(
    std::shared_ptr<Mutex<T>> mutex) noexcept {
  return detail::LockAwaiter<detail::MutexAccess<T>, std::shared_ptr<Mutex<T>>>(std::move(mutex));
}
template <class T>
[[nodiscard]] std::optional<OwnedMutexGuard<T>> try_lock_owned(
    std::shared_ptr<Mutex<T>> mutex) noexcept {
  return detail::try_lock<detail::MutexAccess<T>>(std::move(mutex));
}
template <class T>
[[nodiscard]] OwnedMutexGuard<T> blocking_lock_owned(std::shared_ptr<Mutex<T>> mutex) {
  return detail::block_on_leaf("blocking_lock_owned", lock_owned(std::move(mutex)));
}

}  // namespace ringo
