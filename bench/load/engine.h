// SPDX-License-Identifier: MIT
//
// The load itself: one thread, epoll, any number of connections. Closed loop: each connection sends
// a batch, waits for all its replies, sends the next. Open loop (a rate is given): requests are due
// at fixed times whatever the server does, and their latency counts from then, so that a server
// that stalls is charged with all who had to wait for it.
//
// Thread safety: none; one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "message.h"

namespace load {

struct Settings {
  std::uint16_t port = 0;
  Protocol protocol = Protocol::kRedis;
  Operation operation = Operation::kGet;
  std::size_t connections = 50;
  std::size_t idle = 0;      ///< more connections, which have asked once and then keep quiet
  std::size_t pipeline = 1;  ///< requests of a batch, 1 to kMaxPipeline
  std::size_t value_size = 64;
  std::uint64_t keys = 1'000'000;
  std::uint64_t first_key = 0;
  bool is_sequential = false;  ///< each key once, in order, then the end; else at random
  double seconds = 1;          ///< of a run that no number of requests ends
  std::uint64_t requests = 0;  ///< 0: as many as the seconds allow
  double rate = 0;             ///< requests per second of an open loop; 0: closed loop
};

/// More in a batch would not fit into the sockets' buffers on both sides, and the generator would
/// wait for a server that waits for the generator.
inline constexpr std::size_t kMaxPipeline = 1024;

struct Outcome {
  std::uint64_t operations = 0;
  double seconds = 0;
  std::vector<std::int64_t> latencies_ns;  ///< of each batch; sorted
};

class Engine {
 public:
  /// Connects everything. Ends the program with a message where that fails.
  explicit Engine(const Settings& settings);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  [[nodiscard]] Outcome run();

 private:
  struct Connection {
    int fd = -1;
    std::size_t received = 0;  // bytes of the batch's replies
    std::size_t expected = 0;  // 0: nothing is under way
    std::uint64_t batch = 0;
    std::int64_t begun_ns = 0;
  };

  void connect_all(std::size_t count, std::vector<Connection>& list);
  void ask_once(Connection& connection);
  void send_batch(Connection& connection, std::int64_t begun_ns);
  /// True when the batch has been answered whole.
  bool receive(Connection& connection);
  void send_what_is_due(std::int64_t now_ns);
  void finish(Connection& connection, std::int64_t now_ns);
  [[nodiscard]] std::uint64_t next_key();
  [[nodiscard]] bool may_send(std::int64_t now_ns) const;

  Settings settings_;
  Message message_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<Connection> idle_;
  std::vector<std::size_t> free_;  // open loop: indices of connections that wait for work
  std::string batch_;
  std::vector<char> input_;
  std::uint64_t random_ = 0x9E37'79B9'7F4A'7C15U;
  std::uint64_t sent_ = 0;
  std::size_t in_flight_ = 0;
  std::int64_t start_ns_ = 0;
  Outcome outcome_;
};

}  // namespace load
