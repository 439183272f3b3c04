// SPDX-License-Identifier: MIT
//
// Thrown where the library is used in a way that can never work: blocking a worker thread, spawning
// without a runtime, a channel of capacity 0. In a task it comes out of the JoinHandle like any
// other exception, so that one mistaken task does not end a service.

#pragma once

#include <stdexcept>

namespace ringo {

class UsageError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
/// Out of line, so that a check costs its caller one branch.
[[noreturn]] void throw_usage_error(const char* message);
}  // namespace detail

}  // namespace ringo
