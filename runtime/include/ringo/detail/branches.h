// SPDX-License-Identifier: MIT
//
// A branch of a join or select: the arm that runs, and then the value that it ended with.
//
// Thread safety: the holder of the task's RUNNING.

#pragma once

#include <ringo/detail/arm.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>

#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace ringo::detail {

/// The value of a branch; void has none, which is awkward in a tuple.
template <class A>
using BranchValue = std::conditional_t<std::is_void_v<ArmValue<A>>, std::monostate, ArmValue<A>>;

template <class A>
class BranchSlot {
 public:
  using Value = BranchValue<A>;

  explicit BranchSlot(A&& awaitable) : arm_(std::forward<A>(awaitable)) {}
  // NOLINTNEXTLINE(performance-noexcept-move-constructor): as noexcept as the awaitable's.
  BranchSlot(BranchSlot&& other) : arm_(std::move(other.arm_)) {}
  BranchSlot& operator=(BranchSlot&&) = delete;
  ~BranchSlot() = default;

  /// Starts it below `branch`. True: it has ended already.
  [[nodiscard]] bool begin(Branch& branch) noexcept {
    state_ = State::kRunning;
    try {
      if (arm_.try_ready()) {
        finish();
        return true;
      }
      arm_.open(branch);
      if (!arm_.start()) {
        return false;
      }
    } catch (...) {
      outcome_.set_exception(std::current_exception());
      drop_arm();
      return true;
    }
    finish();
    return true;
  }

  /// After a wake of the task. True: it has just ended.
  [[nodiscard]] bool go_on() noexcept {
    if (state_ != State::kRunning || !arm_.was_woken() || !arm_.run()) {
      return false;
    }
    finish();
    return true;
  }

  /// Destroys what waits, and keeps a value that is there. False: it is pinned; ask again after the
  /// next wake.
  [[nodiscard]] bool cancel() noexcept {
    if (state_ == State::kGone || state_ == State::kEnded) {
      return true;
    }
    if (!arm_.cancel()) {
      return false;
    }
    state_ = State::kGone;
    return true;
  }

  [[nodiscard]] bool is_pinned() const noexcept {
    return state_ == State::kRunning && arm_.is_pinned();
  }
  void show(BranchVisitor& visitor) const { arm_.show(visitor); }

  [[nodiscard]] bool has_ended() const noexcept { return state_ == State::kEnded; }
  [[nodiscard]] bool has_thrown() const noexcept { return outcome_.has_exception(); }
  /// Throws what the branch has thrown, if it has.
  void rethrow() {
    if (outcome_.has_exception()) {
      std::rethrow_exception(outcome_.take_exception());
    }
  }
  /// Requires: has_ended().
  [[nodiscard]] std::remove_reference_t<Value>& value() noexcept { return outcome_.value(); }
  Value take() { return outcome_.take(); }

 private:
  enum class State : std::uint8_t { kNotStarted, kRunning, kEnded, kGone };

  /// Takes the value and lets go of what made it, as a plain co_await would.
  void finish() noexcept {
    try {
      if constexpr (std::is_void_v<ArmValue<A>>) {
        arm_.take();
        outcome_.set_value();
      } else {
        outcome_.set_value(arm_.take());
      }
    } catch (...) {
      outcome_.set_exception(std::current_exception());
    }
    drop_arm();
  }
  void drop_arm() noexcept {
    arm_.finish();
    state_ = State::kEnded;
  }

  Arm<A> arm_;
  Outcome<Value> outcome_;
  State state_ = State::kNotStarted;
};

}  // namespace ringo::detail
