// SPDX-License-Identifier: MIT
//
// The promise of every ringo coroutine: who awaits it, on which branch of which task it runs, and
// which types it may await.
//
// Control passes between coroutines by symmetric transfer where the compiler turns that into a tail
// call; elsewhere (g++ below -O2 or under its sanitizers) by a trampoline, so that a chain of a
// million ready awaits needs no stack. Which of the two: RINGO_SYMMETRIC_TRANSFER in config.h.

#pragma once

#include <ringo/config.h>
#include <ringo/detail/context.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/held_locks.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <bit>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>
#include <utility>

namespace ringo {

template <class T>
class Task;

namespace detail {

/// What await_suspend returns to go on with another coroutine.
inline std::coroutine_handle<> transfer(std::coroutine_handle<> next) noexcept {
#if RINGO_SYMMETRIC_TRANSFER
  return next;
#else
  thread_context.next_coroutine = next.address();
  return std::noop_coroutine();
#endif
}

#if RINGO_CHECK_SUSPEND
/// The coroutines that run in its scope answer for the locks that they take themselves.
class CoroutinesRun {
 public:
  CoroutinesRun() noexcept : before_(begin_coroutines()) {}
  CoroutinesRun(const CoroutinesRun&) = delete;
  CoroutinesRun& operator=(const CoroutinesRun&) = delete;
  ~CoroutinesRun() { end_coroutines(before_); }

 private:
  std::size_t before_;
};
#endif

/// Resumes a coroutine, and whatever it transfers to, until all of it is suspended.
inline void resume(std::coroutine_handle<> coroutine) {
#if RINGO_CHECK_SUSPEND
  const CoroutinesRun run;
#endif
#if RINGO_SYMMETRIC_TRANSFER
  coroutine.resume();
#else
  void* outer = std::exchange(thread_context.next_coroutine, nullptr);
  void* next = coroutine.address();
  while (next != nullptr) {
    std::coroutine_handle<>::from_address(next).resume();
    next = std::exchange(thread_context.next_coroutine, nullptr);
  }
  thread_context.next_coroutine = outer;
#endif
}

/// Runs a branch whose coroutine is `body` until it waits or ends. True: it has ended.
inline bool run_branch(Branch& branch, std::coroutine_handle<> body) {
  std::coroutine_handle<> next = body;
  if (Leaf* leaf = branch.leaf; leaf != nullptr) {
    if (!leaf->ended()) {
      return false;  // a hint that came to nothing
    }
    next = leaf->waiting_coroutine;
    branch.leaf = nullptr;
  }
  resume(next);
  return body.done();
}

template <class T>
struct IsTask : std::false_type {};
template <class T>
struct IsTask<Task<T>> : std::true_type {};

/// A leaf that can be awaited as it stands: not by name, since then it could outlive the coroutine
/// that waits in it, and still be registered.
template <class A>
concept LeafAwaitable =
    std::derived_from<std::remove_cvref_t<A>, Leaf> && !std::is_lvalue_reference_v<A>;

/// An object that makes its awaiter when it is awaited (a JoinHandle, a oneshot receiver).
template <class A>
concept MakesAwaiter = requires(A&& awaitable) {
  { std::forward<A>(awaitable).into_awaiter() } -> LeafAwaitable;
};

/// Everything that a ringo coroutine may await.
template <class A>
concept Awaitable = LeafAwaitable<A> || MakesAwaiter<A> ||
                    (IsTask<std::remove_cvref_t<A>>::value && !std::is_lvalue_reference_v<A>);

/// Who goes on when a coroutine has ended: the one that awaits it, a fork_join of which it is a
/// child, or nobody (then whoever runs the branch sees done()).
class Continuation {
 public:
  Continuation() = default;
  Continuation& operator=(std::coroutine_handle<> awaiting) noexcept {
    word_ = reinterpret_cast<std::uintptr_t>(awaiting.address());
    return *this;
  }
  Continuation& operator=(PinnedLeaf& fork) noexcept {
    word_ = reinterpret_cast<std::uintptr_t>(&fork) | kNotACoroutine;
    return *this;
  }

  /// By the coroutine that has ended: what await_suspend returns.
  [[nodiscard]] std::coroutine_handle<> next() const noexcept {
    if ((word_ & kNotACoroutine) == 0) [[likely]] {
      return transfer(coroutine());
    }
    PinnedLeaf* const parent = fork();
    return parent == nullptr ? std::noop_coroutine() : parent->child_ended();
  }

  /// The coroutine that awaits this one, if there is one.
  [[nodiscard]] std::coroutine_handle<> awaiting() const noexcept {
    if ((word_ & kNotACoroutine) == 0) {
      return coroutine();
    }
    const PinnedLeaf* const parent = fork();
    return parent == nullptr ? nullptr : parent->parent;
  }

 private:
  [[nodiscard]] std::coroutine_handle<> coroutine() const noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a tagged pointer is one.
    return std::coroutine_handle<>::from_address(reinterpret_cast<void*>(word_));
  }
  /// Null: nobody.
  [[nodiscard]] PinnedLeaf* fork() const noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as above.
    return reinterpret_cast<PinnedLeaf*>(word_ & ~kNotACoroutine);
  }

  static constexpr std::uintptr_t kNotACoroutine = 1;  // frames and leaves are aligned

  std::uintptr_t word_ = kNotACoroutine;
};

struct FinalAwaiter {
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
    return ended.promise().continuation.next();
  }
  void await_resume() const noexcept {}
};

template <class T>
class TaskAwaiter;

/// Awaits a leaf where it stands, in the awaiting frame: g++ 12 would move an awaiter that
/// await_transform returns by reference into a second place there, on every co_await.
template <class A>
class LeafRef {
 public:
  explicit LeafRef(A& leaf) noexcept : leaf_(&leaf) {}

  [[nodiscard]] bool await_ready() const RINGO_EXCLUDES(no_suspend) { return leaf_->await_ready(); }
  template <class AwaitingPromise>
  auto await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) const {
    return leaf_->await_suspend(awaiting);
  }
  decltype(auto) await_resume() const { return leaf_->await_resume(); }

 private:
  A* leaf_;
};

/// A std::source_location as the one pointer that it is. g++ 12 would copy an argument of a class
/// type into the frame, twice, on every co_await.
using AwaitSite = const void*;
static_assert(sizeof(std::source_location) == sizeof(AwaitSite) &&
              std::is_trivially_copyable_v<std::source_location>);

class PromiseBase {
 public:
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] FinalAwaiter final_suspend() const noexcept { return {}; }

  // `where` is the place of the co_await: one store, which a task dump reads.
  template <class T>
  TaskAwaiter<T> await_transform(Task<T>&& task,
                                 AwaitSite where = __builtin_source_location()) noexcept {
    at_await(where);
    return TaskAwaiter<T>(std::move(task));
  }
  template <LeafAwaitable A>
  auto await_transform(A&& awaiter, AwaitSite where = __builtin_source_location()) noexcept {
    at_await(where);
    return LeafRef<std::remove_cvref_t<A>>(awaiter);
  }
  template <MakesAwaiter A>
  auto await_transform(A&& awaitable, AwaitSite where = __builtin_source_location()) {
    at_await(where);
    return std::forward<A>(awaitable).into_awaiter();
  }
  template <class A>
    requires(!Awaitable<A>)
  std::suspend_never await_transform(A&&) {
    static_assert(
        !std::derived_from<std::remove_cvref_t<A>, Leaf>,
        "an operation is awaited in the expression that begins it: co_await stream.read()");
    static_assert(!IsTask<std::remove_cvref_t<A>>::value,
                  "a Task is awaited once and by value: co_await std::move(task)");
    static_assert(!MakesAwaiter<std::remove_cvref_t<A>>,
                  "this is awaited once and by value: co_await std::move(it)");
    static_assert(
        IsTask<std::remove_cvref_t<A>>::value || std::derived_from<std::remove_cvref_t<A>, Leaf> ||
            MakesAwaiter<std::remove_cvref_t<A>>,
        "this type cannot be awaited in a ringo task, because ringo could not destroy the "
        "task while it waits there. Bridge it with a ringo::oneshot: complete the sender "
        "from the foreign callback and co_await the receiver");
    return {};
  }

  /// The promise of a coroutine of which only the handle is known. Every ringo promise begins with
  /// its PromiseBase, at the same distance from the frame's start (kMaxPromiseAlignment).
  [[nodiscard]] static PromiseBase& of(std::coroutine_handle<> coroutine) noexcept {
    return std::coroutine_handle<PromiseBase>::from_address(coroutine.address()).promise();
  }

  /// The last co_await that the coroutine has come to. Requires: there was one.
  [[nodiscard]] std::source_location awaits_at() const noexcept {
    return std::bit_cast<std::source_location>(awaits_at_);
  }

  Continuation continuation;
  Branch* branch = nullptr;

 private:
  void at_await(AwaitSite where) noexcept {
    awaits_at_ = where;
#if RINGO_CHECK_SUSPEND
    check_suspend(awaits_at());
#endif
  }

  AwaitSite awaits_at_ = nullptr;
};

/// A frame is two pointers, and then the promise if its alignment is not above theirs together.
inline constexpr std::size_t kMaxPromiseAlignment = 16;

template <class T>
class Promise : public PromiseBase {
  static_assert(alignof(Outcome<T>) <= kMaxPromiseAlignment,
                "a Task cannot return a type that is aligned to more than 16 bytes: frames are "
                "aligned to 16. Return it by std::unique_ptr");

 public:
  Task<T> get_return_object() noexcept;
  void unhandled_exception() noexcept { outcome.set_exception(std::current_exception()); }
  template <class U = T>
    requires std::constructible_from<T, U>
  void return_value(U&& value) {
    outcome.set_value(std::forward<U>(value));
  }

  PromiseOutcome<T> outcome;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void unhandled_exception() noexcept { outcome.set_exception(std::current_exception()); }
  void return_void() noexcept { outcome.set_value(); }

  VoidOutcome outcome;
};

}  // namespace detail
}  // namespace ringo
