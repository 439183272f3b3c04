// SPDX-License-Identifier: MIT
//
// The server's messages to its operator: one line each, on stderr.
//
// Thread safety: any thread; lines are not mixed.

#pragma once

#include <string_view>

namespace ringo::server {

/// Writes "ringo-server: <line>".
void log_line(std::string_view line);

}  // namespace ringo::server
