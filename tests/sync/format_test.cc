// SPDX-License-Identifier: MIT
//
// What fmt shows of locks and cells: the value, or why it cannot. As Tokio's debug_format and
// mutex_debug tests.

#include <ringo/sync/format.h>  // IWYU pragma: keep
#include <ringo/sync/mutex.h>
#include <ringo/sync/once_cell.h>
#include <ringo/sync/rw_lock.h>
#include <ringo/sync/set_once.h>

#include <optional>
#include <string>

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace ringo {
namespace {

TEST(Format, HeaderExample) {
  ringo::Mutex<int> mutex(42);
  std::string shown = fmt::format("{}", mutex);
  EXPECT_EQ(shown, "Mutex { data: 42 }");
}

TEST(Format, LockShowsItsValueOrThatItIsLocked) {
  const Mutex<std::string> constant("data");
  EXPECT_EQ(fmt::format("{}", constant), "Mutex { data: data }");
  Mutex<int> mutex(5);
  {
    const std::optional<MutexGuard<int>> guard = mutex.try_lock();
    EXPECT_EQ(fmt::format("{}", mutex), "Mutex { data: <locked> }");
  }
  EXPECT_EQ(fmt::format("{}", mutex), "Mutex { data: 5 }");
  EXPECT_TRUE(mutex.try_lock().has_value()) << "formatting leaves it unlocked";
}

TEST(Format, RwLockShowsItsValueToReaders) {
  RwLock<int> lock(5);
  {
    const std::optional<RwLockReadGuard<int>> reader = lock.try_read();
    EXPECT_EQ(fmt::format("{}", lock), "RwLock { data: 5 }");
  }
  const std::optional<RwLockWriteGuard<int>> writer = lock.try_write();
  EXPECT_EQ(fmt::format("{}", lock), "RwLock { data: <locked> }");
}

TEST(Format, CellsShowTheirValueOrThatThereIsNone) {
  OnceCell<int> cell;
  EXPECT_EQ(fmt::format("{}", cell), "OnceCell { value: <none> }");
  ASSERT_TRUE(cell.set(1).has_value());
  EXPECT_EQ(fmt::format("{}", cell), "OnceCell { value: 1 }");
  SetOnce<int> once;
  EXPECT_EQ(fmt::format("{}", once), "SetOnce { value: <none> }");
  ASSERT_TRUE(once.set(2).has_value());
  EXPECT_EQ(fmt::format("{}", once), "SetOnce { value: 2 }");
}

}  // namespace
}  // namespace ringo
