// SPDX-License-Identifier: MIT
//
// See blocking_client.h.
//
// Thread safety: one thread at a time.

#include <ringo/client/blocking_client.h>
#include <ringo/client/client.h>
#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/result.h>
#include <ringo/runtime.h>

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace ringo::client {

ClientResult<BlockingClient> BlockingClient::connect(std::string host, std::uint16_t port,
                                                     const ConnectOptions& options) {
  Result<Runtime> runtime = Builder::current_thread().build();
  if (!runtime) {
    return std::unexpected(
        ClientError(ClientErrorKind::kConnectFailed, runtime.error().message(), runtime.error()));
  }
  ClientResult<Client> client = runtime->block_on(Client::connect(std::move(host), port, options));
  if (!client) {
    return std::unexpected(std::move(client).error());
  }
  return BlockingClient(*std::move(runtime), *std::move(client));
}

}  // namespace ringo::client
