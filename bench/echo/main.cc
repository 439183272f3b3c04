// SPDX-License-Identifier: MIT
//
// bench_echo: the echo server of the comparison, as examples/echo_server.cc but with the flavour of
// runtime to be chosen: a task per connection, a buffer of 1 KiB, TCP_NODELAY.
//
//   bench_echo multi|current WORKERS PORT     prints "listening", ends by a signal
//
// Thread safety: none needed; connections share nothing.

#include <ringo/io.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace {

ringo::Task<void> echo(ringo::net::TcpStream stream) {
  std::array<std::byte, 1024> buffer;
  for (;;) {
    const auto count = co_await stream.read(buffer);
    if (!count || *count == 0 || !co_await stream.write_all(std::span(buffer).first(*count))) {
      co_return;
    }
  }
}

ringo::Task<int> serve(std::string address) {
  auto listener = co_await ringo::net::TcpListener::bind(address);
  if (!listener) {
    std::fprintf(stderr, "bench_echo: %s\n", listener.error().message().c_str());
    co_return 1;
  }
  std::puts("listening");
  std::fflush(stdout);
  while (auto accepted = co_await listener->accept()) {
    if (!accepted->stream.set_nodelay(true)) {
      co_return 1;
    }
    ringo::spawn(echo(std::move(accepted->stream))).detach();
  }
  co_return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bench_echo multi|current WORKERS PORT\n");
    return 2;
  }
  try {
    const bool is_current = std::string_view(argv[1]) == "current";
    auto runtime = is_current
                       ? ringo::Builder::current_thread().build()
                       : ringo::Builder::multi_thread().worker_threads(std::stoul(argv[2])).build();
    if (!runtime) {
      std::fprintf(stderr, "bench_echo: %s\n", runtime.error().message().c_str());
      return 1;
    }
    return runtime->block_on(serve(std::string("127.0.0.1:") + argv[3]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_echo: %s\n", error.what());
    return 1;
  }
}
