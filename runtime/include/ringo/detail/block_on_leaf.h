// SPDX-License-Identifier: MIT
//
// What the blocking_ members of the locks are made of: one operation, waited for by the calling
// thread. An operation that can complete at once does so without a task.
//
// Thread safety: as the operation's.

#pragma once

#include <ringo/detail/block_thread.h>
#include <ringo/detail/promise.h>
#include <ringo/task.h>

#include <optional>
#include <utility>

namespace ringo::detail {

template <LeafAwaitable A>
Task<void> await_into(A awaiter, std::optional<decltype(awaiter.await_resume())>& result) {
  result.emplace(co_await std::move(awaiter));
}

/// Waits for `awaiter`, which must not have been started, and returns what it gives.
/// Panics: UsageError on a worker thread, whose other tasks `what` would hold up.
template <LeafAwaitable A>
auto block_on_leaf(const char* what, A awaiter) -> decltype(awaiter.await_resume()) {
  refuse_on_worker(what);
  if (awaiter.await_ready()) {
    return awaiter.await_resume();
  }
  std::optional<decltype(awaiter.await_resume())> result;
  block_thread_on(await_into(std::move(awaiter), result));
  return *std::move(result);
}

}  // namespace ringo::detail
