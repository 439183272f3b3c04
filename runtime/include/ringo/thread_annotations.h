// SPDX-License-Identifier: MIT
//
// Names for clang's thread-safety attributes (-Wthread-safety); they expand to nothing elsewhere.
//
// `no_suspend` is the role that every guard of a thread-blocking lock holds while it is alive, and
// that every co_await of a ringo task excludes: so clang reports a guard that is held over one, in
// the code of our users as well. A lock of your own takes part by acquiring it, too:
//
//   void lock() RINGO_ACQUIRE(this, ringo::no_suspend);
//   void unlock() RINGO_RELEASE(this, ringo::no_suspend);

#pragma once

#if defined(__clang__)
#define RINGO_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define RINGO_THREAD_ATTRIBUTE(x)
#endif

#define RINGO_CAPABILITY(name) RINGO_THREAD_ATTRIBUTE(capability(name))
#define RINGO_SCOPED_CAPABILITY RINGO_THREAD_ATTRIBUTE(scoped_lockable)
#define RINGO_GUARDED_BY(x) RINGO_THREAD_ATTRIBUTE(guarded_by(x))
#define RINGO_PT_GUARDED_BY(x) RINGO_THREAD_ATTRIBUTE(pt_guarded_by(x))
#define RINGO_REQUIRES(...) RINGO_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define RINGO_ACQUIRE(...) RINGO_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RINGO_TRY_ACQUIRE(...) RINGO_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define RINGO_RELEASE(...) RINGO_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define RINGO_EXCLUDES(...) RINGO_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define RINGO_NO_THREAD_SAFETY_ANALYSIS RINGO_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace ringo {
namespace detail {

/// The role "this thread must not suspend a coroutine now".
struct RINGO_CAPABILITY("role") NoSuspend {};
inline NoSuspend no_suspend;

}  // namespace detail

using detail::no_suspend;

}  // namespace ringo
