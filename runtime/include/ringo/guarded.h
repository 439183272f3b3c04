// SPDX-License-Identifier: MIT
//
// Guarded<T>: a value and the plain lock that protects it. There is no guard that one could hold
// for too long: the value is used inside a function, which cannot be a coroutine.
//
//   ringo::Guarded<std::vector<int>> results;
//   results.with([](std::vector<int>& list) { list.push_back(42); });
//   const std::size_t size = results.with([](const std::vector<int>& list) { return list.size();
//   });
//
// The function runs under the lock: it is short, does not block, and uses the same Guarded not
// again (a debug build says so). State that must stay locked over a co_await: Mutex<T>. Many keys,
// many threads: Sharded<T> or ConcurrentMap<K, V>.
//
// Thread safety: all of it but get_mut() and into_inner().

#pragma once

#include <ringo/detail/under_lock.h>
#include <ringo/parking_mutex.h>

#include <concepts>
#include <source_location>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {
struct GuardedAccess;
}

template <class T>
class Guarded {
 public:
  using value_type = T;

  Guarded()
    requires std::default_initializable<T>
  = default;
  explicit Guarded(T value) noexcept(std::is_nothrow_move_constructible_v<T>)
      : value_(std::move(value)) {}
  /// Makes the value in place.
  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit Guarded(std::in_place_t /*tag*/, Args&&... args) : value_(std::forward<Args>(args)...) {}

  /// Runs f(T&) under the lock and returns its result. What f throws comes out, and the lock is
  /// released; the value is as f left it.
  // `auto`: the const one must not be looked into for a function that changes the value.
  template <class F>
  auto with(F&& f, std::source_location where = std::source_location::current()) {
    const ParkingGuard guard(mutex_, where);
    return detail::call_under_lock(std::forward<F>(f), value_);
  }
  template <class F>
  auto with(F&& f, std::source_location where = std::source_location::current()) const {
    const ParkingGuard guard(mutex_, where);
    return detail::call_under_lock(std::forward<F>(f), value_);
  }

  /// The value without locking. Requires: nobody else uses it.
  [[nodiscard]] T& get_mut() noexcept RINGO_NO_THREAD_SAFETY_ANALYSIS { return value_; }
  /// Moves the value out. Requires: nobody else uses it.
  [[nodiscard]] T into_inner() && RINGO_NO_THREAD_SAFETY_ANALYSIS { return std::move(value_); }

 private:
  friend detail::GuardedAccess;

  mutable ParkingMutex mutex_;
  T value_ RINGO_GUARDED_BY(mutex_){};
};

template <class T>
Guarded(T) -> Guarded<T>;

namespace detail {

struct GuardedAccess {
  template <class T>
  static ParkingMutex& mutex(const Guarded<T>& guarded) noexcept {
    return guarded.mutex_;
  }
  template <class T>
  static T& value(Guarded<T>& guarded) noexcept RINGO_NO_THREAD_SAFETY_ANALYSIS {
    return guarded.value_;
  }
};

template <class F, class... Values>
auto with_all(std::source_location where, F&& f,
              Guarded<Values>&... guarded) RINGO_NO_THREAD_SAFETY_ANALYSIS {
  const auto guard = LockAllAccess::make(where, GuardedAccess::mutex(guarded)...);
  return call_under_lock(std::forward<F>(f), GuardedAccess::value(guarded)...);
}

}  // namespace detail

/// Runs f(A&, B&, …) under the locks of two to four different Guardeds, which are taken in an order
/// that is the same wherever they are taken so: no deadlock.
///
///   ringo::with_all(from, to, [](Account& from, Account& to) { … });
template <class A, class B, class F>
auto with_all(Guarded<A>& a, Guarded<B>& b, F&& f,
              std::source_location where = std::source_location::current()) {
  return detail::with_all(where, std::forward<F>(f), a, b);
}
template <class A, class B, class C, class F>
auto with_all(Guarded<A>& a, Guarded<B>& b, Guarded<C>& c, F&& f,
              std::source_location where = std::source_location::current()) {
  return detail::with_all(where, std::forward<F>(f), a, b, c);
}
template <class A, class B, class C, class D, class F>
auto with_all(Guarded<A>& a, Guarded<B>& b, Guarded<C>& c, Guarded<D>& d, F&& f,
              std::source_location where = std::source_location::current()) {
  return detail::with_all(where, std::forward<F>(f), a, b, c, d);
}

}  // namespace ringo
