// SPDX-License-Identifier: MIT
//
// SetOnce<T>: a value that somebody sets once, and that any number of tasks wait for. As
// tokio::sync::SetOnce.
//
//   ringo::SetOnce<int> port;
//   std::expected<void, int> is_first = port.set(6379);
//   const int& listening_on = co_await port.wait();
//
// If whoever needs the value first makes it: OnceCell<T>. One value for one receiver, who learns
// that it will not come: oneshot. A value that changes: watch.
//
// Thread safety: all of it but into_inner(); const T& must be safe to use from several threads at
// once. No runtime is needed.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/wait_list.h>

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace ringo {

template <class T>
class SetOnce;

namespace detail {

template <class T>
class SetOnceAwaiter final : public LeafAwaiter<SetOnceAwaiter<T>> {
 public:
  static constexpr std::string_view kOperation = "SetOnce::wait";

  explicit SetOnceAwaiter(const SetOnce<T>& cell) noexcept : cell_(&cell) {}
  SetOnceAwaiter(SetOnceAwaiter&&) = default;
  SetOnceAwaiter& operator=(SetOnceAwaiter&&) = delete;
  ~SetOnceAwaiter() {
    if (waiter_.branch != nullptr) {
      cell_->waiters_.remove(waiter_);
    }
  }

  bool poll() noexcept { return cell_->is_set(); }
  bool enlist(Branch& branch) noexcept {
    return cell_->waiters_.add_unless(waiter_, branch, [this] { return cell_->is_set(); });
  }
  bool is_ended() noexcept { return poll(); }
  std::reference_wrapper<const T> await_resume() const noexcept { return *cell_->value_; }

 private:
  const SetOnce<T>* cell_;
  WaitList::Waiter waiter_;
};

}  // namespace detail

template <class T>
class SetOnce {
 public:
  using value_type = T;

  SetOnce() = default;
  /// A cell that is set already.
  explicit SetOnce(T value) : value_(std::move(value)), state_(State::kSet) {}
  SetOnce(const SetOnce&) = delete;
  SetOnce& operator=(const SetOnce&) = delete;
  /// Requires: nobody waits, and no call is under way: a waiter that destroys the cell as soon as
  /// it has the value must know that set() has returned.
  ~SetOnce() = default;

  /// Sets the value and wakes all who wait. Errors: the value itself, if another was set, or is
  /// being set at this moment.
  std::expected<void, T> set(T value) {
    State expected = State::kEmpty;
    // acquire: pairs with the release of a set() that threw, whose half-made value must be gone.
    if (!state_.compare_exchange_strong(expected, State::kSetting, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      return std::unexpected(std::move(value));
    }
    try {
      value_.emplace(std::move(value));
    } catch (...) {
      // release: pairs with the next set().
      state_.store(State::kEmpty, std::memory_order_release);
      throw;
    }
    // release: pairs with is_set(), after which the value is read.
    state_.store(State::kSet, std::memory_order_release);
    waiters_.wake_all();
    return {};
  }

  /// Waits for the value. Cancel safe.
  [[nodiscard]] detail::SetOnceAwaiter<T> wait() const noexcept {
    return detail::SetOnceAwaiter<T>(*this);
  }
  /// wait() for threads. Panics: UsageError on a worker thread.
  [[nodiscard]] const T& blocking_wait() const {
    return detail::block_on_leaf("SetOnce::blocking_wait", wait());
  }

  /// The value, or null if it is not set yet. Never waits.
  [[nodiscard]] const T* get() const noexcept { return is_set() ? &*value_ : nullptr; }
  [[nodiscard]] bool is_set() const noexcept {
    // acquire: pairs with set().
    return state_.load(std::memory_order_acquire) == State::kSet;
  }

  /// Moves the value out. Requires: nobody else uses the cell.
  [[nodiscard]] std::optional<T> into_inner() && { return std::move(value_); }

 private:
  friend detail::SetOnceAwaiter<T>;

  enum class State : std::uint8_t { kEmpty, kSetting, kSet };

  std::optional<T> value_;
  std::atomic<State> state_{State::kEmpty};
  mutable detail::WaitList waiters_;
};

template <class T>
SetOnce(T) -> SetOnce<T>;

}  // namespace ringo
