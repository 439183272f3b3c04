// SPDX-License-Identifier: MIT
//
// What the models of ParkingLock run, each with its own macros: three threads add to what the lock
// protects, two of them twice. No sum is lost, what one wrote the next sees, and nobody sleeps for
// ever (relacy reports that as a deadlock).
//
// Thread safety: a model's.

#pragma once

#include <ringo/detail/parking_lock.h>

#include "model/model.h"

namespace ringo::detail {

struct ParkingLockSuite : rl::test_suite<ParkingLockSuite, 3> {
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

}  // namespace ringo::detail
