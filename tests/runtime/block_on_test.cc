// SPDX-License-Identifier: MIT
//
// block_on(), builders, run(), and what happens where io_uring is missing.

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <ringo/config.h>
#include <ringo/detail/block_thread.h>
#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/gate.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;

Task<int> gives(int n) {
  co_await yield_now();
  co_return n;
}
Task<void> throws() {
  co_await yield_now();
  throw std::runtime_error("root");
}

TEST(BlockOn, ReturnsAndThrowsWhatTheRootDoes) {
  for (const bool is_current_thread : {true, false}) {
    Runtime runtime = is_current_thread ? testing_support::current_thread_runtime()
                                        : testing_support::multi_thread_runtime();
    EXPECT_EQ(runtime.block_on(gives(6)), 6);
    EXPECT_THROW(runtime.block_on(throws()), std::runtime_error);
    EXPECT_EQ(runtime.block_on(gives(7)), 7);
  }
}

TEST(BlockOn, RootBorrowsTheCallersLocals) {
  Runtime runtime = testing_support::multi_thread_runtime();
  for (int i = 0; i < 1000; ++i) {
    int local = 0;
    const auto adds = [](int& borrowed) -> Task<void> {
      co_await yield_now();
      ++borrowed;
    };
    runtime.block_on(adds(local));
    ASSERT_EQ(local, 1);
  }
}

CO_TEST(BlockOn, IsRefusedOnAWorker) {
  bool is_refused = false;
  Runtime other = testing_support::current_thread_runtime();
  try {
    other.block_on(gives(1));
  } catch (const UsageError&) {
    is_refused = true;
  }
  other.shutdown_background();
  CO_ASSERT_TRUE(is_refused);
}

CO_TEST(BlockOn, OfAnotherRuntimeIsLegalInABlockingClosure) {
  const auto nested = [] { return testing_support::multi_thread_runtime().block_on(gives(11)); };
  JoinHandle<int> handle = spawn_blocking(nested);
  const JoinResult<int> result = co_await handle;
  CO_ASSERT_EQ(result.value(), 11);
}

TEST(BlockOn, RuntimesMayBeNestedOnOneThread) {
  Runtime outer = testing_support::multi_thread_runtime();
  const Handle::EnterGuard entered = outer.enter();
  Runtime inner = testing_support::current_thread_runtime();
  EXPECT_EQ(inner.block_on(gives(2)), 2);
  JoinHandle<int> on_outer = spawn(gives(3));
  const auto take = [](JoinHandle<int> handle) -> Task<int> {
    const JoinResult<int> result = co_await handle;
    co_return result.value();
  };
  EXPECT_EQ(inner.block_on(take(std::move(on_outer))), 3);
}

TEST(BlockOn, SpawnedTasksGoOnAfterItOnlyOnMultiThread) {
  Gate gate;
  const auto opens = [](Gate& opened) -> Task<void> {
    co_await time::sleep(1ms);
    opened.open();
  };
  const auto spawns = [opens](Gate& opened) -> Task<void> {
    spawn(opens(opened)).detach();
    co_return;
  };
  Runtime runtime = testing_support::multi_thread_runtime();
  runtime.block_on(spawns(gate));
  const auto waits = [](Gate& opened) -> Task<void> { co_await opened.passed(); };
  detail::block_thread_on(waits(gate));
}

// --- current_thread on several threads --------------------------------------------------------

Task<void> sleeps(Duration duration) {
  co_await time::sleep(duration);
}

TEST(BlockingPool, AJobIsRunThoughTheLastThreadAllowedIsLeaving) {
  std::atomic<int> stops{0};
  std::atomic<bool> is_submitted{false};
  Runtime runtime =
      testing_support::build_runtime(Builder::current_thread()
                                         .max_blocking_threads(1)
                                         .thread_keep_alive(std::chrono::nanoseconds(1))
                                         .on_thread_stop([&] {
                                           // The first thread that leaves is held where it takes no
                                           // job any more.
                                           if (++stops == 1) {
                                             stops.notify_all();
                                             is_submitted.wait(false);
                                           }
                                         }));
  const Handle::EnterGuard entered = runtime.enter();
  spawn_blocking([] {}).detach();
  stops.wait(0);
  std::atomic<bool> has_run{false};
  spawn_blocking([&has_run] {
    has_run = true;
    has_run.notify_all();
  }).detach();
  is_submitted = true;
  is_submitted.notify_all();
  has_run.wait(false);
}

TEST(CurrentThread, SeveralThreadsDriveInTurn) {
  std::optional<Runtime> runtime;
  // Each thread ends before the next one begins, which therefore often gets the same thread id.
  std::thread([&runtime] { runtime.emplace(testing_support::current_thread_runtime()); }).join();
  for (int i = 0; i < 5; ++i) {
    std::thread([&runtime] { runtime->block_on(sleeps(10ms)); }).join();
  }
  // A ring that belongs to a dead thread refuses to wait, and the worker would spin.
  EXPECT_LT(runtime->metrics().workers[0].parks, 40U);
}

TEST(CurrentThread, SeveralThreadsDriveAtTheSameTime) {
  Runtime runtime = testing_support::current_thread_runtime();
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&runtime, &sum, t] {
      for (int i = 0; i < 50; ++i) {
        runtime.block_on(sleeps(Duration(50'000 * (1 + (t + i) % 3))));
        sum += runtime.block_on(gives(1));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(sum, 200);
}

TEST(CurrentThread, RootOfOneThreadMayNeedTheOtherToDrive) {
  Runtime runtime = testing_support::current_thread_runtime();
  Gate first;
  Gate second;
  const auto waits = [](Gate& opened, Gate& opens) -> Task<void> {
    co_await opened.passed();
    opens.open();
  };
  std::thread waiting([&] { runtime.block_on(waits(first, second)); });
  const auto opens = [](Gate& opens_first, Gate& waits_second) -> Task<void> {
    opens_first.open();
    co_await waits_second.passed();
  };
  runtime.block_on(opens(first, second));
  waiting.join();
}

TEST(CurrentThread, TasksOfOtherThreadsWakeTheDriver) {
  Runtime runtime = testing_support::current_thread_runtime();
  for (int i = 0; i < 200; ++i) {
    Gate gate;
    std::thread opener([&gate] { gate.open(); });
    const auto waits = [](Gate& opened) -> Task<void> { co_await opened.passed(); };
    runtime.block_on(waits(gate));
    opener.join();
  }
}

// --- builder ----------------------------------------------------------------------------------

class WorkerThreads {
 public:
  explicit WorkerThreads(const char* value) { setenv("RINGO_WORKER_THREADS", value, 1); }
  WorkerThreads(const WorkerThreads&) = delete;
  WorkerThreads& operator=(const WorkerThreads&) = delete;
  ~WorkerThreads() { unsetenv("RINGO_WORKER_THREADS"); }
};

TEST(Builder, EnvironmentGivesTheDefaultNumberOfWorkersAndTheCallWins) {
  const WorkerThreads three("3");
  EXPECT_EQ(testing_support::build_runtime(Builder::multi_thread()).metrics().workers.size(), 3U);
  EXPECT_EQ(testing_support::multi_thread_runtime(2).metrics().workers.size(), 2U);
  EXPECT_EQ(testing_support::current_thread_runtime().metrics().workers.size(), 1U);
}

TEST(Builder, NonsenseInTheEnvironmentIsAUsageErrorThatNamesIt) {
  for (const char* nonsense : {"0", "-1", "two", "", "4x", " 4", "1025", "99999999999999999999"}) {
    const WorkerThreads set(nonsense);
    try {
      (void)Builder::multi_thread().build();
      ADD_FAILURE() << '"' << nonsense << "\" was accepted";
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("RINGO_WORKER_THREADS"), std::string::npos);
    }
  }
}

TEST(Builder, OptionsThatCannotWorkAreUsageErrors) {
  EXPECT_THROW(Builder::multi_thread().worker_threads(0), UsageError);
  EXPECT_THROW(Builder::multi_thread().worker_threads(1025), UsageError);
  EXPECT_NO_THROW(Builder::multi_thread().worker_threads(1024));
  EXPECT_THROW(Builder::multi_thread().max_blocking_threads(0), UsageError);
  EXPECT_THROW(Builder::multi_thread().event_interval(0), UsageError);
  EXPECT_THROW(Builder::multi_thread().global_queue_interval(0), UsageError);
}

TEST(Builder, ThreadCallbacksRunOnceForEachThread) {
  std::atomic<int> started{0};
  std::atomic<int> stopped{0};
  {
    Runtime runtime =
        testing_support::build_runtime(Builder::multi_thread()
                                           .worker_threads(3)
                                           .on_thread_start([&started] { ++started; })
                                           .on_thread_stop([&stopped] { ++stopped; }));
    runtime.block_on(gives(1));
  }
  EXPECT_EQ(started, 3);
  EXPECT_EQ(stopped, 3);
}

// --- where io_uring is missing ----------------------------------------------------------------

/// From now on io_uring_setup fails with this error in this process.
void forbid_io_uring(std::uint32_t error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{4, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("seccomp");
    std::_Exit(99);
  }
}

TEST(IoUringMissing, ForbiddenGivesOneLineThatNamesSeccompAndTheSysctl) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        forbid_io_uring(EPERM);
        std::exit(run(gives(0)));
      },
      testing::ExitedWithCode(1), "^ringo: [^\n]*seccomp[^\n]*kernel.io_uring_disabled[^\n]*\n$");
}

TEST(IoUringMissing, OldKernelGivesOneLineThatSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        forbid_io_uring(ENOSYS);
        std::exit(run(gives(0)));
      },
      testing::ExitedWithCode(1), "^ringo: [^\n]*kernel[^\n]*\n$");
}

TEST(IoUringMissing, CurrentThreadRuntimeSaysSoInBuild) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        forbid_io_uring(EPERM);
        const Result<Runtime> runtime = Builder::current_thread().build();
        std::exit(!runtime && runtime.error().kind() == ErrorKind::kUnsupported ? 5 : 6);
      },
      testing::ExitedWithCode(5), "");
}

TEST(IoUringMissing, WorkersThatCouldStartEndWhenOneCannot) {
#if RINGO_FRAME_POOL == 0
  GTEST_SKIP() << "the sanitizers' own checks need a descriptor, and here none is left";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        rlimit limit{};
        limit.rlim_cur = limit.rlim_max = 16;  // descriptors for a few rings, not for twenty
        setrlimit(RLIMIT_NOFILE, &limit);
        for (int i = 0; i < 50; ++i) {
          const Result<Runtime> runtime = Builder::multi_thread().worker_threads(20).build();
          if (runtime) {
            std::exit(7);
          }
        }
        std::exit(5);
      },
      testing::ExitedWithCode(5), "");
}

}  // namespace
}  // namespace ringo
