// SPDX-License-Identifier: MIT
//
// What other threads ask of a driver: requests are queued under the handle's lock, and the owner is
// woken to carry them out.
//
// Thread safety: all of it; carrying out belongs to the driver's own thread.

#include <ringo/detail/mutex.h>
#include <ringo/detail/source.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "ring/driver.h"

namespace ringo::detail {

void DriverHandle::carry_out(Driver& driver, const Request& request) {
  const bool is_arm = request.kind == Kind::kArm;
  std::atomic<std::uint64_t>& count = is_arm ? armed_ : disarmed_;
  // relaxed, and no read-modify-write: only the owner's thread writes it.
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (is_arm) {
    driver.arm(*request.source);
  } else {
    driver.disarm(*request.source);
  }
}

std::uint64_t DriverHandle::events() noexcept {
  const MutexGuard guard(mutex_);
  return earlier_events_ + (driver_ == nullptr ? 0 : driver_->events());
}

bool DriverHandle::request(Kind kind, Source& source) {
  const bool is_owner = this_threads_driver_handle() == this;
  Driver* driver = nullptr;
  {
    const MutexGuard guard(mutex_);
    if (is_closed_) {
      return false;
    }
    // Requests keep their order: an arm that was queued by another thread comes before the disarm.
    if (is_owner && driver_ != nullptr && requests_.empty()) {
      driver = driver_;
    } else {
      requests_.push_back({kind, &source});
      // release: pairs with run_requests().
      has_requests_.store(true, std::memory_order_release);
    }
  }
  if (driver != nullptr) {
    carry_out(*driver, {kind, &source});
  } else if (!is_owner) {
    unpark();
  }
  return true;
}

bool DriverHandle::arm(Source& source) {
  return request(Kind::kArm, source);
}

bool DriverHandle::disarm(Source& source) {
  return request(Kind::kDisarm, source);
}

void DriverHandle::unpark() noexcept {
  if (!park_token_.unpark()) {
    return;
  }
  const MutexGuard guard(mutex_);
  if (driver_ != nullptr) {
    driver_->unpark();
  }
}

void DriverHandle::attach(Driver* driver) noexcept {
  const MutexGuard guard(mutex_);
  if (driver_ != nullptr) {
    earlier_events_ += driver_->events();
  }
  driver_ = driver;
}

Driver& DriverHandle::driver() noexcept {
  const MutexGuard guard(mutex_);
  return *driver_;
}

void DriverHandle::poll() {
  // The token stays: it says "look around once more before you sleep", and this is no sleep.
  run_requests();
  driver().turn(0);
  run_requests();
}

void DriverHandle::park(std::optional<std::int64_t> timeout_ns) {
  run_requests();
  if (!park_token_.begin_park()) {
    timeout_ns = 0;
  }
  driver().turn(timeout_ns);
  park_token_.end_park();
  run_requests();
}

void DriverHandle::run_requests() {
  // acquire: pairs with request().
  if (!has_requests_.load(std::memory_order_acquire)) {
    return;
  }
  std::vector<Request> requests;
  Driver* driver = nullptr;
  {
    const MutexGuard guard(mutex_);
    requests.swap(requests_);
    has_requests_.store(false, std::memory_order_relaxed);  // under the lock, as every other write
    driver = driver_;
  }
  for (const Request& request : requests) {
    carry_out(*driver, request);
  }
}

void DriverHandle::close() {
  std::vector<Request> requests;
  {
    const MutexGuard guard(mutex_);
    is_closed_ = true;
    if (driver_ != nullptr) {
      earlier_events_ += driver_->events();
    }
    driver_ = nullptr;
    requests.swap(requests_);
  }
  for (const Request& request : requests) {
    if (request.kind == Kind::kDisarm) {
      request.source->close_descriptor();
      request.source->release_reference();
    } else {
      request.source->on_event(Source::kShutDown);
      request.source->release_reference();
    }
  }
}

}  // namespace ringo::detail
