// SPDX-License-Identifier: MIT
//
// A task for models of what wakes tasks: one branch, and a run queue that is a semaphore on which
// the model's thread sleeps. A task that is never woken is a deadlock to relacy.
//
// Thread safety: relacy runs all threads of a model on one. open() and close() from the model's
// before() and after(), sleep() from the thread that plays the task.

#pragma once

#include <ringo/config.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/task_core.h>

#include <cstddef>
#include <cstdlib>
#include <source_location>

#include "model/model.h"

namespace ringo::detail {

// A model is one translation unit, without the runtime's sources.
inline void check_failed(const char* /*condition*/, const char* message, const char* /*file*/,
                         int /*line*/) noexcept {
  RL_ASSERT(!message);
  std::abort();
}

// A task of a model has no branches beside its root, so nothing is taken from the frame pool.
inline void* allocate_unpooled(std::size_t /*size*/) {
  std::abort();
}
inline void free_unpooled(void* /*block*/, std::size_t /*size*/) noexcept {
  std::abort();
}
#if RINGO_FRAME_POOL
inline void* refill_frames(std::size_t /*size_class*/) {
  std::abort();
}
inline void spill_frames(std::size_t /*size_class*/) noexcept {
  std::abort();
}
inline void begin_frames(std::size_t /*size_class*/) {
  std::abort();
}
#endif

}  // namespace ringo::detail

namespace ringo::model {

/// A cell of nothing.
struct ModelCell final : detail::TaskHeader {
  using TaskHeader::TaskHeader;
};

class ModelTask final : public detail::Schedule {
 public:
  void open() {
    rl::rl_sem_init(&queue_, 0, 0, $);
    header_ = new ModelCell(detail::TaskState::kIdleWithHandle, kNoKind, this,
                            std::source_location::current());
  }
  /// Every waker must have given its reference up.
  void close() {
    RL_ASSERT(!header_->state.release());
    RL_ASSERT(header_->state.release());
    delete header_;
    rl::rl_sem_destroy(&queue_, $);
  }

  void schedule(detail::TaskHeader& /*task*/) noexcept override { rl::rl_sem_post(&queue_, $); }

  [[nodiscard]] detail::Branch& branch() noexcept { return header_->root; }
  /// Suspends until it is scheduled. The model does not know a task that is woken while it runs:
  /// every look at the condition is one that a task makes after it was woken for nothing.
  void sleep() {
    while (rl::rl_sem_wait(&queue_, $) != 0) {
      // interrupted for nothing, as real ones are
    }
    (void)header_->state.start_running();
    if (header_->state.stop_running()) {
      rl::rl_sem_post(&queue_, $);  // notified meanwhile: it is queued again
    }
  }

 private:
  static constexpr detail::TaskKind kNoKind{nullptr, nullptr, nullptr, nullptr};

  rl::rl_sem_t queue_;
  ModelCell* header_ = nullptr;
};

}  // namespace ringo::model
