// SPDX-License-Identifier: MIT
//
// The real system but for its clock, which stands still until the test moves it, and a
// current_thread runtime on it. For limits in time that Builder::start_paused() does not reach:
// what a worker allows its tasks is measured by the system's clock, not by the one that tasks see.
//
// Thread safety: the clock all of it; the runtime one thread.

#pragma once

#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <stdexcept>
#include <utility>

#include "base/system.h"
#include "scheduler/runtime_shared.h"

namespace ringo::testing_support {

class SetTimeSystem final : public detail::System {
 public:
  void advance(std::chrono::nanoseconds by) noexcept { now_ += by.count(); }

  std::int64_t now() noexcept override { return now_; }
  std::uint64_t random_seed() noexcept override { return real_.random_seed(); }
  int socket(int domain, int type, int protocol) noexcept override {
    return real_.socket(domain, type, protocol);
  }
  int bind(int fd, const sockaddr* address, socklen_t length) noexcept override {
    return real_.bind(fd, address, length);
  }
  int listen(int fd, int backlog) noexcept override { return real_.listen(fd, backlog); }
  int connect(int fd, const sockaddr* address, socklen_t length) noexcept override {
    return real_.connect(fd, address, length);
  }
  int accept(int fd, sockaddr* address, socklen_t* length) noexcept override {
    return real_.accept(fd, address, length);
  }
  std::int64_t recv(int fd, std::span<std::byte> into, int flags) noexcept override {
    return real_.recv(fd, into, flags);
  }
  std::int64_t send(int fd, std::span<const std::byte> from, int flags) noexcept override {
    return real_.send(fd, from, flags);
  }
  std::int64_t sendmsg(int fd, const msghdr* message, int flags) noexcept override {
    return real_.sendmsg(fd, message, flags);
  }
  int shutdown(int fd, int how) noexcept override { return real_.shutdown(fd, how); }
  int close(int fd) noexcept override { return real_.close(fd); }
  int duplicate(int fd) noexcept override { return real_.duplicate(fd); }
  int set_non_blocking(int fd) noexcept override { return real_.set_non_blocking(fd); }
  int get_option(int fd, int level, int name, void* value, socklen_t* length) noexcept override {
    return real_.get_option(fd, level, name, value, length);
  }
  int set_option(int fd, int level, int name, const void* value,
                 socklen_t length) noexcept override {
    return real_.set_option(fd, level, name, value, length);
  }
  int local_address(int fd, sockaddr* address, socklen_t* length) noexcept override {
    return real_.local_address(fd, address, length);
  }
  int peer_address(int fd, sockaddr* address, socklen_t* length) noexcept override {
    return real_.peer_address(fd, address, length);
  }

 private:
  System& real_ = System::real();
  std::atomic<std::int64_t> now_{1'000'000'000};  // 0 is no time
};

/// Its worker looks at the clock before each task.
class SetTimeRuntime {
 public:
  SetTimeRuntime() : shared_(std::make_shared<detail::RuntimeShared>(config(), system_)) {
    if (const Result<void> opened = shared_->workers().front()->open_driver(); !opened) {
      throw std::runtime_error(opened.error().message());
    }
    shared_->note_driver_thread();
    shared_->make_known();
  }
  SetTimeRuntime(const SetTimeRuntime&) = delete;
  SetTimeRuntime& operator=(const SetTimeRuntime&) = delete;
  ~SetTimeRuntime() { (void)shared_->end(std::nullopt); }

  [[nodiscard]] SetTimeSystem& system() noexcept { return system_; }

  template <class T>
  T block_on(Task<T> task) {
    JoinHandle<T> root =
        detail::spawn_on(*shared_, std::move(task), std::source_location::current());
    std::optional<T> result;
    detail::block_on(*shared_, wait_for(root, result));
    return *std::move(result);
  }

 private:
  template <class T>
  static Task<void> wait_for(JoinHandle<T>& root, std::optional<T>& result) {
    JoinResult<T> joined = co_await root;
    result.emplace(std::move(joined).value());
  }
  static detail::RuntimeConfig config() {
    detail::RuntimeConfig config;
    config.is_current_thread = true;
    config.worker_threads = 1;
    config.event_interval = 1;
    config.watchdog_limit = std::nullopt;
    return config;
  }

  SetTimeSystem system_;
  std::shared_ptr<detail::RuntimeShared> shared_;
};

}  // namespace ringo::testing_support
