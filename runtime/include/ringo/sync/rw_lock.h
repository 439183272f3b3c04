// SPDX-License-Identifier: MIT
//
// RwLock<T>: a value that many tasks may read at the same time, or one may write, also over a
// co_await. First in first out: a reader that comes after a waiting writer waits behind it, so
// writers do not starve. As tokio::sync::RwLock.
//
//   ringo::RwLock<std::string> motto("be brief");
//   ringo::RwLockWriteGuard<std::string> writer = co_await motto.write();
//   writer->append(", and clear");
//   ringo::RwLockReadGuard<std::string> reader = std::move(writer).downgrade();
//
// Reading costs as much as locking a Mutex<T>, and readers share one cache line: it pays where
// readers hold the lock for long. For a value that is replaced as a whole and read often, watch is
// better: its readers do not hold anybody up.
//
// Guards unlock when they are destroyed, or sooner by drop(). There is no poisoning. A task that
// reads, and reads once more while a writer waits, waits for itself.
//
// Thread safety: all of it; const T& must be safe to use from several threads at once. No runtime
// is needed. A guard is one owner's; it may be moved to, and destroyed on, any thread.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/lock_access.h>
#include <ringo/detail/semaphore_core.h>
#include <ringo/usage_error.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo {

template <class T>
class RwLock;

/// Holds a lock for reading, and gives access to the value or, by map(), to a part of it. The lock
/// must outlive it.
template <class T>
using RwLockReadGuard = detail::LockedValue<const T, detail::SemaphoreCore*>;
/// The same, keeping the lock alive.
template <class T>
using OwnedRwLockReadGuard = detail::LockedValue<const T, std::shared_ptr<detail::SemaphoreCore>>;

/// Holds a lock for writing, and gives access to a part of the value. The lock must outlive it.
template <class U>
using RwLockMappedWriteGuard = detail::LockedValue<U, detail::SemaphoreCore*>;
/// The same, keeping the lock alive.
template <class U>
using OwnedRwLockMappedWriteGuard = detail::LockedValue<U, std::shared_ptr<detail::SemaphoreCore>>;

namespace detail {

template <class T, class Keeper>
class BasicWriteGuard;

template <class T>
struct ReadAccess {
  using Lock = const RwLock<T>;
  static constexpr std::string_view kOperation = "RwLock::read";
  static SemaphoreCore& core(Lock& lock) noexcept { return lock.core_; }
  static constexpr std::size_t permits(Lock& /*lock*/) noexcept { return 1; }
  template <class Keeper>
  static auto guard(Keeper lock) noexcept {
    SemaphoreCore& core = lock->core_;
    const T& value = lock->value_;
    auto keeper = keep_core(core, std::move(lock));
    return LockedValue<const T, decltype(keeper)>(std::move(keeper), 1, value);
  }
};

template <class T>
struct WriteAccess {
  using Lock = RwLock<T>;
  static constexpr std::string_view kOperation = "RwLock::write";
  static SemaphoreCore& core(Lock& lock) noexcept { return lock.core_; }
  static std::size_t permits(const Lock& lock) noexcept { return lock.max_readers_; }
  static T& value(Lock& lock) noexcept { return lock.value_; }
  template <class Keeper>
  static BasicWriteGuard<T, Keeper> guard(Keeper lock) noexcept {
    return BasicWriteGuard<T, Keeper>(std::move(lock));
  }
};

template <class T, class Keeper>
class [[nodiscard]] BasicWriteGuard
    : public ExclusiveGuard<BasicWriteGuard<T, Keeper>, WriteAccess<T>, Keeper> {
 public:
  using ExclusiveGuard<BasicWriteGuard, WriteAccess<T>, Keeper>::ExclusiveGuard;

  /// The lock that it holds.
  [[nodiscard]] const Keeper& rw_lock() const noexcept { return this->lock(); }

  /// Becomes a reader, in one step: no writer comes in between, and readers that wait at the head
  /// of the queue are let in.
  [[nodiscard]] auto downgrade() && noexcept { return this->into_part(std::as_const(**this), 1); }
  /// downgrade() and map() in one step: f sees the value while it is still exclusive.
  template <class F>
  [[nodiscard]] auto downgrade_map(F&& f) && {
    static_assert(std::is_lvalue_reference_v<std::invoke_result_t<F, const T&>>,
                  "downgrade_map() needs a function that returns a reference into the value");
    const auto& part = std::invoke(std::forward<F>(f), std::as_const(**this));
    return this->into_part(part, 1);
  }
  /// downgrade_map() by a function that returns a pointer. If that is null, the error is this
  /// guard, which still writes.
  template <class F>
  [[nodiscard]] auto try_downgrade_map(F&& f) && {
    const auto* part = std::invoke(std::forward<F>(f), std::as_const(**this));
    using Reader = decltype(this->into_part(*part, 1));
    if (part == nullptr) {
      return std::expected<Reader, BasicWriteGuard>(std::unexpect, std::move(*this));
    }
    return std::expected<Reader, BasicWriteGuard>(std::in_place, this->into_part(*part, 1));
  }
  /// The same guard in the type of a mapped one.
  [[nodiscard]] auto into_mapped() && noexcept { return this->into_part(**this); }
};

}  // namespace detail

/// Holds a lock for writing, which must outlive it, and gives access to the value.
template <class T>
using RwLockWriteGuard = detail::BasicWriteGuard<T, RwLock<T>*>;
/// The same, keeping the lock alive.
template <class T>
using OwnedRwLockWriteGuard = detail::BasicWriteGuard<T, std::shared_ptr<RwLock<T>>>;

template <class T>
class RwLock {
  using ReadAwaiter = detail::LockAwaiter<detail::ReadAccess<T>, const RwLock*>;
  using WriteAwaiter = detail::LockAwaiter<detail::WriteAccess<T>, RwLock*>;

 public:
  using value_type = T;
  /// How many may read at the same time if nothing else is said.
  static constexpr std::size_t kMaxReaders = UINT32_MAX >> 3;

  RwLock()
    requires std::default_initializable<T>
      : RwLock(T()) {}
  /// At most max_readers tasks read at the same time; further ones wait.
  /// Panics: UsageError for 0 or more than kMaxReaders.
  explicit RwLock(T value, std::size_t max_readers = kMaxReaders)
      : core_(checked(max_readers)), max_readers_(max_readers), value_(std::move(value)) {}
  /// Makes the value in place.
  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit RwLock(std::in_place_t /*tag*/, Args&&... args) : value_(std::forward<Args>(args)...) {}
  /// The constructor by Tokio's name.
  [[nodiscard]] static RwLock with_max_readers(T value, std::size_t max_readers) {
    return RwLock(std::move(value), max_readers);
  }
  RwLock(const RwLock&) = delete;
  RwLock& operator=(const RwLock&) = delete;
  /// Requires: nobody holds it or waits for it.
  ~RwLock() {
    RINGO_DCHECK(core_.available() == max_readers_, "a RwLock was destroyed while it was held");
  }

  /// Waits until it may read; cannot fail.
  ///
  /// Cancel safety: a lock that had been handed over goes to the next in the queue; the place in
  /// the queue is lost. Complexity: one compare-and-swap while nobody writes or waits, one to
  /// unlock; no allocation.
  [[nodiscard]] ReadAwaiter read() const noexcept { return ReadAwaiter(this); }
  /// Waits until it may write; cannot fail. The rest as read().
  [[nodiscard]] WriteAwaiter write() noexcept { return WriteAwaiter(this); }

  /// Locks it if that is possible now and nobody waits for it.
  [[nodiscard]] std::optional<RwLockReadGuard<T>> try_read() const noexcept {
    return detail::try_lock<detail::ReadAccess<T>>(this);
  }
  [[nodiscard]] std::optional<RwLockWriteGuard<T>> try_write() noexcept {
    return detail::try_lock<detail::WriteAccess<T>>(this);
  }

  /// read() and write() for threads. Panics: UsageError on a worker thread.
  [[nodiscard]] RwLockReadGuard<T> blocking_read() const {
    return detail::block_on_leaf("RwLock::blocking_read", read());
  }
  [[nodiscard]] RwLockWriteGuard<T> blocking_write() {
    return detail::block_on_leaf("RwLock::blocking_write", write());
  }

  /// The value without locking. Requires: nobody else uses the lock.
  [[nodiscard]] T& get_mut() noexcept {
    RINGO_DCHECK(core_.available() == max_readers_, "RwLock::get_mut while somebody holds it");
    return value_;
  }
  /// Moves the value out. Requires: nobody else uses the lock.
  [[nodiscard]] T into_inner() && { return std::move(get_mut()); }

 private:
  friend detail::ReadAccess<T>;
  friend detail::WriteAccess<T>;
  friend detail::PeekAccess;

  static std::size_t checked(std::size_t max_readers) {
    if (max_readers == 0 || max_readers > kMaxReaders) {
      detail::throw_usage_error("RwLock: max_readers must be from 1 to UINT32_MAX / 8");
    }
    return max_readers;
  }

  // A reader holds one permit, a writer all of them.
  mutable detail::SemaphoreCore core_{kMaxReaders};
  std::size_t max_readers_ = kMaxReaders;
  T value_;
};

template <class T>
RwLock(T) -> RwLock<T>;
template <class T>
RwLock(T, std::size_t) -> RwLock<T>;

/// RwLock's members of these names, of guards that keep the lock alive: for a guard that is stored,
/// or given to a task that outlives the caller.
template <class T>
[[nodiscard]] detail::LockAwaiter<detail::ReadAccess<T>, std::shared_ptr<RwLock<T>>> read_owned(
    std::shared_ptr<RwLock<T>> lock) noexcept {
  return detail::LockAwaiter<detail::ReadAccess<T>, std::shared_ptr<RwLock<T>>>(std::move(lock));
}
template <class T>
[[nodiscard]] detail::LockAwaiter<detail::WriteAccess<T>, std::shared_ptr<RwLock<T>>> write_owned(
    std::shared_ptr<RwLock<T>> lock) noexcept {
  return detail::LockAwaiter<detail::WriteAccess<T>, std::shared_ptr<RwLock<T>>>(std::move(lock));
}
template <class T>
[[nodiscard]] std::optional<OwnedRwLockReadGuard<T>> try_read_owned(
    std::shared_ptr<RwLock<T>> lock) noexcept {
  return detail::try_lock<detail::ReadAccess<T>>(std::move(lock));
}
template <class T>
[[nodiscard]] std::optional<OwnedRwLockWriteGuard<T>> try_write_owned(
    std::shared_ptr<RwLock<T>> lock) noexcept {
  return detail::try_lock<detail::WriteAccess<T>>(std::move(lock));
}
template <class T>
[[nodiscard]] OwnedRwLockReadGuard<T> blocking_read_owned(std::shared_ptr<RwLock<T>> lock) {
  return detail::block_on_leaf("blocking_read_owned", read_owned(std::move(lock)));
}
template <class T>
[[nodiscard]] OwnedRwLockWriteGuard<T> blocking_write_owned(std::shared_ptr<RwLock<T>> lock) {
  return detail::block_on_leaf("blocking_write_owned", write_owned(std::move(lock)));
}

}  // namespace ringo
