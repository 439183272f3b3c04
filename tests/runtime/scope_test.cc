// SPDX-License-Identifier: MIT
//
// scope: children that borrow, and that nothing can outlive: not their own failure, nor abort,
// select, timeout or shutdown of who awaits them.

#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/scope.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/sync/notify.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

ringo::Task<void> square(int& number) {
  number *= number;
  co_return;
}

ringo::Task<void> square_all(ringo::Scope& scope, std::span<int> numbers) {
  for (int& number : numbers) {
    scope.spawn(square(number));
  }
  co_return;
}

CO_TEST(Scope, HeaderExample) {
  std::vector<int> numbers{1, 2, 3};
  co_await ringo::scope(square_all, std::span<int>(numbers));
  EXPECT_EQ(numbers, (std::vector<int>{1, 4, 9}));
}

Task<void> yields_then_adds(std::atomic<int>& sum, int yields) {
  for (int i = 0; i < yields; ++i) {
    co_await yield_now();
  }
  sum.fetch_add(1);
}

CO_TEST(Scope, EndsAfterAllChildrenAndGivesTheBodysValue) {
  std::atomic<int> sum{0};
  const auto body = [](Scope& scope, std::atomic<int>* total) -> Task<std::unique_ptr<int>> {
    for (int i = 0; i < 100; ++i) {
      scope.spawn(yields_then_adds(*total, i % 5));
    }
    co_await yield_now();
    co_return std::make_unique<int>(7);
  };
  const std::unique_ptr<int> value = co_await scope(body, &sum);
  EXPECT_EQ(*value, 7);
  EXPECT_EQ(sum.load(), 100);
}

CO_TEST(Scope, WithoutChildrenIsItsBody) {
  const auto body = [](Scope& scope) -> Task<std::size_t> { co_return scope.size(); };
  const std::size_t size = co_await scope(body);
  EXPECT_EQ(size, 0U);
}

CO_TEST(Scope, NamedLambdaMayCaptureTheLocalsOfTheCaller) {
  std::atomic<int> sum{0};
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines): kept by the scope.
  const auto body = [&sum](Scope& scope) -> Task<void> {
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines): kept by spawn().
    scope.spawn([&sum]() -> Task<void> {
      co_await yield_now();
      sum.fetch_add(5);
    });
    co_return;
  };
  co_await scope(body);
  EXPECT_EQ(sum.load(), 5);
}

Task<void> spawn_below(Scope& scope, std::atomic<int>& count, int depth) {
  count.fetch_add(1);
  if (depth != 0) {
    scope.spawn(spawn_below(scope, count, depth - 1));
    scope.spawn(spawn_below(scope, count, depth - 1));
  }
  co_return;
}

CO_TEST(Scope, ChildrenMaySpawnIntoIt) {
  std::atomic<int> count{0};
  const auto body = [](Scope& scope, std::atomic<int>* counted) -> Task<void> {
    scope.spawn(spawn_below(scope, *counted, 7));
    co_return;
  };
  co_await scope(body, &count);
  EXPECT_EQ(count.load(), 255);
}

Task<void> wait_for_ever(Tracked /*tracked*/) {
  Notify notify;
  co_await notify.notified();
}
Task<void> fail(const char* why) {
  throw std::runtime_error(why);
  co_return;
}
Task<void> fail_after(Semaphore& turn, const char* why) {
  const auto permit = co_await turn.acquire();
  EXPECT_TRUE(permit.has_value());
  throw std::runtime_error(why);
}

CO_TEST(Scope, FailureOfAChildEndsTheOthersAndTheBody) {
  const auto body = [](Scope& scope) -> Task<void> {
    const Tracked own;
    scope.spawn(wait_for_ever(Tracked()));
    scope.spawn(fail("child"));
    scope.spawn(wait_for_ever(Tracked()));
    co_await wait_for_ever(Tracked());
  };
  std::string caught;
  try {
    co_await scope(body);
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  EXPECT_EQ(caught, "child");
  EXPECT_EQ(Tracked::alive(), 0);
}

CO_TEST(Scope, FailureOfTheBodyEndsTheChildren) {
  const auto body = [](Scope& scope) -> Task<int> {
    scope.spawn(wait_for_ever(Tracked()));
    co_await yield_now();
    throw std::runtime_error("body");
    co_return 1;
  };
  std::string caught;
  try {
    co_await scope(body);
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  EXPECT_EQ(caught, "body");
  EXPECT_EQ(Tracked::alive(), 0);
}

CO_TEST(Scope, FirstFailureComesOut) {
  Semaphore turn(0);
  const auto body = [](Scope& scope, Semaphore* order) -> Task<void> {
    scope.spawn(fail_after(*order, "only one of them"));
    scope.spawn(fail_after(*order, "only one of them"));
    order->add_permits(1);
    co_return;
  };
  std::string caught;
  try {
    co_await scope(body, &turn);
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  EXPECT_EQ(caught, "only one of them");
}

CO_TEST(Scope, AbortedChildIsNoFailure) {
  const auto body = [](Scope& scope) -> Task<int> {
    const AbortHandle handle = scope.spawn(wait_for_ever(Tracked()));
    co_await yield_now();
    handle.abort();
    co_return 3;
  };
  const int value = co_await scope(body);
  EXPECT_EQ(value, 3);
  EXPECT_EQ(Tracked::alive(), 0);
}

CO_TEST(Scope, AbortAllEndsWhatIsThereAndNotWhatComes) {
  std::atomic<int> sum{0};
  const auto body = [](Scope& scope, std::atomic<int>* total) -> Task<void> {
    scope.spawn(wait_for_ever(Tracked()));
    scope.spawn(wait_for_ever(Tracked()));
    EXPECT_EQ(scope.size(), 2U);
    scope.abort_all();
    scope.spawn(yields_then_adds(*total, 3));
    co_return;
  };
  co_await scope(body, &sum);
  EXPECT_EQ(sum.load(), 1);
  EXPECT_EQ(Tracked::alive(), 0);
}

/// Spawns when it is destroyed, that is, when the scope is ending.
struct SpawnsAtTheEnd {
  explicit SpawnsAtTheEnd(Scope& target, std::atomic<int>& runs) : scope(&target), count(&runs) {}
  SpawnsAtTheEnd(const SpawnsAtTheEnd&) = delete;
  SpawnsAtTheEnd& operator=(const SpawnsAtTheEnd&) = delete;
  ~SpawnsAtTheEnd() { scope->spawn(yields_then_adds(*count, 0)); }
  Scope* scope;
  std::atomic<int>* count;
};

CO_TEST(Scope, WhatIsSpawnedWhileItEndsDoesNotRun) {
  std::atomic<int> runs{0};
  const auto body = [](Scope& scope, std::atomic<int>* count) -> Task<void> {
    const SpawnsAtTheEnd last(scope, *count);
    scope.spawn(fail("early"));
    co_await wait_for_ever(Tracked());
  };
  EXPECT_EQ(Tracked::alive(), 0);
  bool has_thrown = false;
  try {
    co_await scope(body, &runs);
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  EXPECT_TRUE(has_thrown);
  EXPECT_EQ(runs.load(), 0);
}

/// The parent's locals are used by children for as long as these live, their destructors included.
Task<int> lends_its_locals(Tracked /*tracked*/) {
  std::vector<int> numbers(8, 1);
  struct Uses {
    explicit Uses(int& borrowed) : number(&borrowed) {}
    Uses(const Uses&) = delete;
    Uses& operator=(const Uses&) = delete;
    ~Uses() { ++*number; }
    int* number;
  };
  const auto child = [](int& number, Tracked /*own*/) -> Task<void> {
    const Uses uses(number);
    co_await yield_now();
    co_await time::sleep(1ms);
    ++number;
  };
  const auto body = [](Scope& scope, auto run, std::vector<int>* lent) -> Task<void> {
    for (int& number : *lent) {
      scope.spawn(run(number, Tracked()));
    }
    co_await time::sleep(2ms);
  };
  co_await scope(body, child, &numbers);
  co_return std::accumulate(numbers.begin(), numbers.end(), 0);
}

TEST(Scope, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return lends_its_locals(Tracked()); });
  testing_support::time_out_at_every_step([] { return lends_its_locals(Tracked()); });
}

CO_TEST(Scope, ChildrenUseTheLocalsToTheEnd) {
  const int sum = co_await lends_its_locals(Tracked());
  EXPECT_EQ(sum, 24);
}

Task<int> nested_scopes(int depth, Tracked tracked) {
  if (depth == 0) {
    co_await time::sleep(1ms);
    co_return 1;
  }
  std::atomic<int> sum{0};
  const auto child = [](std::atomic<int>& total, int below, Tracked own) -> Task<void> {
    total.fetch_add(co_await nested_scopes(below, own));
  };
  const auto body = [](Scope& scope, auto run, std::atomic<int>* total, int below,
                       Tracked own) -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      scope.spawn(run(*total, below, own));
    }
    co_return;
  };
  co_await scope(body, child, &sum, depth - 1, tracked);
  co_return sum.load();
}

TEST(Scope, NestedOnesMayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return nested_scopes(2, Tracked()); });
}

CO_TEST_PAUSED(Scope, LostSelectReturnsAfterTheChildren) {
  bool has_finished = false;
  const auto shielded = [](bool* flag) -> Task<void> {
    co_await time::sleep(10ms);
    *flag = true;
  };
  const auto child = [](auto section, bool* flag) -> Task<void> { co_await shield(section(flag)); };
  const auto body = [](Scope& scope, auto run, auto section, bool* flag) -> Task<void> {
    scope.spawn(run(section, flag));
    co_await wait_for_ever(Tracked());
  };
  const auto elapsed = co_await time::timeout(1ms, scope(body, child, shielded, &has_finished));
  EXPECT_FALSE(elapsed.has_value());
  EXPECT_TRUE(has_finished) << "the timeout returned while the scope was pinned";
  EXPECT_EQ(Tracked::alive(), 0);
}

TEST(Scope, ShutdownEndsIt) {
  for (int workers = 1; workers <= 3; ++workers) {
    {
      Runtime runtime = testing_support::multi_thread_runtime(static_cast<std::size_t>(workers));
      std::atomic<bool> has_started{false};
      const auto start = [](std::atomic<bool>* flag) -> Task<void> {
        flag->store(true);
        flag->notify_all();
        co_return;
      };
      const auto body = [](Scope& scope, auto run, std::atomic<bool>* flag) -> Task<void> {
        for (int i = 0; i < 5; ++i) {
          scope.spawn(wait_for_ever(Tracked()));
        }
        scope.spawn(run(flag));
        co_await wait_for_ever(Tracked());
      };
      const auto parent = [](auto with, auto run, std::atomic<bool>* flag) -> Task<void> {
        co_await scope(with, run, flag);
      };
      runtime.spawn(parent(body, start, &has_started)).detach();
      has_started.wait(false);
    }
    EXPECT_EQ(Tracked::alive(), 0);
  }
}

TEST(Scope, RacesOfFailureAbortAndEndLeaveNothing) {
  auto random = testing_support::seeded_random();
  Runtime runtime = testing_support::multi_thread_runtime(3);
  const auto child = [](std::atomic<int>& borrowed, std::uint64_t kind,
                        Tracked /*own*/) -> Task<void> {
    for (std::uint64_t i = 0; i < kind % 4; ++i) {
      co_await yield_now();
    }
    borrowed.fetch_add(1);
    if (kind % 11 == 0) {
      throw std::runtime_error("a child");
    }
    if (kind % 5 == 0) {
      co_await time::sleep(1h);
    }
  };
  const auto parent = [](auto run, std::uint64_t number) -> Task<int> {
    std::atomic<int> borrowed{0};
    const auto body = [](Scope& scope, auto start, std::atomic<int>* lent,
                         std::uint64_t first) -> Task<void> {
      for (std::uint64_t i = 0; i < 8; ++i) {
        scope.spawn(start(*lent, first + i, Tracked()));
        if (i == first % 8) {
          co_await yield_now();
        }
      }
    };
    try {
      co_await scope(body, run, &borrowed, number);
    } catch (const std::runtime_error&) {
      co_return -1;
    }
    co_return borrowed.load();
  };
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t number = random();
    JoinHandle<int> handle = runtime.spawn(parent(child, number % 1000));
    for (std::uint64_t spin = 0; spin < number % 64; ++spin) {
      std::this_thread::yield();
    }
    handle.abort();
    const auto wait = [](JoinHandle<int>& joined) -> Task<bool> {
      const JoinResult<int> result = co_await joined;
      co_return result.has_value() || result.error().is_cancelled();
    };
    ASSERT_TRUE(runtime.block_on(wait(handle)));
    ASSERT_EQ(Tracked::alive(), 0);
  }
}

}  // namespace
}  // namespace ringo
