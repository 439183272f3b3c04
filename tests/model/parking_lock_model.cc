// SPDX-License-Identifier: MIT
//
// ParkingLock as it is. That whoever has marked the word is woken, but for L3, is
// parking_lock_marks_model.cc.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_MODEL_SLEEPS_FOR_EVER

#ifdef RINGO_TWIN_RELAXED
#define RINGO_MODEL_WEAKEN(order) \
  ((order) == std::memory_order_release || (order) == std::memory_order_acquire)
#endif

#include "model/parking_lock_suite.h"

int main() {
  return ringo::model::run<ringo::detail::ParkingLockSuite>(200'000, 2);
}
