// SPDX-License-Identifier: MIT
//
// Dekker's handshake ("I write mine, then read yours") between one side that does it all the time
// and one that does it rarely. The frequent side needs light_barrier(), which only keeps the
// compiler in order; the rare side calls heavy_barrier(), by which the kernel puts a full barrier
// into every thread of the process that runs just then (membarrier(2)).
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/atomic.h>

#include <atomic>

namespace ringo::detail {

#ifdef RINGO_MODEL
// The models check the form without it.
inline void light_barrier() noexcept {}
inline void heavy_barrier() noexcept {}
#else
/// Whether the kernel offers it to this process; asked once. If not, both sides need a full barrier
/// of their own.
[[nodiscard]] bool has_asymmetric_barrier() noexcept;

inline void light_barrier() noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
}
/// Requires: has_asymmetric_barrier().
void heavy_barrier() noexcept;
#endif

}  // namespace ringo::detail
