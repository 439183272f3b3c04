// SPDX-License-Identifier: MIT
//
// No guard can leave a ConcurrentMap, and what runs under a shard's lock is no coroutine.
//
// expect-error: a function under a lock must not be a coroutine
#include <ringo/concurrent_map.h>
#include <ringo/task.h>

#include <optional>
#include <string>

ringo::Task<int> compute();

ringo::Task<void> use(ringo::ConcurrentMap<std::string, int>& map) {
#ifdef RINGO_COMPILE_FAIL
  co_await map.entry(
      "key", [](std::optional<int>& value) -> ringo::Task<void> { value = co_await compute(); });
#else
  const int computed = co_await compute();
  map.entry("key", [&](std::optional<int>& value) { value = computed; });
#endif
}
