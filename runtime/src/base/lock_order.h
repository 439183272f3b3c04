// SPDX-License-Identifier: MIT
//
// The orders in which locks were taken: an edge from what was held to what was wanted. A new edge
// that closes a circle is an inversion, and a deadlock of two threads that happen to meet, also if
// they never did so far. For builds with RINGO_CHECK_SUSPEND.
//
// Thread safety: none; held_locks.cc has it behind a lock.

#pragma once

#include <cstddef>
#include <source_location>
#include <string>
#include <unordered_map>
#include <vector>

namespace ringo::detail {

/// "while the first, held since .., the second was wanted at .."
struct LockOrder {
  const void* held;
  std::source_location held_since;
  const void* wanted;
  std::source_location wanted_at;
};

class LockOrderGraph {
 public:
  /// Remembers the order. Returns the orders that contradict it, each leading to the next, if this
  /// is the first time and there are any.
  [[nodiscard]] std::vector<LockOrder> add(const LockOrder& order);
  /// Forgets all orders of a lock. Complexity: linear in them.
  void remove(const void* lock);

  /// Whether an order was not remembered, because there were kMaxLockOrders.
  [[nodiscard]] bool is_full() const noexcept { return is_full_; }

 private:
  struct Node {
    std::vector<LockOrder> out;
    std::vector<const void*> in;
  };
  [[nodiscard]] std::vector<LockOrder> path(const void* from, const void* to) const;

  std::unordered_map<const void*, Node> nodes_;
  std::size_t orders_ = 0;
  bool is_full_ = false;
};

/// For a report: one line for each order.
[[nodiscard]] std::string describe(const std::vector<LockOrder>& orders);

}  // namespace ringo::detail
