// SPDX-License-Identifier: MIT
//
// What a worker does when it has nothing left of its own: it takes a share of the injection queue,
// steals from the others, and at last sleeps in its driver until the next timer. The order of looks
// and barriers on the way to sleep is what keeps a wake-up from being lost; see idle.h.
//
// Thread safety: the worker's own thread.

#include <ringo/detail/context.h>
#include <ringo/detail/fork_core.h>
#include <ringo/detail/task_core.h>
#include <ringo/runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "scheduler/blocking_pool.h"
#include "scheduler/injection_queue.h"
#include "scheduler/runtime_shared.h"
#include "scheduler/watchdog.h"
#include "scheduler/worker.h"
#include "time/timer_wheel.h"

namespace ringo::detail {

// --- looking for work -------------------------------------------------------------------------

void Worker::adopt_injected(TaskHeader& task) noexcept {
  stats_.injected_tasks.add();
  if (task.owner == nullptr) {
    adopt_new(task);
  }
}

TaskHeader* Worker::take_injected() noexcept {
  InjectionQueue& injection = shared_.injection();
  const std::size_t length = injection.length();
  if (length == 0) {
    return nullptr;
  }
  // A fair share, and no more than fits.
  const std::size_t free = kLocalQueueCapacity - queue_.length();
  const std::size_t fair =
      std::min({length / shared_.workers().size() + 1, free, std::size_t{kLocalQueueCapacity / 2}});
  const std::size_t share = std::max<std::size_t>(fair, 1);
  TaskHeader* first = nullptr;
  injection.pop_many(share, [this, &first](TaskHeader& task) {
    if (first == nullptr) {
      first = &task;
      adopt_injected(task);
      return true;
    }
    // First, since it may be stolen as soon as it is there. It is not pushed if the queue is full.
    adopt_injected(task);
    return queue_.push(&task);
  });
  return first;
}

TaskHeader* Worker::steal() noexcept {
  if (is_alone_) {
    return nullptr;
  }
  if (!is_searching_) {
    if (!shared_.idle().try_start_searching()) {
      return nullptr;
    }
    is_searching_ = true;
  }
  const auto& workers = shared_.workers();
  const auto count_of_workers = static_cast<std::uint32_t>(workers.size());
  const std::uint32_t start = random_.below(count_of_workers);
  for (std::uint32_t i = 0; i < count_of_workers; ++i) {
    Worker& victim = *workers[(start + i) % count_of_workers];
    if (&victim == this) {
      continue;
    }
    TaskHeader* task = nullptr;
    if (const std::uint32_t stolen = victim.queue().steal_into(queue_, task); stolen != 0) {
      stats_.steals.add(stolen);
      stats_.steal_operations.add();
      victim.stats_.stolen_by_others.add_shared(stolen);
      return task;
    }
    if (ForkItem* item = victim.forks().steal()) {
      stats_.steals.add();
      stats_.steal_operations.add();
      return &adopt_fork(*item);
    }
  }
  return take_injected();
}

// --- sleeping ---------------------------------------------------------------------------------

void Worker::fire_timers(std::int64_t system_now_ns) noexcept {
  WakeList woken;
  wheel_->advance(shared_.clock().at(system_now_ns), woken);
  // When they end they leave the list of their owner, where nobody has asked for their neighbours.
  // Of more than that the first have left the nearer caches by now.
  constexpr std::size_t kNear = 1024;
  woken.visit_first(kNear, [this](const TaskHeader& task) {
    if (task.owner == &owned_) {
      OwnedTasks::fetch_neighbours(task);
    }
  });
}

void Worker::poll_driver() {
  handle_->poll();
  fire_timers(shared_.system().now());
}

std::optional<std::int64_t> Worker::park_timeout() {
  if (wheel_->empty()) {
    return std::nullopt;
  }
  RuntimeClock& clock = shared_.clock();
  const std::int64_t now = clock.now();
  wheel_->settle(now);
  if (!clock.is_paused()) {
    const std::optional<std::int64_t> wake = wheel_->next_wake(now);
    return wake ? std::optional(std::max<std::int64_t>(*wake - now, 0)) : std::nullopt;
  }
  const std::optional<std::int64_t> expiry = wheel_->next_expiry();
  if (!expiry) {
    return std::nullopt;  // all of it is for ever
  }
  if (shared_.blocking_pool().is_busy()) {
    return std::nullopt;  // its end may wake somebody: time waits for it
  }
  if (shared_.injection().length() == 0) {  // else it ended just now, and has
    // Nothing is ready, so time may go on: to the next timer at once.
    clock.advance_to(std::max(now, *expiry));
  }
  return 0;
}

void Worker::sleep_in_driver() {
  (void)stats_.end_busy(shared_.system().now());
  stats_.begin_sleep();
  handle_->park(park_timeout());
  stats_.end_sleep();  // the barrier that note_awake() asks for
  WatchdogThread::note_awake();
  const std::int64_t now_ns = shared_.system().now();
  stats_.begin_busy(now_ns);
  fire_timers(now_ns);
}

void Worker::park() {
  const RuntimeConfig& config = shared_.config();
  if (config.on_thread_park) {
    config.on_thread_park();
  }
  look_for_work_and_sleep();
  if (config.on_thread_unpark) {
    config.on_thread_unpark();
  }
}

void Worker::look_for_work_and_sleep() {
  owned_.collect();
  serve_mailbox();
  if (lifo_slot_ != nullptr) {
    return;  // destroying what was collected has woken somebody
  }
  if (shared_.clock().is_paused()) {
    poll_driver();  // what the kernel has ready comes before time goes on
  }
  if (has_local_work()) {
    return;  // what was collected may have been the last to own a user's object, which woke a task
  }
  if (!is_alone_) {
    const bool is_search_over = shared_.idle().start_sleeping(index_, is_searching_);
    is_searching_ = false;
    if (is_search_over && shared_.has_queued_work()) {
      shared_.notify_one();  // W3
    }
  } else if (shared_.injection().length() != 0) {
    return;
  }
  for (;;) {
    sleep_in_driver();
    serve_mailbox();
    const bool has_work = has_local_work();
    if (is_alone_) {
      break;
    }
    if (has_work || shared_.is_shutting_down()) {
      is_searching_ = !shared_.idle().stop_sleeping(index_);
      if (lifo_slot_ != nullptr && queue_.length() != 0) {
        shared_.notify_one();  // more than one: somebody may share
      }
      break;
    }
    if (!shared_.idle().is_sleeping(index_)) {
      is_searching_ = true;  // somebody woke us to look for work
      break;
    }
  }
}

}  // namespace ringo::detail
