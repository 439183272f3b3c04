// SPDX-License-Identifier: MIT
//
// Names for clang's thread-safety attributes as the store uses them; nothing on other compilers.
//
// The runtime has macros of the same meaning in its detail folder, which the server may not see.

#pragma once

#if defined(__clang__)
#define RINGO_STORE_ATTRIBUTE(x) __attribute__((x))
#else
#define RINGO_STORE_ATTRIBUTE(x)
#endif

#define RINGO_STORE_CAPABILITY(name) RINGO_STORE_ATTRIBUTE(capability(name))
#define RINGO_STORE_SCOPED RINGO_STORE_ATTRIBUTE(scoped_lockable)
#define RINGO_STORE_GUARDED_BY(x) RINGO_STORE_ATTRIBUTE(guarded_by(x))
#define RINGO_STORE_ACQUIRE(...) RINGO_STORE_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RINGO_STORE_RELEASE(...) RINGO_STORE_ATTRIBUTE(release_capability(__VA_ARGS__))
#define RINGO_STORE_TRY_ACQUIRE(...) RINGO_STORE_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define RINGO_STORE_REQUIRES(...) RINGO_STORE_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define RINGO_STORE_UNCHECKED RINGO_STORE_ATTRIBUTE(no_thread_safety_analysis)
