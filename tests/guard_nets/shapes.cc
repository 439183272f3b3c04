// SPDX-License-Identifier: MIT
//
// The shapes in which a lock can be held over a co_await, and those that only look so. Each
// co_await says which of the compile-time nets report something there; scripts/check_guard_nets.py
// compares, so that a net with a new hole, and a lint step that sees nothing any more, are noticed:
//
//   analysis     clang's thread-safety analysis with the role no_suspend
//   hostile      clang-tidy's misc-coroutine-hostile-raii, told of our guards
//   with-lock    clang-tidy's cppcoreguidelines-no-suspend-with-lock
//
// hostile reports the guard, not the await; it counts for the await that its line is marked with.
// This file is compiled by no build. docs/guide/locks.md has the table.

#include <ringo/parking_mutex.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <memory>
#include <mutex>

namespace {

ringo::ParkingMutex mutex;
ringo::ParkingMutex other;
std::mutex std_mutex;

ringo::Task<void> parking_guard() {
  const ringo::ParkingGuard guard(mutex);
  co_await ringo::yield_now();  // nets: analysis hostile
}

ringo::Task<void> all_of_them() {
  const auto guard = ringo::lock_all(mutex, other);
  co_await ringo::yield_now();  // nets: analysis hostile
}

ringo::Task<void> bare_lock() {
  mutex.lock();
  co_await ringo::yield_now();  // nets: analysis
  mutex.unlock();
}

ringo::Task<void> lock_guard_of_ours() {
  const std::lock_guard<ringo::ParkingMutex> guard(mutex);
  co_await ringo::yield_now();  // nets: hostile with-lock
}

ringo::Task<void> lock_guard() {
  const std::lock_guard<std::mutex> guard(std_mutex);
  co_await ringo::yield_now();  // nets: hostile with-lock
}

ringo::Task<void> deduced_lock_guard() {
  const std::lock_guard guard(std_mutex);
  co_await ringo::yield_now();  // nets: hostile
}

ringo::Task<void> unique_lock() {
  const std::unique_lock<std::mutex> guard(std_mutex);
  co_await ringo::yield_now();  // nets: hostile with-lock
}

ringo::Task<void> deduced_unique_lock() {
  const std::unique_lock guard(std_mutex);
  co_await ringo::yield_now();  // nets: hostile
}

ringo::Task<void> scoped_lock() {
  const std::scoped_lock guard(std_mutex);
  co_await ringo::yield_now();  // nets: hostile
}

ringo::Task<void> bare_lock_of_the_standard() {
  std_mutex.lock();
  co_await ringo::yield_now();  // nets:
  std_mutex.unlock();
}

ringo::Task<void> guard_on_the_heap() {
  const auto guard = std::make_unique<ringo::ParkingGuard>(mutex);
  co_await ringo::yield_now();  // nets:
}

// --- sound ---

ringo::Task<void> in_a_scope() {
  {
    const ringo::ParkingGuard guard(mutex);
  }
  {
    const std::lock_guard guard(std_mutex);
  }
  co_await ringo::yield_now();  // nets:
}

ringo::Task<void> unlocked_early() {
  ringo::ParkingGuard guard(mutex);
  guard.unlock();
  co_await ringo::yield_now();  // nets: hostile
}

ringo::Task<void> unlocked_early_of_the_standard() {
  std::unique_lock<std::mutex> guard(std_mutex);
  guard.unlock();
  co_await ringo::yield_now();  // nets: hostile with-lock
}

}  // namespace
