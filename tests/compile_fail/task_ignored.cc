// SPDX-License-Identifier: MIT
//
// A call of a coroutine whose Task is thrown away does nothing: most likely a forgotten co_await.
//
// flags: -Werror
// expect-error: a Task does nothing until it is awaited or spawned
#include <ringo/task.h>

ringo::Task<void> child() {
  co_return;
}

ringo::Task<void> parent() {
#ifdef RINGO_COMPILE_FAIL
  child();
#else
  co_await child();
#endif
  co_return;
}
