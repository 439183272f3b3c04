// SPDX-License-Identifier: MIT
//
// Waiting for the signals of the process, for an orderly end above all. As tokio::signal.
//
//   RINGO_TRY(auto terminate, ringo::signal::listen(SIGTERM));
//   co_await terminate.recv();
//
// The handler only marks the signal and wakes one dispatcher thread, which wakes the tasks; both
// begin with the first listener and stay for the life of the process. From then on the signal no
// longer does what it did before, even when all listeners are gone.
//
// Thread safety: listeners may be made and used on any thread, in any number of runtimes; one
// listener is used by one task at a time.

#pragma once

#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/task_core.h>
#include <ringo/result.h>
#include <ringo/task.h>

#include <csignal>
#include <cstdint>

namespace ringo::detail {

/// A task that waits for a signal. Linked and unlinked under the registry's lock.
struct SignalWaiter : ListNode {
  SignalWaiter() = default;
  SignalWaiter(SignalWaiter&&) noexcept : branch(nullptr) {}
  Branch* branch = nullptr;
};

/// How many times the signal was dispatched so far.
[[nodiscard]] std::uint64_t signal_count(int signal_number) noexcept;
/// Links a waiter, unless the count is no longer `seen`: then false.
[[nodiscard]] bool enlist_signal_waiter(int signal_number, std::uint64_t seen, SignalWaiter& waiter,
                                        Branch& branch) noexcept;
void unlist_signal_waiter(int signal_number, SignalWaiter& waiter) noexcept;

class [[nodiscard("an operation does nothing until it is awaited")]] SignalAwaiter final
    : public LeafAwaiter<SignalAwaiter> {
 public:
  SignalAwaiter(int signal_number, std::uint64_t& seen) noexcept
      : signal_number_(signal_number), seen_(&seen) {}
  SignalAwaiter(SignalAwaiter&& other) noexcept
      : LeafAwaiter(other), signal_number_(other.signal_number_), seen_(other.seen_) {}
  SignalAwaiter& operator=(SignalAwaiter&&) = delete;
  ~SignalAwaiter() {
    if (waiter_.branch != nullptr) {
      unlist_signal_waiter(signal_number_, waiter_);
    }
  }

  bool poll() noexcept { return signal_count(signal_number_) != *seen_; }
  bool enlist(Branch& branch) noexcept {
    return enlist_signal_waiter(signal_number_, *seen_, waiter_, branch);
  }
  // A count that has moved never moves back; until then the waiter stays linked.
  bool is_ended() noexcept { return poll(); }
  void await_resume() const noexcept { *seen_ = signal_count(signal_number_); }

 private:
  int signal_number_;
  std::uint64_t* seen_;
  SignalWaiter waiter_;
};

}  // namespace ringo::detail

namespace ringo::signal {

class Signal;

/// Begins to listen to a signal. Signals that come from now on are kept for recv().
///
/// Errors: kOs (EINVAL) for numbers that are not a signal or cannot be handled (SIGKILL, SIGSTOP),
/// and for those that tell of a fault in the program itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL).
/// Needs no runtime. Thread safety: any thread.
[[nodiscard]] Result<Signal> listen(int signal_number);

/// Hears one kind of signal. Each listener hears every signal, but signals that come before it
/// looks count as one.
class Signal {
 public:
  /// Waits for the next signal. Cancel safe: a signal that nobody took is there the next time.
  detail::SignalAwaiter recv() noexcept { return {signal_number_, seen_}; }

  [[nodiscard]] int signal_number() const noexcept { return signal_number_; }

 private:
  friend Result<Signal> listen(int signal_number);
  Signal(int signal_number, std::uint64_t seen) noexcept
      : signal_number_(signal_number), seen_(seen) {}

  int signal_number_;
  std::uint64_t seen_;  ///< the count when it last looked
};

/// Waits for SIGINT, which Ctrl-C sends. Hears only signals that come after it was first awaited.
/// Errors: as listen(). Cancel safe, but a signal between two calls may be missed: keep a Signal
/// where that matters. Ctrl-C no longer ends the process by itself from the first call on.
[[nodiscard]] Task<Result<void>> ctrl_c();

}  // namespace ringo::signal
