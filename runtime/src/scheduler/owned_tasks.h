// SPDX-License-Identifier: MIT
//
// The tasks that a worker answers for: those it spawned, or was the first to run. Shutdown destroys
// them; a dump lists them. The list is the worker's alone, so that spawning takes no lock: a task
// that ends on another worker is handed back through a stack.
//
// Thread safety: give_back() from any thread, the rest from the owner.

#pragma once

#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/task_core.h>

#include <atomic>
#include <cstddef>
#include <utility>

#include "base/prefetch.h"

namespace ringo::detail {

class OwnedTasks {
 public:
  OwnedTasks() = default;
  OwnedTasks(const OwnedTasks&) = delete;
  OwnedTasks& operator=(const OwnedTasks&) = delete;
  ~OwnedTasks() = default;

  /// A new task, which brings its life reference.
  void adopt(TaskHeader& task) noexcept {
    task.owner = this;
    list_.push_back(task);
    change_count(1);
  }

  /// A task that has just ended on the owner's own thread. The life reference is the caller's
  /// again.
  void remove(TaskHeader& task) noexcept {
    list_.remove(task);
    change_count(-1);
  }

  /// Has on its way from memory what remove() will write to. As remove().
  static void fetch_neighbours(const TaskHeader& task) noexcept {
    for (const void* neighbour : IntrusiveList<TaskHeader>::neighbours(task)) {
      prefetch_to_write(neighbour);
    }
  }

  /// A task that has ended elsewhere, with its life reference.
  void give_back(TaskHeader& task) noexcept {
    // relaxed: for alive() only.
    ended_elsewhere_.fetch_add(1, std::memory_order_relaxed);
    TaskHeader* top = given_back_.load(std::memory_order_relaxed);  // the exchange decides
    do {
      task.queue_next = top;
      // release: the task's end happens before collect(). seq_cst: whoever gives back looks next
      // whether the runtime shuts down, and the owner, who shuts down, looks here.
    } while (!given_back_.compare_exchange_weak(top, &task, std::memory_order_seq_cst,
                                                std::memory_order_relaxed));
  }

  /// Forgets what was given back.
  void collect() noexcept {
    // seq_cst: see give_back(). (A plain load on x86.)
    if (given_back_.load(std::memory_order_seq_cst) == nullptr) {
      return;
    }
    // acquire: pairs with give_back().
    TaskHeader* task = given_back_.exchange(nullptr, std::memory_order_acquire);
    while (task != nullptr) {
      TaskHeader* next = std::exchange(task->queue_next, nullptr);
      remove(*task);
      // relaxed, and no read-modify-write: only the owner writes it.
      collected_.store(collected_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      release(*task);
      task = next;
    }
  }

  /// Tasks in the list, those that have ended elsewhere and were not collected yet included.
  [[nodiscard]] std::size_t count() const noexcept {
    return count_.load(std::memory_order_relaxed);
  }
  /// How many have not ended, as of a recent moment. (An owner that sleeps does not collect.) Any
  /// thread.
  [[nodiscard]] std::size_t alive() const noexcept {
    const std::size_t waiting_to_be_collected = ended_elsewhere_.load(std::memory_order_relaxed) -
                                                collected_.load(std::memory_order_relaxed);
    const std::size_t all = count();
    return waiting_to_be_collected < all ? all - waiting_to_be_collected : 0;
  }

  template <class Visit>
  void for_each(Visit visit) {
    for (TaskHeader* task = list_.front(); task != nullptr;) {
      TaskHeader* next = list_.after(*task);
      visit(*task);
      task = next;
    }
  }

 private:
  void change_count(std::ptrdiff_t by) noexcept {
    // relaxed, and no read-modify-write: only the owner writes it.
    count_.store(count() + static_cast<std::size_t>(by), std::memory_order_relaxed);
  }

  IntrusiveList<TaskHeader> list_;
  std::atomic<std::size_t> count_{0};
  std::atomic<std::size_t> collected_{0};  ///< of those that were given back, forgotten
  // What others write has a cache line of its own: the rest changes with each task.
  alignas(64) std::atomic<TaskHeader*> given_back_{nullptr};
  std::atomic<std::size_t> ended_elsewhere_{0};  ///< given back, ever
};

}  // namespace ringo::detail
