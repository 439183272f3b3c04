// SPDX-License-Identifier: MIT
//
// The base of every awaiter that waits for something outside its own task. It connects the
// coroutine to its branch and charges the coop budget; what is waited for is the derived class's:
//
//   bool poll() noexcept       completes now if it can
//   bool enlist(Branch&)       registers the branch to be woken; false: it completed meanwhile
//   bool is_ended() noexcept   after a wake: whether it has completed (may enlist again)
//
// and for task dumps, if it likes:
//
//   static constexpr std::string_view kOperation   its name
//   void describe_more(LeafDescription&) const noexcept
//
// The derived destructor unregisters: a coroutine may be destroyed while it waits. Awaiters may be
// moved until they are awaited, never afterwards.

#pragma once

#include <ringo/detail/context.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <coroutine>
#include <cstdint>

namespace ringo::detail {

/// Counts a task that was made to yield, for the metrics.
void note_forced_yield() noexcept;

template <class Derived>
class LeafAwaiter : public Leaf {
 public:
  [[nodiscard]] bool await_ready() noexcept RINGO_EXCLUDES(no_suspend) {
    return has_budget() && poll_and_pay();
  }

  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }

  /// Begins the wait on a branch. False: it is over already. Combinators call it after
  /// await_ready() said no.
  [[nodiscard]] bool start(Branch& branch) {
    branch_word_ = reinterpret_cast<std::uintptr_t>(&branch);
    if (!has_budget()) {
      // Let others run first: the operation is tried when the task's turn comes again.
      branch_word_ |= kHasYielded;
      note_forced_yield();
      yield_turn(branch);
    } else if (!self().enlist(branch)) {
      spend_budget();
      return false;
    }
    branch.leaf = this;  // nobody looks at it before the runner, which is us
    return true;
  }

  [[nodiscard]] bool ended() noexcept final {
    if ((branch_word_ & kHasYielded) != 0) [[unlikely]] {
      branch_word_ &= ~kHasYielded;
      if (poll_and_pay()) {
        return true;
      }
      if (self().enlist(branch())) {
        return false;
      }
      spend_budget();
      return true;
    }
    if (self().is_ended()) {
      spend_budget();
      return true;
    }
    return false;
  }

  void describe(LeafDescription& description) const noexcept final {
    description.operation = operation_name<Derived>();
    const auto& derived = static_cast<const Derived&>(*this);
    if constexpr (requires { derived.describe_more(description); }) {
      derived.describe_more(description);
    }
  }

 protected:
  LeafAwaiter() = default;
  LeafAwaiter(const LeafAwaiter&) = default;
  LeafAwaiter& operator=(const LeafAwaiter&) = default;
  ~LeafAwaiter() = default;

  /// Requires: the wait has begun.
  [[nodiscard]] Branch& branch() const noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a tagged pointer is one.
    return *reinterpret_cast<Branch*>(branch_word_ & ~kHasYielded);
  }

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  bool poll_and_pay() noexcept {
    if (!self().poll()) {
      return false;
    }
    spend_budget();
    return true;
  }

  static constexpr std::uintptr_t kHasYielded = 1;

  // The branch's address, and whether the wait has begun with a yield. One word, since a parked
  // task is memory, and a store here is one that the atomic operation of a lock must wait for.
  std::uintptr_t branch_word_ = 0;
};

}  // namespace ringo::detail
