// SPDX-License-Identifier: MIT
//
// Loads for a manager, in the sizes that quick and slow tests choose: many callers that each check
// their own replies, the same with callers that are aborted, and large values through small socket
// buffers.
//
// Thread safety: coroutines for any runtime.

#pragma once

#include <ringo/task.h>

#include <cstddef>
#include <cstdint>

namespace ringo::client::testing {

/// Each caller sends requests whose replies nobody else could get.
Task<void> many_callers(std::size_t callers, std::size_t requests);
/// The same, with half of the callers aborted at random moments, which must disturb nobody.
Task<void> many_callers_and_aborts(std::size_t callers, std::size_t requests, std::uint64_t seed);
/// SETs and GETs of 64 KiB with socket buffers of 4 KiB on both sides: `count` of each, by so many
/// callers. Writing without reading would end in a deadlock.
Task<void> large_values(std::size_t count, std::size_t callers);

}  // namespace ringo::client::testing
