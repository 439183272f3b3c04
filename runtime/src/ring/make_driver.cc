// SPDX-License-Identifier: MIT
//
// Chooses the driver, as RINGO_DRIVER says or by what the kernel offers. The only place that knows
// which drivers there are.
//
// Thread safety: reads the environment; otherwise all of it.

#include <ringo/result.h>

#include <cstdlib>
#include <expected>
#include <memory>
#include <string_view>

#include "base/system.h"
#include "ring/driver.h"
#include "ring/uring_driver.h"

namespace ringo::detail {

Result<std::unique_ptr<Driver>> make_driver(System& /*system*/) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): of the environment the runtime is only a reader.
  if (const char* wanted = std::getenv("RINGO_DRIVER"); wanted != nullptr) {
    if (std::string_view(wanted) != "uring") {
      return std::unexpected(Error(ErrorKind::kUnsupported,
                                   "RINGO_DRIVER names a driver that does not exist (uring)"));
    }
  }
  return UringDriver::create();
}

}  // namespace ringo::detail
