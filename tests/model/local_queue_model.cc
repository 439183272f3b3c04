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
#include "model/taken_once.h"
#include "scheduler/local_queue.h"

namespace ringo::detail {
namespace {

struct LocalQueueModel : rl::test_suite<LocalQueueModel, 3> {
  static constexpr int kItems = 6;
  using Queue = LocalQueue<int, 4>;

  Queue queue;
  Queue own_of_thief[2];
  model::TakenOnce<kItems> taken;

  void thread(unsigned index) {
    int item = -1;
    if (index == 0) {
      for (int next = 0; next < kItems; ++next) {
        while (!queue.push(next)) {
          if (!queue.take_second_half([this](int one) { taken.take(one); })) {
            rl::yield(1, $);  // a thief is at work
          }
        }
        if (next == 2 && queue.pop(item)) {
          taken.take(item);
        }
      }
      taken.drain(queue);
    } else {
      Queue& own = own_of_thief[index - 1];
      for (int round = 0; round < 2; ++round) {
        if (queue.steal_into(own, item) != 0) {
          taken.take(item);
          taken.drain(own);
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
  return ringo::model::run<ringo::detail::LocalQueueModel>();
}
