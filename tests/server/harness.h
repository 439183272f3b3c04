// SPDX-License-Identifier: MIT
//
// Harness: a server without sockets, whose time stands still, and one or more connections to it.
//
// Thread safety: none but that of the classes in it.

#pragma once

#include <ringo/bytes.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/server/config.h>
#include <ringo/server/executor.h>
#include <ringo/server/session.h>
#include <ringo/server/state.h>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "server/manual_clock.h"

namespace ringo::server {

/// A request as a client library encodes it.
inline std::string encode(std::initializer_list<std::string_view> args) {
  std::string request = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string_view arg : args) {
    request += "$" + std::to_string(arg.size()) + "\r\n";
    request += arg;
    request += "\r\n";
  }
  return request;
}

class TestClient {
 public:
  explicit TestClient(ServerState& state, std::string address = "10.0.0.1:1000")
      : session_(state, SessionPeer{std::move(address), "10.0.0.2:6379", 7}) {}

  /// Sends bytes; returns all that is answered to them and to what was left over before.
  std::string send(std::string_view bytes) {
    input_ += bytes;
    BytesMut out;
    do {
      const ProcessResult result = process(session_, parser_, input_, out);
      input_.erase(0, result.consumed);
      status_ = result.status;
    } while (status_ == ProcessStatus::kOutputFull);
    return std::string(out.view());
  }

  /// An inline command, or several lines of them.
  std::string ask(std::string_view line) { return send(std::string(line) + "\r\n"); }

  Session& session() { return session_; }
  ProcessStatus status() const { return status_; }

 private:
  Session session_;
  protocol::RequestParser parser_;
  std::string input_;
  ProcessStatus status_ = ProcessStatus::kNeedMore;
};

struct Harness {
  static Config config() {
    Config config;
    config.shards = 4;
    config.hash_seed_first = 1;
    config.hash_seed_second = 2;
    return config;
  }

  ManualClock clock;
  ServerState state{config(), clock};
  TestClient connection{state};

  std::string ask(std::string_view line) { return connection.ask(line); }
};

}  // namespace ringo::server
