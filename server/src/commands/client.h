// SPDX-License-Identifier: MIT
//
// What HELLO shares with the CLIENT family. Thread safety: as CommandContext.

#pragma once

#include <string_view>

#include "commands/command.h"

namespace ringo::server {

/// Names the client; replies an error and returns false if the name has bytes that would break
/// the lines of CLIENT LIST.
bool set_client_name_or_reply(CommandContext& context, std::string_view name);

}  // namespace ringo::server
