// SPDX-License-Identifier: MIT
//
// Net two, in users' code: clang reports a guard of a ParkingMutex, a bare lock() and a lock_all()
// that are held over the co_await of a task, of an operation and of a handle. A guard in a scope of
// its own, an early unlock(), and several mutexes taken by lock_all() are all sound.
//
// compiler: clang
// flags: -Wthread-safety -Werror
// expect-error: :[[over_task]]:
// expect-error: :[[over_operation]]:
// expect-error: :[[over_handle]]:
// expect-error: :[[without_guard]]:
// expect-error: :[[all]]:
// expect-error: no_suspend
#include <ringo/parking_mutex.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/thread_annotations.h>
#include <ringo/yield.h>

#include <utility>

ringo::Task<int> child() {
  co_return 1;
}

class Counter {
 public:
#ifdef RINGO_COMPILE_FAIL
  ringo::Task<void> over_a_task() {
    const ringo::ParkingGuard guard(mutex_);
    count_ += co_await child();  // mark: over_task
  }
  ringo::Task<void> over_an_operation() {
    const ringo::ParkingGuard guard(mutex_);
    ++count_;
    co_await ringo::yield_now();  // mark: over_operation
  }
  ringo::Task<void> over_a_handle() {
    auto handle = ringo::spawn(child());
    const ringo::ParkingGuard guard(mutex_);
    (void)co_await std::move(handle);  // mark: over_handle
  }
  ringo::Task<void> without_guard() {
    mutex_.lock();
    co_await ringo::yield_now();  // mark: without_guard
    mutex_.unlock();
  }
  ringo::Task<void> all() {
    const auto guard = ringo::lock_all(mutex_, other_);
    co_await ringo::yield_now();  // mark: all
  }
#endif

  ringo::Task<void> in_a_scope() {
    {
      const ringo::ParkingGuard guard(mutex_);
      ++count_;
    }
    co_await ringo::yield_now();
  }
  ringo::Task<void> unlocked_early() {
    ringo::ParkingGuard guard(mutex_);
    ++count_;
    guard.unlock();
    co_await ringo::yield_now();
    guard.lock();
    ++count_;
  }
  ringo::Task<void> tried() {
    if (mutex_.try_lock()) {
      ++count_;
      mutex_.unlock();
    }
    co_await ringo::yield_now();
  }
  void several() {
    const auto guard = ringo::lock_all(mutex_, other_);
    ++count_;
    ++other_count_;
  }

 private:
  ringo::ParkingMutex mutex_;
  ringo::ParkingMutex other_;
  int count_ RINGO_GUARDED_BY(mutex_) = 0;
  int other_count_ RINGO_GUARDED_BY(other_) = 0;
};
