// SPDX-License-Identifier: MIT
//
// ForkDeque with two slots: an owner that pushes, pops and overflows, and two thieves. Each item is
// taken exactly once, and what was written before the push is seen by who takes it.
//
// twin: RINGO_TWIN_NO_BARRIER
// twin: RINGO_TWIN_UNPUBLISHED

#ifdef RINGO_TWIN_NO_BARRIER
// The owner does not announce its claim before it looks at the top (D3).
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_seq_cst)
#endif
#ifdef RINGO_TWIN_UNPUBLISHED
// The push does not publish what it pushes.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_release)
#endif

#include <ringo/detail/fork_deque.h>

#include "model/model.h"

namespace ringo::detail {
namespace {

struct Item {
  Plain<int> payload{0};
  Atomic<int> taken{0};
};

struct ForkDequeModel : rl::test_suite<ForkDequeModel, 3> {
  static constexpr int kItems = 4;

  ForkDeque<Item, 2> deque;
  Item items[kItems];

  void take(Item* item) {
    RL_ASSERT(item->payload.get() == 1);
    RL_ASSERT(item->taken.fetch_add(1, std::memory_order_relaxed) == 0);
  }

  void thread(unsigned index) {
    if (index == 0) {
      for (int next = 0; next < kItems; ++next) {
        items[next].payload.set(1);
        while (!deque.push(&items[next])) {
          if (Item* item = deque.pop()) {
            take(item);
          }
        }
        if (next == 2) {
          if (Item* item = deque.pop()) {
            take(item);
          }
        }
      }
      while (Item* item = deque.pop()) {
        take(item);
      }
    } else {
      for (int round = 0; round < 2; ++round) {
        if (Item* item = deque.steal()) {
          take(item);
        }
      }
    }
  }

  void after() {
    RL_ASSERT(deque.pop() == nullptr);
    for (const Item& item : items) {
      RL_ASSERT(item.taken.load(std::memory_order_relaxed) == 1);
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::ForkDequeModel>();
}
