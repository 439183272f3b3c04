// SPDX-License-Identifier: MIT
//
// The parts of <ringo/time.h> that ask the current runtime: its clock, and its workers' timer
// wheels. Beside the scheduler, not the wheel, because they need to know what is current.
//
// Thread safety: pause, resume and advance belong to a current_thread runtime; the rest all of it.

#include <ringo/detail/context.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/timer_entry.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <cstdint>

#include "scheduler/runtime_shared.h"

namespace ringo {

Clock::time_point Clock::now() noexcept {
  detail::RuntimeShared* runtime = detail::thread_context.runtime;
  return time_point(
      Duration(runtime != nullptr ? runtime->clock().now() : detail::System::real().now()));
}

namespace time {
namespace {

ringo::detail::RuntimeClock& clock_of_current_runtime(const char* what) {
  ringo::detail::RuntimeShared& runtime = ringo::detail::current_runtime();
  if (!runtime.is_current_thread()) {
    ringo::detail::throw_usage_error(what);
  }
  return runtime.clock();
}

}  // namespace

void pause() {
  clock_of_current_runtime("time::pause: only on a current_thread runtime").pause();
}

void resume() {
  ringo::detail::RuntimeClock& clock =
      clock_of_current_runtime("time::resume: only on a current_thread runtime");
  if (!clock.is_paused()) {
    ringo::detail::throw_usage_error("time::resume: the clock is not paused");
  }
  clock.resume();
}

Task<void> advance(Duration duration) {
  ringo::detail::RuntimeClock& clock =
      clock_of_current_runtime("time::advance: only on a current_thread runtime");
  if (!clock.is_paused()) {
    ringo::detail::throw_usage_error("time::advance: the clock is not paused");
  }
  ringo::detail::Worker& worker = *ringo::detail::thread_context.worker;
  worker.wheel().settle(clock.now());  // what has begun to sleep began before the clock moves
  clock.advance_to(clock.now() + duration.count());
  worker.poll_driver();
  co_await yield_now();
}

}  // namespace time

namespace detail {

bool start_timer(TimerEntry& entry, Branch& branch) {
  Worker* worker = thread_context.worker;
  if (worker == nullptr) {
    throw_usage_error(
        "sleep and timeout need the timer wheel of a worker: await them in a task of a runtime");
  }
  if (branch.task().home != &worker->shared()) [[unlikely]] {
    worker->wheel().share();  // a generator, say, which may go on or end anywhere
  }
  return worker->wheel().insert(entry, branch);
}

void stop_timer(TimerEntry& entry) noexcept {
  entry.wheel->remove(entry);
}

std::int64_t known_deadline(const TimerEntry& entry) noexcept {
  const std::int64_t deadline =
      entry.wheel == nullptr
          ? TimerEntry::kNever
          : entry.wheel->deadline_of(entry, Clock::now().time_since_epoch().count());
  return deadline == TimerEntry::kNever ? LeafDescription::kNone : deadline;
}

}  // namespace detail
}  // namespace ringo
