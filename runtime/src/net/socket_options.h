// SPDX-License-Identifier: MIT
//
// Socket options and addresses through the System, as Results. Shared by streams, listeners and
// sockets that are neither yet.
//
// Thread safety: as the system calls: any thread.

#pragma once

#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <sys/socket.h>

#include <optional>

#include "base/system.h"

namespace ringo::detail {

/// A descriptor together with the System that it belongs to.
struct SocketHandle {
  SocketHandle(System& owner, int descriptor) noexcept : system(&owner), fd(descriptor) {}
  System* system;
  int fd;
};

[[nodiscard]] SocketHandle handle_of(const Source& source) noexcept;

/// 0 or a positive value as success; -errno as an error.
[[nodiscard]] Result<void> to_result(int result, const char* context) noexcept;

[[nodiscard]] Result<void> set_int_option(SocketHandle socket, int level, int name, int value,
                                          const char* context) noexcept;
[[nodiscard]] Result<int> get_int_option(SocketHandle socket, int level, int name,
                                         const char* context) noexcept;
[[nodiscard]] Result<void> set_keepalive_options(
    SocketHandle socket, const std::optional<net::Keepalive>& keepalive) noexcept;

[[nodiscard]] Result<net::SocketAddress> local_address_of(SocketHandle socket) noexcept;
[[nodiscard]] Result<net::SocketAddress> peer_address_of(SocketHandle socket) noexcept;

/// Makes a source of a descriptor; closes it if that fails. `readiness`: bits to assume.
[[nodiscard]] SourceRef make_source(SocketHandle socket, std::uint64_t readiness);
/// Makes a foreign descriptor non-blocking and a source. On an error it is left as it was.
[[nodiscard]] Result<SourceRef> adopt_descriptor(int fd, std::uint64_t readiness);
/// A duplicate of the source's descriptor; the source then closes without ending the connection.
[[nodiscard]] Result<int> give_descriptor_away(SourceRef& source);

}  // namespace ringo::detail
