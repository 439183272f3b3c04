// SPDX-License-Identifier: MIT
//
// Barrier: lets n tasks go on when all of them have arrived, again and again. As
// tokio::sync::Barrier.
//
//   ringo::Barrier phase(3);
//   ringo::BarrierWaitResult arrived = co_await phase.wait();
//   bool came_last = arrived.is_leader();
//
// To wait until tasks have ended, await their handles; for a signal to many, Notify or SetOnce.
//
// Thread safety: all of it. No runtime is needed.

#pragma once

#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ringo {

class Barrier;

/// What wait() gives.
class BarrierWaitResult {
 public:
  explicit BarrierWaitResult(bool is_leader) noexcept : is_leader_(is_leader) {}
  /// True for exactly one of the tasks that were let go together: the last to arrive.
  [[nodiscard]] bool is_leader() const noexcept { return is_leader_; }

 private:
  bool is_leader_;
};

namespace detail {

/// One arrival. Its node is in the list while it waits; changed under the barrier's lock.
class BarrierAwaiter final : public LeafAwaiter<BarrierAwaiter> {
 public:
  static constexpr std::string_view kOperation = "Barrier::wait";

  struct Waiter : ListNode {
    Branch* branch = nullptr;
    /// Let go while its task was idle: seen without the lock, as SemaphoreWaiter::is_handed_over.
    bool is_handed_over = false;
  };

  explicit BarrierAwaiter(Barrier& barrier) noexcept : barrier_(&barrier) {}
  /// Only before it is awaited.
  BarrierAwaiter(BarrierAwaiter&& other) noexcept : LeafAwaiter(other), barrier_(other.barrier_) {}
  BarrierAwaiter& operator=(BarrierAwaiter&&) = delete;
  ~BarrierAwaiter();

  bool poll() noexcept;
  bool enlist(Branch& branch) noexcept;
  bool is_ended() noexcept;
  BarrierWaitResult await_resume() const noexcept {
    return BarrierWaitResult(state_ == State::kLeader);
  }

 private:
  enum class State : std::uint8_t { kIdle, kWaiting, kReleased, kLeader };

  Barrier* barrier_;
  Waiter waiter_;
  State state_ = State::kIdle;
};

}  // namespace detail

class Barrier {
 public:
  /// For so many tasks; 0 is taken as 1.
  explicit Barrier(std::size_t parties) noexcept : parties_(parties == 0 ? 1 : parties) {}
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;
  /// Requires: nobody waits.
  ~Barrier() = default;

  /// Arrives, and waits until as many have as the barrier is for.
  ///
  /// Cancel safety: who gives up while it waits has not arrived, and the others wait for another
  /// (in Tokio the arrival counts nevertheless). Complexity: O(1); the last wakes all.
  [[nodiscard]] detail::BarrierAwaiter wait() noexcept { return detail::BarrierAwaiter(*this); }

 private:
  friend detail::BarrierAwaiter;
  using Waiter = detail::BarrierAwaiter::Waiter;

  /// Joins the waiters. False: it was the last to come, and all have been let go.
  bool arrive(Waiter& waiter, detail::Branch& branch) noexcept;
  /// Takes the arrival back, unless it has been let go.
  void leave(Waiter& waiter) noexcept;
  [[nodiscard]] bool is_waiting(Waiter& waiter) noexcept;

  const std::size_t parties_;
  detail::Mutex mutex_;
  std::size_t arrived_ RINGO_GUARDED_BY(mutex_) = 0;  // the length of waiters_
  detail::IntrusiveList<Waiter> waiters_ RINGO_GUARDED_BY(mutex_);
};

namespace detail {

inline BarrierAwaiter::~BarrierAwaiter() {
  if (state_ == State::kWaiting) {
    barrier_->leave(waiter_);
  }
}

inline bool BarrierAwaiter::poll() noexcept {
  return false;  // an arrival that has to wait needs a branch to wake: enlist() does it all
}

inline bool BarrierAwaiter::enlist(Branch& branch) noexcept {
  const bool must_wait = barrier_->arrive(waiter_, branch);
  state_ = must_wait ? State::kWaiting : State::kLeader;
  return must_wait;
}

inline bool BarrierAwaiter::is_ended() noexcept {
  if (!waiter_.is_handed_over && barrier_->is_waiting(waiter_)) {
    return false;
  }
  state_ = State::kReleased;
  return true;
}

}  // namespace detail
}  // namespace ringo
