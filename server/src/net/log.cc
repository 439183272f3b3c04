// SPDX-License-Identifier: MIT
//
// Messages on stderr. Thread safety as in the header: one call to stdio, which locks the stream.

#include "net/log.h"

#include <cstdio>
#include <string_view>

#include <fmt/core.h>

namespace ringo::server {

void log_line(std::string_view line) {
  fmt::print(stderr, "ringo-server: {}\n", line);
}

}  // namespace ringo::server
