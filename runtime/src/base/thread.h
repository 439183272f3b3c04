// SPDX-License-Identifier: MIT
//
// Starting a thread with a stack of a given size, which std::thread cannot.
//
// Thread safety: all of it.

#pragma once

#include <cstddef>
#include <functional>

namespace ringo::detail {

/// Starts a detached thread. 0 or an errno: then the body was not called. A size of 0 is the
/// system's default; others are rounded up to a page.
[[nodiscard]] int start_thread(std::size_t stack_size, std::move_only_function<void()> body);

}  // namespace ringo::detail
