// SPDX-License-Identifier: MIT
//
// The errors that several parts of the client make, so that the same thing is said the same way.
//
// Thread safety: functions without state.

#pragma once

#include <ringo/client/error.h>
#include <ringo/result.h>

#include <string>

namespace ringo::client {

/// The error's text without what was being done: "connection refused".
std::string reason_of(const Error& error);

ClientError connection_lost(const Error& error);
ClientError closed_by_server();

}  // namespace ringo::client
