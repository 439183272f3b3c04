// SPDX-License-Identifier: MIT
//
// What the server says it is to clients that choose their behaviour by it: they know Redis by name
// and version. Our own version is in INFO as ringo_version.
//
// Thread safety: constants.

#pragma once

#include <string_view>

namespace ringo::server {

inline constexpr std::string_view kCompatibleServer = "redis";
/// The version whose replies and error texts the commands follow.
inline constexpr std::string_view kCompatibleVersion = "7.0.15";

}  // namespace ringo::server
