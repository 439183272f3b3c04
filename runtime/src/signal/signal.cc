// SPDX-License-Identifier: MIT
//
// The signal handlers, and the dispatcher thread that wakes the listeners.

#include <pthread.h>
#include <ringo/detail/assert.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/result.h>
#include <ringo/signal.h>
#include <ringo/task.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <system_error>
#include <thread>

namespace ringo::detail {
namespace {

// The path of a signal:
//   1. handle_signal(), in whichever thread the kernel chose: sets is_pending[n], writes the event.
//   2. The dispatcher thread: reads the event, clears the marks that are set, raises the counts
//      and wakes the waiters.
// The event is written after the mark is set, and read before the mark is cleared; so a signal that
// comes meanwhile is seen now, or its event is read the next time. Signals are rare: one lock for
// all of them.

constexpr std::size_t kSignals = NSIG;

// What the handler may touch: lock-free atomics and write().
constinit std::array<std::atomic<bool>, kSignals> is_pending{};
constinit std::atomic<int> event_fd{-1};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

extern "C" void handle_signal(int signal_number) {
  const int saved_error = errno;
  // release: pairs with the dispatcher's exchange.
  is_pending[static_cast<std::size_t>(signal_number)].store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  // The counter cannot be full: that takes 2^64 signals. In a forked child this wakes the parent's
  // dispatcher, which finds no mark.
  (void)!write(event_fd.load(std::memory_order_relaxed), &one, sizeof(one));
  errno = saved_error;
}

class SignalRegistry {
 public:
  static SignalRegistry& instance() {
    // Never destroyed: the dispatcher uses it until the process ends.
    static SignalRegistry& registry = *new SignalRegistry();
    return registry;
  }

  /// Replaces the signal's handler, once. Returns the count from which a listener begins.
  Result<std::uint64_t> add_listener(int signal_number);

  [[nodiscard]] std::uint64_t count(int signal_number) const noexcept {
    // acquire: pairs with deliver_pending(); who sees the signal sees what came before it.
    return counts_[static_cast<std::size_t>(signal_number)].load(std::memory_order_acquire);
  }
  bool enlist(int signal_number, std::uint64_t seen, SignalWaiter& waiter, Branch& branch) noexcept;
  void unlist(int signal_number, SignalWaiter& waiter) noexcept;

 private:
  SignalRegistry() = default;
  Result<void> start_dispatcher() RINGO_REQUIRES(mutex_);
  [[noreturn]] void dispatch() noexcept;
  void deliver_pending() noexcept;

  // Raised under the lock, read without it.
  std::array<std::atomic<std::uint64_t>, kSignals> counts_{};
  Mutex mutex_;
  std::array<IntrusiveList<SignalWaiter>, kSignals> waiters_ RINGO_GUARDED_BY(mutex_);
  std::array<bool, kSignals> is_handled_ RINGO_GUARDED_BY(mutex_){};
  bool is_dispatching_ RINGO_GUARDED_BY(mutex_) = false;
};

Result<std::uint64_t> SignalRegistry::add_listener(int signal_number) {
  const auto index = static_cast<std::size_t>(signal_number);
  const MutexGuard guard(mutex_);
  if (!is_handled_[index]) {
    RINGO_TRY_RETURN_VOID(start_dispatcher());
    struct sigaction action{};
    action.sa_handler = &handle_signal;
    sigfillset(&action.sa_mask);
    // Restarted system calls: code that knows nothing of this handler sees no EINTR.
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    if (sigaction(signal_number, &action, nullptr) != 0) {
      return std::unexpected(Error::os(errno, "signal::listen"));
    }
    is_handled_[index] = true;
  }
  return counts_[index].load(std::memory_order_relaxed);  // under the lock
}

bool SignalRegistry::enlist(int signal_number, std::uint64_t seen, SignalWaiter& waiter,
                            Branch& branch) noexcept {
  const auto index = static_cast<std::size_t>(signal_number);
  const MutexGuard guard(mutex_);
  if (counts_[index].load(std::memory_order_relaxed) != seen) {  // under the lock
    return false;
  }
  waiter.branch = &branch;
  waiters_[index].push_back(waiter);
  return true;
}

void SignalRegistry::unlist(int signal_number, SignalWaiter& waiter) noexcept {
  const MutexGuard guard(mutex_);
  if (waiter.is_linked()) {
    waiters_[static_cast<std::size_t>(signal_number)].remove(waiter);
  }
}

Result<void> SignalRegistry::start_dispatcher() {
  if (is_dispatching_) {
    return {};
  }
  if (event_fd.load(std::memory_order_relaxed) < 0) {
    const int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0) {
      return std::unexpected(Error::os(errno, "signal::listen"));
    }
    event_fd.store(fd, std::memory_order_relaxed);  // before the first handler is installed
  }
  // The dispatcher takes no signals itself: a program may expect them in a thread of its own.
  sigset_t all;
  sigset_t previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  Result<void> result;
  try {
    std::thread([this] { dispatch(); }).detach();
    is_dispatching_ = true;
  } catch (const std::system_error& error) {
    result = std::unexpected(Error::os(error.code().value(), "signal::listen"));
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  return result;
}

void SignalRegistry::dispatch() noexcept {
  pthread_setname_np(pthread_self(), "ringo-signal");
  for (;;) {
    std::uint64_t events = 0;
    const ssize_t size = read(event_fd.load(std::memory_order_relaxed), &events, sizeof(events));
    RINGO_CHECK(size == sizeof(events) || errno == EINTR, "the signal dispatcher's event is gone");
    deliver_pending();
  }
}

void SignalRegistry::deliver_pending() noexcept {
  WakeList woken;
  {
    const MutexGuard guard(mutex_);
    for (std::size_t index = 0; index < kSignals; ++index) {
      // acquire: pairs with the handler.
      if (!is_pending[index].exchange(false, std::memory_order_acquire)) {
        continue;
      }
      // release: pairs with count().
      counts_[index].fetch_add(1, std::memory_order_release);
      while (const SignalWaiter* waiter = waiters_[index].pop_front()) {
        woken.add(*waiter->branch);
      }
    }
  }
  woken.schedule_all();
}

bool tells_of_a_fault(int signal_number) noexcept {
  return signal_number == SIGSEGV || signal_number == SIGBUS || signal_number == SIGFPE ||
         signal_number == SIGILL;
}

}  // namespace

std::uint64_t signal_count(int signal_number) noexcept {
  return SignalRegistry::instance().count(signal_number);
}

bool enlist_signal_waiter(int signal_number, std::uint64_t seen, SignalWaiter& waiter,
                          Branch& branch) noexcept {
  return SignalRegistry::instance().enlist(signal_number, seen, waiter, branch);
}

void unlist_signal_waiter(int signal_number, SignalWaiter& waiter) noexcept {
  SignalRegistry::instance().unlist(signal_number, waiter);
}

}  // namespace ringo::detail

namespace ringo::signal {

Result<Signal> listen(int signal_number) {
  if (signal_number <= 0 || signal_number >= NSIG || detail::tells_of_a_fault(signal_number)) {
    return std::unexpected(Error::os(EINVAL, "signal::listen"));
  }
  RINGO_TRY_RETURN(const std::uint64_t seen,
                   detail::SignalRegistry::instance().add_listener(signal_number));
  return Signal(signal_number, seen);
}

Task<Result<void>> ctrl_c() {
  Result<Signal> interrupt = listen(SIGINT);
  if (!interrupt) {
    co_return std::unexpected(interrupt.error());
  }
  co_await interrupt->recv();
  co_return Result<void>();
}

}  // namespace ringo::signal
