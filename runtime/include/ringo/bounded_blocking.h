// SPDX-License-Identifier: MIT
//
// Blocking jobs with back-pressure: at most as many wait for a thread as
// Builder::blocking_queue_limit() says. try_spawn_blocking() refuses one more;
// spawn_blocking_bounded() waits until there is room.
//
//   for (const std::string& path : paths) {
//     auto digest = [path] { return digest_of(path); };
//     auto job = co_await ringo::spawn_blocking_bounded(std::move(digest));
//     digests.add(std::move(job));
//   }
//
// spawn_blocking() itself never waits, is never refused and takes no room; nor does
// block_in_place().
// Thread safety: all of it.

#pragma once

#include <ringo/detail/context.h>
#include <ringo/named.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>

#include <concepts>
#include <expected>
#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {

/// A permit for each job that may run or wait.
std::shared_ptr<Semaphore> blocking_room(RuntimeShared& runtime) noexcept;

/// A function and its place in the pool, which is given back when the function is gone.
template <class F>
class JobWithRoom {
 public:
  JobWithRoom(OwnedSemaphorePermit room, F function)
      : room_(std::move(room)), function_(std::move(function)) {}

  std::invoke_result_t<F&&> operator()() && { return std::invoke(std::move(function_)); }

 private:
  OwnedSemaphorePermit room_;
  F function_;
};

template <class F>
auto spawn_blocking_when_room(Handle runtime, F function, std::source_location where)
    -> Task<JoinHandle<std::invoke_result_t<F&&>>> {
  Result<OwnedSemaphorePermit> room = co_await acquire_owned(blocking_room(runtime.shared()));
  JobWithRoom<F> job(*std::move(room), std::move(function));
  co_return runtime.spawn_blocking(std::move(job), where);
}

}  // namespace detail

/// spawn_blocking() unless the pool has no room: all threads that it may have are busy, and as many
/// jobs wait as Builder::blocking_queue_limit() allows. Errors: kFull; `function` is untouched
/// then. Panics: UsageError where no runtime is current. Complexity: O(1).
template <class F>
  requires std::invocable<std::decay_t<F>>
auto try_spawn_blocking(F&& function, std::source_location where = std::source_location::current())
    -> Result<JoinHandle<std::invoke_result_t<std::decay_t<F>>>> {
  detail::RuntimeShared& runtime = detail::current_runtime();
  auto room = try_acquire_owned(detail::blocking_room(runtime));
  if (!room) {
    return std::unexpected(Error(ErrorKind::kFull, "try_spawn_blocking"));
  }
  using Job = detail::JobWithRoom<std::decay_t<F>>;
  return detail::spawn_blocking_on<Job>(runtime, Job(*std::move(room), std::forward<F>(function)),
                                        where);
}

/// spawn_blocking() as soon as the pool has room, which slows down who makes jobs faster than they
/// are done: a Task that gives the JoinHandle. Who comes first is served first.
/// Cancel safety: `function` is dropped without being called, and the place in line is lost.
/// Panics: UsageError where no runtime is current.
template <class F>
  requires std::invocable<std::decay_t<F>>
auto spawn_blocking_bounded(F&& function,
                            std::source_location where = std::source_location::current())
    -> Task<JoinHandle<std::invoke_result_t<std::decay_t<F>>>> {
  return detail::spawn_blocking_when_room<std::decay_t<F>>(Handle::current(),
                                                           std::forward<F>(function), where);
}

}  // namespace ringo
