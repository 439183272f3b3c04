// SPDX-License-Identifier: MIT
//
// The simplest thing that a task can wait for: a gate that a test opens. It can also wake its
// waiters without opening, early, late and twice, to show that a wake is only a hint.
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include <atomic>

namespace ringo::testing_support {

class Gate {
  struct Waiter : detail::ListNode {
    detail::Branch* branch = nullptr;
  };

 public:
  class Awaiter final : public detail::LeafAwaiter<Awaiter> {
   public:
    explicit Awaiter(Gate& gate) noexcept : gate_(&gate) {}
    Awaiter(Awaiter&& other) noexcept : LeafAwaiter(other), gate_(other.gate_) {}
    Awaiter& operator=(Awaiter&&) = delete;
    ~Awaiter() {
      const detail::MutexGuard guard(gate_->mutex_);
      if (waiter_.is_linked()) {
        gate_->waiters_.remove(waiter_);
      }
    }
    bool poll() noexcept { return gate_->is_open(); }
    bool enlist(detail::Branch& branch) noexcept {
      const detail::MutexGuard guard(gate_->mutex_);
      if (gate_->is_open()) {
        return false;
      }
      waiter_.branch = &branch;
      gate_->waiters_.push_back(waiter_);
      return true;
    }
    bool is_ended() noexcept {
      gate_->questions_.fetch_add(1, std::memory_order_relaxed);
      return gate_->is_open();
    }
    void await_resume() const noexcept {}

   private:
    Gate* gate_;
    Waiter waiter_;
  };

  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() = default;

  [[nodiscard]] Awaiter passed() noexcept { return Awaiter(*this); }

  void open() noexcept {
    detail::WakeList woken;
    {
      const detail::MutexGuard guard(mutex_);
      is_open_.store(true, std::memory_order_release);
      while (Waiter* waiter = waiters_.pop_front()) {
        woken.add(*waiter->branch);
      }
    }
    woken.schedule_all();
  }
  /// A wake that means nothing.
  void wake_for_nothing() noexcept {
    detail::WakeList woken;
    {
      const detail::MutexGuard guard(mutex_);
      for (Waiter* waiter = waiters_.front(); waiter != nullptr; waiter = waiters_.after(*waiter)) {
        woken.add(*waiter->branch);
      }
    }
    woken.schedule_all();
  }

  [[nodiscard]] bool is_open() const noexcept { return is_open_.load(std::memory_order_acquire); }
  [[nodiscard]] int waiting() noexcept {
    const detail::MutexGuard guard(mutex_);
    int count = 0;
    for (Waiter* waiter = waiters_.front(); waiter != nullptr; waiter = waiters_.after(*waiter)) {
      ++count;
    }
    return count;
  }
  /// How often a waiter was asked whether its wait has ended.
  [[nodiscard]] int questions() const noexcept { return questions_.load(); }

 private:
  detail::Mutex mutex_;
  detail::IntrusiveList<Waiter> waiters_ RINGO_GUARDED_BY(mutex_);
  std::atomic<bool> is_open_{false};
  std::atomic<int> questions_{0};
};

}  // namespace ringo::testing_support
