// SPDX-License-Identifier: MIT
//
// Five ways to share state between tasks, doing the same work: one mutex, sharded mutexes, a
// concurrent map, a mutex for tasks, and a task that owns the state. Ten tasks count visits; what
// each strategy is for is said beside it, and what each costs in docs/guide/locks.md.

#include <ringo/ringo.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/core.h>

using Counts = std::unordered_map<std::string, int>;

constexpr int kTasks = 10;
constexpr int kVisits = 100;
const std::string kPage = "index.html";  // NOLINT(cert-err58-cpp): a short string cannot throw

// One mutex: short operations, few threads. The default.
ringo::Task<int> one_mutex(std::shared_ptr<ringo::Guarded<Counts>> counts) {
  counts->with([](Counts& map) { ++map[kPage]; });
  co_return counts->with([](const Counts& map) { return map.at(kPage); });
}

// Sharded mutexes: the same under contention; keys must be independent.
ringo::Task<int> sharded_mutexes(std::shared_ptr<ringo::Sharded<Counts>> counts) {
  co_return counts->with(kPage, [](Counts& map) { return ++map[kPage]; });
}

// A concurrent map: the same, when it grows and is mostly read.
ringo::Task<int> concurrent_map(std::shared_ptr<ringo::ConcurrentMap<std::string, int>> counts) {
  co_return counts->entry(kPage,
                          [](std::optional<int>& n) { return n.emplace(n.value_or(0) + 1); });
}

// A mutex for tasks: state that must stay locked while its holder awaits something.
ringo::Task<int> async_mutex(std::shared_ptr<ringo::Mutex<Counts>> counts) {
  ringo::MutexGuard<Counts> map = co_await counts->lock();
  co_await ringo::yield_now();  // no other lock here may be held over this
  co_return ++(*map)[kPage];
}

// A task that owns the state: what one does I/O with, a connection for instance.
struct Visit {
  std::string page;
  ringo::oneshot::Sender<int> reply;
};
using Owner = std::shared_ptr<ringo::mpsc::Sender<Visit>>;

ringo::Task<void> own_counts(ringo::mpsc::Receiver<Visit> visits) {
  Counts counts;
  while (std::optional<Visit> visit = co_await visits.recv()) {
    (void)std::move(visit->reply).send(++counts[visit->page]);
  }
}
ringo::Task<int> owner_task(Owner owner) {
  auto [reply, answer] = ringo::oneshot::channel<int>();
  Visit visit{kPage, std::move(reply)};
  const auto sent = co_await owner->send(std::move(visit));
  if (!sent) {
    co_return 0;
  }
  const auto count = co_await std::move(answer);
  co_return count.value_or(0);
}

template <class State>
ringo::Task<int> visit_often(ringo::Task<int> (*visit)(State), State state) {
  int last = 0;
  for (int i = 0; i < kVisits; ++i) {
    last = co_await visit(state);
  }
  co_return last;
}

template <class State>
ringo::Task<void> try_out(const char* name, ringo::Task<int> (*visit)(State), State state) {
  std::vector<ringo::JoinHandle<int>> tasks;
  tasks.reserve(kTasks);
  for (int i = 0; i < kTasks; ++i) {
    tasks.push_back(ringo::spawn(visit_often(visit, state)));
  }
  for (ringo::JoinHandle<int>& task : tasks) {
    (void)co_await task;
  }
  const int count = co_await visit(state);
  fmt::print("{}: {} visits\n", name, count - 1);
}

RINGO_MAIN() {
  co_await try_out("one mutex", one_mutex, std::make_shared<ringo::Guarded<Counts>>());
  co_await try_out("sharded mutexes", sharded_mutexes,
                   std::make_shared<ringo::Sharded<Counts>>(16));
  co_await try_out("concurrent map", concurrent_map,
                   std::make_shared<ringo::ConcurrentMap<std::string, int>>());
  co_await try_out("async mutex", async_mutex, std::make_shared<ringo::Mutex<Counts>>());
  auto [requests, received] = ringo::mpsc::channel<Visit>(32);
  ringo::spawn(own_counts(std::move(received))).detach();
  co_await try_out("owner task", owner_task,
                   std::make_shared<ringo::mpsc::Sender<Visit>>(std::move(requests)));
  co_return 0;
}
