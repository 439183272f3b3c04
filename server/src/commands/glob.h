// SPDX-License-Identifier: MIT
//
// Glob patterns as Redis has them: * ? [a-z] [^x] and \ for the next byte as it is.
//
// Thread safety: a pure function.

#pragma once

#include <string_view>

namespace ringo::server {

/// Whether the whole of `text` matches. Complexity: O(pattern x text) at worst; Redis' own matcher
/// takes exponential time on "*a*a*a*b".
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace ringo::server
