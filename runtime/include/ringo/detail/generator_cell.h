// SPDX-License-Identifier: MIT
//
// The cell that a generator's body runs in. The body has a branch of its own, so
// that it can stay where it waits when a next() is dropped: its wakes go to the cell, and the cell
// wakes whoever awaits next() at that time. As long as the body waits for nobody, RUNNING of the
// cell is simply kept, and an item costs no atomic operation.
//
//   held   the body is at its start, at a co_yield, or yields its turn: RUNNING is ours
//   idle   it waits in a leaf: RUNNING is nobody's, a wake calls on_wake()
//   ended  the frame is gone
//
// Thread safety: on_wake() any thread; the rest by whoever owns the generator.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ringo::detail {

class GeneratorCell final : public TaskHeader {
 public:
  explicit GeneratorCell(std::coroutine_handle<> body) noexcept;
  GeneratorCell(const GeneratorCell&) = delete;
  GeneratorCell& operator=(const GeneratorCell&) = delete;

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* cell, std::size_t size) noexcept { free_frame(cell, size); }

  /// Runs the body if it can go on. True: it has yielded or ended.
  [[nodiscard]] bool poll() noexcept {
    if (phase_ == Phase::kIdle && !resume_running(nullptr)) {
      return false;
    }
    return run();
  }
  /// After a poll() that said no. False: meanwhile the body has yielded or ended. True: it waits,
  /// and a wake of it will wake `branch`.
  [[nodiscard]] bool wait(Branch& branch) noexcept;
  /// Nobody waits for the body any more.
  void stop_waiting() noexcept;

  /// For the cancellation of who waits: the body stays where it is, unless it is pinned there. Then
  /// what pins it is ended, and the body with it. False: ask again after the next wake of `branch`.
  [[nodiscard]] bool leave(Branch& branch) noexcept;
  [[nodiscard]] bool is_pinned() const noexcept { return is_branch_pinned(root); }

  /// Destroys the frame, wherever it is suspended. Idempotent.
  void end() noexcept;
  /// end(), and gives up the owner's reference.
  void close() noexcept;

  [[nodiscard]] bool is_inside() const noexcept { return phase_ == Phase::kInside; }
  [[nodiscard]] bool has_ended() const noexcept { return phase_ == Phase::kEnded; }
  /// A next() was dropped while the body was pinned, which has ended it.
  [[nodiscard]] bool was_cut_off() const noexcept { return is_leaving_; }
  [[nodiscard]] std::coroutine_handle<> body() const noexcept { return body_; }

  /// The awaiter that waits for the body; null if none does. The awaiters'.
  const Leaf* waiting = nullptr;

 private:
  enum class Phase : std::uint8_t { kHeld, kInside, kIdle, kEnded };
  class Queue;

  ~GeneratorCell() = default;
  static void destroy(TaskHeader& header) noexcept { delete static_cast<GeneratorCell*>(&header); }
  static const TaskKind kKind;

  /// Requires: held. True: the body has yielded or ended.
  bool run() noexcept {
    phase_ = Phase::kInside;
    take_ready_bits(*this);
    (void)run_branch(root, body_);
    phase_ = Phase::kHeld;
    return root.leaf == nullptr;
  }
  /// From idle to held, if the body was woken. Else `waiter`, if there is one, is woken when it is.
  [[nodiscard]] bool resume_running(Branch* waiter) noexcept;
  /// From held to idle. False: it was woken meanwhile, and is held.
  [[nodiscard]] bool stop_running() noexcept;
  void on_wake() noexcept;
  /// Requires: RUNNING or NOTIFIED is ours, and the frame is gone.
  void complete() noexcept;

  std::coroutine_handle<> body_;  ///< null: ended
  Phase phase_ = Phase::kHeld;
  bool is_leaving_ = false;

  Mutex mutex_;
  Branch* waiter_ RINGO_GUARDED_BY(mutex_) = nullptr;
  bool is_woken_ RINGO_GUARDED_BY(mutex_) = false;  ///< NOTIFIED is the owner's
  bool is_closed_ RINGO_GUARDED_BY(mutex_) = false;
};

}  // namespace ringo::detail
