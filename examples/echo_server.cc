// SPDX-License-Identifier: MIT
//
// The smallest complete server: a task per connection sends back what it reads, until Ctrl-C.

#include <ringo/ringo.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <span>
#include <utility>

#include <fmt/core.h>

ringo::Task<void> echo(ringo::net::TcpStream stream) {
  std::array<std::byte, 4096> buffer;
  for (;;) {
    const auto count = co_await stream.read(buffer);
    if (!count || *count == 0 || !co_await stream.write_all(std::span(buffer).first(*count))) {
      co_return;  // the peer has finished, or is gone
    }
  }
}

ringo::Task<void> serve(ringo::net::TcpListener listener) {
  while (auto accepted = co_await listener.accept()) {
    ringo::spawn(echo(std::move(accepted->stream))).detach();
  }
}

RINGO_MAIN(int argc, char** argv) {
  auto listener = co_await ringo::net::TcpListener::bind(argc > 1 ? argv[1] : "127.0.0.1:7777");
  if (!listener) {
    fmt::print(stderr, "{}\n", listener.error().message());
    co_return 1;
  }
  fmt::print("Listening on {}\n", listener->local_address()->to_string());
  std::fflush(stdout);
  ringo::spawn(serve(*std::move(listener))).detach();
  (void)co_await ringo::signal::ctrl_c();
  co_return 0;
}
