// SPDX-License-Identifier: MIT
//
// LocalQueue whose owner pops from both ends while a thief steals: each item is taken exactly once.
//
// twin: RINGO_TWIN_RELAXED

#ifdef RINGO_TWIN_RELAXED
// Q4: a thief that sees the new version may see the tail from before it.
#define RINGO_MODEL_WEAKEN(order) \
  ((order) == std::memory_order_acq_rel || (order) == std::memory_order_release)
#endif

#include "model/model.h"
#include "model/taken_once.h"
#include "scheduler/local_queue.h"

namespace ringo::detail {
namespace {

struct LocalQueueBackModel : rl::test_suite<LocalQueueBackModel, 2> {
  static constexpr int kItems = 4;
  using Queue = LocalQueue<int, 4>;

  Queue queue;
  Queue own_of_thief;
  model::TakenOnce<kItems> taken;

  void thread(unsigned index) {
    int item = -1;
    if (index == 0) {
      for (int next = 0; next < kItems; ++next) {
        RL_ASSERT(queue.push(next));
        if (next == 1 && queue.pop_back(item)) {
          taken.take(item);
        }
      }
      if (queue.pop(item)) {
        taken.take(item);
      }
      while (queue.pop_back(item)) {
        taken.take(item);
      }
    } else {
      for (int round = 0; round < 2; ++round) {
        if (queue.steal_into(own_of_thief, item) != 0) {
          taken.take(item);
          while (own_of_thief.pop_back(item)) {
            taken.take(item);
          }
        }
      }
    }
  }

  void after() {
    taken.drain(queue);
    taken.check_all();
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::LocalQueueBackModel>();
}
