// SPDX-License-Identifier: MIT
//
// LocalQueue with four slots: an owner that pushes, pops and overflows, and two thieves. Each item
// is taken exactly once, and no slot is read and written at the same time.
//
// twin: RINGO_TWIN_RELAXED

#ifdef RINGO_TWIN_RELAXED
// The tail's store does not publish the slot.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_release)
#endif

#include "model/model.h"
#include "scheduler/local_queue.h"

namespace ringo::detail {
namespace {

struct LocalQueueModel : rl::test_suite<LocalQueueModel, 3> {
  static constexpr int kItems = 6;
  using Queue = LocalQueue<int, 4>;

  Queue queue;
  Queue own_of_thief[2];
  int seen[kItems] = {};

  void take(int item) {
    RL_ASSERT(item >= 0 && item < kItems);
    ++seen[item];
    RL_ASSERT(seen[item] == 1);
  }

  void thread(unsigned index) {
    int item = -1;
    if (index == 0) {
      for (int next = 0; next < kItems; ++next) {
        while (!queue.push(next)) {
          if (!queue.take_second_half([this](int taken) { take(taken); })) {
            rl::yield(1, $);  // a thief is at work
          }
        }
        if (next == 2 && queue.pop(item)) {
          take(item);
        }
      }
      while (queue.pop(item)) {
        take(item);
      }
    } else {
      Queue& own = own_of_thief[index - 1];
      for (int round = 0; round < 2; ++round) {
        if (queue.steal_into(own, item) != 0) {
          take(item);
          while (own.pop(item)) {
            take(item);
          }
        }
      }
    }
  }

  void after() {
    int item = -1;
    while (queue.pop(item)) {
      take(item);
    }
    for (const int count : seen) {
      RL_ASSERT(count == 1);
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::LocalQueueModel>();
}
