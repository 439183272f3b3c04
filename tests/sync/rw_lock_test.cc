// SPDX-License-Identifier: MIT
//
// RwLock: readers together, a writer alone, first in first out between them; downgrading, mapped
// and owned guards. The behaviours are those of Tokio's sync_rwlock tests; zero_max_readers_const
// is about const fn, which has no counterpart here.

#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/sync/rw_lock.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <concepts>
#include <expected>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

static_assert(!std::copy_constructible<RwLockReadGuard<int>>);
static_assert(!std::copy_constructible<RwLockWriteGuard<int>>);
static_assert(std::same_as<decltype(*std::declval<RwLockReadGuard<int>&>()), const int&>);
static_assert(std::same_as<decltype(*std::declval<RwLockWriteGuard<int>&>()), int&>);

struct State {
  int counter = 0;
  std::string name = "nobody";
};

CO_TEST(RwLock, HeaderExample) {
  ringo::RwLock<std::string> motto("be brief");
  ringo::RwLockWriteGuard<std::string> writer = co_await motto.write();
  writer->append(", and clear");
  ringo::RwLockReadGuard<std::string> reader = std::move(writer).downgrade();
  CO_ASSERT_EQ(*reader, "be brief, and clear");
}

CO_TEST(RwLock, ReadersShareAndAWriterIsAlone) {
  RwLock<int> lock(100);
  {
    const RwLockReadGuard<int> first = co_await lock.read();
    const RwLockReadGuard<int> second = co_await lock.read();
    CO_ASSERT_EQ(*first + *second, 200);
    CO_ASSERT_FALSE(lock.try_write().has_value());
    CO_ASSERT_TRUE(lock.try_read().has_value());
  }
  {
    const RwLockWriteGuard<int> writer = co_await lock.write();
    *writer += 1;
    CO_ASSERT_FALSE(lock.try_read().has_value());
    CO_ASSERT_FALSE(lock.try_write().has_value());
    CO_ASSERT_EQ(writer.rw_lock(), &lock);
  }
  CO_ASSERT_EQ(std::move(lock).into_inner(), 101);
}

TEST(RwLock, MovedGuardsUnlockOnce) {
  RwLock<int> lock(0);
  RwLockWriteGuard<int> writer = *lock.try_write();
  const RwLockWriteGuard<int> moved(std::move(writer));
  EXPECT_FALSE(lock.try_read().has_value());
  RwLock<int> other(0);
  RwLockReadGuard<int> reader = *other.try_read();
  {
    const RwLockReadGuard<int> also_moved(std::move(reader));
    EXPECT_FALSE(other.try_write().has_value());
  }
  EXPECT_TRUE(other.try_write().has_value());
}

TEST(RwLock, MaxReadersIsKeptAtTheLimitAndRefusedBeyond) {
  EXPECT_THROW((void)RwLock<int>::with_max_readers(0, 0), UsageError);
  EXPECT_THROW((RwLock<int>(0, RwLock<int>::kMaxReaders + 1)), UsageError);
  const RwLock<int> most(0, RwLock<int>::kMaxReaders);
  EXPECT_TRUE(most.try_read().has_value());
  const RwLock<int> one = RwLock<int>::with_max_readers(7, 1);
  const std::optional<RwLockReadGuard<int>> reader = one.try_read();
  ASSERT_TRUE(reader.has_value());
  EXPECT_EQ(**reader, 7);
  EXPECT_FALSE(one.try_read().has_value());
}

CO_TEST_PAUSED(RwLock, ReaderBeyondMaxReadersWaitsForAPlace) {
  RwLock<int> lock(0, 2);
  RwLockReadGuard<int> first = co_await lock.read();
  const RwLockReadGuard<int> second = co_await lock.read();
  const Result<RwLockReadGuard<int>> third = co_await time::timeout(1ms, lock.read());
  CO_ASSERT_FALSE(third.has_value());
  drop(std::move(first));
  const RwLockReadGuard<int> fourth = co_await lock.read();
  CO_ASSERT_EQ(*fourth, 0);
}

/// What has happened, in order.
using Log = std::vector<std::string>;

Task<void> read_and_note(RwLock<int>& lock, std::string name, Log& log) {
  const RwLockReadGuard<int> guard = co_await lock.read();
  log.push_back(name + std::to_string(*guard));
  co_await time::sleep(10ms);
}
Task<void> write_and_note(RwLock<int>& lock, std::string name, Log& log) {
  const RwLockWriteGuard<int> guard = co_await lock.write();
  *guard += 1;
  log.push_back(name + std::to_string(*guard));
  co_await time::sleep(10ms);
}

CO_TEST_PAUSED(RwLock, ReaderThatComesAfterAWaitingWriterWaitsBehindIt) {
  RwLock<int> lock(0);
  Log log;
  std::vector<JoinHandle<void>> tasks;
  {
    const RwLockReadGuard<int> reading = co_await lock.read();
    tasks.push_back(spawn(write_and_note(lock, "w", log)));
    co_await time::sleep(1ms);
    tasks.push_back(spawn(read_and_note(lock, "r", log)));
    tasks.push_back(spawn(read_and_note(lock, "r", log)));
    co_await time::sleep(1ms);
    tasks.push_back(spawn(write_and_note(lock, "W", log)));
    co_await time::sleep(1ms);
    CO_ASSERT_FALSE(lock.try_read().has_value()) << "nobody overtakes the queue";
    CO_ASSERT_TRUE(log.empty());
  }
  for (JoinHandle<void>& task : tasks) {
    (void)co_await task;
  }
  CO_ASSERT_EQ(log, (Log{"w1", "r1", "r1", "W2"}));
}

CO_TEST_PAUSED(RwLock, WriterThatGivesUpLetsTheReadersBehindItIn) {
  RwLock<int> lock(0);
  Log log;
  const RwLockReadGuard<int> reading = co_await lock.read();
  JoinHandle<void> writer = spawn(write_and_note(lock, "w", log));
  co_await time::sleep(1ms);
  JoinHandle<void> reader = spawn(read_and_note(lock, "r", log));
  co_await time::sleep(1ms);
  CO_ASSERT_TRUE(log.empty());
  writer.abort();
  (void)co_await reader;
  (void)co_await writer;
  CO_ASSERT_EQ(log, (Log{"r0"}));
}

CO_TEST_PAUSED(RwLock, DowngradeLetsReadersInAndNoWriter) {
  RwLock<int> lock(0);
  Log log;
  RwLockWriteGuard<int> writing = co_await lock.write();
  JoinHandle<void> reader = spawn(read_and_note(lock, "r", log));
  co_await time::sleep(1ms);
  JoinHandle<void> writer = spawn(write_and_note(lock, "w", log));
  co_await time::sleep(1ms);
  *writing = 5;
  RwLockReadGuard<int> reading = std::move(writing).downgrade();
  co_await time::sleep(1ms);
  CO_ASSERT_EQ(log, (Log{"r5"})) << "the reader at the head came in, the writer behind it waits";
  co_await time::sleep(50ms);
  CO_ASSERT_EQ(log, (Log{"r5"}));
  CO_ASSERT_EQ(*reading, 5);
  drop(std::move(reading));
  (void)co_await writer;
  (void)co_await reader;
  CO_ASSERT_EQ(log, (Log{"r5", "w6"}));
}

TEST(RwLock, DowngradeOfTheOnlyReaderPlaceKeepsIt) {
  RwLock<int> lock(1, 1);
  {
    const RwLockReadGuard<int> reader = lock.try_write().value().downgrade();
    EXPECT_EQ(*reader, 1);
    EXPECT_FALSE(lock.try_read().has_value());
  }
  EXPECT_TRUE(lock.try_write().has_value());
}

TEST(RwLock, DowngradeMapReadsAPart) {
  RwLock<State> lock;
  lock.get_mut().counter = 4;
  const RwLockReadGuard<int> counter = lock.try_write().value().downgrade_map(&State::counter);
  EXPECT_EQ(*counter, 4);
  EXPECT_FALSE(lock.try_write().has_value());
  EXPECT_TRUE(lock.try_read().has_value());
}

TEST(RwLock, TryDowngradeMapStaysAWriterIfThereIsNoSuchPart) {
  RwLock<std::optional<int>> lock;
  const auto part = [](const std::optional<int>& value) { return value ? &*value : nullptr; };
  {
    std::expected<RwLockReadGuard<int>, RwLockWriteGuard<std::optional<int>>> none =
        lock.try_write().value().try_downgrade_map(part);
    ASSERT_FALSE(none.has_value());
    none.error()->emplace(3);
    EXPECT_FALSE(lock.try_read().has_value());
  }
  std::expected<RwLockReadGuard<int>, RwLockWriteGuard<std::optional<int>>> three =
      lock.try_write().value().try_downgrade_map(part);
  ASSERT_TRUE(three.has_value());
  EXPECT_EQ(**three, 3);
  EXPECT_TRUE(lock.try_read().has_value());
}

TEST(RwLock, MapNarrowsReadersAndWriters) {
  RwLock<State> lock;
  {
    const RwLockReadGuard<std::string> name = lock.try_read().value().map(&State::name);
    EXPECT_EQ(*name, "nobody");
    EXPECT_FALSE(lock.try_write().has_value());
  }
  {
    const RwLockMappedWriteGuard<int> counter = lock.try_write().value().map(&State::counter);
    *counter = 2;
    EXPECT_FALSE(lock.try_read().has_value());
  }
  {
    RwLockMappedWriteGuard<State> whole = lock.try_write().value().into_mapped();
    EXPECT_EQ(whole->counter, 2);
    auto none = std::move(whole).try_map([](State& /*state*/) -> int* { return nullptr; });
    ASSERT_FALSE(none.has_value());
    EXPECT_EQ(none.error()->counter, 2);
    EXPECT_FALSE(lock.try_read().has_value());
  }
  const auto none = lock.try_write().value().try_map([](State& /*s*/) -> int* { return nullptr; });
  EXPECT_FALSE(none.has_value());
  EXPECT_EQ(none.error()->counter, 2);
}

TEST(RwLock, ExceptionInDowngradeMapUnlocks) {
  RwLock<int> lock(0);
  const auto fails = [](const int& /*value*/) -> const int& { throw std::runtime_error("no"); };
  EXPECT_THROW((void)lock.try_write().value().downgrade_map(fails), std::runtime_error);
  EXPECT_TRUE(lock.try_write().has_value());
}

CO_TEST(RwLock, OwnedGuardsKeepItAlive) {
  auto lock = std::make_shared<RwLock<State>>();
  const std::weak_ptr<RwLock<State>> observer = lock;
  {
    const OwnedRwLockReadGuard<State> first = co_await read_owned(lock);
    const std::optional<OwnedRwLockReadGuard<State>> second = try_read_owned(lock);
    CO_ASSERT_TRUE(second.has_value());
    CO_ASSERT_FALSE(try_write_owned(lock).has_value());
  }
  OwnedRwLockWriteGuard<State> writer = co_await write_owned(lock);
  CO_ASSERT_EQ(writer.rw_lock(), lock);
  CO_ASSERT_FALSE(try_read_owned(lock).has_value());
  lock.reset();
  writer->counter = 8;
  OwnedRwLockReadGuard<int> counter = std::move(writer).downgrade_map(&State::counter);
  CO_ASSERT_EQ(*counter, 8);
  CO_ASSERT_FALSE(observer.expired());
  drop(std::move(counter));
  CO_ASSERT_TRUE(observer.expired());
}

CO_TEST(RwLock, OwnedMappedWriterHoldsThePart) {
  auto lock = std::make_shared<RwLock<State>>();
  {
    const OwnedRwLockWriteGuard<State> writer = co_await write_owned(lock);
    writer->name = "somebody";
  }
  OwnedRwLockMappedWriteGuard<State> whole = try_write_owned(lock).value().into_mapped();
  const OwnedRwLockMappedWriteGuard<std::string> name = std::move(whole).map(&State::name);
  CO_ASSERT_EQ(*name, "somebody");
  CO_ASSERT_FALSE(lock->try_read().has_value());
}

TEST(RwLock, BlockingFormsWaitForTheHolder) {
  auto lock = std::make_shared<RwLock<int>>(1);
  std::optional<RwLockWriteGuard<int>> writing = lock->try_write();
  std::thread unlocker([&writing] {
    **writing = 2;
    writing.reset();
  });
  {
    const RwLockReadGuard<int> reader = lock->blocking_read();
    const OwnedRwLockReadGuard<int> other = blocking_read_owned(lock);
    EXPECT_EQ(*reader + *other, 4);
  }
  *lock->blocking_write() += 1;
  EXPECT_EQ(*blocking_write_owned(lock), 3);
  unlocker.join();
}

CO_TEST(RwLock, BlockingFormsAreRefusedOnAWorker) {
  auto lock = std::make_shared<RwLock<int>>(1);
  EXPECT_THROW((void)lock->blocking_read(), UsageError);
  EXPECT_THROW((void)lock->blocking_write(), UsageError);
  EXPECT_THROW((void)blocking_read_owned(lock), UsageError);
  EXPECT_THROW((void)blocking_write_owned(lock), UsageError);
  CO_ASSERT_TRUE(lock->try_write().has_value());
}

CO_TEST_PAUSED(RwLock, ReadIsCooperative) {
  const RwLock<int> lock(0);
  bool has_other_run = false;
  auto runs = [](bool& flag) -> Task<void> {
    flag = true;
    co_return;
  };
  JoinHandle<void> other = spawn(runs(has_other_run));
  for (int i = 0; i < 1000; ++i) {
    const RwLockReadGuard<int> guard = co_await lock.read();
  }
  CO_ASSERT_TRUE(has_other_run) << "a loop of successes kept the other task from running";
  (void)co_await other;
}

constexpr int kRounds = 200;

/// A pair that only a writer sees with different halves.
struct Pair {
  int first = 0;
  int second = 0;
};

Task<void> write_pairs(std::shared_ptr<RwLock<Pair>> lock) {
  for (int i = 0; i < kRounds; ++i) {
    RwLockWriteGuard<Pair> writer = co_await lock->write();
    writer->first += 1;
    co_await yield_now();
    writer->second += 1;
    if (i % 2 == 0) {
      const RwLockReadGuard<Pair> reader = std::move(writer).downgrade();
      co_await yield_now();
      EXPECT_EQ(reader->first, reader->second);
    }
  }
}
Task<void> read_pairs(std::shared_ptr<RwLock<Pair>> lock) {
  for (int i = 0; i < kRounds; ++i) {
    const RwLockReadGuard<Pair> reader = co_await lock->read();
    const int first = reader->first;
    EXPECT_EQ(first, reader->second);
    co_await yield_now();
    EXPECT_EQ(first, reader->first);
  }
}

CO_TEST(RwLock, WritersExcludeReadersUnderStress) {
  auto lock = std::make_shared<RwLock<Pair>>(Pair(), 3);
  std::vector<JoinHandle<void>> tasks;
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(spawn(write_pairs(lock)));
    tasks.push_back(spawn(read_pairs(lock)));
    tasks.push_back(spawn(read_pairs(lock)));
  }
  auto reads = [lock] {
    for (int i = 0; i < kRounds; ++i) {
      const RwLockReadGuard<Pair> reader = lock->blocking_read();
      EXPECT_EQ(reader->first, reader->second);
    }
  };
  JoinHandle<void> thread = spawn_blocking(reads);
  for (JoinHandle<void>& task : tasks) {
    (void)co_await task;
  }
  (void)co_await thread;
  CO_ASSERT_EQ(lock->get_mut().first, 4 * kRounds);
}

Task<int> locks_in_turns() {
  auto lock = std::make_shared<RwLock<Tracked>>();
  auto writes = [](std::shared_ptr<RwLock<Tracked>> held, Tracked /*tracked*/) -> Task<void> {
    OwnedRwLockWriteGuard<Tracked> writer = co_await write_owned(std::move(held));
    co_await yield_now();
    const OwnedRwLockReadGuard<Tracked> reader = std::move(writer).downgrade();
    co_await yield_now();
  };
  auto reads = [](std::shared_ptr<RwLock<Tracked>> held, Tracked /*tracked*/) -> Task<void> {
    const OwnedRwLockReadGuard<Tracked> reader = co_await read_owned(std::move(held));
    co_await yield_now();
  };
  JoinHandle<void> writer = spawn(writes(lock, Tracked()));
  JoinHandle<void> reader = spawn(reads(lock, Tracked()));
  for (int i = 0; i < 2; ++i) {
    {
      const RwLockReadGuard<Tracked> mine = co_await lock->read();
      co_await yield_now();
    }
    const RwLockWriteGuard<Tracked> mine = co_await lock->write();
    co_await yield_now();
  }
  (void)co_await writer;
  (void)co_await reader;
  EXPECT_TRUE(lock->try_write().has_value());
  co_return 1;
}

TEST(RwLock, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return locks_in_turns(); });
  testing_support::time_out_at_every_step([] { return locks_in_turns(); },
                                          testing_support::Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
