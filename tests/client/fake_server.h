// SPDX-License-Identifier: MIT
//
// A server for the client's tests, in the same process and on a free port of the loopback: either a
// small key-value store, or whatever a script does with each connection. It ends, with all its
// connections, when it is destroyed.
//
// Thread safety: one owner's; its tasks run on the runtime that it was started on.

#pragma once

#include <ringo/bytes.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/frame_parser.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringo::client::testing {

/// One connection as a script sees it: requests in, bytes out.
class Peer {
 public:
  explicit Peer(net::TcpStream stream) : stream_(std::move(stream)) {}

  /// The words of the next request; empty at the end of the stream.
  Task<std::vector<std::string>> request() {
    std::vector<std::string> words;
    for (;;) {
      std::expected<std::optional<protocol::Frame>, protocol::FrameError> frame =
          parser_.parse(input_);
      if (!frame) {
        throw std::runtime_error("the client sent garbage: " + frame.error().message);
      }
      if (frame->has_value()) {
        for (const protocol::Frame& word : (*frame)->items()) {
          words.emplace_back(word.as_text().value_or(""));
        }
        co_return words;
      }
      const Result<std::size_t> count = co_await stream_.read_buf(input_);
      if (!count || *count == 0) {
        co_return words;
      }
    }
  }
  /// No whole request has been read beyond those that were returned.
  bool is_drained() { return input_.empty(); }

  /// False: the client has gone.
  Task<bool> send(std::string bytes) {
    const Result<void> sent = co_await stream_.write_all(bytes);
    co_return sent.has_value();
  }

  net::TcpStream& stream() { return stream_; }

 private:
  net::TcpStream stream_;
  protocol::FrameParser parser_;
  BytesMut input_;
};

/// What a script does with the connection; the number counts connections from 0.
using Script = std::function<Task<void>(Peer, int)>;

/// GET SET DEL INCR PING ECHO, on one map. What it does not know is an error.
class FakeStore {
 public:
  std::string reply_to(const std::vector<std::string>& words) {
    const std::lock_guard guard(mutex_);
    ++requests_;
    const std::string& name = words.at(0);
    if (name == "PING") {
      return "+PONG\r\n";
    }
    if (name == "ECHO") {
      return bulk(words.at(1));
    }
    if (name == "SET") {
      values_[words.at(1)] = words.at(2);
      return "+OK\r\n";
    }
    if (name == "GET") {
      const auto found = values_.find(words.at(1));
      return found == values_.end() ? "$-1\r\n" : bulk(found->second);
    }
    if (name == "DEL") {
      return ":" + std::to_string(values_.erase(words.at(1))) + "\r\n";
    }
    if (name == "INCR") {
      std::string& value = values_[words.at(1)];
      value = std::to_string(value.empty() ? 1 : std::stoll(value) + 1);
      return ":" + value + "\r\n";
    }
    return "-ERR unknown command '" + name + "'\r\n";
  }
  std::uint64_t requests() {
    const std::lock_guard guard(mutex_);
    return requests_;
  }

  static std::string bulk(std::string_view bytes) {
    return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
  }

 private:
  std::mutex mutex_;  // never held over an await
  std::map<std::string, std::string> values_;
  std::uint64_t requests_ = 0;
};

/// Serves a connection from the store; answers a whole read at once, as servers do.
inline Task<void> serve_store(std::shared_ptr<FakeStore> store, Peer peer) {
  std::string out;
  for (;;) {
    const std::vector<std::string> words = co_await peer.request();
    if (words.empty()) {
      co_return;
    }
    out += store->reply_to(words);
    if (peer.is_drained()) {
      const bool is_sent = co_await peer.send(std::exchange(out, {}));
      if (!is_sent) {
        co_return;
      }
    }
  }
}

class FakeServer {
 public:
  struct Options {
    Options() = default;
    std::optional<int> socket_buffer;  // SO_SNDBUF and SO_RCVBUF of accepted connections
    std::uint16_t port = 0;
  };

  /// Requires: a runtime is current.
  static FakeServer start(Script script) { return start(std::move(script), Options()); }
  static FakeServer start(Script script, const Options& options) {
    Result<net::TcpSocket> socket = net::TcpSocket::open_v4();
    check(socket);
    check(socket->set_reuse_address(true));
    if (options.socket_buffer) {
      check(socket->set_send_buffer_size(*options.socket_buffer));
      check(socket->set_recv_buffer_size(*options.socket_buffer));
    }
    check(socket->bind(net::SocketAddress::loopback_v4(options.port)));
    Result<net::TcpListener> listener = std::move(*socket).listen(128);
    check(listener);
    FakeServer server;
    const Result<net::SocketAddress> address = listener->local_address();
    check(address);
    server.port_ = address->port();
    server.shared_ = std::make_shared<Shared>();
    server.acceptor_.emplace(
        spawn(accept_all(*std::move(listener), std::move(script), server.shared_)));
    return server;
  }
  static FakeServer with_store(std::shared_ptr<FakeStore> store) {
    return with_store(std::move(store), Options());
  }
  static FakeServer with_store(std::shared_ptr<FakeStore> store, const Options& options) {
    return start([store](Peer peer, int) { return serve_store(store, std::move(peer)); }, options);
  }

  FakeServer(FakeServer&& other) noexcept
      : port_(other.port_),
        shared_(std::move(other.shared_)),
        acceptor_(std::exchange(other.acceptor_, std::nullopt)) {}
  FakeServer& operator=(FakeServer&&) = delete;
  ~FakeServer() { abort(); }

  /// Kills the server: the port is free and all connections are closed once this has ended.
  Task<void> stop() {
    abort();
    if (acceptor_) {
      (void)co_await *acceptor_;
      acceptor_.reset();
    }
    std::vector<JoinHandle<void>> connections;
    {
      const std::lock_guard guard(shared_->mutex);
      connections.swap(shared_->connections);
    }
    for (JoinHandle<void>& connection : connections) {
      (void)co_await connection;
    }
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int accepted() const { return shared_->accepted.load(); }

 private:
  struct Shared {
    std::mutex mutex;  // never held over an await
    std::vector<JoinHandle<void>> connections;
    std::atomic<int> accepted{0};
    bool is_stopped = false;
  };

  FakeServer() = default;

  template <class T>
  static void check(const Result<T>& result) {
    if (!result) {
      throw std::runtime_error("fake server: " + result.error().message());
    }
  }

  static Task<void> accept_all(net::TcpListener listener, Script script,
                               std::shared_ptr<Shared> shared) {
    for (;;) {
      Result<net::Accepted> accepted = co_await listener.accept();
      check(accepted);
      check(accepted->stream.set_nodelay(true));
      const int number = shared->accepted.fetch_add(1);
      Task<void> work = script(Peer(std::move(accepted->stream)), number);
      JoinHandle<void> handle = spawn(std::move(work));
      const std::lock_guard guard(shared->mutex);
      if (shared->is_stopped) {
        handle.abort();
      }
      shared->connections.push_back(std::move(handle));
    }
  }

  void abort() {
    if (acceptor_) {
      acceptor_->abort();
    }
    if (shared_ != nullptr) {
      const std::lock_guard guard(shared_->mutex);
      shared_->is_stopped = true;
      for (JoinHandle<void>& connection : shared_->connections) {
        connection.abort();
      }
    }
  }

  std::uint16_t port_ = 0;
  std::shared_ptr<Shared> shared_;
  std::optional<JoinHandle<void>> acceptor_;
};

}  // namespace ringo::client::testing
