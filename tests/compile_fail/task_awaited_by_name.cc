// SPDX-License-Identifier: MIT
//
// A Task is awaited once, hence moved into the await.
//
// expect-error: a Task is awaited once and by value
#include <ringo/task.h>

#include <utility>

ringo::Task<int> child() {
  co_return 1;
}

ringo::Task<int> parent() {
  ringo::Task<int> task = child();
#ifdef RINGO_COMPILE_FAIL
  const int result = co_await task;
#else
  const int result = co_await std::move(task);
#endif
  co_return result;
}
