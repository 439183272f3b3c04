// SPDX-License-Identifier: MIT
//
// pthread_mutex_lock, trylock, timedlock, clocklock and unlock, as the program sees them in a build
// with RINGO_CHECK_SUSPEND. A wait for a condition variable unlocks and locks inside the C library:
// to us the thread has the mutex all the time, and while it sleeps it awaits nothing.
//
// Thread safety: all of it.

#include "base/std_mutex_check.h"

#include <ringo/config.h>

#if RINGO_CHECK_SUSPEND

#include <dlfcn.h>
#include <pthread.h>
#include <ringo/detail/held_locks.h>

#include <cstdint>
#include <ctime>
#include <string>

#include <fmt/core.h>

namespace ringo::detail {

std::string describe_caller(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0) {
    return fmt::format("{}", address);
  }
  const auto offset = [&](const void* base) {
    return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(base);
  };
  if (info.dli_sname != nullptr) {
    return fmt::format("{}({}+{:#x})", info.dli_fname, info.dli_sname, offset(info.dli_saddr));
  }
  return fmt::format("{}+{:#x}", info.dli_fname, offset(info.dli_fbase));
}

#if RINGO_CHECK_STD_MUTEX

namespace {

/// The C library's function behind ours, looked up once: two threads find the same.
template <class F>
F next(const char* name) noexcept {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

Relock relock_of(const pthread_mutex_t* mutex) noexcept {
  // The kinds are the lowest two bits of glibc's word; a mutex has no function that tells.
  const int kind = mutex->__data.__kind & 3;
  return kind == PTHREAD_MUTEX_RECURSIVE || kind == PTHREAD_MUTEX_ERRORCHECK ? Relock::kIsAllowed
                                                                             : Relock::kDeadlocks;
}

int noted(pthread_mutex_t* mutex, const void* caller, int result) noexcept {
  if (result == 0) {
    note_std_mutex_locked(mutex, caller);
  }
  return result;
}

}  // namespace

#endif

}  // namespace ringo::detail

#if RINGO_CHECK_STD_MUTEX

// The names and signatures are the C library's.
// NOLINTBEGIN(readability-identifier-naming)
using namespace ringo::detail;  // NOLINT(google-build-using-namespace)

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static const auto real = next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  const void* const caller = __builtin_return_address(0);
  note_std_mutex_wanted(mutex, caller, relock_of(mutex));
  return noted(mutex, caller, real(mutex));
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  static const auto real = next<int (*)(pthread_mutex_t*)>("pthread_mutex_trylock");
  return noted(mutex, __builtin_return_address(0), real(mutex));
}

int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) noexcept {
  static const auto real =
      next<int (*)(pthread_mutex_t*, const timespec*)>("pthread_mutex_timedlock");
  return noted(mutex, __builtin_return_address(0), real(mutex, until));
}

int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                            const timespec* until) noexcept {
  static const auto real =
      next<int (*)(pthread_mutex_t*, clockid_t, const timespec*)>("pthread_mutex_clocklock");
  return noted(mutex, __builtin_return_address(0), real(mutex, clock, until));
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  static const auto real = next<int (*)(pthread_mutex_t*)>("pthread_mutex_unlock");
  note_unlocked(mutex);
  return real(mutex);
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

#endif

#endif
