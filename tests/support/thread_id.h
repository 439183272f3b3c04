// SPDX-License-Identifier: MIT
//
// The calling thread's id, for a coroutine that may go on on another thread. glibc declares
// pthread_self() as constant, so clang asks std::this_thread::get_id() once for a whole coroutine
// and keeps the answer over its co_awaits. What is here cannot be moved or merged.
//
// Thread safety: any thread.

#pragma once

#include <thread>

namespace ringo::testing_support {

[[gnu::noinline]] inline std::thread::id thread_id() noexcept {
  asm volatile("");  // keeps the compiler from finding out that the function is constant
  return std::this_thread::get_id();
}

}  // namespace ringo::testing_support
