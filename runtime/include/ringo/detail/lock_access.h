// SPDX-License-Identifier: MIT
//
// What Mutex and RwLock are made of: waiting for the permits that an access needs, which cannot
// fail because a lock is never closed, and the guard of a part of the value (a "mapped" guard).
//
// An Access names a lock and a way to use it (lock, read, write). It has
//   Lock                                     the lock's type
//   static SemaphoreCore& core(Lock&)        whose permits are needed
//   static std::size_t permits(Lock&)        how many
//   static auto guard(Keeper)                the guard that owns them from now on
//   static T& value(Lock&)                   what the lock protects, where the access is exclusive
//   kOperation                               its name, for task dumps
//   static const void* holder(Lock&)         which task locked it last, if that is known
// Keeper is what makes sure that the lock lives: a pointer or a shared_ptr.
//
// Thread safety: a guard is one owner's; it may move between threads and be held over a co_await.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/semaphore_core.h>

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo::detail {

template <class Access, class Keeper>
class LockAwaiter final : public LeafAwaiter<LockAwaiter<Access, Keeper>> {
 public:
  static constexpr std::string_view kOperation = Access::kOperation;

  explicit LockAwaiter(Keeper lock) noexcept
      : lock_(std::move(lock)), wait_(Access::core(*lock_), Access::permits(*lock_)) {}
  LockAwaiter(LockAwaiter&&) = default;
  LockAwaiter& operator=(LockAwaiter&&) = delete;
  ~LockAwaiter() = default;

  bool poll() noexcept { return wait_.poll(); }
  bool enlist(Branch& branch) noexcept { return wait_.enlist(branch); }
  bool is_ended() noexcept { return wait_.is_ended(); }
  void describe_more(LeafDescription& description) const noexcept {
    wait_.describe(description);
    if constexpr (requires { Access::holder(*lock_); }) {
      description.holder = Access::holder(*lock_);
    }
  }
  auto await_resume() noexcept {
    [[maybe_unused]] const bool is_taken = wait_.take();
    RINGO_DCHECK(is_taken, "a lock was closed");
    return Access::guard(std::move(lock_));
  }

 private:
  Keeper lock_;  // before wait_, which uses it to its own end
  PermitWait wait_;
};

/// Takes the lock if that is possible without waiting.
template <class Access, class Keeper>
auto try_lock(Keeper lock) noexcept -> std::optional<decltype(Access::guard(lock))> {
  if (Access::core(*lock).try_acquire(Access::permits(*lock)) != SemaphoreCore::Try::kAcquired) {
    return std::nullopt;
  }
  return Access::guard(std::move(lock));
}

/// What f makes of a U&, which must be a reference into it.
template <class U, class F>
using MappedBy = std::remove_reference_t<std::invoke_result_t<F, U&>>;
/// What f's pointer, made of a U&, points to.
template <class U, class F>
using TryMappedBy = std::remove_pointer_t<std::invoke_result_t<F, U&>>;

inline SemaphoreCore* keep_core(SemaphoreCore& core, const void* /*borrowed_lock*/) noexcept {
  return &core;
}
template <class Lock>
std::shared_ptr<SemaphoreCore> keep_core(SemaphoreCore& core, std::shared_ptr<Lock> lock) noexcept {
  return {std::move(lock), &core};
}

/// A reference to a value, or a part of one, and the permits that make its use safe. CoreKeeper is
/// a SemaphoreCore*, or a shared_ptr that keeps the whole lock alive.
template <class U, class CoreKeeper>
class [[nodiscard]] LockedValue {
 public:
  /// For the library: takes over permits that were acquired.
  LockedValue(CoreKeeper core, std::size_t permits, U& value) noexcept
      : core_(std::move(core)), permits_(permits), value_(&value) {}
  LockedValue(LockedValue&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)),
        permits_(other.permits_),
        value_(other.value_) {}
  LockedValue& operator=(LockedValue&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(permits_, other.permits_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~LockedValue() {
    if (core_ != nullptr) {
      core_->release(permits_);
    }
  }

  [[nodiscard]] U& operator*() const noexcept {
    RINGO_DCHECK(core_ != nullptr, "a guard was used after it had been moved from");
    return *value_;
  }
  [[nodiscard]] U* operator->() const noexcept { return &**this; }

  /// A guard of the part that f(value) refers to: `std::move(guard).map(&State::counter)`. If f
  /// throws, this guard still holds the lock.
  template <class F>
  [[nodiscard]] LockedValue<MappedBy<U, F>, CoreKeeper> map(F&& f) && {
    static_assert(std::is_lvalue_reference_v<std::invoke_result_t<F, U&>>,
                  "map() needs a function that returns a reference into the value");
    auto& part = std::invoke(std::forward<F>(f), **this);
    return {std::exchange(core_, nullptr), permits_, part};
  }
  /// map() by a function that returns a pointer. If that is null, the error is this guard.
  template <class F>
  [[nodiscard]] std::expected<LockedValue<TryMappedBy<U, F>, CoreKeeper>, LockedValue> try_map(
      F&& f) && {
    auto* part = std::invoke(std::forward<F>(f), **this);
    if (part == nullptr) {
      return std::unexpected(std::move(*this));
    }
    return LockedValue<TryMappedBy<U, F>, CoreKeeper>(std::exchange(core_, nullptr), permits_,
                                                      *part);
  }

 private:
  CoreKeeper core_;
  std::size_t permits_;
  U* value_;
};

/// The guard of an exclusive access; Derived is what the user sees.
template <class Derived, class Access, class Keeper>
class ExclusiveGuard {
  using Lock = typename Access::Lock;
  using CoreKeeper =
      decltype(keep_core(std::declval<SemaphoreCore&>(), std::declval<const Keeper&>()));

 public:
  using T = typename Lock::value_type;

  /// For the library: takes over permits that were acquired.
  explicit ExclusiveGuard(Keeper lock) noexcept : lock_(std::move(lock)) {}
  ExclusiveGuard(ExclusiveGuard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
  ExclusiveGuard& operator=(ExclusiveGuard&& other) noexcept {
    std::swap(lock_, other.lock_);
    return *this;
  }
  ~ExclusiveGuard() {
    if (lock_ != nullptr) {
      Access::core(*lock_).release(Access::permits(*lock_));
    }
  }

  [[nodiscard]] T& operator*() const noexcept {
    RINGO_DCHECK(lock_ != nullptr, "a guard was used after it had been moved from");
    return Access::value(*lock_);
  }
  [[nodiscard]] T* operator->() const noexcept { return std::addressof(**this); }

  /// A guard of the part that f(value) refers to: `std::move(guard).map(&State::counter)`. If f
  /// throws, this guard still holds the lock.
  template <class F>
  [[nodiscard]] LockedValue<MappedBy<T, F>, CoreKeeper> map(F&& f) && {
    static_assert(std::is_lvalue_reference_v<std::invoke_result_t<F, T&>>,
                  "map() needs a function that returns a reference into the value");
    auto& part = std::invoke(std::forward<F>(f), **this);
    return this->template into_part<MappedBy<T, F>>(part);
  }
  /// map() by a function that returns a pointer. If that is null, the error is this guard.
  template <class F>
  [[nodiscard]] std::expected<LockedValue<TryMappedBy<T, F>, CoreKeeper>, Derived> try_map(
      F&& f) && {
    auto* part = std::invoke(std::forward<F>(f), **this);
    if (part == nullptr) {
      return std::unexpected(static_cast<Derived&&>(*this));
    }
    return this->template into_part<TryMappedBy<T, F>>(*part);
  }

 protected:
  [[nodiscard]] const Keeper& lock() const noexcept { return lock_; }
  /// A guard of a part that holds all permits, or `kept` of them; the others go back now.
  template <class U>
  LockedValue<U, CoreKeeper> into_part(U& part) noexcept {
    return this->into_part(part, Access::permits(*lock_));
  }
  template <class U>
  LockedValue<U, CoreKeeper> into_part(U& part, std::size_t kept) noexcept {
    SemaphoreCore& core = Access::core(*lock_);
    const std::size_t surplus = Access::permits(*lock_) - kept;
    LockedValue<U, CoreKeeper> guard(keep_core(core, std::exchange(lock_, nullptr)), kept, part);
    if (surplus != 0) {
      core.release(surplus);
    }
    return guard;
  }

 private:
  Keeper lock_;  // null: moved from
};

/// Shows a lock's value if that is possible without waiting; for the formatters.
struct PeekAccess {
  /// True: visit(value) was called, with a reader's permit held.
  template <class Lock, class Visit>
  static bool try_peek(const Lock& lock, Visit visit) {
    if (lock.core_.try_acquire(1) != SemaphoreCore::Try::kAcquired) {
      return false;
    }
    const LockedValue<const typename Lock::value_type, SemaphoreCore*> held(&lock.core_, 1,
                                                                            lock.value_);
    visit(*held);
    return true;
  }
};

}  // namespace ringo::detail
