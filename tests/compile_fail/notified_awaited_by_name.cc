// SPDX-License-Identifier: MIT
//
// A Notified is awaited once, hence moved into the await.
//
// expect-error: this is awaited once and by value
#include <ringo/sync/notify.h>
#include <ringo/task.h>

#include <utility>

ringo::Task<void> waits(ringo::Notify& notify) {
  ringo::Notified notified = notify.notified();
#ifdef RINGO_COMPILE_FAIL
  co_await notified;
#else
  co_await std::move(notified);
#endif
}
