// SPDX-License-Identifier: MIT
//
// Time as a runtime sees it: a monotonic clock that tests may pause, sleep(), and timeout(). As
// tokio::time.
//
//   co_await ringo::time::sleep(10ms);
//   ringo::Result<int> answer = co_await ringo::time::timeout(1s, ask());   // kTimedOut after a
//   second

#pragma once

#include <ringo/detail/arm.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/timer_entry.h>
#include <ringo/result.h>
#include <ringo/task.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo {

using Duration = std::chrono::nanoseconds;

/// The runtime's monotonic clock; outside a runtime the system's. A standard clock, so that
/// std::chrono arithmetic works on its time points.
struct Clock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;  // NOLINT(readability-identifier-naming): std's name

  [[nodiscard]] static time_point now() noexcept;
};

using Instant = Clock::time_point;

namespace time {

class Sleep;

namespace detail {

/// The wait of one co_await of a Sleep, or of sleep().
class SleepAwaiter final : public ringo::detail::LeafAwaiter<SleepAwaiter> {
  using Counts = ringo::detail::TimerEntry::Counts;

 public:
  static constexpr std::string_view kOperation = "sleep";

  explicit SleepAwaiter(Instant deadline) noexcept
      : entry_(deadline.time_since_epoch().count(), Counts::kFromZero) {}
  explicit SleepAwaiter(Duration duration) noexcept
      : entry_(duration.count(), Counts::kFromStart) {}
  SleepAwaiter(SleepAwaiter&&) = default;
  SleepAwaiter& operator=(SleepAwaiter&&) = delete;
  ~SleepAwaiter() = default;

  /// Kept by name: the deadline is so long after now.
  operator Sleep() const noexcept;  // NOLINT(google-explicit-constructor): Sleep kept = sleep(1s)

  bool poll() const noexcept { return entry_.is_nothing(); }
  bool enlist(ringo::detail::Branch& branch) {
    entry_.note_frame(waiting_coroutine.address());
    return ringo::detail::start_timer(entry_, branch);
  }
  bool is_ended() const noexcept { return entry_.has_fired(); }
  void describe_more(ringo::detail::LeafDescription& description) const noexcept {
    description.deadline_ns = ringo::detail::known_deadline(entry_);
  }
  void await_resume() const noexcept {}

 private:
  ringo::detail::TimerEntry entry_;
};

}  // namespace detail

/// A deadline to wait for, as a value: it may be kept by name and awaited several times, in a loop
/// around timeout() or select, say. Awaiting it registers a timer with the current worker's wheel;
/// it ends at the deadline or up to 131 us (a tick of the wheel; two where the next tick has
/// timers as well) and a turn of the worker later, never earlier.
///
/// Cancel safety: nothing is lost; the timer goes with the await. Complexity: O(1).
/// Panics: UsageError when awaited on a thread that is not a worker.
class [[nodiscard("a Sleep does nothing until it is awaited")]] Sleep {
 public:
  explicit Sleep(Instant deadline) noexcept : deadline_(deadline) {}

  [[nodiscard]] Instant deadline() const noexcept { return deadline_; }
  [[nodiscard]] bool is_elapsed() const noexcept { return Clock::now() >= deadline_; }
  /// Another deadline, for awaits that begin after it. As tokio::time::Sleep::reset.
  void reset(Instant deadline) noexcept { deadline_ = deadline; }

  /// What co_await uses.
  [[nodiscard]] detail::SleepAwaiter into_awaiter() const noexcept {
    return detail::SleepAwaiter(deadline_);
  }

 private:
  Instant deadline_;
};

/// Waits until the deadline.
[[nodiscard]] inline Sleep sleep_until(Instant deadline) noexcept {
  return Sleep(deadline);
}

/// So much later than now; the end of time if the clock does not reach so far.
[[nodiscard]] inline Instant deadline_after(Duration duration) noexcept {
  const Instant now = Clock::now();
  return duration > Instant::max() - now ? Instant::max() : now + duration;
}

/// Waits for so long, as a Sleep does. The time counts from the await, and costs no look at the
/// clock: it becomes a deadline when the worker looks at it next, after some dozens of tasks or
/// before it sleeps. `Sleep kept = sleep(1s)` counts from there, and does look. A duration that
/// overflows the clock means "for ever" (292 years).
///
/// Cancel safety, complexity, panics: as Sleep.
template <class Rep, class Period>
  requires std::convertible_to<std::chrono::duration<Rep, Period>, Duration>
[[nodiscard("sleep() does nothing until it is awaited")]] detail::SleepAwaiter sleep(
    std::chrono::duration<Rep, Period> duration) noexcept {
  // Converted here: by the caller it would be one more temporary in its frame.
  return detail::SleepAwaiter(Duration(duration));
}

namespace detail {

inline SleepAwaiter::operator Sleep() const noexcept {
  return Sleep(entry_.counts == Counts::kFromStart ? deadline_after(Duration(entry_.deadline))
                                                   : Instant(Duration(entry_.deadline)));
}

}  // namespace detail

/// Stops the clock of the current runtime: it moves by advance(), and, when every task waits, by
/// itself to the next timer. For tests. As tokio::time::pause.
/// Panics: UsageError outside a runtime, and on a multi_thread one.
void pause();
/// Lets a paused clock run again from where it stands. Panics: UsageError if it is not paused.
void resume();

/// Moves a paused clock forward and lets the tasks whose timers are due by then run. Timers in
/// between all fire at the final instant. As tokio::time::advance.
/// Panics: UsageError if the clock is not paused.
[[nodiscard]] Task<void> advance(Duration duration);

namespace detail {

/// Runs one awaitable, as an arm of the awaiting task, against a timer on the awaiting branch.
template <class A>
class TimeoutAwaiter final : public ringo::detail::Leaf {
  using Counts = ringo::detail::TimerEntry::Counts;

 public:
  using Value = ringo::detail::ArmValue<A>;
  static constexpr bool kIsResult =
      requires { requires std::same_as<typename Value::error_type, Error>; };
  using Output = typename std::conditional_t<kIsResult, std::type_identity<Value>,
                                             std::type_identity<Result<Value>>>::type;

  TimeoutAwaiter(A&& awaitable, Instant deadline)
      : inner_(std::forward<A>(awaitable)),
        timer_(deadline.time_since_epoch().count(), Counts::kFromZero) {}
  TimeoutAwaiter(A&& awaitable, Duration duration)
      : inner_(std::forward<A>(awaitable)), timer_(duration.count(), Counts::kFromStart) {}
  TimeoutAwaiter(TimeoutAwaiter&&) = default;
  TimeoutAwaiter& operator=(TimeoutAwaiter&&) = delete;
  ~TimeoutAwaiter() = default;

  // The inner one is tried first: a value that is there wins over a deadline that has passed, and
  // costs no timer.
  [[nodiscard]] bool await_ready() RINGO_EXCLUDES(ringo::detail::no_suspend) {
    return inner_.try_ready();
  }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(ringo::detail::Branch& branch) {
    inner_.open_in(branch);
    if (inner_.start()) {
      return false;
    }
    timer_.note_frame(waiting_coroutine.address());
    // The timer needs no branch of its own: whether it has fired is cheap to ask.
    if (!ringo::detail::start_timer(timer_, branch)) {
      is_elapsed_ = true;
      if (ringo::detail::has_budget()) {
        ringo::detail::spend_budget();
        if (inner_.cancel()) {
          return false;
        }
      } else {
        // A loop of timeouts that have passed lets others run, too.
        ringo::detail::note_forced_yield();
        ringo::detail::yield_turn(branch);
      }
    }
    branch.leaf = this;
    return true;
  }
  [[nodiscard]] bool ended() noexcept override {
    if (!is_elapsed_) {
      if (inner_.run()) {
        timer_.stop();
        return true;
      }
      is_elapsed_ = timer_.has_fired();
    }
    return is_elapsed_ && cancel();
  }
  [[nodiscard]] bool cancel() noexcept override {
    timer_.stop();
    return inner_.cancel();  // false while it is pinned
  }
  [[nodiscard]] bool is_pinned() const noexcept override { return inner_.is_pinned(); }
  void describe(ringo::detail::LeafDescription& description) const noexcept override {
    description.operation = "timeout";
    description.deadline_ns = ringo::detail::known_deadline(timer_);
  }
  void visit_branches(ringo::detail::BranchVisitor& visitor) const override {
    inner_.show(visitor);
  }

  Output await_resume() {
    if (is_elapsed_) {
      return std::unexpected(Error(ErrorKind::kTimedOut, "timeout"));
    }
    if constexpr (kIsResult) {
      return inner_.take();
    } else if constexpr (std::is_void_v<Value>) {
      inner_.take();
      return Output();
    } else {
      return Output(std::in_place, inner_.take());
    }
  }

 private:
  ringo::detail::Arm<A> inner_;
  ringo::detail::TimerEntry timer_;
  bool is_elapsed_ = false;
};

}  // namespace detail

/// Awaits `awaitable`, but not past the deadline: then it is destroyed where it waits, and the
/// error is kTimedOut. An awaitable that gives a Result<T> keeps its type (its own errors pass
/// through); any other T becomes Result<T>. It is tried before the deadline is looked at: a value
/// that is ready wins over a deadline that has passed, and what never waits cannot time out.
///
/// Cancel safety: as the awaitable's. Panics: as sleep().
template <ringo::detail::Awaitable A>
[[nodiscard]] detail::TimeoutAwaiter<A> timeout_at(Instant deadline, A&& awaitable) {
  return detail::TimeoutAwaiter<A>(std::forward<A>(awaitable), deadline);
}

/// timeout_at() with a deadline so long after `awaitable` first waits; an awaitable that does not
/// costs neither a timer nor a look at the clock. (Tokio counts from the call, which is earlier by
/// what the awaitable computes before it first waits. To count that too, use timeout_at() with
/// deadline_after().) As sleep() in everything else.
template <ringo::detail::Awaitable A>
[[nodiscard]] detail::TimeoutAwaiter<A> timeout(Duration duration, A&& awaitable) {
  return detail::TimeoutAwaiter<A>(std::forward<A>(awaitable), duration);
}

}  // namespace time
}  // namespace ringo
