// SPDX-License-Identifier: MIT
//
// The tree of cancellation tokens. A node's lock guards the list of its children; locks of two
// nodes are never held together. Neither cancelling nor destroying a deep tree recurses.
//
// Thread safety: as the header says.

#include <ringo/cancellation_token.h>
#include <ringo/detail/mutex.h>

#include <atomic>
#include <memory>
#include <utility>

namespace ringo::detail {
namespace {

/// Where the destructor of a node leaves its parent if a destructor further up the stack will take
/// care of it.
constinit thread_local std::shared_ptr<CancellationNode>* orphaned_parent = nullptr;

/// Drops a reference. A chain of parents that goes with it goes in a loop.
void drop_parent(std::shared_ptr<CancellationNode> parent) noexcept {
  if (orphaned_parent != nullptr) {
    *orphaned_parent = std::move(parent);
    return;
  }
  std::shared_ptr<CancellationNode> next = std::move(parent);
  orphaned_parent = &next;
  while (next != nullptr) {
    const std::shared_ptr<CancellationNode> current = std::exchange(next, nullptr);
  }
  orphaned_parent = nullptr;
}

}  // namespace

CancellationNode::~CancellationNode() {
  if (parent_ == nullptr) {
    return;
  }
  {
    const MutexGuard guard(parent_->mutex_);
    if (is_linked()) {
      parent_->children_.remove(*this);
    }
  }
  drop_parent(std::move(parent_));
}

std::shared_ptr<CancellationNode> CancellationNode::make_child(
    std::shared_ptr<CancellationNode> parent) {
  auto child = std::make_shared<CancellationNode>();
  child->parent_ = std::move(parent);
  CancellationNode& above = *child->parent_;
  const MutexGuard guard(above.mutex_);
  // relaxed: under the lock, and the child is nobody's yet.
  if (above.is_cancelled_.load(std::memory_order_relaxed)) {
    child->is_cancelled_.store(true, std::memory_order_relaxed);
  } else {
    above.children_.push_back(*child);
  }
  return child;
}

void CancellationNode::mark(std::shared_ptr<CancellationNode>& to_do) noexcept {
  {
    const MutexGuard guard(mutex_);
    if (is_cancelled_.load(std::memory_order_relaxed)) {
      return;
    }
    // release: pairs with is_cancelled().
    is_cancelled_.store(true, std::memory_order_release);
    while (CancellationNode* child = children_.pop_front()) {
      // Null: it is being destroyed, and waits for our lock to leave the list.
      if (std::shared_ptr<CancellationNode> alive = child->weak_from_this().lock()) {
        alive->next_to_do_ = std::move(to_do);
        to_do = std::move(alive);
      }
    }
  }
  waiters.wake_all();
}

void CancellationNode::cancel() noexcept {
  std::shared_ptr<CancellationNode> to_do;
  mark(to_do);
  while (to_do != nullptr) {
    const std::shared_ptr<CancellationNode> node = std::move(to_do);
    to_do = std::move(node->next_to_do_);
    node->mark(to_do);
  }
}

}  // namespace ringo::detail
