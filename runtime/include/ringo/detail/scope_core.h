// SPDX-License-Identifier: MIT
//
// The children of a scope. The core lies in the frame of who awaits the scope, which is pinned
// until the list is empty; a child's last touch of the core is to leave the list, under the lock.
// It wakes the parent there, the first of the two ways of task_core.h.
//
// Thread safety: all of it, but open() and take_failure().

#pragma once

#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/task.h>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <source_location>

namespace ringo {
class AbortHandle;
}

namespace ringo::detail {

class RuntimeShared;
struct ScopeTask;

/// What links a child into its scope's list.
struct ScopeLink : ListNode {
  explicit ScopeLink(TaskHeader& child) noexcept : task(child) {}
  TaskHeader& task;
};

class ScopeCore {
 public:
  ScopeCore() = default;
  ScopeCore(const ScopeCore&) = delete;
  ScopeCore& operator=(const ScopeCore&) = delete;
  ~ScopeCore();

  /// Before anything is spawned: whom to wake, and where the children run.
  void open(Branch& parent, RuntimeShared& runtime) noexcept;
  [[nodiscard]] RuntimeShared& runtime() const noexcept { return *runtime_; }

  /// False: the scope is ending, and the child must be cancelled before it runs.
  [[nodiscard]] bool add(ScopeLink& child) noexcept;
  void remove(ScopeLink& child, std::exception_ptr failure) noexcept;

  void abort_children() noexcept;
  /// Aborts the children, and those that are still to come. Idempotent.
  void end() noexcept;
  /// end(), and the exception is what comes out, if it is the first.
  void fail(std::exception_ptr failure) noexcept;

  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool is_ending() const noexcept;
  [[nodiscard]] std::exception_ptr take_failure() noexcept;

 private:
  void cancel_all(WakeList& woken) noexcept RINGO_REQUIRES(mutex_);

  Branch* parent_ = nullptr;
  RuntimeShared* runtime_ = nullptr;
  mutable Mutex mutex_;
  IntrusiveList<ScopeLink> children_ RINGO_GUARDED_BY(mutex_);
  std::size_t count_ RINGO_GUARDED_BY(mutex_) = 0;
  bool is_ending_ RINGO_GUARDED_BY(mutex_) = false;
  std::exception_ptr failure_ RINGO_GUARDED_BY(mutex_);
};

/// The cell of a child.
struct ScopeTask final : TaskHeader {
  static AbortHandle spawn(ScopeCore& core, Task<void>&& task, std::source_location where);

 private:
  ScopeTask(ScopeCore& scope_core, Task<void>&& task, std::source_location where) noexcept;
  static void* operator new(std::size_t size);
  static void operator delete(void* cell, std::size_t size) noexcept;

  static bool poll(TaskHeader& header) noexcept;
  static bool cancel(TaskHeader& header) noexcept;
  static void drop_output(TaskHeader& /*header*/) noexcept {}
  static void destroy(TaskHeader& header) noexcept { delete static_cast<ScopeTask*>(&header); }
  static constexpr TaskKind kKind{&poll, &cancel, &drop_output, &destroy};

  ScopeCore* core_;
  ScopeLink link_;
  std::coroutine_handle<Promise<void>> body_;
};

}  // namespace ringo::detail
