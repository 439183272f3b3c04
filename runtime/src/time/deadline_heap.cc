// SPDX-License-Identifier: MIT
//
// The heap moves a hole instead of swapping: a node is written once, where it comes to rest.

#include <ringo/detail/assert.h>
#include <ringo/detail/deadline_heap.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/timer_entry.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ringo::detail {
namespace {

constexpr std::size_t kChildren = 4;

}  // namespace

DeadlineHeap::DeadlineHeap(DeadlineHeap&& other) noexcept {
  *this = std::move(other);
}

DeadlineHeap& DeadlineHeap::operator=(DeadlineHeap&& other) noexcept {
  RINGO_CHECK(waiting_ == nullptr && other.waiting_ == nullptr,
              "a DelayQueue was moved while a task waits for it");
  nodes_ = std::exchange(other.nodes_, {});
  positions_ = std::exchange(other.positions_, {});
  next_order_ = other.next_order_;
  return *this;
}

DeadlineHeap::~DeadlineHeap() {
  RINGO_CHECK(waiting_ == nullptr, "a DelayQueue was destroyed while a task waits for it");
}

void DeadlineHeap::put(std::size_t position, const Node& node) noexcept {
  nodes_[position] = node;
  positions_[node.place] = position;
}

void DeadlineHeap::sift_up(std::size_t position, const Node& node) noexcept {
  while (position != 0) {
    const std::size_t parent = (position - 1) / kChildren;
    if (!is_before(node, nodes_[parent])) {
      break;
    }
    put(position, nodes_[parent]);
    position = parent;
  }
  put(position, node);
}

void DeadlineHeap::sift_down(std::size_t position, const Node& node) noexcept {
  for (;;) {
    const std::size_t begin = position * kChildren + 1;
    if (begin >= nodes_.size()) {
      break;
    }
    const std::size_t end = std::min(begin + kChildren, nodes_.size());
    std::size_t least = begin;
    for (std::size_t child = begin + 1; child < end; ++child) {
      if (is_before(nodes_[child], nodes_[least])) {
        least = child;
      }
    }
    if (!is_before(nodes_[least], node)) {
      break;
    }
    put(position, nodes_[least]);
    position = least;
  }
  put(position, node);
}

void DeadlineHeap::sift(std::size_t position, const Node& node) noexcept {
  if (position != 0 && is_before(node, nodes_[(position - 1) / kChildren])) {
    sift_up(position, node);
  } else {
    sift_down(position, node);
  }
}

void DeadlineHeap::tell_waiting() noexcept {
  if (waiting_ != nullptr && (empty() || first_deadline() != waiting_->timer_.deadline)) {
    wake(*waiting_->branch_);
  }
}

void DeadlineHeap::insert(std::size_t place, std::int64_t deadline) {
  if (place >= positions_.size()) {
    positions_.resize(place + 1);
  }
  const Node node{deadline, next_order_++, place};
  nodes_.push_back(node);
  sift_up(nodes_.size() - 1, node);
  tell_waiting();
}

void DeadlineHeap::change(std::size_t place, std::int64_t deadline) noexcept {
  sift(positions_[place], Node{deadline, next_order_++, place});
  tell_waiting();
}

void DeadlineHeap::remove(std::size_t place) noexcept {
  const std::size_t position = positions_[place];
  const Node last = nodes_.back();
  nodes_.pop_back();
  if (last.place != place) {
    sift(position, last);
  }
  tell_waiting();
}

void DeadlineHeap::clear() noexcept {
  nodes_.clear();
  tell_waiting();
}

void DeadlineHeap::reserve(std::size_t places) {
  nodes_.reserve(places);
  positions_.reserve(places);
}

void DeadlineHeap::shrink(std::size_t places) {
  positions_.resize(std::min(places, positions_.size()));
  positions_.shrink_to_fit();
  nodes_.shrink_to_fit();
}

// --- the wait ---------------------------------------------------------------------------------

bool DeadlineWait::start(Branch& branch) {
  stop();
  if (heap_->empty()) {
    return false;
  }
  timer_.restart(heap_->first_deadline());
  if (!start_timer(timer_, branch)) {
    return false;
  }
  branch_ = &branch;
  heap_->waiting_ = this;
  return true;
}

bool DeadlineWait::is_over() noexcept {
  if (!heap_->empty()) {
    const std::int64_t first = heap_->first_deadline();
    if (timer_.has_fired() ? first > timer_.deadline : first != timer_.deadline) {
      if (start(*branch_)) {
        return false;  // another is the first now
      }
    } else if (!timer_.has_fired()) {
      return false;
    }
  }
  stop();
  return true;
}

void DeadlineWait::stop() noexcept {
  timer_.stop();
  if (branch_ != nullptr) {
    branch_ = nullptr;
    heap_->waiting_ = nullptr;
  }
}

}  // namespace ringo::detail
