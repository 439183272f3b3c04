// SPDX-License-Identifier: MIT
//
// The third net: what a build with RINGO_CHECK_SUSPEND reports at run time. Each shape that must be
// reported is kept alive here, and each that is sound beside it. (The other nets: compile_fail/.)

#include <ringo/config.h>
#include <ringo/lock_check.h>
#include <ringo/parking_mutex.h>

#include <gtest/gtest.h>

#if RINGO_CHECK_SUSPEND

#include <ringo/detail/held_locks.h>
#include <ringo/guarded.h>
#include <ringo/sharded.h>
#include <ringo/spawn.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/thread_annotations.h>
#include <ringo/yield.h>

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/lock_order.h"
#include "base/std_mutex_check.h"
#include "support/co_test.h"

#endif

namespace ringo {
namespace {

#if RINGO_CHECK_SUSPEND

using testing_support::current_thread_runtime;

Task<int> child() {
  co_return 1;
}

template <class MakeTask>
void run(MakeTask make_task) {
  current_thread_runtime().block_on(make_task());
}

// The shapes that the other nets refuse, hence without them.
// NOLINTBEGIN(misc-coroutine-hostile-raii, cppcoreguidelines-no-suspend-with-lock)

Task<void> holds_guard_over_task() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  static ParkingMutex mutex;
  const ParkingGuard guard(mutex);
  (void)co_await child();
}
Task<void> holds_guard_over_leaf() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  static ParkingMutex mutex;
  const ParkingGuard guard(mutex);
  co_await yield_now();
}
Task<void> holds_guard_over_made_awaiter() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  static ParkingMutex mutex;
  auto handle = spawn(child());
  const ParkingGuard guard(mutex);
  (void)co_await std::move(handle);
}
Task<void> holds_lock_without_guard() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  static ParkingMutex mutex;
  mutex.lock();
  co_await yield_now();
  mutex.unlock();
}
Task<void> holds_guard_of_the_standard() {
  static ParkingMutex mutex;
  const std::lock_guard guard(mutex);
  co_await yield_now();
}
Task<void> holds_guard_in_an_object() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  static ParkingMutex mutex;
  auto guard = std::make_unique<ParkingGuard>(mutex);  // no scope for a compiler to see
  co_await yield_now();
}
Task<void> holds_all() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  static ParkingMutex a;
  static ParkingMutex b;
  const auto guard = lock_all(a, b);
  co_await yield_now();
}

constexpr const char* kBothLines =
    "guard of mutex 0x[0-9a-f]+ taken at .*lock_check_test.cc:[0-9]+ is held across co_await at "
    ".*lock_check_test.cc:[0-9]+";

TEST(LockCheckDeathTest, ReportsAGuardOverAnAwaitWithBothLines) {
  EXPECT_DEATH(run(holds_guard_over_task), kBothLines);
  EXPECT_DEATH(run(holds_guard_over_leaf), kBothLines);
  EXPECT_DEATH(run(holds_guard_over_made_awaiter), kBothLines);
  EXPECT_DEATH(run(holds_lock_without_guard), kBothLines);
  EXPECT_DEATH(run(holds_all), kBothLines);
}

TEST(LockCheckDeathTest, SeesOurMutexInWhateverHoldsIt) {
  // The line where it was taken is the standard library's, which calls lock().
  EXPECT_DEATH(run(holds_guard_of_the_standard), "is held across co_await at .*lock_check_test.cc");
  EXPECT_DEATH(run(holds_guard_in_an_object), "is held across co_await at .*lock_check_test.cc");
}

TEST(LockCheckDeathTest, ReportsOnAnyWorker) {
  EXPECT_DEATH(testing_support::multi_thread_runtime().block_on(holds_guard_over_task()),
               kBothLines);
}

Task<void> holds_std_mutex() {
  static std::mutex mutex;
  const std::lock_guard guard(mutex);
  co_await yield_now();
}
Task<void> locks_std_mutex_twice() {
  static std::mutex mutex;
  mutex.lock();
  mutex.lock();
  co_return;
}
Task<void> locks_recursive_mutex_twice() {
  static std::recursive_mutex mutex;
  {
    const std::scoped_lock once(mutex);
    const std::scoped_lock twice(mutex);
  }
  co_await yield_now();
}

TEST(LockCheckDeathTest, ReportsStdMutexOverAnAwait) {
#if !RINGO_CHECK_STD_MUTEX
  GTEST_SKIP() << "a sanitizer watches pthread_mutex_lock itself";
#endif
  EXPECT_DEATH(run(holds_std_mutex),
               "guard of std::mutex 0x[0-9a-f]+ taken at .+ is held across co_await at "
               ".*lock_check_test.cc:[0-9]+");
  EXPECT_DEATH(run(locks_std_mutex_twice), "deadlock: std::mutex 0x[0-9a-f]+ is wanted at");
  run(locks_recursive_mutex_twice);
}

Task<void> scopes_its_guards() {
  static ParkingMutex mutex;
  static Guarded<int> number(0);
  static std::mutex std_mutex;
  {
    const ParkingGuard guard(mutex);
  }
  (void)co_await child();
  {
    const std::lock_guard guard(std_mutex);
  }
  number.with([](int& n) { ++n; });
  co_await yield_now();
}
Task<void> unlocks_early() {
  static ParkingMutex mutex;
  static std::mutex std_mutex;
  ParkingGuard guard(mutex);
  guard.unlock();
  std::unique_lock lock(std_mutex);
  lock.unlock();
  co_await yield_now();
}
// NOLINTEND(misc-coroutine-hostile-raii, cppcoreguidelines-no-suspend-with-lock)

CO_TEST(LockCheck, LetsScopedGuardsPass) {
  co_await scopes_its_guards();
}
CO_TEST(LockCheck, LetsEarlyUnlocksPass) {
  co_await unlocks_early();
}

TEST(LockCheck, LetsPassWhatTheCallerOfBlockOnHolds) {
  ParkingMutex mutex;
  std::mutex std_mutex;
  const ParkingGuard guard(mutex);
  const std::lock_guard std_guard(std_mutex);
  current_thread_runtime().block_on([]() -> Task<void> { co_await yield_now(); }());
}

// --- S20: a task is suspended with a lock, another one on its thread wants it -------------------

Task<void> suspends_with_lock(std::shared_ptr<ParkingMutex> mutex,
                              std::shared_ptr<Notify> go_on) RINGO_NO_THREAD_SAFETY_ANALYSIS {
  const ParkingGuard guard(*mutex);  // NOLINT(misc-coroutine-hostile-raii)
  co_await go_on->notified();
}
Task<void> wants_lock(std::shared_ptr<ParkingMutex> mutex) {
  const ParkingGuard guard(*mutex);
  co_return;
}
Task<void> blocks_its_own_holder() {
  const auto mutex = std::make_shared<ParkingMutex>();
  const auto go_on = std::make_shared<Notify>();
  JoinHandle<void> holder = spawn(suspends_with_lock(mutex, go_on));
  co_await yield_now();
  JoinHandle<void> waiter = spawn(wants_lock(mutex));
  (void)co_await waiter;  // without a check: for ever
  go_on->notify_one();
  (void)co_await holder;
}

TEST(LockCheckDeathTest, ReportsTheHolderThatCannotRun) {
  EXPECT_DEATH(run(blocks_its_own_holder), kBothLines);
  EXPECT_DEATH(
      {
        set_lock_check(LockCheck::kReport);
        run(blocks_its_own_holder);
      },
      "deadlock: mutex 0x[0-9a-f]+ is wanted at .*lock_check_test.cc:[0-9]+ by task [0-9]+ spawned "
      "at .*, but its holder is suspended: it was taken at .*lock_check_test.cc:[0-9]+ by task "
      "[0-9]+ spawned at .*, which awaits at .*lock_check_test.cc:[0-9]+");
}

TEST(LockCheckDeathTest, ReportsALockThatItsThreadHolds) {
  EXPECT_DEATH(
      {
        Guarded<int> number(0);
        number.with([&](int& /*outer*/) { number.with([](int& inner) { ++inner; }); });
      },
      "deadlock: mutex .* is wanted at .*lock_check_test.cc:[0-9]+ by a thread outside any task, "
      "but this thread holds it already: it was taken at .*lock_check_test.cc");
}

TEST(LockCheckDeathTest, ReportsShardsTakenInsideEachOther) {
  using Map = Sharded<std::unordered_map<int, int>>;
  const auto nest = [](int outer, int inner) {
    Map map(2);
    map.with_shard(outer, [&](auto& /*shard*/) { map.with_shard(inner, [](auto& /*shard*/) {}); });
  };
  EXPECT_DEATH(nest(0, 0), "deadlock: mutex");
  EXPECT_DEATH(nest(0, 1), "two shards of 0x[0-9a-f]+ at once");
  EXPECT_DEATH(
      {
        Map map(2);
        map.with_all(std::array<int, 1>{1}, [&](auto& /*shard*/) { return map.get(1); });
      },
      "deadlock: mutex");
}

// --- modes --------------------------------------------------------------------------------------

class LockCheckMode {
 public:
  explicit LockCheckMode(LockCheck check) { set_lock_check(check); }
  LockCheckMode(const LockCheckMode&) = delete;
  LockCheckMode& operator=(const LockCheckMode&) = delete;
  ~LockCheckMode() { set_lock_check(LockCheck::kAbort); }
};

/// Runs it and returns what was printed meanwhile.
template <class F>
std::string printed(F f) {
  testing::internal::CaptureStderr();
  f();
  return testing::internal::GetCapturedStderr();
}

TEST(LockCheck, ReportsAndGoesOnIfToldSo) {
  const LockCheckMode mode(LockCheck::kReport);
  const std::string text = printed([] {
    run(holds_guard_over_leaf);
    run(holds_guard_over_leaf);  // the first one has unlocked, and is forgotten
  });
  std::size_t reports = 0;
  for (std::size_t at = text.find("is held across"); at != std::string::npos;
       at = text.find("is held across", at + 1)) {
    ++reports;
  }
  EXPECT_EQ(reports, 2U) << text;
}

TEST(LockCheck, IsSilentIfOff) {
  const LockCheckMode mode(LockCheck::kOff);
  EXPECT_EQ(printed([] { run(holds_guard_over_leaf); }), "");
}

// --- the order of locks -------------------------------------------------------------------------

TEST(LockCheckDeathTest, ReportsAnInversionThatHasNotHappenedYet) {
  EXPECT_DEATH(
      {
        ParkingMutex a;
        ParkingMutex b;
        const auto nest = [](ParkingMutex& first, ParkingMutex& second)
                              RINGO_NO_THREAD_SAFETY_ANALYSIS {
                                const ParkingGuard outer(first);
                                const ParkingGuard inner(second);
                              };
        nest(a, b);
        nest(b, a);
      },
      "lock order inversion.*\n.*wanted at .*lock_check_test.cc:[0-9]+, while mutex .* was held "
      "since .*lock_check_test.cc:[0-9]+\n.*wanted at .*lock_check_test.cc:[0-9]+, while mutex");
}

void lock_in_turn(ParkingMutex& first, ParkingMutex& second) RINGO_NO_THREAD_SAFETY_ANALYSIS {
  const ParkingGuard outer(first);
  const ParkingGuard inner(second);
}

TEST(LockCheck, ForgetsTheOrderOfLocksThatHaveGone) {
  ParkingMutex a;
  std::optional<ParkingMutex> b(std::in_place);
  lock_in_turn(a, *b);
  b.emplace();  // at the same address, and another lock
  lock_in_turn(*b, a);
}

TEST(LockCheck, OrderIsTheSameThroughLockAll) {
  ParkingMutex a;
  ParkingMutex b;
  {
    const auto guard = lock_all(a, b);
  }
  {
    const auto guard = lock_all(b, a);
  }
}

std::source_location here(std::source_location where = std::source_location::current()) {
  return where;
}

TEST(LockOrderGraph, FindsCirclesOfAnyLength) {
  std::array<int, 4> locks{};
  detail::LockOrderGraph graph;
  for (std::size_t i = 0; i + 1 < locks.size(); ++i) {
    EXPECT_TRUE(graph.add({&locks[i], here(), &locks[i + 1], here()}).empty());
  }
  const auto circle = graph.add({&locks[3], here(), &locks[0], here()});
  ASSERT_EQ(circle.size(), 3U);
  EXPECT_EQ(circle.front().held, &locks[0]);
  EXPECT_EQ(circle.back().wanted, &locks[3]);
  EXPECT_TRUE(graph.add({&locks[3], here(), &locks[0], here()}).empty()) << "told once";
}

TEST(LockOrderGraph, ForgetsALock) {
  std::array<int, 3> locks{};
  detail::LockOrderGraph graph;
  EXPECT_TRUE(graph.add({&locks[0], here(), &locks[1], here()}).empty());
  EXPECT_TRUE(graph.add({&locks[1], here(), &locks[2], here()}).empty());
  graph.remove(&locks[1]);
  EXPECT_TRUE(graph.add({&locks[2], here(), &locks[0], here()}).empty());
}

TEST(LockOrderGraph, RemembersAsManyAsItSays) {
  const auto locks = std::make_unique<std::array<char, detail::kMaxLockOrders + 2>>();
  detail::LockOrderGraph graph;
  for (std::size_t i = 0; i < detail::kMaxLockOrders; ++i) {
    EXPECT_TRUE(graph.add({locks->data(), here(), &(*locks)[i + 1], here()}).empty());
  }
  EXPECT_FALSE(graph.is_full());
  EXPECT_TRUE(graph.add({locks->data(), here(), &locks->back(), here()}).empty());
  EXPECT_TRUE(graph.is_full());
  graph.remove(locks->data());
  EXPECT_TRUE(graph.add({locks->data(), here(), &locks->back(), here()}).empty());
  EXPECT_FALSE(graph.add({&locks->back(), here(), locks->data(), here()}).empty());
}

// --- limits -------------------------------------------------------------------------------------

Task<void> holds_many(std::size_t count, std::size_t more) RINGO_NO_THREAD_SAFETY_ANALYSIS {
  std::array<ParkingMutex, detail::kMaxHeldLocks + 1> mutexes;
  for (std::size_t i = 0; i < count + more; ++i) {
    mutexes[i].lock();
  }
  for (std::size_t i = 0; i < count; ++i) {
    mutexes[i].unlock();
  }
  co_await yield_now();
  for (std::size_t i = count; i < count + more; ++i) {
    mutexes[i].unlock();
  }
}

TEST(LockCheckDeathTest, KnowsAsManyLocksAsItSays) {
  EXPECT_DEATH(run([] { return holds_many(detail::kMaxHeldLocks - 1, 1); }), kBothLines);
  run([] { return holds_many(detail::kMaxHeldLocks, 1); });  // one too many: it is not seen
}

#else

TEST(LockCheck, CostsNothingWhereItIsOff) {
  set_lock_check(LockCheck::kAbort);  // does nothing
  static_assert(sizeof(ParkingMutex) == 4);
}

#endif

}  // namespace
}  // namespace ringo
