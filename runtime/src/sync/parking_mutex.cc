// SPDX-License-Identifier: MIT
//
// Taking several mutexes at once: by their addresses, which is the same order for everybody.
//
// Thread safety: as parking_mutex.h says.

#include <ringo/parking_mutex.h>

#include <algorithm>
#include <functional>
#include <source_location>

namespace ringo {

ParkingGuardOfAll::ParkingGuardOfAll(Mutexes mutexes, std::source_location where)
    : mutexes_(mutexes) {
  std::sort(mutexes_.begin(), mutexes_.end(), std::greater<>());  // nulls come last
  const auto end = std::unique(mutexes_.begin(), mutexes_.end());
  std::fill(end, mutexes_.end(), nullptr);
  for (ParkingMutex* const mutex : mutexes_) {
    if (mutex != nullptr) {
      mutex->lock(where);
    }
  }
}

ParkingGuardOfAll::~ParkingGuardOfAll() {
  for (ParkingMutex* const mutex : mutexes_) {
    if (mutex != nullptr) {
      mutex->unlock();
    }
  }
}

}  // namespace ringo
