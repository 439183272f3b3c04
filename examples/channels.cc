// SPDX-License-Identifier: MIT
//
// Strategy two of two: a task owns the state, and others send it messages. Right for what needs
// waiting, such as a connection that only one request at a time may use. Here two tasks share one
// connection to a key-value server through the manager that owns it. (Strategy one, a plain mutex,
// is shared_state.cc.)
//
// For more than a lesson take ringo::client::connect_managed(): its manager goes on sending while
// replies are outstanding, and reconnects.

#include <ringo/client/client.h>
#include <ringo/ringo.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <fmt/core.h>

using ringo::client::Client;
using ringo::client::ClientResult;

/// Where the manager sends the answer to.
template <class T>
using Responder = ringo::oneshot::Sender<ClientResult<T>>;

struct Get {
  std::string key;
  Responder<std::optional<ringo::Bytes>> responder;
};
struct Set {
  std::string key;
  std::string value;
  Responder<bool> responder;
};
using Command = std::variant<Get, Set>;

/// Ends when nobody is left who could send it a command; the connection goes with it.
ringo::Task<void> manage(Client client, ringo::mpsc::Receiver<Command> commands) {
  while (std::optional<Command> command = co_await commands.recv()) {
    if (Get* get = std::get_if<Get>(&*command)) {
      auto value = co_await client.get(get->key);
      (void)get->responder.send(std::move(value));  // whoever asked may have gone
    } else if (Set* set = std::get_if<Set>(&*command)) {
      auto done = co_await client.set(set->key, set->value);
      (void)set->responder.send(std::move(done));
    }
  }
}

ringo::Task<void> get_hello(ringo::mpsc::Sender<Command> manager) {
  auto [responder, answer] = ringo::oneshot::channel<ClientResult<std::optional<ringo::Bytes>>>();
  Command command = Get{"hello", std::move(responder)};
  (void)co_await manager.send(std::move(command));
  const auto value = co_await answer;
  if (!value || !*value) {
    fmt::print("GET hello: {}\n", value ? value->error().message() : value.error().message());
    co_return;
  }
  fmt::print("GET hello = {}\n", **value ? (**value)->view() : "(nil)");
}

ringo::Task<void> set_foo(ringo::mpsc::Sender<Command> manager) {
  auto [responder, answer] = ringo::oneshot::channel<ClientResult<bool>>();
  Command command = Set{"foo", "bar", std::move(responder)};
  (void)co_await manager.send(std::move(command));
  const auto done = co_await answer;
  if (!done || !*done) {
    fmt::print("SET foo bar: {}\n", done ? done->error().message() : done.error().message());
    co_return;
  }
  fmt::print("SET foo bar = {}\n", **done ? "OK" : "not set");
}

RINGO_MAIN(int argc, char** argv) {
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 6379);
  auto client = co_await Client::connect("127.0.0.1", port);
  if (!client) {
    fmt::print(stderr, "{}\n", client.error().message());
    co_return 1;
  }
  auto [tx, rx] = ringo::mpsc::channel<Command>(32);
  auto manager = ringo::spawn(manage(*std::move(client), std::move(rx)));
  auto first = ringo::spawn(get_hello(tx));
  auto second = ringo::spawn(set_foo(std::move(tx)));
  (void)co_await first;
  (void)co_await second;
  (void)co_await manager;
  co_return 0;
}
