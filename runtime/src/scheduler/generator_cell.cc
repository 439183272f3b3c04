// SPDX-License-Identifier: MIT
//
// Wakes of a generator's body, and its end: see generator_cell.h.

#include <ringo/detail/assert.h>
#include <ringo/detail/generator_cell.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/task_state.h>

#include <coroutine>
#include <source_location>
#include <utility>

namespace ringo::detail {

/// What a woken body is pushed to: its own cell.
class GeneratorCell::Queue final : public Schedule {
 public:
  void schedule(TaskHeader& body) noexcept override { static_cast<GeneratorCell&>(body).on_wake(); }
  static Queue& instance() noexcept {
    static constinit Queue queue;
    return queue;
  }
};

// The owner runs and ends the body itself.
constinit const TaskKind GeneratorCell::kKind{nullptr, nullptr, nullptr, &destroy};

GeneratorCell::GeneratorCell(std::coroutine_handle<> body) noexcept
    : TaskHeader(TaskState::kSpawnedWithHandle, kKind, &Queue::instance(),
                 std::source_location::current()),
      body_(body) {}

bool GeneratorCell::wait(Branch& branch) noexcept {
  for (;;) {
    if (phase_ == Phase::kHeld) {
      if (take_turn()) {
        yield_turn(branch);
        return true;
      }
      if (stop_running()) {
        continue;
      }
    } else if (!resume_running(&branch)) {
      return true;
    }
    if (run()) {
      return false;
    }
  }
}

bool GeneratorCell::resume_running(Branch* waiter) noexcept {
  {
    const MutexGuard guard(mutex_);
    waiter_ = nullptr;
    if (!std::exchange(is_woken_, false)) {
      waiter_ = waiter;
      return false;
    }
  }
  (void)state.start_running();
  phase_ = Phase::kHeld;
  return true;
}

bool GeneratorCell::stop_running() noexcept {
  if (state.stop_running()) {
    (void)state.start_running();
    return false;
  }
  phase_ = Phase::kIdle;
  return true;
}

void GeneratorCell::stop_waiting() noexcept {
  if (phase_ == Phase::kIdle) {
    const MutexGuard guard(mutex_);
    waiter_ = nullptr;
  }
}

void GeneratorCell::on_wake() noexcept {
  WakeList woken;
  {
    const MutexGuard guard(mutex_);
    if (!is_closed_) {
      is_woken_ = true;
      if (Branch* waiter = std::exchange(waiter_, nullptr)) {
        woken.add(*waiter);
      }
      // Behind the lock the cell may be gone: woken is ours alone.
      return;
    }
  }
  (void)state.start_running();
  complete();
}

bool GeneratorCell::leave(Branch& branch) noexcept {
  if (!is_leaving_ && !is_pinned()) {
    return true;
  }
  is_leaving_ = true;
  for (;;) {
    take_ready_bits(*this);
    const Phase phase = std::exchange(phase_, Phase::kInside);
    const bool is_gone = cancel_branch(root);
    phase_ = phase;
    if (is_gone) {
      end();
      return true;
    }
    if (take_turn()) {
      wake(branch);
      return false;
    }
    if (phase_ == Phase::kHeld && !stop_running()) {
      continue;
    }
    if (!resume_running(&branch)) {
      return false;
    }
  }
}

void GeneratorCell::end() noexcept {
  if (phase_ == Phase::kEnded) {
    return;
  }
  RINGO_CHECK(phase_ != Phase::kInside, "a generator was destroyed by its own body");
  std::exchange(body_, nullptr).destroy();
  root.leaf = nullptr;
  if (std::exchange(phase_, Phase::kEnded) == Phase::kIdle) {
    bool is_ours = false;
    {
      const MutexGuard guard(mutex_);
      is_closed_ = true;
      waiter_ = nullptr;
      is_ours = is_woken_;
    }
    if (!is_ours && !state.notify()) {
      return;  // a wake is under way, and completes the cell
    }
    (void)state.start_running();
  }
  complete();
}

void GeneratorCell::close() noexcept {
  RINGO_CHECK(is_leaving_ || !is_pinned(), "a generator was destroyed in a shield or scope of it");
  end();
  release(*this);
}

void GeneratorCell::complete() noexcept {
  (void)state.complete();
  release(*this);
}

}  // namespace ringo::detail
