// SPDX-License-Identifier: MIT
//
// What a worker that is about to sleep sees of another's LocalQueue: one that always holds an item
// (each is pushed before the one in front of it is popped, as by tasks that yield) never looks
// empty, however long the look takes. Nobody would be told of those items again.
//
// twin: RINGO_MODEL_LOOKS_ONCE

#include "model/model.h"
#include "scheduler/local_queue.h"

namespace ringo::detail {
namespace {

struct LocalQueueLengthModel : rl::test_suite<LocalQueueLengthModel, 2> {
  static constexpr int kRounds = 4;  // more than fit: the tail runs away from a head that was read
  LocalQueue<int, 2> queue;

  void before() { RL_ASSERT(queue.push(0)); }

  void thread(unsigned index) {
    if (index == 0) {
      int item = -1;
      for (int i = 0; i < kRounds; ++i) {
        RL_ASSERT(queue.push(i));
        RL_ASSERT(i % 2 == 0 ? queue.pop(item) : queue.pop_back(item));
      }
    } else {
      RL_ASSERT(queue.length() != 0);
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::LocalQueueLengthModel>();
}
