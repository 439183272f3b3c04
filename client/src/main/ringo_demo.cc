// SPDX-License-Identifier: MIT
//
// ringo-demo: many tasks share one connection. First some tasks SET and GET at the same time, each
// printing its own reply; then as many as wanted measure what the connection carries.
//
// Thread safety: a program.

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/client/manager.h>
#include <ringo/config.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <CLI/CLI.hpp>

namespace {

using ringo::Bytes;
using ringo::JoinHandle;
using ringo::JoinResult;
using ringo::Task;
using ringo::client::ClientError;
using ringo::client::ClientResult;
using ringo::client::Handle;
using ringo::client::Managed;
using ringo::client::ManagerMetrics;

constexpr std::size_t kPrintingTasks = 8;

struct Arguments {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::size_t tasks = 100;
  std::size_t requests = 1000;
};

std::string shown(const ClientError& error) {
  return "error: " + error.message();
}

Task<bool> set_and_get(Handle handle, std::size_t number) {
  const std::string key = fmt::format("ringo-demo:{}", number);
  const std::string value = fmt::format("hello from task {}", number);
  const ClientResult<bool> stored = co_await handle.set(key, value);
  const std::string set_reply = !stored ? shown(stored.error()) : *stored ? "OK" : "not set";
  fmt::print("task {}: SET {} = {}\n", number, key, set_reply);

  const ClientResult<std::optional<Bytes>> found = co_await handle.get(key);
  std::string get_reply = "(nil)";
  if (!found) {
    get_reply = shown(found.error());
  } else if (found->has_value()) {
    get_reply = fmt::format("\"{}\"", (*found)->view());
  }
  fmt::print("task {}: GET {} = {}\n", number, key, get_reply);

  const ClientResult<std::int64_t> deleted = co_await handle.del(key);
  const bool is_right = stored && *stored && found && *found && **found == value && deleted;
  co_return is_right;
}

/// SET and GET in turn. The error of the first that fails.
Task<ClientResult<void>> load(Handle handle, std::size_t number, std::size_t requests) {
  const std::string key = fmt::format("ringo-demo:load:{}", number);
  for (std::size_t i = 0; i < requests; ++i) {
    if (i % 2 == 0) {
      const ClientResult<bool> stored = co_await handle.set(key, key);
      if (!stored) {
        co_return std::unexpected<ClientError>(stored.error());
      }
    } else {
      const ClientResult<std::optional<Bytes>> found = co_await handle.get(key);
      if (!found) {
        co_return std::unexpected<ClientError>(found.error());
      }
    }
  }
  const ClientResult<std::int64_t> deleted = co_await handle.del(key);
  if (!deleted) {
    co_return std::unexpected<ClientError>(deleted.error());
  }
  co_return ClientResult<void>();
}

Task<bool> show_replies(Handle handle) {
  std::vector<JoinHandle<bool>> tasks;
  for (std::size_t number = 1; number <= kPrintingTasks; ++number) {
    tasks.push_back(ringo::spawn(set_and_get(handle, number)));
  }
  bool is_right = true;
  for (JoinHandle<bool>& task : tasks) {
    const JoinResult<bool> done = co_await task;
    is_right = is_right && done && *done;
  }
  co_return is_right;
}

Task<bool> measure(Handle handle, Arguments arguments) {
  const ManagerMetrics before = handle.metrics();
  const ringo::Instant start = ringo::Clock::now();
  std::vector<JoinHandle<ClientResult<void>>> tasks;
  tasks.reserve(arguments.tasks);
  for (std::size_t number = 1; number <= arguments.tasks; ++number) {
    tasks.push_back(ringo::spawn(load(handle, number, arguments.requests)));
  }
  std::optional<std::string> failure;
  for (JoinHandle<ClientResult<void>>& task : tasks) {
    const JoinResult<ClientResult<void>> done = co_await task;
    if (!done) {
      failure = done.error().message();
    } else if (!*done) {
      failure = done->error().message();
    }
  }
  if (failure) {
    fmt::print(stderr, "{}\n", *failure);
    co_return false;
  }
  const std::chrono::duration<double> seconds = ringo::Clock::now() - start;
  const ManagerMetrics after = handle.metrics();
  const std::uint64_t requests = after.requests - before.requests;
  const std::uint64_t batches = after.batches - before.batches;
  const auto count = static_cast<double>(requests);
  fmt::print(
      "{} tasks, {} requests over one connection in {:.3f} s: {:.0f} requests/s, "
      "{:.1f} requests per write\n",
      arguments.tasks, requests, seconds.count(), count / seconds.count(),
      batches == 0 ? 0.0 : count / static_cast<double>(batches));
  co_return true;
}

Task<int> demonstrate(Arguments arguments) {
  ClientResult<Managed> managed =
      co_await ringo::client::connect_managed(arguments.host, arguments.port);
  if (!managed) {
    const ClientError& error = managed.error();
    const bool is_refused = error.cause() && error.cause()->is_os(ECONNREFUSED);
    fmt::print(stderr, "{}{}\n", error.message(),
               is_refused ? " (start one with: make run-server)" : "");
    co_return 1;
  }
  fmt::print("connected to {}:{}: one connection for all tasks\n", arguments.host, arguments.port);
  const bool is_right = co_await show_replies(managed->handle);
  const bool is_measured = co_await measure(managed->handle, arguments);

  // The last handle goes; the manager closes the connection and ends.
  JoinHandle<void> manager = std::move(managed->manager);
  ringo::drop(*std::move(managed));
  const JoinResult<void> ended = co_await manager;
  co_return is_right&& is_measured&& ended ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Many tasks share one connection to a Redis-compatible server.", "ringo-demo");
  app.set_version_flag("--version", "ringo-demo " RINGO_VERSION);
  app.add_option("--host", arguments.host, "server's host")->capture_default_str();
  app.add_option("-p,--port", arguments.port, "server's port")->capture_default_str();
  app.add_option("--tasks", arguments.tasks, "tasks that measure")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
  app.add_option("--requests", arguments.requests, "requests of each of them")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000'000}));
  CLI11_PARSE(app, argc, argv);
  return ringo::run(demonstrate(std::move(arguments)));
}
