// SPDX-License-Identifier: MIT
//
// membarrier(2), which glibc has no wrapper for. Sandboxes may forbid it.
//
// Thread safety: all of it.

#include "base/asymmetric_barrier.h"

#include <linux/membarrier.h>
#include <ringo/detail/assert.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ringo::detail {
namespace {

long membarrier(int command) noexcept {
  return ::syscall(SYS_membarrier, command, 0, 0);
}

}  // namespace

bool has_asymmetric_barrier() noexcept {
  static const bool kIsRegistered = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
  return kIsRegistered;
}

void heavy_barrier() noexcept {
  RINGO_CHECK(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0,
              "membarrier(2) was offered and then refused");
}

}  // namespace ringo::detail
