// SPDX-License-Identifier: MIT
//
// A look at a thread that does not answer: which task it runs, and its stack. The thread is
// interrupted by a signal whose handler, on that thread, copies what it finds into one static
// record; so nobody else touches what only that thread may.
//
// The signal is SIGURG: it does nothing by default, so one that comes late does no harm. If the
// program has a handler of its own for it, nothing is found out.
//
// Thread safety: all of it; one probe at a time.

#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <vector>

namespace ringo::detail {

class Worker;

struct ThreadFinding {
  static constexpr std::size_t kMaxFrames = 64;
  static constexpr std::size_t kMaxNameLength = 63;

  std::uint64_t task_id = 0;  ///< 0: it is between two tasks
  std::source_location spawned_at;
  std::array<char, kMaxNameLength + 1> name{};
  std::array<void*, kMaxFrames> frames{};
  std::size_t frame_count = 0;

  [[nodiscard]] std::span<void* const> stack() const noexcept {
    return std::span(frames).first(frame_count);
  }
};

/// Asks the thread, which is to be that of `worker`. Waits for its answer, which takes microseconds
/// if it has a processor, and at most `patience`. Nullopt: no answer, or it is not the worker's
/// thread any more.
[[nodiscard]] std::optional<ThreadFinding> probe_thread(pid_t thread, const Worker& worker,
                                                        std::chrono::nanoseconds patience) noexcept;

/// One line per frame: "function+0x12 (program+0x3456)". Functions of a program itself have names
/// if it was linked with -rdynamic.
[[nodiscard]] std::vector<std::string> describe_stack(std::span<void* const> frames);

}  // namespace ringo::detail
