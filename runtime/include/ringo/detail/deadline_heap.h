// SPDX-License-Identifier: MIT
//
// Which of many deadlines comes first, where each may be moved or taken out: a heap of four
// children a node, in which every place knows where in the heap it is. And the wait for the first
// of them. What DelayQueue<T> is made of, without the T.
//
// Places are small numbers that the owner hands out. Deadlines are nanoseconds on the runtime's
// clock; equal ones keep the order in which they were set.
//
// Thread safety: one owner's.

#pragma once

#include <ringo/detail/task_core.h>
#include <ringo/detail/timer_entry.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringo::detail {

class DeadlineWait;

class DeadlineHeap {
 public:
  DeadlineHeap() = default;
  /// Panics (aborts) while somebody waits.
  DeadlineHeap(DeadlineHeap&& other) noexcept;
  DeadlineHeap& operator=(DeadlineHeap&& other) noexcept;
  ~DeadlineHeap();

  [[nodiscard]] bool empty() const noexcept { return nodes_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  /// Requires: not empty().
  [[nodiscard]] std::size_t first_place() const noexcept { return nodes_.front().place; }
  [[nodiscard]] std::int64_t first_deadline() const noexcept { return nodes_.front().deadline; }
  [[nodiscard]] std::int64_t deadline_of(std::size_t place) const noexcept {
    return nodes_[positions_[place]].deadline;
  }

  /// For a place that has no deadline. Complexity: O(log n); O(1) on average.
  void insert(std::size_t place, std::int64_t deadline);
  /// For a place that has one. Complexity: O(log n).
  void change(std::size_t place, std::int64_t deadline) noexcept;
  void remove(std::size_t place) noexcept;
  void clear() noexcept;

  void reserve(std::size_t places);
  /// Forgets the places from `places` on, none of which has a deadline, and gives memory back.
  void shrink(std::size_t places);
  [[nodiscard]] bool is_awaited() const noexcept { return waiting_ != nullptr; }

 private:
  friend class DeadlineWait;

  struct Node {
    std::int64_t deadline;
    std::uint64_t order;  ///< among equal deadlines
    std::size_t place;
  };

  static bool is_before(const Node& left, const Node& right) noexcept {
    return left.deadline != right.deadline ? left.deadline < right.deadline
                                           : left.order < right.order;
  }
  void put(std::size_t position, const Node& node) noexcept;
  void sift_up(std::size_t position, const Node& node) noexcept;
  void sift_down(std::size_t position, const Node& node) noexcept;
  void sift(std::size_t position, const Node& node) noexcept;
  void tell_waiting() noexcept;

  std::vector<Node> nodes_;
  std::vector<std::size_t> positions_;  ///< by place; where there is a deadline, its node
  std::uint64_t next_order_ = 0;
  DeadlineWait* waiting_ = nullptr;
};

/// The wait for the first deadline of a heap, which may change meanwhile.
class DeadlineWait {
 public:
  explicit DeadlineWait(DeadlineHeap& heap) noexcept
      : heap_(&heap), timer_(0, TimerEntry::Counts::kFromZero) {}
  DeadlineWait(DeadlineWait&&) = default;
  DeadlineWait& operator=(DeadlineWait&&) = delete;
  ~DeadlineWait() { stop(); }

  /// False: the first deadline has passed, or there is none.
  [[nodiscard]] bool start(Branch& branch);
  /// After a wake: whether the first deadline has passed, or there is none any more.
  [[nodiscard]] bool is_over() noexcept;
  void stop() noexcept;

 private:
  friend class DeadlineHeap;

  DeadlineHeap* heap_;
  Branch* branch_ = nullptr;
  TimerEntry timer_;
};

}  // namespace ringo::detail
