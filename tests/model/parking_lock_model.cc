// SPDX-License-Identifier: MIT
//
// ParkingLock: three threads add to what it protects, two of them twice. No sum is lost, what one
// wrote the next sees, and nobody sleeps for ever (relacy reports that as a deadlock). That whoever
// has marked the word is woken, but for L3, is parking_lock_marks_model.cc.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_MODEL_SLEEPS_FOR_EVER

#ifdef RINGO_TWIN_RELAXED
#define RINGO_MODEL_WEAKEN(order) \
  ((order) == std::memory_order_release || (order) == std::memory_order_acquire)
#endif

#include <ringo/detail/parking_lock.h>

#include "model/model.h"

namespace ringo::detail {
namespace {

struct ParkingLockModel : rl::test_suite<ParkingLockModel, 3> {
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
  return ringo::model::run<ringo::detail::ParkingLockModel>(200'000, 2);
}
