// SPDX-License-Identifier: MIT
//
// Two producers, one channel: tasks, awaiting, and how a channel ends when its senders are gone.

#include <ringo/ringo.h>

#include <optional>
#include <string>
#include <utility>

#include <fmt/core.h>

ringo::Task<void> producer(ringo::mpsc::Sender<std::string> tx, std::string text) {
  const auto sent = co_await tx.send(std::move(text));
  if (!sent) {
    fmt::print("nobody receives \"{}\" any more\n", sent.error().value);
  }
}

RINGO_MAIN() {
  auto [tx, rx] = ringo::mpsc::channel<std::string>(32);

  auto first = ringo::spawn(producer(tx, "sending from a task"));
  (void)co_await first;
  auto second = ringo::spawn(producer(std::move(tx), "sending from another"));

  while (std::optional<std::string> message = co_await rx.recv()) {
    fmt::print("GOT = {}\n", *message);
  }
  (void)co_await second;
  co_return 0;
}
