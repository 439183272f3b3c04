// SPDX-License-Identifier: MIT
//
// Deadlines from arguments, for the commands that set a value together with its expiry.
//
// Thread safety: as CommandContext.

#pragma once

#include <optional>
#include <string_view>

#include "commands/arguments.h"
#include "commands/command.h"
#include "store/entry.h"

namespace ringo::server {

/// The deadline of a positive time; replies the error and returns nothing if the argument is not
/// an integer, not positive, or too far away. A deadline in the past is one.
std::optional<UnixMs> positive_deadline_or_reply(CommandContext& context, std::string_view text,
                                                 ExpiryUnit unit);

}  // namespace ringo::server
