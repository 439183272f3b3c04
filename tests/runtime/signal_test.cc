// SPDX-License-Identifier: MIT
//
// Signals of the process. The tests send them to themselves; the default handlers are gone from the
// first listener on.

#include <ringo/runtime.h>
#include <ringo/signal.h>
#include <ringo/spawn.h>
#include <ringo/time.h>
#include <ringo/yield.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

using namespace std::chrono_literals;
using ringo::JoinHandle;
using ringo::JoinResult;
using ringo::Result;
using ringo::Runtime;
using ringo::Task;
using ringo::signal::Signal;
using ringo::testing_support::current_thread_runtime;
using ringo::testing_support::multi_thread_runtime;

Signal listen_to(int number) {
  return ringo::signal::listen(number).value();
}

Task<void> hear(Signal signal) {
  co_await signal.recv();
}

/// Until each SIGUSR1 that was raised before has been counted, by an earlier test too.
Task<void> until_dispatched() {
  static_assert(SIGUSR1 < SIGUSR2, "the dispatcher goes through them in this order");
  Signal marker = listen_to(SIGUSR2);
  // The pass that finds the first mark may have gone past SIGUSR1 before it was raised; the pass
  // that finds the second one has begun after that.
  for (int pass = 0; pass < 2; ++pass) {
    raise(SIGUSR2);
    co_await marker.recv();
  }
}

CO_TEST(Signal, WakesTheTaskThatWaits) {
  Signal user = listen_to(SIGUSR1);
  auto waiting = ringo::spawn(hear(user));
  co_await ringo::yield_now();
  CO_ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
  const JoinResult<void> heard = co_await waiting;
  EXPECT_TRUE(heard.has_value());
  co_await user.recv();
}

CO_TEST(Signal, IsKeptUntilSomebodyLooks) {
  Signal user = listen_to(SIGUSR1);
  Signal same = listen_to(SIGUSR1);
  CO_ASSERT_EQ(raise(SIGUSR1), 0);
  co_await user.recv();
  co_await same.recv();  // each listener hears it
}

CO_TEST(Signal, DeliveriesBeforeALookCountAsOne) {
  Signal user = listen_to(SIGUSR1);
  for (int i = 0; i < 10; ++i) {
    CO_ASSERT_EQ(raise(SIGUSR1), 0);
  }
  co_await until_dispatched();
  co_await user.recv();
  const Result<void> nothing = co_await ringo::time::timeout(1ms, user.recv());
  CO_ASSERT_FALSE(nothing.has_value());
}

CO_TEST(Signal, IsNotHeardByAListenerThatCameLater) {
  co_await until_dispatched();
  Signal user = listen_to(SIGUSR1);
  CO_ASSERT_EQ(raise(SIGUSR1), 0);
  co_await user.recv();
  Signal late = listen_to(SIGUSR1);
  const Result<void> nothing = co_await ringo::time::timeout(1ms, late.recv());
  CO_ASSERT_FALSE(nothing.has_value());
}

CO_TEST(Signal, CancelledRecvLosesNothing) {
  co_await until_dispatched();
  Signal user = listen_to(SIGUSR1);
  for (int i = 0; i < 20; ++i) {
    const Result<void> nothing = co_await ringo::time::timeout(200us, user.recv());
    CO_ASSERT_FALSE(nothing.has_value());
    auto waiting = ringo::spawn(hear(user));
    co_await ringo::yield_now();
    waiting.abort();
    const JoinResult<void> aborted = co_await waiting;
    CO_ASSERT_FALSE(aborted.has_value());
    CO_ASSERT_EQ(raise(SIGUSR1), 0);
    co_await user.recv();
  }
}

CO_TEST(Signal, EndsManyWaitersAtOnce) {
  std::vector<JoinHandle<void>> waiting;
  const Signal user = listen_to(SIGUSR1);
  for (int i = 0; i < 100; ++i) {
    waiting.push_back(ringo::spawn(hear(user)));
  }
  CO_ASSERT_EQ(raise(SIGUSR1), 0);
  for (JoinHandle<void>& handle : waiting) {
    const JoinResult<void> heard = co_await handle;
    EXPECT_TRUE(heard.has_value());
  }
}

CO_TEST(Signal, RefusesWhatCannotBeHandled) {
  for (const int number : {0, -1, NSIG, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    const Result<Signal> refused = ringo::signal::listen(number);
    CO_ASSERT_FALSE(refused.has_value()) << number;
    EXPECT_TRUE(refused.error().is_os(EINVAL));
  }
  co_return;
}

CO_TEST(CtrlC, EndsOnInterrupt) {
  Signal installed = listen_to(SIGINT);  // or the first kill could end the test
  auto wait = []() -> Task<bool> {
    const Result<void> heard = co_await ringo::signal::ctrl_c();
    co_return heard.has_value();
  };
  auto waiting = ringo::spawn(wait());
  while (!waiting.is_finished()) {
    CO_ASSERT_EQ(kill(getpid(), SIGINT), 0);
    co_await ringo::yield_now();
  }
  const JoinResult<bool> heard = co_await waiting;
  CO_ASSERT_TRUE(heard.has_value());
  EXPECT_TRUE(*heard);
  co_await installed.recv();
}

TEST(Signal, ReachesSeveralRuntimes) {
  Runtime first = multi_thread_runtime(2);
  Runtime second = multi_thread_runtime(2);
  const Signal user = listen_to(SIGUSR1);
  JoinHandle<void> one = first.spawn(hear(user));
  JoinHandle<void> two = second.spawn(hear(user));
  ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
  auto join = [](JoinHandle<void>& handle) -> Task<bool> {
    const JoinResult<void> heard = co_await handle;
    co_return heard.has_value();
  };
  EXPECT_TRUE(first.block_on(join(one)));
  EXPECT_TRUE(second.block_on(join(two)));
}

TEST(Signal, ListenerOutlivesItsRuntimes) {
  Signal user = listen_to(SIGUSR1);
  auto hear_by_reference = [](Signal& signal) -> Task<void> { co_await signal.recv(); };
  {
    Runtime runtime = multi_thread_runtime(2);
    runtime.spawn(hear_by_reference(user)).detach();  // destroyed while it waits
  }
  ASSERT_EQ(raise(SIGUSR1), 0);
  current_thread_runtime().block_on(hear_by_reference(user));
}

// Shutdown of a runtime while the dispatcher wakes its tasks.
TEST(Signal, MayComeWhileTheRuntimeEnds) {
  for (int round = 0; round < 100; ++round) {
    const Signal user = listen_to(SIGUSR1);
    Runtime runtime = multi_thread_runtime(2);
    for (int i = 0; i < 4; ++i) {
      runtime.spawn(hear(user)).detach();
    }
    ASSERT_EQ(raise(SIGUSR1), 0);
  }
}

}  // namespace
