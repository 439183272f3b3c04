// SPDX-License-Identifier: MIT
//
// One worker's loop: take the next task, run it and what it wakes, and now and then look at the
// rest of the world. All that each run of a task passes through is in this file, so that it is
// inlined.
//
// Thread safety: the worker's own thread, but for what worker.h names.

#include "scheduler/worker.h"

#include <ringo/detail/assert.h>
#include <ringo/detail/context.h>
#include <ringo/detail/fork_core.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/task_core.h>
#include <ringo/runtime.h>
#include <ringo/task_local.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "ring/driver.h"
#include "scheduler/blocking_pool.h"
#include "scheduler/runtime_shared.h"
#include "scheduler/task_name.h"
#include "time/timer_wheel.h"

namespace ringo::detail {
namespace {

Budget budget_in_slices_of(std::uint32_t units) noexcept {
  return Budget{units, kCoopBudget - units};
}

bool is_observed(const RuntimeConfig& config) noexcept {
  return config.on_before_task_poll || config.on_after_task_poll || config.on_task_terminate ||
         config.poll_time_histogram.count() != 0 || config.schedule_latency_histogram.count() != 0;
}

}  // namespace

Worker::Worker(RuntimeShared& shared, std::uint32_t index)
    : shared_(shared),
      index_(index),
      is_alone_(shared.config().worker_threads == 1),
      is_observed_(is_observed(shared.config())),
      is_waking_plain_(shared.config().is_lifo_slot_enabled &&
                       shared.config().schedule_latency_histogram.count() == 0),
      wheel_(new TimerWheel(shared.clock().now(), is_alone_ ? TimerWheel::Access::kOneThread
                                                            : TimerWheel::Access::kManyThreads)),
      handle_(std::make_shared<DriverHandle>(shared.system())),
      forks_(is_alone_),
      fresh_budget_(
          budget_in_slices_of(shared.config().time_budget.count() == 0 ? kCoopBudget : kMaxSlice)),
      turn_timer_(shared.system(), shared.clock(), shared.config().time_budget.count()),
      until_maintenance_(shared.config().event_interval),
      random_(shared.config().seed.value_or(shared.system().random_seed()) + index),
      stats_(shared.config()) {}

Worker::~Worker() = default;

// --- scheduling -------------------------------------------------------------------------------

void Worker::overflow(TaskHeader& task) noexcept {
  TaskHeader* first = nullptr;
  TaskHeader* last = nullptr;
  std::size_t moved = 0;
  const bool has_taken = queue_.take_second_half([&](TaskHeader* item) {
    (last == nullptr ? first : last->queue_next) = item;
    last = item;
    ++moved;
  });
  task.queue_next = nullptr;
  if (has_taken) {
    stats_.overflows.add();
    stats_.overflowed_tasks.add(moved + 1);
    last->queue_next = &task;
    shared_.injection().push_chain(*first, task, moved + 1);
  } else {
    // A thief is at work on a queue that was full: this one goes to everybody.
    stats_.overflowed_tasks.add();
    shared_.injection().push_chain(task, task, 1);
  }
  // Also for a task that yields: for a moment the tasks were in neither queue, and who looked at
  // both just then to go to sleep has seen none.
  shared_.notify_one();
}

void Worker::schedule_woken(TaskHeader& task) noexcept {
  if (!is_waking_plain_) [[unlikely]] {
    note_scheduled(task);
    if (!shared_.config().is_lifo_slot_enabled) {
      schedule_last(task);
      return;
    }
  }
  TaskHeader* previous = std::exchange(lifo_slot_, &task);
  if (previous != nullptr) {
    schedule_last(*previous);
  }
}

void Worker::schedule_behind(TaskHeader& task) noexcept {
  if (!has_local_work()) {
    schedule_woken(task);
  } else {
    note_scheduled(task);
    schedule_last(task);
  }
}

void Worker::schedule_last(TaskHeader& task) noexcept {
  push_local(task);
  if (!is_alone_) {
    shared_.notify_one();
  }
}

void Worker::launch_last(TaskHeader& task) noexcept {
  task.id = new_task_id();
  adopt(task);
  schedule_last(task);
}

std::uint64_t Worker::new_task_id() noexcept {
  const std::uint64_t count = spawned_.get();
  if (count % kTaskIdBlock == 0) {
    first_task_id_ = take_task_ids(kTaskIdBlock) - count;
  }
  spawned_.set(count + 1);
  return first_task_id_ + count;
}

// --- running ----------------------------------------------------------------------------------

void Worker::finish(TaskHeader& task) noexcept {
  if (task.owner == &owned_) {
    owned_.remove(task);
    complete_and_release(task);
    return;
  }
  OwnedTasks& owner = *task.owner;
  complete(task);
  owner.give_back(task);
  if (shared_.is_shutting_down()) [[unlikely]] {
    shared_.unpark_all();  // the owner waits for it
  }
}

// Inlined, as all from here to the loop: after a task's system calls each return is mispredicted.
template <bool kIsObserved>
[[gnu::always_inline]] inline void Worker::run(TaskHeader& task) noexcept {
  RINGO_DCHECK(task.owner != nullptr, "a task that no worker answers for was run");
  stats_.polls.add();
  const bool is_cancelled = task.state.start_running();
  take_ready_bits(task);
  thread_context.task = &task;
  const std::int64_t started_ns = kIsObserved ? before_run(task) : 0;
  const std::int64_t fork_mark = forks_.mark();
  const bool has_ended = is_cancelled ? task.kind->cancel(task) : task.kind->poll(task);
  if (!has_ended) {
    forks_.promote_above(fork_mark);  // before another thread may run the task
  }
  if constexpr (kIsObserved) {
    after_run(task, started_ns, has_ended);
  }
  thread_context.task = nullptr;
  if (has_ended) {
    finish(task);
  } else if (task.take_turn() || task.state.stop_running()) {
    if constexpr (kIsObserved) {
      note_scheduled(task);
    }
    push_local(task);
    is_newest_first_ = false;  // it has others go first
    // There is no more to do than before, and this worker goes on with the queue: nobody is woken
    // for it. But not if it goes on with something else (or maintain() finds something else).
    if (!is_alone_ && (lifo_slot_ != nullptr || is_nested())) [[unlikely]] {
      shared_.notify_one();
    }
  }
}

template <bool kIsObserved>
[[gnu::always_inline]] inline void Worker::run_with_lifo(TaskHeader& task) noexcept {
  thread_context.budget = fresh_budget_;
  lifo_runs_ = 0;
  turn_began_at_ = queue_.tail();
  for (TaskHeader* next = &task;;) {
    running_.store(next, std::memory_order_relaxed);
    run<kIsObserved>(*next);
    // What the task woke last runs next, on what is left of its budget.
    if (lifo_slot_ == nullptr) {
      break;
    }
    next = std::exchange(lifo_slot_, nullptr);
    if (lifo_runs_ == kMaxLifoRuns || !has_budget()) {
      schedule_last(*next);
      break;
    }
    ++lifo_runs_;
  }
  running_.store(nullptr, std::memory_order_relaxed);
  thread_context.budget = Budget();
}

inline bool Worker::pop_local(TaskHeader*& task) noexcept {
  return is_alone_ ? queue_.pop_unshared(task) : queue_.pop(task);
}

/// Takes a task that next_task() would take, but for what waits in the injection queue.
inline bool Worker::take_if_next(TaskHeader& task) noexcept {
  if (lifo_slot_ != nullptr) {
    if (lifo_slot_ != &task || lifo_runs_ == kMaxLifoRuns) {
      return false;
    }
    lifo_slot_ = nullptr;
    ++lifo_runs_;
    return true;
  }
  TaskHeader* next = nullptr;
  if (!queue_.is_next(&task) || !pop_local(next)) {
    return false;
  }
  if (next != &task) [[unlikely]] {
    // A thief was faster, and this is what came after it. It has lost its place by one.
    schedule_last(*next);
    return false;
  }
  return true;
}

bool Worker::run_awaited(TaskHeader& task) noexcept {
  TaskHeader* const outer = thread_context.task;
  if (is_nested() || outer == nullptr || thread_context.budget.is_unlimited() ||
      thread_context.local_set != nullptr || !take_if_next(task)) {
    return false;
  }
  nested_.store(&task, std::memory_order_relaxed);
  const NoLocalBindings no_bindings;
  if (is_observed_) [[unlikely]] {
    run<true>(task);
  } else {
    run<false>(task);
  }
  nested_.store(nullptr, std::memory_order_relaxed);
  thread_context.task = outer;
  if (!has_budget()) {
    thread_context.budget.units = 1;  // the await that is about to succeed costs one
  }
  return task.state.is_complete();
}

// --- the time that a task may take ------------------------------------------------------------

bool Worker::renew_budget() noexcept {
  Budget& budget = thread_context.budget;
  if (budget.reserve == 0) {
    return false;
  }
  if (is_time_up()) {
    budget.reserve = 0;
    return false;
  }
  budget.units = std::min(fresh_budget_.units, budget.reserve);
  budget.reserve -= budget.units;
  return true;
}

/// At the end of each slice. The time is taken from the end of the first: a task that does little
/// pays nothing for it. Slow operations are found out by that, and make the slices shorter.
bool Worker::is_time_up() noexcept {
  if (thread_context.budget.reserve == fresh_budget_.reserve) {
    turn_timer_.begin();
    return false;
  }
  if (turn_timer_.is_over()) {
    fresh_budget_ = budget_in_slices_of(std::max(fresh_budget_.units / 2, 1U));
    return true;
  }
  if (fresh_budget_.units < kMaxSlice) {
    fresh_budget_ = budget_in_slices_of(fresh_budget_.units * 2);
  }
  return false;
}

// --- tasks of this worker ---------------------------------------------------------------------

void Worker::adopt_new(TaskHeader& task) noexcept {
  owned_.adopt(task);
  if (is_closing_) {
    (void)task.state.cancel();
  }
}

TaskHeader& Worker::adopt_fork(ForkItem& item) noexcept {
  TaskHeader& task = make_fork_task(item, shared_);
  task.id = new_task_id();
  if (shared_.config().on_task_spawn) [[unlikely]] {
    shared_.config().on_task_spawn(meta_of(task));
  }
  adopt_new(task);
  return task;
}

// --- what runs next ---------------------------------------------------------------------------

void Worker::run_newest_first() noexcept {
  if (!is_newest_first_ && shared_.config().is_lifo_slot_enabled &&
      stats_.polls.get() >= newest_again_at_) {
    is_newest_first_ = true;
    newest_until_ = turn_began_at_;
    newest_left_ = kMaxNewestRuns;
    newest_since_ns_ = 0;
  }
}

TaskHeader* Worker::take_newest() noexcept {
  TaskHeader* task = nullptr;
  if (queue_.reaches_beyond(newest_until_)) {
    if (newest_left_ == 0) {
      newest_again_at_ = stats_.polls.get() + queue_.length();
    } else if (is_alone_ ? queue_.pop_back_unshared(task) : queue_.pop_back(task)) {
      --newest_left_;
      return task;
    }
  }
  is_newest_first_ = false;
  return nullptr;
}

inline TaskHeader* Worker::next_task() noexcept {
  if (until_injection_-- == 0) {
    until_injection_ = stats_.injection_interval() - 1;
    if (TaskHeader* injected = shared_.injection().pop()) {
      adopt_injected(*injected);
      return injected;
    }
  }
  if (lifo_slot_ != nullptr) {
    return std::exchange(lifo_slot_, nullptr);
  }
  TaskHeader* task = is_newest_first_ ? take_newest() : nullptr;
  if (task != nullptr || pop_local(task)) {
    return task;
  }
  return take_injected();
}

inline void Worker::stop_searching() noexcept {
  if (is_searching_) {
    is_searching_ = false;
    if (shared_.idle().stop_searching() && shared_.has_queued_work()) {
      shared_.notify_one();  // W2
    }
  }
}

// --- the loop ---------------------------------------------------------------------------------

void Worker::maintain() {
  owned_.collect();
  serve_mailbox();
  handle_->poll();
  const std::int64_t now_ns = shared_.system().now();
  stats_.look(now_ns);
  if (is_newest_first_) {
    if (newest_since_ns_ == 0) {
      newest_since_ns_ = now_ns;
    } else if (now_ns - newest_since_ns_ >= kMaxNewestNs) {
      newest_left_ = 0;
    }
  }
  fire_timers(now_ns);
  if (!is_alone_ && lifo_slot_ != nullptr && queue_.length() != 0) {
    shared_.notify_one();  // a task that yielded was to be next, and now is not: see run()
  }
}

[[gnu::always_inline]] inline Worker::Step Worker::take_step() {
  if (--until_maintenance_ == 0) {
    until_maintenance_ = shared_.config().event_interval;
    maintain();
  }
  TaskHeader* task = next_task();
  if (task == nullptr) {
    task = steal();
  }
  if (task == nullptr) {
    return Step::kNothing;
  }
  stop_searching();
  if (is_observed_) [[unlikely]] {
    run_with_lifo<true>(*task);
  } else {
    run_with_lifo<false>(*task);
  }
  return Step::kWorked;
}

Worker::Step Worker::step() {
  return take_step();
}

void Worker::run() {
  const Entered entered(*this);
  while (!shared_.is_shutting_down()) {
    if (take_step() == Step::kNothing && !shared_.is_shutting_down()) {
      park();
    }
  }
  shared_.shut_down_worker(*this);
}

// --- for the library's headers: the calling thread's worker -----------------------------------

bool run_awaited(TaskHeader& task) noexcept {
  Worker* worker = thread_context.worker;
  return worker != nullptr && worker->run_awaited(task);
}

void run_newest_first() noexcept {
  if (Worker* worker = thread_context.worker; worker != nullptr) {
    worker->run_newest_first();
  }
}

bool is_in_lifo_slot(const TaskHeader& task) noexcept {
  const Worker* worker = thread_context.worker;
  return worker != nullptr && worker->is_in_lifo_slot(task);
}

bool renew_budget() noexcept {
  if (thread_context.budget.is_unlimited()) {
    thread_context.budget = Budget();
    return true;
  }
  Worker* worker = thread_context.worker;
  return worker != nullptr && worker->renew_budget();
}

Budget fresh_budget() noexcept {
  const Worker* worker = thread_context.worker;
  return worker != nullptr ? worker->fresh_budget() : Budget{kCoopBudget, 0};
}

void note_forced_yield() noexcept {
  if (Worker* worker = thread_context.worker; worker != nullptr) {
    worker->count_forced_yield();
  }
}

}  // namespace ringo::detail
