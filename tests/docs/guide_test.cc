// SPDX-License-Identifier: MIT
//
// The code of docs/guide, compiled and run: the guides quote it from here (scripts/check_docs.py).
// Each piece counts objects, so that what a compiler destroys twice, or never, fails the test.
//
// Thread safety: single-threaded runtimes.

#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

// Closures with captures that become coroutines are what is shown; each is kept long enough.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)

using Name = std::shared_ptr<const std::string>;  // whose use_count() is what is checked

Name make_name() {
  return std::make_shared<const std::string>("ringo");
}

/// Runs `make(name)` and looks whether each copy of the name has gone exactly once.
template <class Make>
void expect_balanced(Make make) {
  const Name name = make_name();
  {
    ringo::Runtime runtime = ringo::testing_support::current_thread_runtime();
    EXPECT_EQ(runtime.block_on(make(name)), 5U);
  }
  EXPECT_EQ(name.use_count(), 1) << "a copy was destroyed twice, or never";
}

template <class F>
ringo::Task<std::size_t> call_later(F function) {
  co_await ringo::yield_now();
  co_return function();
}

// --- docs/guide/g++12.md ----------------------------------------------------------------------

ringo::Task<std::size_t> closure(Name name) {
  auto size = [name] { return name->size(); };
  co_return co_await call_later(size);
}

TEST(Guide, ClosureIsNamedFirst) {
  expect_balanced(closure);
}

struct Aggregate {
  Name name;
  int times;
};

struct Parameters {
  Parameters(Name first, int second) : name(std::move(first)), times(second) {}
  Name name;
  int times;
};

ringo::Task<std::size_t> use_aggregate(Aggregate aggregate) {
  co_await ringo::yield_now();
  co_return aggregate.name->size() * static_cast<std::size_t>(aggregate.times);
}

ringo::Task<std::size_t> use_parameters(Parameters parameters) {
  co_await ringo::yield_now();
  co_return parameters.name->size() * static_cast<std::size_t>(parameters.times);
}

ringo::Task<std::size_t> aggregate(Name name) {
  Aggregate argument{name, 1};
  co_return co_await use_aggregate(std::move(argument));
}

ringo::Task<std::size_t> parameters(Name name) {
  co_return co_await use_parameters({name, 1});
}

TEST(Guide, AggregateIsNamedFirstOrHasAConstructor) {
  expect_balanced(aggregate);
  expect_balanced(parameters);
}

ringo::Task<Name> load(Name name) {
  co_await ringo::yield_now();
  co_return name;
}

ringo::Task<std::size_t> choice(Name name, bool is_cached) {
  Name chosen;
  if (is_cached) {
    chosen = name;
  } else {
    chosen = co_await load(name);
  }
  co_return chosen->size();
}

TEST(Guide, IfElseInsteadOfConditionalOperator) {
  expect_balanced([](Name name) { return choice(std::move(name), true); });
  expect_balanced([](Name name) { return choice(std::move(name), false); });
}

ringo::Task<Aggregate> made(Name name) {
  Name loaded = co_await load(name);
  Aggregate result{std::move(loaded), 1};
  co_return result;
}

TEST(Guide, ResultIsNamedFirst) {
  expect_balanced([](Name name) -> ringo::Task<std::size_t> {
    const Aggregate result = co_await made(name);
    co_return result.name->size();
  });
}

ringo::Task<bool> is_ready() {
  co_await ringo::yield_now();
  co_return true;
}

ringo::Task<int> condition() {
  const bool ready = co_await is_ready();
  if (!ready) {
    co_return 1;
  }
  co_return 0;
}

TEST(Guide, AwaitedConditionIsNamedFirst) {
  EXPECT_EQ(ringo::testing_support::current_thread_runtime().block_on(condition()), 0);
}

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ == 12
// The compiler's fault is what is tested: if this one fails, it has been mended, and the check in
// task.h can go.
ringo::Task<int> refused() {
  if (!co_await is_ready()) {
    co_return 1;
  }
  co_return 0;
}

TEST(GuideDeathTest, MiscompiledCoroutineIsRefusedBeforeItRuns) {
  EXPECT_DEATH((void)refused(), "miscompiled a coroutine");
}
#endif

// --- docs/guide/lambda-coroutines.md ----------------------------------------------------------

ringo::Task<std::size_t> invoked(Name name) {
  auto size_later = [name](std::size_t more) -> ringo::Task<std::size_t> {
    co_await ringo::yield_now();
    co_return name->size() + more;
  };
  ringo::Task<std::size_t> task = ringo::invoke(size_later, std::size_t{0});
  co_return co_await std::move(task);
}

ringo::Task<std::size_t> spawned(Name name) {
  auto handle = ringo::spawn([name]() -> ringo::Task<std::size_t> {
    co_await ringo::yield_now();
    co_return name->size();
  });
  const ringo::JoinResult<std::size_t> size = co_await handle;
  co_return size.value();
}

ringo::Task<std::size_t> by_parameter(Name name) {
  auto size_later = [](Name owned) -> ringo::Task<std::size_t> {
    co_await ringo::yield_now();
    co_return owned->size();
  };
  co_return co_await size_later(name);
}

TEST(Guide, CapturesAreKeptByInvokeAndSpawn) {
  expect_balanced(invoked);
  expect_balanced(spawned);
  expect_balanced(by_parameter);
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

}  // namespace
