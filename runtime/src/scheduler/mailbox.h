// SPDX-License-Identifier: MIT
//
// What others ask of a worker: requests that its own thread carries out between two tasks, because
// only it may touch what they are about.
//
// Thread safety: post() and is_empty() from any thread, the rest by the owner.

#pragma once

#include <ringo/detail/mutex.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace ringo::detail {

class Worker;

class WorkerRequest {
 public:
  WorkerRequest() = default;
  WorkerRequest(const WorkerRequest&) = delete;
  WorkerRequest& operator=(const WorkerRequest&) = delete;
  virtual ~WorkerRequest() = default;

  /// By who holds the worker: its thread, or for a current_thread runtime that nobody drives, any.
  virtual void carry_out(Worker& worker) noexcept = 0;
};

class Mailbox {
 public:
  /// The caller unparks the worker afterwards. False: it has ended, and will not look again.
  [[nodiscard]] bool post(std::shared_ptr<WorkerRequest> request) {
    const MutexGuard guard(mutex_);
    if (is_closed_) {
      return false;
    }
    requests_.push_back(std::move(request));
    // release: pairs with is_empty(). The unpark has the barrier that the owner's sleep needs.
    has_requests_.store(true, std::memory_order_release);
    return true;
  }

  [[nodiscard]] bool is_empty() const noexcept {
    // acquire: pairs with post().
    return !has_requests_.load(std::memory_order_acquire);
  }

  [[nodiscard]] std::vector<std::shared_ptr<WorkerRequest>> take_all() noexcept {
    const MutexGuard guard(mutex_);
    has_requests_.store(false, std::memory_order_relaxed);  // under the lock, as every other write
    return std::exchange(requests_, {});
  }

  /// From now on post() refuses. What is left is given out.
  [[nodiscard]] std::vector<std::shared_ptr<WorkerRequest>> close() noexcept {
    const MutexGuard guard(mutex_);
    is_closed_ = true;
    has_requests_.store(false, std::memory_order_relaxed);
    return std::exchange(requests_, {});
  }

 private:
  Mutex mutex_;
  std::vector<std::shared_ptr<WorkerRequest>> requests_ RINGO_GUARDED_BY(mutex_);
  bool is_closed_ RINGO_GUARDED_BY(mutex_) = false;
  std::atomic<bool> has_requests_{false};
};

}  // namespace ringo::detail
