// SPDX-License-Identifier: MIT
//
// A task refuses to await what is not the runtime's own, and the message names the bridge.
//
// expect-error: this type cannot be awaited in a ringo task
// expect-error: ringo::oneshot
#include <ringo/task.h>

#include <coroutine>

class Foreign {
 public:
  Foreign() = default;
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) noexcept {}
  void await_resume() noexcept {}
};

ringo::Task<void> waits() {
#ifdef RINGO_COMPILE_FAIL
  co_await Foreign();
#endif
  co_return;
}
