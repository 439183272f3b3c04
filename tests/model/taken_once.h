// SPDX-License-Identifier: MIT
//
// What models of queues ask for: each item is taken by somebody, and by nobody else.
//
// Thread safety: relacy runs all threads of a model on one.

#pragma once

#include "model/model.h"

namespace ringo::model {

/// Items are numbered from 0.
template <int kItems>
class TakenOnce {
 public:
  void take(int item) {
    RL_ASSERT(item >= 0 && item < kItems);
    ++seen_[item];
    RL_ASSERT(seen_[item] == 1);
  }
  /// By the owner of the queue.
  template <class Queue>
  void drain(Queue& queue) {
    int item = -1;
    while (queue.pop(item)) {
      take(item);
    }
  }
  /// When nobody has any left.
  void check_all() const {
    for (const int count : seen_) {
      RL_ASSERT(count == 1);
    }
  }

 private:
  int seen_[kItems] = {};
};

}  // namespace ringo::model
