// SPDX-License-Identifier: MIT
//
// A lock's guard that lives over a co_await is reported by clang's thread-safety analysis: the
// awaiter excludes the role `no_suspend`, which the guard holds.
//
// compiler: clang
// flags: -Wthread-safety -Werror
// expect-error: no_suspend
#include <ringo/detail/mutex.h>
#include <ringo/task.h>

ringo::Task<int> child() {
  co_return 1;
}

class Counter {
 public:
  ringo::Task<int> add() {
#ifdef RINGO_COMPILE_FAIL
    ringo::detail::MutexGuard guard(mutex_);
    count_ += co_await child();
#else
    const int more = co_await child();
    ringo::detail::MutexGuard guard(mutex_);
    count_ += more;
#endif
    co_return count_;
  }

 private:
  ringo::detail::Mutex mutex_;
  int count_ RINGO_GUARDED_BY(mutex_) = 0;
};
