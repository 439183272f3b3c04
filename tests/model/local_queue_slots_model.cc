// SPDX-License-Identifier: MIT
//
// Thieves that steal from each other: what a thief has put into its own queue is taken on by the
// next one. And a full queue whose slots a thief still copies is not overwritten (Q1).
//
// twin: RINGO_TWIN_ACQ_REL
// twin: RINGO_TWIN_ACQUIRE

#ifdef RINGO_TWIN_ACQ_REL
// Taking slots and giving them back does not order the copies in between.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_acq_rel)
#endif
#ifdef RINGO_TWIN_ACQUIRE
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_acquire)
#endif

#include "model/model.h"
#include "scheduler/local_queue.h"

namespace ringo::detail {
namespace {

struct LocalQueueSlotsModel : rl::test_suite<LocalQueueSlotsModel, 3> {
  static constexpr int kItems = 8;
  using Queue = LocalQueue<int, 4>;

  Queue first;
  Queue second;
  Queue third;
  int seen[kItems] = {};

  void take(int item) {
    RL_ASSERT(item >= 0 && item < kItems);
    ++seen[item];
    RL_ASSERT(seen[item] == 1);
  }
  void drain(Queue& queue) {
    int item = -1;
    while (queue.pop(item)) {
      take(item);
    }
  }

  void thread(unsigned index) {
    int item = -1;
    if (index == 0) {
      for (int next = 0; next < kItems; ++next) {
        if (!first.push(next)) {
          take(next);
        }
      }
    } else if (index == 1) {
      for (int round = 0; round < 2; ++round) {
        if (first.steal_into(second, item) != 0) {
          take(item);
        }
      }
    } else {
      if (second.steal_into(third, item) != 0) {
        take(item);
      }
      if (first.steal_into(third, item) != 0) {
        take(item);
      }
    }
  }

  void after() {
    drain(first);
    drain(second);
    drain(third);
    for (const int count : seen) {
      RL_ASSERT(count == 1);
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::LocalQueueSlotsModel>();
}
