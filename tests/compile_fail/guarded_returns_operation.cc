// SPDX-License-Identifier: MIT
//
// Nor does it return an operation that somebody would await afterwards, with what it refers to.
//
// expect-error: a function under a lock must not be a coroutine, nor return something to co_await
#include <ringo/sharded.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>

#include <vector>

ringo::Task<void> use(ringo::Sharded<std::vector<int>>& shards, ringo::Semaphore& semaphore) {
#ifdef RINGO_COMPILE_FAIL
  (void)co_await shards.with(1, [&](std::vector<int>&) { return semaphore.acquire(); });
#else
  shards.with(1, [&](std::vector<int>& list) { list.push_back(1); });
  (void)co_await semaphore.acquire();
#endif
}
