// SPDX-License-Identifier: MIT
//
// The end of a process whose store has broken an invariant. May be called on any thread.

#include "store/check.h"

#include <cstdio>
#include <cstdlib>

namespace ringo::server {

void check_failed(const char* file, int line, const char* what) {
  static_cast<void>(std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, what));
  std::abort();
}

}  // namespace ringo::server
