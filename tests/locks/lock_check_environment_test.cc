// SPDX-License-Identifier: MIT
//
// RINGO_LOCK_CHECK in the environment, read by a process that begins: this program once more, which
// runs the one test that is disabled here and holds a guard over a co_await.

#include <ringo/config.h>
#include <ringo/parking_mutex.h>
#include <ringo/task.h>
#include <ringo/thread_annotations.h>
#include <ringo/yield.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

Task<void> holds_guard_over_await() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  static ParkingMutex mutex;
  const ParkingGuard guard(mutex);  // NOLINT(misc-coroutine-hostile-raii)
  co_await yield_now();
}

TEST(LockCheckEnvironment, DISABLED_Child) {
  testing_support::current_thread_runtime().block_on(holds_guard_over_await());
  std::puts("went on");
}

struct Ended {
  std::string output;
  int status = 0;
  [[nodiscard]] bool was_aborted() const { return status != 0; }
  [[nodiscard]] bool has(const char* text) const { return output.find(text) != std::string::npos; }
};

/// Runs the child; `environment` goes before its command, as in a shell.
Ended child(const std::string& environment) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = environment + " '" + self +
                              "' --gtest_also_run_disabled_tests "
                              "--gtest_filter=LockCheckEnvironment.DISABLED_Child 2>&1";
  Ended ended;
  // NOLINTNEXTLINE(misc-include-cleaner, cert-env33-c): POSIX in <cstdio>; it is our own program
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  if (pipe != nullptr) {
    std::array<char, 4096> buffer;
    while (const std::size_t read = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      ended.output.append(buffer.data(), read);
    }
    ended.status = ::pclose(pipe);  // NOLINT(misc-include-cleaner): POSIX in <cstdio>
  }
  return ended;
}

#if RINGO_CHECK_SUSPEND

constexpr const char* kReport = "is held across co_await at";

TEST(LockCheckEnvironment, WithoutTheVariableAFaultIsReportedAndAborts) {
  const Ended ended = child("env -u RINGO_LOCK_CHECK");
  EXPECT_TRUE(ended.has(kReport)) << ended.output;
  EXPECT_FALSE(ended.has("went on")) << ended.output;
  EXPECT_TRUE(ended.was_aborted());
}

TEST(LockCheckEnvironment, AbortAndUnknownWordsAbort) {
  for (const char* const word : {"abort", "what", ""}) {
    const Ended ended = child(std::string("RINGO_LOCK_CHECK=") + word);
    EXPECT_TRUE(ended.has(kReport)) << word << ended.output;
    EXPECT_TRUE(ended.was_aborted()) << word;
  }
}

TEST(LockCheckEnvironment, ReportPrintsAndGoesOn) {
  const Ended ended = child("RINGO_LOCK_CHECK=report");
  EXPECT_TRUE(ended.has(kReport)) << ended.output;
  EXPECT_TRUE(ended.has("went on")) << ended.output;
  EXPECT_FALSE(ended.was_aborted());
}

TEST(LockCheckEnvironment, OffKeepsQuiet) {
  const Ended ended = child("RINGO_LOCK_CHECK=off");
  EXPECT_FALSE(ended.has(kReport)) << ended.output;
  EXPECT_TRUE(ended.has("went on")) << ended.output;
  EXPECT_FALSE(ended.was_aborted());
}

#else

TEST(LockCheckEnvironment, DoesNothingInABuildWithoutTheCheck) {
  const Ended ended = child("RINGO_LOCK_CHECK=abort");
  EXPECT_FALSE(ended.has("is held across")) << ended.output;
  EXPECT_TRUE(ended.has("went on")) << ended.output;
  EXPECT_FALSE(ended.was_aborted());
}

#endif

}  // namespace
}  // namespace ringo
