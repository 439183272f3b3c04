// SPDX-License-Identifier: MIT
//
// One include decides whether the lock-free code runs on real atomics or under the model checker:
// with RINGO_MODEL defined, Atomic<T> and Plain<T> are relacy's instrumented variables.
//
// full_barrier() orders what the thread stored before it against what it loads after it.
// Plain<T> marks data that is not atomic but is handed between threads; relacy reports a race on
// it.

#pragma once

#include <atomic>
#include <cstdint>

#ifdef RINGO_MODEL

#include <thread>

#include <relacy/relacy.hpp>
// relacy defines these as macros of its own; the code under test means the standard's.
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#undef new
#undef delete
#undef malloc
#undef free
#undef assert

namespace ringo::detail {

inline rl::memory_order to_model(std::memory_order order) {
#ifdef RINGO_MODEL_WEAKEN
  // A twin of the model: RINGO_MODEL_WEAKEN(order) makes some of them relaxed.
  if (RINGO_MODEL_WEAKEN(order)) {
    return rl::mo_relaxed;
  }
#endif
  switch (order) {
    case std::memory_order_relaxed:
      return rl::mo_relaxed;
    case std::memory_order_consume:
    case std::memory_order_acquire:
      return rl::mo_acquire;
    case std::memory_order_release:
      return rl::mo_release;
    case std::memory_order_acq_rel:
      return rl::mo_acq_rel;
    default:
      return rl::mo_seq_cst;
  }
}

template <class T>
class Atomic {
 public:
  Atomic() : Atomic(T{}) {}
  explicit Atomic(T value) { value_.store(value, rl::mo_relaxed, $); }
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;
  ~Atomic() = default;

  T load(std::memory_order order) const {
    return const_cast<rl::atomic<T>&>(value_).load(to_model(order), $);
  }
  void store(T value, std::memory_order order) { value_.store(value, to_model(order), $); }
  T exchange(T value, std::memory_order order) {
    return value_.exchange(value, to_model(order), $);
  }
  T fetch_add(T value, std::memory_order order) {
    return value_.fetch_add(value, to_model(order), $);
  }
  T fetch_sub(T value, std::memory_order order) {
    return value_.fetch_sub(value, to_model(order), $);
  }
  T fetch_or(T value, std::memory_order order) {
    return value_.fetch_or(value, to_model(order), $);
  }
  T fetch_and(T value, std::memory_order order) {
    return value_.fetch_and(value, to_model(order), $);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) {
    return value_.compare_exchange(rl::bool_t<true>(), expected, desired, to_model(success),
                                   to_model(failure), $);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure) {
    return value_.compare_exchange(rl::bool_t<false>(), expected, desired, to_model(success),
                                   to_model(failure), $);
  }
  rl::atomic<T>& model_atomic() { return value_; }

 private:
  rl::atomic<T> value_;
};

inline void full_barrier() {
  rl::atomic_thread_fence(to_model(std::memory_order_seq_cst), $);
}

template <class T>
class Plain {
 public:
  Plain() : Plain(T{}) {}
  explicit Plain(T value) { value_($) = value; }
  void set(T value) { value_($) = value; }
  T get() const { return const_cast<rl::var<T>&>(value_)($); }

 private:
  rl::var<T> value_;
};

}  // namespace ringo::detail

#else

namespace ringo::detail {

template <class T>
using Atomic = std::atomic<T>;

inline void full_barrier() noexcept {
#if defined(__x86_64__) && defined(__clang__)
  // What g++ makes of the fence. clang takes mfence, which costs four times as much.
  __asm__ __volatile__("lock orq $0, (%%rsp)" ::: "memory", "cc");
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

template <class T>
class Plain {
 public:
  Plain() = default;
  explicit Plain(T value) : value_(value) {}
  void set(T value) { value_ = value; }
  T get() const { return value_; }

 private:
  T value_{};
};

}  // namespace ringo::detail

#endif
