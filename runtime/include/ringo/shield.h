// SPDX-License-Identifier: MIT
//
// shield(task): a section that must finish even if the task is aborted, or loses a select, while it
// is in it: flushing a reply, giving back a remote lock. The abort takes effect when it has ended.

#pragma once

#include <ringo/detail/arm.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/task.h>

#include <coroutine>
#include <utility>

namespace ringo {

namespace detail {

template <class T>
class ShieldAwaiter final : public Leaf {
 public:
  explicit ShieldAwaiter(Task<T>&& task) noexcept : inner_(std::move(task)) {}
  ShieldAwaiter(ShieldAwaiter&&) = default;
  ShieldAwaiter& operator=(ShieldAwaiter&&) = delete;
  ~ShieldAwaiter() = default;

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    inner_.open_in(branch);
    has_ended_ = inner_.start();
    branch.leaf = has_ended_ ? nullptr : this;
    return !has_ended_;
  }
  [[nodiscard]] bool ended() noexcept override {
    has_ended_ = has_ended_ || inner_.run();
    return has_ended_;
  }
  // The frame is pinned until the inner task has ended; the runner keeps asking, and each question
  // moves it on.
  [[nodiscard]] bool cancel() noexcept override { return ended(); }
  [[nodiscard]] bool is_pinned() const noexcept override { return !has_ended_; }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "shield";
  }
  void visit_branches(BranchVisitor& visitor) const override { inner_.show(visitor); }
  T await_resume() { return inner_.take(); }

 private:
  Arm<Task<T>> inner_;
  bool has_ended_ = false;
};

}  // namespace detail

/// Runs `task` as a part of the awaiting one, and to its end: abort, a lost select or timeout, and
/// shutdown destroy the awaiting task only afterwards, and wait for that. Use it for short
/// sections, with a timeout inside where the section waits for somebody else.
///
/// Cancel safety: nothing inside is cancelled; the value is lost if the task is being aborted.
template <class T>
[[nodiscard]] detail::ShieldAwaiter<T> shield(Task<T> task) noexcept {
  return detail::ShieldAwaiter<T>(std::move(task));
}

}  // namespace ringo
