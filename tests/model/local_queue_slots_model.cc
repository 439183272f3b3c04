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
#include "model/taken_once.h"
#include "scheduler/local_queue.h"

namespace ringo::detail {
namespace {

struct LocalQueueSlotsModel : rl::test_suite<LocalQueueSlotsModel, 3> {
  static constexpr int kItems = 8;
  using Queue = LocalQueue<int, 4>;

  Queue first;
  Queue second;
  Queue third;
  model::TakenOnce<kItems> taken;

  void thread(unsigned index) {
    int item = -1;
    if (index == 0) {
      for (int next = 0; next < kItems; ++next) {
        if (!first.push(next)) {
          taken.take(next);
        }
      }
    } else if (index == 1) {
      for (int round = 0; round < 2; ++round) {
        if (first.steal_into(second, item) != 0) {
          taken.take(item);
        }
      }
    } else {
      if (second.steal_into(third, item) != 0) {
        taken.take(item);
      }
      if (first.steal_into(third, item) != 0) {
        taken.take(item);
      }
    }
  }

  void after() {
    taken.drain(first);
    taken.drain(second);
    taken.drain(third);
    taken.check_all();
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::LocalQueueSlotsModel>();
}
