// SPDX-License-Identifier: MIT
//
// "It hangs. Who waits for what?" This program deadlocks, on purpose: two tasks lock two mutexes in
// different orders. A task dump shows both, the lines where they wait, and who holds what.
//
//   example_dump               prints one dump and ends
//   example_dump serve         prints one whenever it gets SIGUSR1, until Ctrl-C:  kill -USR1 <pid>

#include <ringo/ringo.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string_view>

#include <fmt/core.h>

using namespace std::chrono_literals;

struct Accounts {
  ringo::Mutex<int> mine{100};
  ringo::Mutex<int> yours{100};
  ringo::Barrier both{2};  // each has its first lock before either asks for its second
};

ringo::Task<void> transfer(std::shared_ptr<Accounts> accounts, ringo::Mutex<int>& from,
                           ringo::Mutex<int>& to) {
  auto source = co_await from.lock();
  co_await accounts->both.wait();
  auto target = co_await to.lock();  // never
  *source -= 10;
  *target += 10;
}

ringo::Task<void> watch(ringo::CancellationToken stop) {
  co_await ringo::select(ringo::on(stop.cancelled(), [] {}),
                         ringo::on(ringo::time::sleep(1h), [] { fmt::print("still here\n"); }));
}

ringo::Task<void> print_dump() {
  const ringo::TaskDump dump = co_await ringo::Handle::current().dump(1s);
  fmt::print("{}", dump.to_string());
  std::fflush(stdout);
}

/// Until all tasks but this one wait.
ringo::Task<void> settle() {
  for (bool is_settled = false; !is_settled;) {
    const ringo::TaskDump dump = co_await ringo::Handle::current().dump(1s);
    is_settled = true;
    for (const ringo::TaskReport& task : dump.tasks) {
      is_settled = is_settled && task.activity == ringo::TaskActivity::kIdle &&
                   task.waits_at.operation != "Barrier::wait";
    }
  }
}

RINGO_MAIN(int argc, char** argv) {
  const bool serves = argc > 1 && std::string_view(argv[1]) == "serve";
  auto asked = ringo::signal::listen(SIGUSR1);
  if (!asked) {
    fmt::print(stderr, "{}\n", asked.error().message());
    co_return 1;
  }
  auto accounts = std::make_shared<Accounts>();
  const ringo::CancellationToken stop;
  ringo::spawn(transfer(accounts, accounts->mine, accounts->yours)).detach();
  ringo::spawn(transfer(accounts, accounts->yours, accounts->mine)).detach();
  ringo::spawn(watch(stop)).detach();
  co_await settle();
  if (!serves) {
    co_await print_dump();
    co_return 0;
  }
  fmt::print("kill -USR1 {}\n", getpid());
  std::fflush(stdout);
  for (;;) {
    co_await asked->recv();
    co_await print_dump();
  }
}
