// SPDX-License-Identifier: MIT
//
// The turns of those who modify a watch channel's value in place. Not in the header, so that the
// thread's mark is looked up afresh, and not kept over the suspensions of the calling coroutine.
//
// Thread safety: all of it.

#include <ringo/detail/thread_annotations.h>
#include <ringo/detail/watch_channel.h>
#include <ringo/usage_error.h>

#include <atomic>

namespace ringo::watch::detail {

namespace {

const void* this_thread() noexcept {
  static thread_local const char kMark = 0;
  return &kMark;
}

}  // namespace

void ModificationTurn::begin() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  // relaxed: a thread finds its own mark only where it stored it itself.
  if (owner_.load(std::memory_order_relaxed) == this_thread()) {
    ringo::detail::throw_usage_error(
        "watch::Sender: a send from within send_modify() or send_if_modified() of the same "
        "channel");
  }
  mutex_.lock();
  owner_.store(this_thread(), std::memory_order_relaxed);
}

void ModificationTurn::end() noexcept RINGO_NO_THREAD_SAFETY_ANALYSIS {
  owner_.store(nullptr, std::memory_order_relaxed);
  mutex_.unlock();
}

}  // namespace ringo::watch::detail
