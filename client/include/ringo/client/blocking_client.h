// SPDX-License-Identifier: MIT
//
// BlockingClient: the client for programs that are not asynchronous. It brings its own
// current_thread runtime, which runs on the calling thread and only while a request runs. The
// bridge that tokio's tutorial calls "a synchronous interface to an asynchronous client".
//
//   ClientResult<BlockingClient> client = BlockingClient::connect("127.0.0.1", 6379);
//   ClientResult<std::optional<Bytes>> value = client->get("hello");
//
// Thread safety: one thread at a time. Not for tasks: a call on a worker throws UsageError.

#pragma once

#include <ringo/bytes.h>
#include <ringo/client/client.h>
#include <ringo/client/commands.h>
#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/protocol/frame.h>
#include <ringo/runtime.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringo::client {

/// The methods are those of Client. Move-only.
class BlockingClient {
 public:
  /// Errors: as Client::connect(); kConnectFailed also where no runtime can be had (no io_uring).
  [[nodiscard]] static ClientResult<BlockingClient> connect(std::string host, std::uint16_t port,
                                                            const ConnectOptions& options = {});

  ClientResult<Bytes> ping() { return wait(client_.ping()); }
  ClientResult<std::optional<Bytes>> get(std::string_view key) { return wait(client_.get(key)); }
  ClientResult<std::vector<std::optional<Bytes>>> mget(std::span<const std::string_view> keys) {
    return wait(client_.mget(keys));
  }
  ClientResult<bool> set(std::string_view key, std::string_view value,
                         const SetOptions& options = {}) {
    return wait(client_.set(key, value, options));
  }
  ClientResult<std::int64_t> del(std::string_view key) { return wait(client_.del(key)); }
  ClientResult<std::int64_t> del(std::span<const std::string_view> keys) {
    return wait(client_.del(keys));
  }
  ClientResult<bool> exists(std::string_view key) { return wait(client_.exists(key)); }
  ClientResult<std::int64_t> incr(std::string_view key) { return wait(client_.incr(key)); }
  ClientResult<std::int64_t> incr_by(std::string_view key, std::int64_t amount) {
    return wait(client_.incr_by(key, amount));
  }
  ClientResult<bool> expire(std::string_view key, std::chrono::nanoseconds duration) {
    return wait(client_.expire(key, duration));
  }
  ClientResult<protocol::Frame> command(std::span<const std::string_view> words) {
    return wait(client_.command(words));
  }

 private:
  BlockingClient(Runtime runtime, Client client) noexcept
      : runtime_(std::move(runtime)), client_(std::move(client)) {}

  template <class T>
  T wait(Task<T> request) {
    return runtime_.block_on(std::move(request));
  }

  Runtime runtime_;  // before the client, which lives on it
  Client client_;
};

}  // namespace ringo::client
