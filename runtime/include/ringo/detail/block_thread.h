// SPDX-License-Identifier: MIT
//
// The bridge to threads outside any runtime: what the blocking_ members of the channels are made
// of.

#pragma once

#include <ringo/task.h>

namespace ringo::detail {

/// Runs a task on the calling thread, which sleeps while it waits. No runtime is needed, and none
/// is driven: sleep() and sockets do not work in it. Throws what the task throws.
void block_thread_on(Task<void> task);

/// Panics: UsageError on a worker thread, whose other tasks `what` would hold up.
void refuse_on_worker(const char* what);

}  // namespace ringo::detail
