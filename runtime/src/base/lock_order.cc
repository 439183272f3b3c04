// SPDX-License-Identifier: MIT
//
// The graph of lock orders. It is small: most locks are taken alone, and have no node.
//
// Thread safety: none; held_locks.cc has it behind a lock.

#include "base/lock_order.h"

#include <ringo/detail/held_locks.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace ringo::detail {

std::vector<LockOrder> LockOrderGraph::add(const LockOrder& order) {
  if (const auto found = nodes_.find(order.held); found != nodes_.end()) {
    const auto& out = found->second.out;
    if (std::any_of(out.begin(), out.end(),
                    [&](const LockOrder& known) { return known.wanted == order.wanted; })) {
      return {};
    }
  }
  if (orders_ == kMaxLockOrders) {
    is_full_ = true;
    return {};
  }
  std::vector<LockOrder> contradiction = path(order.wanted, order.held);
  nodes_[order.held].out.push_back(order);
  nodes_[order.wanted].in.push_back(order.held);
  ++orders_;
  return contradiction;
}

void LockOrderGraph::remove(const void* lock) {
  const auto found = nodes_.find(lock);
  if (found == nodes_.end()) {
    return;
  }
  const Node node = std::move(found->second);
  nodes_.erase(found);
  orders_ -= node.out.size() + node.in.size();
  for (const LockOrder& order : node.out) {
    std::erase(nodes_[order.wanted].in, lock);
  }
  for (const void* before : node.in) {
    std::erase_if(nodes_[before].out, [&](const LockOrder& o) { return o.wanted == lock; });
  }
}

std::vector<LockOrder> LockOrderGraph::path(const void* from, const void* to) const {
  std::unordered_map<const void*, const LockOrder*> reached_by{{from, nullptr}};
  std::vector<const void*> open{from};
  while (!open.empty() && !reached_by.contains(to)) {
    const void* const at = open.back();
    open.pop_back();
    const auto found = nodes_.find(at);
    if (found == nodes_.end()) {
      continue;
    }
    for (const LockOrder& order : found->second.out) {
      if (reached_by.try_emplace(order.wanted, &order).second) {
        open.push_back(order.wanted);
      }
    }
  }
  std::vector<LockOrder> orders;
  if (reached_by.contains(to)) {
    for (const LockOrder* last = reached_by[to]; last != nullptr; last = reached_by[last->held]) {
      orders.push_back(*last);
    }
    std::reverse(orders.begin(), orders.end());
  }
  return orders;
}

std::string describe(const std::vector<LockOrder>& orders) {
  std::string text;
  for (const LockOrder& order : orders) {
    text += fmt::format("\n  mutex {} wanted at {}:{}, while mutex {} was held since {}:{}",
                        order.wanted, order.wanted_at.file_name(), order.wanted_at.line(),
                        order.held, order.held_since.file_name(), order.held_since.line());
  }
  return text;
}

}  // namespace ringo::detail
