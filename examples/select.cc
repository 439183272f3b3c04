// SPDX-License-Identifier: MIT
//
// One task that waits for several things at once: messages, a clock that ticks, and the word to
// stop. What loses a round is destroyed where it waits, and begins anew in the next; none of these
// loses anything by that (each says so in its header, under "Cancel safety").
//
// The clock of this runtime stands still while anybody can run, and goes straight to the next timer
// when nobody can: the program takes no time, and always prints the same.

#include <ringo/ringo.h>

#include <cstdio>
#include <string>
#include <utility>

#include <fmt/core.h>

using namespace std::chrono_literals;

ringo::Task<void> serve(ringo::mpsc::Receiver<std::string> orders, ringo::CancellationToken stop) {
  auto heartbeat = ringo::time::interval(1s);
  bool is_open = true;
  while (is_open) {
    co_await ringo::select(
        ringo::biased,  // in this order, where several are ready
        ringo::on(stop.cancelled(), [&] { is_open = false; }),
        ringo::on_value(orders.recv(),
                        [](std::string order) -> ringo::Task<void> {
                          co_await ringo::time::sleep(300ms);  // a handler may wait
                          fmt::print("served {}\n", order);
                        }),
        ringo::on(heartbeat.tick(), [] { fmt::print("still here\n"); }));
  }
  fmt::print("closed\n");
}

ringo::Task<void> guests(ringo::mpsc::Sender<std::string> orders) {
  for (const char* order : {"tea", "coffee"}) {
    co_await ringo::time::sleep(1600ms);
    co_await orders.send(order);
  }
}

ringo::Task<void> evening() {
  auto [orders, kitchen] = ringo::mpsc::channel<std::string>(8);
  const ringo::CancellationToken stop;
  auto serving = ringo::spawn(serve(std::move(kitchen), stop.child_token()));

  // join: both at once, in this task. The guests leave after their orders; the evening is longer.
  co_await ringo::join(guests(orders), ringo::time::sleep(4500ms));
  stop.cancel();
  (void)co_await serving;
}

int main() {
  auto runtime = ringo::Builder::current_thread().start_paused().build();
  if (!runtime) {
    fmt::print(stderr, "{}\n", runtime.error().message());
    return 1;
  }
  runtime->block_on(evening());
  return 0;
}
