// SPDX-License-Identifier: MIT
//
// Tests whose body is a coroutine. CO_TEST(Suite, Claim) { … } registers two tests: the body as the
// root task of a current_thread runtime, and of a multi_thread one with two workers.
// CO_TEST_PAUSED runs it on a current_thread runtime whose clock stands still.
//
//   CO_TEST(Mpsc, RecvEndsAfterLastSenderDrops) {
//     auto [tx, rx] = ringo::mpsc::channel<int>(4);
//     ringo::drop(std::move(tx));
//     std::optional<int> message = co_await rx.recv();
//     CO_ASSERT_FALSE(message.has_value());
//   }
//
// gtest's ASSERT_* return, which a coroutine cannot: CO_ASSERT_* co_return instead, in a
// Task<void>, and take a message by << as theirs do. EXPECT_* work as they are. Name what is
// awaited before it is compared: g++ 12 miscompiles some temporaries beside a co_await.
//
// Thread safety: gtest's assertions may fail on any thread.

#pragma once

#include <ringo/runtime.h>
#include <ringo/task.h>

#include <cstddef>
#include <stdexcept>
#include <utility>

#include <gtest/gtest.h>

namespace ringo::testing_support {

/// Builds the runtime, or fails the test by throwing what its Error says.
inline Runtime build_runtime(const Builder& builder) {
  Result<Runtime> built = builder.build();
  if (!built) {
    throw std::runtime_error(built.error().message());
  }
  return *std::move(built);
}

inline Runtime current_thread_runtime() {
  return build_runtime(Builder::current_thread());
}
inline Runtime multi_thread_runtime(std::size_t workers = 2) {
  return build_runtime(Builder::multi_thread().worker_threads(workers));
}
inline Runtime paused_runtime() {
  return build_runtime(Builder::current_thread().start_paused());
}

}  // namespace ringo::testing_support

#define CO_TEST_BODY_NAME_(suite, name) co_test_body_of_##suite##_##name

#define CO_TEST(suite, name)                                                                      \
  static ::ringo::Task<void> CO_TEST_BODY_NAME_(suite, name)();                                   \
  TEST(suite, name##OnCurrentThread) {                                                            \
    ::ringo::testing_support::current_thread_runtime().block_on(                                  \
        CO_TEST_BODY_NAME_(suite, name)());                                                       \
  }                                                                                               \
  TEST(suite, name##OnMultiThread) {                                                              \
    ::ringo::testing_support::multi_thread_runtime().block_on(CO_TEST_BODY_NAME_(suite, name)()); \
  }                                                                                               \
  static ::ringo::Task<void> CO_TEST_BODY_NAME_(suite, name)()

#define CO_TEST_PAUSED(suite, name)                                                         \
  static ::ringo::Task<void> CO_TEST_BODY_NAME_(suite, name)();                             \
  TEST(suite, name) {                                                                       \
    ::ringo::testing_support::paused_runtime().block_on(CO_TEST_BODY_NAME_(suite, name)()); \
  }                                                                                         \
  static ::ringo::Task<void> CO_TEST_BODY_NAME_(suite, name)()

// The loop runs its body once, which reports, and leaves the coroutine the second time round. That
// way the caller's << binds to the report, and co_return has no operand.
#define CO_ASSERT_(assertion, report_fatal)                                        \
  GTEST_AMBIGUOUS_ELSE_BLOCKER_                                                    \
  if (const ::testing::AssertionResult co_assertion = (assertion); co_assertion) { \
  } else                                                                           \
    for (bool co_has_reported = false;; co_has_reported = true)                    \
      if (co_has_reported) {                                                       \
        co_return;                                                                 \
      } else                                                                       \
        GTEST_MESSAGE_(report_fatal, ::testing::TestPartResult::kFatalFailure)

#define CO_ASSERT_COMPARISON_(comparison, ...) \
  CO_ASSERT_(::testing::internal::comparison(__VA_ARGS__), co_assertion.failure_message())

#define CO_ASSERT_BOOL_(condition, text, actual, expected)                                      \
  CO_ASSERT_(                                                                                   \
      ::testing::AssertionResult(static_cast<bool>(condition)),                                 \
      ::testing::internal::GetBoolAssertionFailureMessage(co_assertion, text, actual, expected) \
          .c_str())

#define CO_ASSERT_TRUE(condition) CO_ASSERT_BOOL_(condition, #condition, "false", "true")
#define CO_ASSERT_FALSE(condition) CO_ASSERT_BOOL_(!(condition), #condition, "true", "false")
#define CO_ASSERT_EQ(a, b) CO_ASSERT_COMPARISON_(EqHelper::Compare, #a, #b, a, b)
#define CO_ASSERT_NE(a, b) CO_ASSERT_COMPARISON_(CmpHelperNE, #a, #b, a, b)
#define CO_ASSERT_LT(a, b) CO_ASSERT_COMPARISON_(CmpHelperLT, #a, #b, a, b)
#define CO_ASSERT_LE(a, b) CO_ASSERT_COMPARISON_(CmpHelperLE, #a, #b, a, b)
#define CO_ASSERT_GT(a, b) CO_ASSERT_COMPARISON_(CmpHelperGT, #a, #b, a, b)
#define CO_ASSERT_GE(a, b) CO_ASSERT_COMPARISON_(CmpHelperGE, #a, #b, a, b)
#define CO_ASSERT_STREQ(a, b) CO_ASSERT_COMPARISON_(CmpHelperSTREQ, #a, #b, a, b)
/// Fails the test and leaves the coroutine.
#define CO_FAIL() CO_ASSERT_(::testing::AssertionFailure(), "Failed")
