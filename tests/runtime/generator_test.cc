// SPDX-License-Identifier: MIT
//
// Generator: what next() gives, what becomes of the body when a next() is dropped, or the generator
// destroyed, at each place where it can be suspended.
//
// Thread safety: tests.

#include <ringo/fork_join.h>
#include <ringo/generator.h>
#include <ringo/join.h>
#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/scope.h>
#include <ringo/select.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/task_local.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/gate.h"
#include "support/manual_wait.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;
using testing_support::ManualWait;
using testing_support::Tracked;

ringo::Generator<int> countdown(int from) {
  for (int i = from; i > 0; --i) {
    co_await ringo::time::sleep(1s);
    co_yield i;
  }
}

CO_TEST_PAUSED(Generator, HeaderExample) {
  const Instant start = Clock::now();
  int sum = 0;
  auto seconds = countdown(3);
  while (std::optional<int> left = co_await seconds.next()) {
    sum += *left;
  }
  EXPECT_EQ(sum, 6);
  EXPECT_GE(Clock::now() - start, 3s);
}

Generator<int> count_to(int last, Tracked /*held*/ = Tracked()) {
  for (int i = 1; i <= last; ++i) {
    co_yield i;
  }
}
Generator<int> yields_turns(int last, Tracked /*held*/ = Tracked()) {
  for (int i = 1; i <= last; ++i) {
    co_await yield_now();
    co_yield i;
  }
}

CO_TEST(Generator, IsLazyAndEndsOnce) {
  bool has_begun = false;
  const auto begins = [](bool& begun) -> Generator<int> {
    begun = true;
    co_yield 1;
  };
  Generator<int> generator = begins(has_begun);
  EXPECT_FALSE(has_begun);
  EXPECT_EQ(co_await generator.next(), 1);
  EXPECT_TRUE(has_begun);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(co_await generator.next(), std::nullopt);
  }
}

CO_TEST(Generator, TheEndDestroysTheFrame) {
  const int before = Tracked::alive();
  Generator<int> generator = count_to(2);
  EXPECT_EQ(co_await generator.next(), 1);
  EXPECT_EQ(co_await generator.next(), 2);
  EXPECT_GT(Tracked::alive(), before);
  EXPECT_EQ(co_await generator.next(), std::nullopt);
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(Generator, OneThatIsNeverAwaitedIsDestroyed) {
  const int before = Tracked::alive();
  {
    Generator<int> unused = count_to(2);
    Generator<int> begun = yields_turns(5);
    EXPECT_EQ(co_await begun.next(), 1);
    Generator<int> replaced = count_to(1);
    replaced = count_to(3);
    EXPECT_EQ(co_await replaced.next(), 1);
  }
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(Generator, AwaitsWhateverATaskMay) {
  const auto awaits = [](mpsc::Receiver<int> rx) -> Generator<std::string> {
    while (std::optional<int> n = co_await rx.recv()) {
      auto [one, two] = co_await join(yield_now(), time::timeout(1h, yield_now()));
      (void)one;
      (void)two;
      const auto say = [](int number) -> Task<std::string> {
        co_await yield_now();
        co_return std::to_string(number);
      };
      JoinHandle<std::string> saying = spawn(say(*n));
      const JoinResult<std::string> said = co_await saying;
      co_yield said.value();
    }
  };
  auto [tx, rx] = mpsc::channel<int>(4);
  (void)tx.try_send(7);
  (void)tx.try_send(8);
  drop(std::move(tx));
  Generator<std::string> generator = awaits(std::move(rx));
  EXPECT_EQ(co_await generator.next(), "7");
  EXPECT_EQ(co_await generator.next(), "8");
  EXPECT_EQ(co_await generator.next(), std::nullopt);
}

CO_TEST(Generator, GivesWhatCanOnlyBeMoved) {
  const auto makes = []() -> Generator<std::unique_ptr<int>> {
    co_yield std::make_unique<int>(1);
    std::unique_ptr<int> named = std::make_unique<int>(2);
    co_yield std::move(named);
  };
  Generator<std::unique_ptr<int>> generator = makes();
  const std::optional<std::unique_ptr<int>> first = co_await generator.next();
  const std::optional<std::unique_ptr<int>> second = co_await generator.next();
  EXPECT_EQ(**first, 1);
  EXPECT_EQ(**second, 2);
}

CO_TEST(Generator, GivesReferencesAsPointers) {
  std::vector<int> numbers{1, 2};
  const auto refers = [](std::vector<int>& all) -> Generator<int&> {
    for (int& each : all) {
      co_yield each;
    }
  };
  Generator<int&> generator = refers(numbers);
  while (int* number = co_await generator.next()) {
    *number += 10;
  }
  EXPECT_EQ(numbers, (std::vector<int>{11, 12}));
}

CO_TEST(Generator, GivesWhatItThrowsOnce) {
  const int before = Tracked::alive();
  const auto throws = [](Tracked) -> Generator<int> {
    co_yield 1;
    co_await yield_now();
    throw std::runtime_error("thrown by a generator");
  };
  Generator<int> generator = throws(Tracked());
  EXPECT_EQ(co_await generator.next(), 1);
  std::string what;
  try {
    (void)co_await generator.next();
  } catch (const std::runtime_error& error) {
    what = error.what();
  }
  EXPECT_EQ(what, "thrown by a generator");
  EXPECT_EQ(Tracked::alive(), before);
  EXPECT_EQ(co_await generator.next(), std::nullopt);
}

CO_TEST(Generator, SurvivesADroppedNext) {
  Gate gate;
  int starts = 0;
  const auto waits = [](Gate& opened, int& started, Tracked) -> Generator<int> {
    ++started;
    co_await opened.passed();
    co_yield 1;
    co_yield 2;
  };
  Generator<int> generator = waits(gate, starts, Tracked());
  for (int i = 0; i < 3; ++i) {
    std::variant<std::optional<int>, std::monostate> first =
        co_await select(biased, generator.next(), yield_now());
    CO_ASSERT_EQ(first.index(), 1U);
    CO_ASSERT_EQ(gate.waiting(), 1);  // the body, still in its place
  }
  gate.open();  // nobody awaits next() at this time
  EXPECT_EQ(co_await generator.next(), 1);
  EXPECT_EQ(co_await generator.next(), 2);
  EXPECT_EQ(co_await generator.next(), std::nullopt);
  EXPECT_EQ(starts, 1);
}

CO_TEST_PAUSED(Generator, ATimerRunsOnWhileNobodyAsks) {
  const Instant start = Clock::now();
  Generator<int> generator = countdown(2);
  for (int i = 0; i < 9; ++i) {
    const Result<std::optional<int>> late = co_await time::timeout(100ms, generator.next());
    CO_ASSERT_FALSE(late.has_value());
  }
  const std::optional<int> first = co_await generator.next();
  EXPECT_EQ(first, 2);
  EXPECT_LE(Clock::now() - start, 1s + 2ms);
  const Result<std::optional<int>> late = co_await time::timeout(100ms, generator.next());
  EXPECT_FALSE(late.has_value());
  co_await time::sleep(5s);
  const Instant asked = Clock::now();
  EXPECT_EQ(co_await generator.next(), 1);
  EXPECT_EQ(Clock::now(), asked);
}

Task<int> sum_of(Generator<int> generator) {
  int sum = 0;
  while (std::optional<int> n = co_await generator.next()) {
    sum += *n;
  }
  co_return sum;
}

CO_TEST(Generator, GoesOnInAnotherTaskWithWhatItWaitsFor) {
  Gate gate;
  const auto waits = [](Gate& opened) -> Generator<int> {
    co_await opened.passed();
    co_yield 5;
    co_await yield_now();
    co_yield 6;
  };
  Generator<int> generator = waits(gate);
  (void)co_await select(biased, generator.next(), yield_now());
  JoinHandle<int> taken = spawn(sum_of(std::move(generator)));
  co_await yield_now();
  gate.open();
  const JoinResult<int> sum = co_await taken;
  EXPECT_EQ(sum.value(), 11);
}

CO_TEST(Generator, SurvivesInACombinatorOfItsOwn) {
  Gate gate;
  const auto selects = [](Gate& opened) -> Generator<int> {
    for (int i = 0; i < 2; ++i) {
      const Result<std::variant<std::monostate, std::monostate>> first =
          co_await time::timeout(1h, select(opened.passed(), time::sleep(2h)));
      co_yield static_cast<int>(first.value().index());
    }
  };
  Generator<int> generator = selects(gate);
  for (int i = 0; i < 3; ++i) {
    (void)co_await select(biased, generator.next(), yield_now());
    gate.wake_for_nothing();
  }
  gate.open();
  EXPECT_EQ(co_await generator.next(), 0);
  EXPECT_EQ(co_await generator.next(), 0);
  EXPECT_EQ(co_await generator.next(), std::nullopt);
}

CO_TEST(Generator, TwoAtOnceAreAUsageError) {
  Gate gate;
  const auto waits = [](Gate& opened) -> Generator<int> {
    co_await opened.passed();
    co_yield 1;
  };
  Generator<int> generator = waits(gate);
  bool is_refused = false;
  try {
    (void)co_await join(generator.next(), generator.next());
  } catch (const UsageError&) {
    is_refused = true;
  }
  EXPECT_TRUE(is_refused);
  gate.open();
  EXPECT_EQ(co_await generator.next(), 1);
}

CO_TEST(Generator, AwaitingItselfOrAMovedOneIsAUsageError) {
  std::optional<Generator<int>> itself;
  const auto asks_itself = [](std::optional<Generator<int>>& self) -> Generator<int> {
    std::optional<int> own = co_await self->next();
    co_yield *own;
  };
  itself.emplace(asks_itself(itself));
  int refused = 0;
  try {
    (void)co_await itself->next();
  } catch (const UsageError&) {
    ++refused;
  }
  Generator<int> moved = std::move(*itself);
  try {
    (void)co_await itself->next();  // NOLINT(bugprone-use-after-move): that is the mistake
  } catch (const UsageError&) {
    ++refused;
  }
  EXPECT_EQ(refused, 2);
}

Task<void> finishes(Gate& inside, Gate& release, bool& has_finished) {
  inside.open();
  co_await release.passed();
  has_finished = true;
}
Generator<int> shields(Gate& inside, Gate& release, bool& has_finished, Tracked /*held*/) {
  co_yield 1;
  // In a combinator, which asks through to it.
  (void)co_await select(shield(finishes(inside, release, has_finished)), time::sleep(1h));
  co_yield 2;
}

CO_TEST(Generator, ADropInAShieldWaitsForItAndEndsTheGenerator) {
  const int before = Tracked::alive();
  Gate inside;
  Gate release;
  bool has_finished = false;
  Generator<int> generator = shields(inside, release, has_finished, Tracked());
  EXPECT_EQ(co_await generator.next(), 1);
  const auto releases = [](Gate& entered, Gate& opened) -> Task<void> {
    co_await entered.passed();
    for (int i = 0; i < 5; ++i) {
      co_await yield_now();
    }
    opened.open();
  };
  JoinHandle<void> releasing = spawn(releases(inside, release));
  std::variant<std::optional<int>, std::monostate> first =
      co_await select(biased, generator.next(), inside.passed());
  EXPECT_EQ(first.index(), 1U);
  EXPECT_TRUE(has_finished);
  EXPECT_EQ(Tracked::alive(), before);
  bool is_told = false;
  try {
    (void)co_await generator.next();
  } catch (const UsageError&) {
    is_told = true;
  }
  EXPECT_TRUE(is_told);
  (void)co_await releasing;
}

CO_TEST(Generator, AnAbortWaitsForTheShieldOfAGenerator) {
  const int before = Tracked::alive();
  Gate inside;
  Gate release;
  bool has_finished = false;
  JoinHandle<int> handle = spawn(sum_of(shields(inside, release, has_finished, Tracked())));
  co_await inside.passed();
  handle.abort();
  for (int i = 0; i < 20; ++i) {
    co_await yield_now();
  }
  EXPECT_FALSE(handle.is_finished());
  release.open();
  const JoinResult<int> result = co_await handle;
  EXPECT_TRUE(result.error().is_cancelled());
  EXPECT_TRUE(has_finished);
  EXPECT_EQ(Tracked::alive(), before);
}

Task<void> waits_in(Gate& gate, Tracked /*held*/) {
  co_await gate.passed();
}
Task<void> spawns_one(Scope& scope, Gate& gate) {
  scope.spawn(waits_in(gate, Tracked()));
  co_await yield_now();
}
Generator<int> scopes(Gate& never, Tracked /*held*/) {
  co_await scope(spawns_one, std::ref(never));
  co_yield 1;
}
Generator<int> forks(Gate& never, Tracked /*held*/) {
  co_await fork_join(waits_in(never, Tracked()), waits_in(never, Tracked()));
  co_yield 1;
}

/// A drop ends what the body has lent its frame to, and the body.
Task<void> expect_cut_off(Generator<int> generator, Gate& gate, int waiting) {
  const auto until_waiting = [](Gate& never, int count) -> Task<void> {
    while (never.waiting() != count) {
      co_await yield_now();
    }
  };
  const int before = Tracked::alive();
  (void)co_await select(biased, generator.next(), until_waiting(gate, waiting));
  EXPECT_LT(Tracked::alive(), before);
  EXPECT_EQ(gate.waiting(), 0);
  bool is_told = false;
  try {
    (void)co_await generator.next();
  } catch (const UsageError&) {
    is_told = true;
  }
  EXPECT_TRUE(is_told);
}

CO_TEST(Generator, ADropInAScopeEndsIt) {
  Gate never;
  co_await expect_cut_off(scopes(never, Tracked()), never, 1);
}

CO_TEST(Generator, ADropInAForkEndsIt) {
  Gate never;
  co_await expect_cut_off(forks(never, Tracked()), never, 2);
}

TEST(Generator, ADroppedNextHearsOfNoWake) {
  Gate gate;
  const auto waits = [](Gate& opened) -> Generator<int> {
    co_await opened.passed();
    co_yield 1;
  };
  Generator<int> generator = waits(gate);
  {
    ManualWait wait(generator.next());
    EXPECT_FALSE(wait.poll());
    gate.wake_for_nothing();
    EXPECT_TRUE(wait.is_woken());
    EXPECT_FALSE(wait.poll());
  }
  gate.open();  // into the body's cell, and no further
  ManualWait wait(generator.next());
  EXPECT_TRUE(wait.poll());
  EXPECT_EQ(wait.result(), 1);
}

TEST(Generator, OutlivesItsRuntime) {
  const int before = Tracked::alive();
  {
    std::optional<Generator<int>> kept;
    {
      Runtime runtime = testing_support::current_thread_runtime();
      const auto begins = [](std::optional<Generator<int>>& generator) -> Task<void> {
        const auto sleeps = [](Tracked) -> Generator<int> {
          co_await time::sleep(1h);
          co_yield 1;
        };
        generator.emplace(sleeps(Tracked()));
        (void)co_await select(biased, generator->next(), yield_now());
      };
      runtime.block_on(begins(kept));
    }
    EXPECT_GT(Tracked::alive(), before);
  }
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(Generator, LetsOthersRun) {
  // A body that never suspends pays for its items all the same.
  const auto counts_until = [](std::atomic<bool>& end) -> Generator<int> {
    while (!end) {
      co_yield 0;
    }
  };
  std::atomic<bool> may_end{false};
  const auto ends = [](std::atomic<bool>& end) -> Task<void> {
    end = true;
    co_return;
  };
  JoinHandle<void> ending = spawn(ends(may_end));
  EXPECT_EQ(co_await sum_of(counts_until(may_end)), 0);
  (void)co_await ending;
}

Generator<int> nested(int depth) {
  if (depth > 0) {
    Generator<int> inner = nested(depth - 1);
    while (std::optional<int> n = co_await inner.next()) {
      co_yield *n + 1;
    }
  } else {
    co_await yield_now();
    co_yield 0;
  }
}

CO_TEST(Generator, NestsAThousandDeep) {
  Generator<int> generator = nested(1000);
  EXPECT_EQ(co_await generator.next(), 1000);
  EXPECT_EQ(co_await generator.next(), std::nullopt);
}

inline constinit const TaskLocal<int> kLocal;

CO_TEST(Generator, SeesTheTaskLocalsOfWhoAsks) {
  const auto looks = []() -> Generator<int> {
    for (;;) {
      co_await yield_now();
      co_yield kLocal.try_get().value_or(0);
    }
  };
  Generator<int> generator = looks();
  EXPECT_EQ(co_await generator.next(), 0);
  const auto asks = [](Generator<int>& asked) -> Task<int> {
    const std::optional<int> seen = co_await asked.next();
    co_return *seen;
  };
  EXPECT_EQ(co_await kLocal.scope(3, asks(generator)), 3);
  EXPECT_EQ(co_await generator.next(), 0);
}

Task<void> consumes_everything() {
  const auto mixes = [](Tracked) -> Generator<Tracked> {
    co_yield Tracked();
    co_await time::sleep(2ms);
    co_yield Tracked();
    Generator<int> inner = yields_turns(2);
    while (std::optional<int> n = co_await inner.next()) {
      co_yield Tracked();
    }
    (void)co_await select(time::sleep(1ms), time::sleep(1h));
    auto [tx, rx] = oneshot::channel<Tracked>();
    (void)std::move(tx).send(Tracked());
    Result<Tracked> received = co_await std::move(rx);
    co_yield *std::move(received);
  };
  Generator<Tracked> generator = mixes(Tracked());
  for (;;) {
    std::variant<std::optional<Tracked>, std::monostate> first =
        co_await select(generator.next(), time::sleep(700us));
    if (first.index() == 0 && !std::get<0>(first)) {
      break;
    }
    co_await yield_now();
  }
}

Task<void> sleeps(Tracked /*held*/) {
  co_await time::sleep(1ms);
}
Task<void> spawns_sleepers(Scope& scope) {
  scope.spawn(sleeps(Tracked()));
  co_await yield_now();
  scope.spawn(sleeps(Tracked()));
}
Generator<int> has_children(Tracked /*held*/) {
  co_await fork_join(sleeps(Tracked()), sleeps(Tracked()));
  co_yield 1;
  co_await scope(spawns_sleepers);
  co_yield 2;
  co_await shield(sleeps(Tracked()));
}
Task<int> consumes_what_has_children() {
  co_return co_await sum_of(has_children(Tracked()));
}

Generator<int> receives(mpsc::Receiver<int> rx, Tracked /*held*/) {
  while (std::optional<int> message = co_await rx.recv()) {
    co_yield *message;
  }
}
Task<void> sends_numbers(mpsc::Sender<int> tx, int count, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < count; ++i) {
    if (!co_await tx.send(i)) {
      co_return;
    }
    if (random() % 3 == 0) {
      co_await yield_now();
    }
  }
}
/// Takes up to `count` numbers, each after some rounds that were lost. Gives how many came.
Task<int> takes_numbers(Generator<int> numbers, int count) {
  int taken = 0;
  while (taken < count) {
    std::variant<std::optional<int>, std::monostate> first =
        co_await select(biased, numbers.next(), yield_now());
    if (first.index() == 1) {
      continue;
    }
    const std::optional<int>& number = std::get<0>(first);
    if (!number) {
      break;
    }
    EXPECT_EQ(*number, taken);
    ++taken;
  }
  co_return taken;  // and destroys it, perhaps while it is being woken
}

TEST(Generator, WakesRaceWithDropsAndEnds) {
  std::mt19937_64 random = testing_support::seeded_random();
  const int before = Tracked::alive();
  {
    Runtime runtime = testing_support::multi_thread_runtime(2);
    const auto rounds = [](std::mt19937_64& engine) -> Task<void> {
      for (int round = 0; round < 300; ++round) {
        auto [tx, rx] = mpsc::channel<int>(1 + engine() % 4);
        const auto sent = static_cast<int>(engine() % 20);
        const auto wanted = static_cast<int>(engine() % 25);
        JoinHandle<void> sending =
            spawn(sends_numbers(std::move(tx), sent, static_cast<unsigned>(engine())));
        JoinHandle<int> taking = spawn(takes_numbers(receives(std::move(rx), Tracked()), wanted));
        if (engine() % 8 == 0) {
          taking.abort();
        }
        const JoinResult<int> taken = co_await taking;
        if (taken) {
          EXPECT_EQ(*taken, std::min(sent, wanted));
        }
        (void)co_await sending;
      }
    };
    runtime.block_on(rounds(random));
  }
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(Generator, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return consumes_everything(); });
}

TEST(Generator, WithChildrenMayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return consumes_what_has_children(); });
}

TEST(Generator, WithChildrenMayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return consumes_what_has_children(); });
}

TEST(Generator, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return consumes_everything(); });
}

}  // namespace
}  // namespace ringo
