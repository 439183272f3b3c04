// SPDX-License-Identifier: MIT
//
// A doubly linked list whose nodes live in the objects themselves, so that queueing a waiter never
// allocates and a waiter can leave from the middle in O(1). Not thread-safe: its owner's lock is.

#pragma once

#include <ringo/detail/assert.h>

#include <array>

namespace ringo::detail {

/// Base of a list element. Moving is allowed only while it is in no list.
class ListNode {
 public:
  ListNode() = default;
  ListNode([[maybe_unused]] ListNode&& other) noexcept {
    RINGO_DCHECK(!other.is_linked(), "a linked node was moved");
  }
  ListNode& operator=(ListNode&&) = delete;
  ~ListNode() { RINGO_DCHECK(!is_linked(), "a node was destroyed while still in its list"); }

  [[nodiscard]] bool is_linked() const noexcept { return next_ != nullptr; }

 private:
  template <class>
  friend class IntrusiveList;

  ListNode* next_ = nullptr;
  ListNode* previous_ = nullptr;
};

/// A circular list around a sentinel. T derives from ListNode.
template <class T>
class IntrusiveList {
 public:
  IntrusiveList() noexcept { root_.next_ = root_.previous_ = &root_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    RINGO_DCHECK(empty(), "a list was destroyed while it had elements");
    root_.next_ = root_.previous_ = nullptr;
  }

  [[nodiscard]] bool empty() const noexcept { return root_.next_ == &root_; }
  [[nodiscard]] T* front() noexcept { return empty() ? nullptr : to_element(root_.next_); }
  [[nodiscard]] T* back() noexcept { return empty() ? nullptr : to_element(root_.previous_); }
  /// The element after this one, or null at the end.
  [[nodiscard]] T* after(T& element) noexcept {
    ListNode& node = element;
    return node.next_ == &root_ ? nullptr : to_element(node.next_);
  }

  void push_back(T& element) noexcept { insert_before(root_, element); }
  void push_front(T& element) noexcept { insert_before(*root_.next_, element); }

  void remove(T& element) noexcept {
    ListNode& node = element;
    RINGO_DCHECK(node.is_linked(), "a node was removed from a list that it is not in");
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is linked, as claimed above.
    node.previous_->next_ = node.next_;
    node.next_->previous_ = node.previous_;
    node.next_ = node.previous_ = nullptr;
  }

  /// What remove() writes to beside the element: for those who fetch it from memory.
  [[nodiscard]] static std::array<const void*, 2> neighbours(const T& element) noexcept {
    const ListNode& node = element;
    return {node.previous_, node.next_};
  }

  /// Puts `fresh` in the place of `element`.
  void replace(T& element, T& fresh) noexcept {
    insert_before(element, fresh);
    remove(element);
  }

  T* pop_front() noexcept {
    T* element = front();
    if (element != nullptr) {
      remove(*element);
    }
    return element;
  }

  /// Takes all elements out, front first, and hands each to `take`. No element is touched before
  /// its turn, and `take` may put it into a list again.
  template <class Take>
  void drain(Take take) noexcept {
    ListNode* node = root_.next_;
    root_.next_ = root_.previous_ = &root_;
    while (node != &root_) {
      ListNode* const next = node->next_;
      node->next_ = node->previous_ = nullptr;
      take(*to_element(node));
      node = next;
    }
  }

 private:
  static T* to_element(ListNode* node) noexcept { return static_cast<T*>(node); }
  static void insert_before(ListNode& place, ListNode& node) noexcept {
    RINGO_DCHECK(!node.is_linked(), "a node was put into two lists");
    node.previous_ = place.previous_;
    node.next_ = &place;
    place.previous_->next_ = &node;
    place.previous_ = &node;
  }

  ListNode root_;
};

}  // namespace ringo::detail
