// SPDX-License-Identifier: MIT
//
// The wait for a lock cannot be kept by name and raced again and again: whoever loses a race is
// destroyed, and what it was granted goes to the next (tests/sync/futurelock_test.cc).
//
// expect-error: an operation is awaited in the expression that begins it
#include <ringo/sync/mutex.h>
#include <ringo/task.h>

ringo::Task<int> locks_by_name(ringo::Mutex<int>& mutex) {
#ifdef RINGO_COMPILE_FAIL
  auto waiting = mutex.lock();
  const ringo::MutexGuard<int> guard = co_await waiting;
#else
  const ringo::MutexGuard<int> guard = co_await mutex.lock();
#endif
  co_return *guard;
}
