// SPDX-License-Identifier: MIT
//
// CancellationToken: tells any number of tasks that it is time to end, and lets each clean up in
// its own way, with awaits if need be. As tokio_util::sync::CancellationToken.
//
//   ringo::CancellationToken stop;
//   auto serving = ringo::spawn(serve(stop.child_token()));
//   stop.cancel();
//   co_await stop.cancelled();
//
// Abort, in contrast, destroys a task where it waits. One event for one task: Notify or oneshot.
// Thread safety: all of it. No runtime is needed.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/branches.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/detail/wait_list.h>
#include <ringo/select.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {

/// A node of the tree. A child keeps its parent alive, and so the way down from its ancestors.
class CancellationNode : public ListNode, public std::enable_shared_from_this<CancellationNode> {
 public:
  CancellationNode() = default;
  CancellationNode(const CancellationNode&) = delete;
  CancellationNode& operator=(const CancellationNode&) = delete;
  ~CancellationNode();

  static std::shared_ptr<CancellationNode> make_child(std::shared_ptr<CancellationNode> parent);
  void cancel() noexcept;

  [[nodiscard]] bool is_cancelled() const noexcept {
    // acquire: pairs with mark(): who sees the cancellation sees what came before it.
    return is_cancelled_.load(std::memory_order_acquire);
  }

  WaitList waiters;

 private:
  using Children = IntrusiveList<CancellationNode>;

  /// Cancels this node alone. The list takes over what has to follow.
  void mark(std::shared_ptr<CancellationNode>& to_do) noexcept;

  std::shared_ptr<CancellationNode> parent_;  // set once, before anybody else sees the node
  Atomic<bool> is_cancelled_{false};
  Mutex mutex_;
  Children children_ RINGO_GUARDED_BY(mutex_);
  /// The next in the line of those that a cancel() still has to visit. The visitor's.
  std::shared_ptr<CancellationNode> next_to_do_;
};

class CancelledAwaiter final : public LeafAwaiter<CancelledAwaiter> {
 public:
  static constexpr std::string_view kOperation = "CancellationToken::cancelled";

  explicit CancelledAwaiter(std::shared_ptr<CancellationNode> node) noexcept
      : node_(std::move(node)) {}
  CancelledAwaiter(CancelledAwaiter&&) = default;
  CancelledAwaiter& operator=(CancelledAwaiter&&) = delete;
  ~CancelledAwaiter() {
    if (waiter_.branch != nullptr) {
      node_->waiters.remove(waiter_);
    }
  }

  bool poll() noexcept { return node_->is_cancelled(); }
  bool enlist(Branch& branch) noexcept {
    return node_->waiters.add_unless(waiter_, branch, [this] { return node_->is_cancelled(); });
  }
  bool is_ended() noexcept { return poll(); }
  void await_resume() const noexcept {}

 private:
  std::shared_ptr<CancellationNode> node_;
  WaitList::Waiter waiter_;
};

template <Awaitable A>
class RunUntilCancelledAwaiter final
    : public SelectAwaiterBase<RunUntilCancelledAwaiter<A>,
                               Contest<AllAccepted<CancelledAwaiter, A>, CancelledAwaiter, A>> {
  using Base = SelectAwaiterBase<RunUntilCancelledAwaiter,
                                 Contest<AllAccepted<CancelledAwaiter, A>, CancelledAwaiter, A>>;

 public:
  RunUntilCancelledAwaiter(CancelledAwaiter&& cancelled, A&& awaitable)
      : Base(true, all_enabled<CancelledAwaiter, A>(), std::move(cancelled),
             std::forward<A>(awaitable)) {}

  std::optional<BranchValue<A>> await_resume() {
    if (this->contest().winner() == 0) {
      return std::nullopt;
    }
    auto& slot = this->contest().template slot<1>();
    slot.rethrow();
    return std::optional<BranchValue<A>>(std::in_place, slot.take());
  }
};

}  // namespace detail

class CancellationDropGuard;

/// Copies are the same token. Tokens of a tree: cancelling one cancels all below it, and none above
/// or beside it.
class CancellationToken {
 public:
  /// A token of its own.
  CancellationToken() : node_(std::make_shared<detail::CancellationNode>()) {}

  /// A token that is cancelled with this one, but can be cancelled without it. A child of a
  /// cancelled token is cancelled. Complexity: O(1).
  [[nodiscard]] CancellationToken child_token() const {
    return CancellationToken(detail::CancellationNode::make_child(node_));
  }

  /// Cancels this token and then, one by one, all below it, and wakes who waits for them. All of
  /// them are cancelled when it returns, unless another call has begun and goes on. Idempotent.
  /// Complexity: O(tokens below it), without recursion.
  void cancel() const noexcept {
    // Whoever sees the cancellation may destroy this token at once.
    const std::shared_ptr<detail::CancellationNode> kept = node_;
    kept->cancel();
  }
  [[nodiscard]] bool is_cancelled() const noexcept { return node_->is_cancelled(); }

  /// Waits until the token is cancelled. Cancel safe.
  [[nodiscard]] detail::CancelledAwaiter cancelled() const noexcept {
    return detail::CancelledAwaiter(node_);
  }

  /// Awaits `awaitable` for as long as the token is not cancelled: its value as an optional (for
  /// void: std::monostate), or nothing, and then it was destroyed where it waited. A token that is
  /// cancelled wins over a value that is ready. Cancel safety: as the awaitable's.
  template <detail::Awaitable A>
  [[nodiscard]] detail::RunUntilCancelledAwaiter<A> run_until_cancelled(A&& awaitable) const {
    return detail::RunUntilCancelledAwaiter<A>(cancelled(), std::forward<A>(awaitable));
  }

  /// Cancels the token when the guard is destroyed.
  [[nodiscard]] CancellationDropGuard drop_guard() const noexcept;

  /// The same token.
  friend bool operator==(const CancellationToken&, const CancellationToken&) = default;

 private:
  friend struct std::hash<CancellationToken>;
  explicit CancellationToken(std::shared_ptr<detail::CancellationNode> node) noexcept
      : node_(std::move(node)) {}

  std::shared_ptr<detail::CancellationNode> node_;
};

/// Cancels its token when it is destroyed: whoever leaves a scope, by an exception too, takes those
/// who work for it along. Move-only.
class [[nodiscard("the guard cancels when it is destroyed, so keep it")]] CancellationDropGuard {
 public:
  explicit CancellationDropGuard(CancellationToken token) noexcept : token_(std::move(token)) {}
  CancellationDropGuard(CancellationDropGuard&& other) noexcept
      : token_(std::exchange(other.token_, std::nullopt)) {}
  CancellationDropGuard& operator=(CancellationDropGuard&& other) noexcept {
    std::swap(token_, other.token_);
    return *this;
  }
  ~CancellationDropGuard() {
    if (token_) {
      token_->cancel();
    }
  }

  /// Gives the token back; it is not cancelled any more. Requires: not called before.
  CancellationToken disarm() { return *std::exchange(token_, std::nullopt); }

 private:
  std::optional<CancellationToken> token_;
};

inline CancellationDropGuard CancellationToken::drop_guard() const noexcept {
  return CancellationDropGuard(*this);
}

}  // namespace ringo

template <>
struct std::hash<ringo::CancellationToken> {
  std::size_t operator()(const ringo::CancellationToken& token) const noexcept {
    return std::hash<std::shared_ptr<ringo::detail::CancellationNode>>()(token.node_);
  }
};
