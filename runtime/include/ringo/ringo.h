// SPDX-License-Identifier: MIT
//
// Everything of the runtime. Programs that compile often include what they use instead.

#pragma once

// IWYU pragma: begin_exports
#include <ringo/abort_on_drop.h>
#include <ringo/block_in_place.h>
#include <ringo/bounded_blocking.h>
#include <ringo/bytes.h>
#include <ringo/cancellation_token.h>
#include <ringo/concurrent_map.h>
#include <ringo/coop.h>
#include <ringo/delay_queue.h>
#include <ringo/fork_join.h>
#include <ringo/generator.h>
#include <ringo/guarded.h>
#include <ringo/interval.h>
#include <ringo/io.h>
#include <ringo/join.h>
#include <ringo/join_all.h>
#include <ringo/join_queue.h>
#include <ringo/join_set.h>
#include <ringo/local_set.h>
#include <ringo/lock_check.h>
#include <ringo/named.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/parking_mutex.h>
#include <ringo/pending.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/scope.h>
#include <ringo/select.h>
#include <ringo/sharded.h>
#include <ringo/shield.h>
#include <ringo/signal.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/stream.h>
#include <ringo/stream_map.h>
#include <ringo/stream_sources.h>
#include <ringo/stream_time.h>
#include <ringo/sync/barrier.h>
#include <ringo/sync/broadcast.h>
#include <ringo/sync/mpmc.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/notify.h>
#include <ringo/sync/once_cell.h>
#include <ringo/sync/oneshot.h>
#include <ringo/sync/rw_lock.h>
#include <ringo/sync/semaphore.h>
#include <ringo/sync/set_once.h>
#include <ringo/sync/watch.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>
#include <ringo/task_local.h>
#include <ringo/task_tracker.h>
#include <ringo/thread_annotations.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>
// IWYU pragma: end_exports
