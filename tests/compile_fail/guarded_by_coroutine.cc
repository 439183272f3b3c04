// SPDX-License-Identifier: MIT
//
// Net one: what runs under the lock of a Guarded is no coroutine. Take out a copy, await then.
//
// expect-error: a function under a lock must not be a coroutine
// expect-error: await afterwards
#include <ringo/guarded.h>
#include <ringo/task.h>

ringo::Task<void> send(int number);

ringo::Task<void> use(ringo::Guarded<int>& guarded) {
#ifdef RINGO_COMPILE_FAIL
  co_await guarded.with([](int& number) -> ringo::Task<void> { co_await send(number); });
#else
  const int number = guarded.with([](const int& n) { return n; });
  co_await send(number);
#endif
}
