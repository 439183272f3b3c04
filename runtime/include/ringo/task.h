// SPDX-License-Identifier: MIT
//
// Task<T>: the return type of a coroutine. It is lazy: nothing runs until it is awaited or spawned.
// Awaited, it is a part of the task that awaits it and costs one frame; spawn() makes it a task of
// its own.
//
//   ringo::Task<int> twice(int n) { co_return 2 * n; }
//   ringo::Task<void> caller() { int four = co_await twice(2); }
//
// A coroutine's parameters are copied into its frame, references as references: take by value what
// must outlive the caller's expression. Captures of a lambda are not in the frame at all; use
// invoke() (spawn.h) for a lambda that captures.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/promise.h>

#include <coroutine>
#include <cstdint>
#include <utility>

namespace ringo {

/// A coroutine that has not started. Move-only; destroying it destroys the frame and with it the
/// parameters.
///
/// Cancel safety: a started Task is destroyed where it waits; its locals are destroyed in reverse
/// order, and each awaitable says what is lost.
template <class T = void>
class [[nodiscard("a Task does nothing until it is awaited or spawned")]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using value_type = T;

  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Task() {
    if (coroutine_) {
      coroutine_.destroy();
    }
  }

  /// For the runtime: gives the frame away.
  [[nodiscard]] std::coroutine_handle<promise_type> release() noexcept {
    return std::exchange(coroutine_, nullptr);
  }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}

  std::coroutine_handle<promise_type> coroutine_;
};

namespace detail {

/// g++ 12 gets the frame of some coroutines wrong, eight bytes off (tests/canary/ has the shapes),
/// and what follows is a hang or worse. All frames are aligned to at least 16 bytes, so it shows
/// before anything has run.
template <class Promise>
std::coroutine_handle<Promise> checked_frame(std::coroutine_handle<Promise> coroutine) noexcept {
#if defined(__GNUC__) && !defined(__clang__)
  RINGO_CHECK(
      (reinterpret_cast<std::uintptr_t>(coroutine.address()) & 15) == 0,
      "g++ miscompiled a coroutine: it declares no variable anywhere, and has a co_await in the "
      "condition of an if, a loop or a switch. Name the awaited value first: "
      "const auto sent = co_await tx.send(1); if (!sent) { ... }");
#endif
  return coroutine;
}

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(checked_frame(std::coroutine_handle<Promise>::from_promise(*this)));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(checked_frame(std::coroutine_handle<Promise>::from_promise(*this)));
}

/// Awaits a Task as a part of the awaiting one. Its frame goes as soon as the result is taken.
template <class T>
class TaskAwaiter {
 public:
  explicit TaskAwaiter(Task<T>&& task) noexcept : coroutine_(task.release()) {
    RINGO_DCHECK(coroutine_, "a Task was awaited after it had been moved from");
  }
  TaskAwaiter(const TaskAwaiter&) = delete;
  TaskAwaiter& operator=(const TaskAwaiter&) = delete;
  ~TaskAwaiter() {
    if (coroutine_) {
      coroutine_.destroy();
    }
  }

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }

  template <class AwaitingPromise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) noexcept {
    PromiseBase& promise = coroutine_.promise();
    promise.continuation = awaiting;
    promise.branch = awaiting.promise().branch;
    return transfer(coroutine_);
  }

  T await_resume() {
    const FrameOwner owner(std::exchange(coroutine_, nullptr));
    return owner.coroutine.promise().outcome.take();
  }

 private:
  struct FrameOwner {
    explicit FrameOwner(std::coroutine_handle<Promise<T>> owned) noexcept : coroutine(owned) {}
    FrameOwner(const FrameOwner&) = delete;
    FrameOwner& operator=(const FrameOwner&) = delete;
    ~FrameOwner() { coroutine.destroy(); }
    std::coroutine_handle<Promise<T>> coroutine;
  };

  std::coroutine_handle<Promise<T>> coroutine_;
};

}  // namespace detail
}  // namespace ringo
