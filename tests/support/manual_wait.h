// SPDX-License-Identifier: MIT
//
// An awaiter that a test drives by hand, without a runtime: begin the wait, see whether it was
// woken, look whether it has ended, take its result; or destroy it in the middle.
//
//   ManualWait wait(rx.recv());
//   EXPECT_FALSE(wait.poll());
//   tx.send(1);
//   EXPECT_TRUE(wait.is_woken());
//   EXPECT_TRUE(wait.poll());
//   EXPECT_EQ(wait.result(), 1);
//
// Thread safety: one thread's, but for what wakes it.

#pragma once

#include <ringo/detail/leaf_awaiter.h>

#include <utility>

#include "support/fake_task.h"

namespace ringo::testing_support {

template <class Awaiter>
class ManualWait {
 public:
  explicit ManualWait(Awaiter awaiter) : awaiter_(std::move(awaiter)) {}
  ManualWait(const ManualWait&) = delete;
  ManualWait& operator=(const ManualWait&) = delete;
  ~ManualWait() = default;

  /// Whether it has ended; the first call begins the wait.
  [[nodiscard]] bool poll() {
    if (std::exchange(has_begun_, true)) {
      return awaiter_.ended();
    }
    return awaiter_.await_ready() || !awaiter_.start(task_.root);
  }
  /// Whether it was woken since the last time this was asked.
  [[nodiscard]] bool is_woken() noexcept { return task_.take_notification(); }
  /// Once poll() has said yes.
  auto result() { return awaiter_.await_resume(); }

 private:
  CountingSchedule schedule_;
  FakeTask task_{schedule_};
  Awaiter awaiter_;  // after the task, which it may still be queued with
  bool has_begun_ = false;
};

}  // namespace ringo::testing_support
