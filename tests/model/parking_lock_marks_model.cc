// SPDX-License-Identifier: MIT
//
// The marks of ParkingLock's sleepers (L1, L2), as if an unlock were one step and no sleep ended by
// itself: three threads take the lock, two of them twice, and nobody sleeps for ever.
//
// twin: RINGO_MODEL_SLEEPS_UNMARKED
// twin: RINGO_MODEL_FORGETS_SLEEPERS

#define RINGO_MODEL_EXACT_MARKS

#include <ringo/detail/parking_lock.h>

#include "model/model.h"

namespace ringo::detail {
namespace {

struct ParkingLockMarksModel : rl::test_suite<ParkingLockMarksModel, 3> {
  ParkingLock lock;
  Plain<int> sum{0};
  int tries = 0;

  void after() { RL_ASSERT(sum.get() == 5 + tries); }

  void add() {
    lock.lock();
    sum.set(sum.get() + 1);
    lock.unlock();
  }
  void thread(unsigned index) {
    add();
    if (index != 0) {
      add();
    } else if (lock.try_lock()) {
      sum.set(sum.get() + 1);
      ++tries;
      lock.unlock();
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::ParkingLockMarksModel>(200'000, 2);
}
