// SPDX-License-Identifier: MIT
//
// The marks of ParkingLock's sleepers (L1, L2), as if an unlock were one step and no sleep ended by
// itself.
//
// twin: RINGO_MODEL_SLEEPS_UNMARKED
// twin: RINGO_MODEL_FORGETS_SLEEPERS

#define RINGO_MODEL_EXACT_MARKS

#include "model/parking_lock_suite.h"

int main() {
  return ringo::model::run<ringo::detail::ParkingLockSuite>(200'000, 2);
}
