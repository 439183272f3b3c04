// SPDX-License-Identifier: MIT
//
// Semaphore: bounds how many do something at the same time (connections, requests in flight). First
// in first out, also for acquire_many: a big request at the head holds smaller ones up. As
// tokio::sync::Semaphore.
//
//   auto slots = std::make_shared<ringo::Semaphore>(100);
//   ringo::Result<ringo::OwnedSemaphorePermit> permit = co_await ringo::acquire_owned(slots);
//
// For exclusive access to data take Mutex<T>; to hand values over, a channel.
// Thread safety: all of it. No runtime is needed.

#pragma once

#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/semaphore_core.h>
#include <ringo/result.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <utility>

namespace ringo {

class Semaphore;

namespace detail {

/// Permits of a semaphore; Keeper is what makes sure that it lives: a pointer or a shared_ptr.
template <class Keeper>
class BasicPermit {
 public:
  BasicPermit(Keeper semaphore, std::size_t count) noexcept
      : semaphore_(std::move(semaphore)), count_(count) {}
  BasicPermit(BasicPermit&& other) noexcept
      : semaphore_(std::exchange(other.semaphore_, nullptr)),
        count_(std::exchange(other.count_, 0)) {}
  BasicPermit& operator=(BasicPermit&& other) noexcept {
    std::swap(semaphore_, other.semaphore_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~BasicPermit() { give_back(); }

  [[nodiscard]] std::size_t num_permits() const noexcept { return count_; }
  /// Takes the permits out of circulation.
  void forget() noexcept { count_ = 0; }
  /// Takes over the permits of another of the same semaphore.
  /// Panics: UsageError if it is of a different one.
  void merge(BasicPermit other) {
    if (semaphore_ != other.semaphore_) {
      throw_usage_error("SemaphorePermit::merge: permits of two different semaphores");
    }
    count_ += std::exchange(other.count_, 0);
  }
  /// Splits `count` permits off; nothing if there are fewer. Complexity: O(1).
  [[nodiscard]] std::optional<BasicPermit> split(std::size_t count) {
    if (count > count_) {
      return std::nullopt;
    }
    count_ -= count;
    return BasicPermit(semaphore_, count);
  }

 private:
  void give_back() noexcept;

  Keeper semaphore_;
  std::size_t count_;
};

template <class Keeper>
class AcquireAwaiter final : public LeafAwaiter<AcquireAwaiter<Keeper>> {
 public:
  AcquireAwaiter(Keeper semaphore, std::size_t count) noexcept;
  AcquireAwaiter(AcquireAwaiter&&) = default;
  AcquireAwaiter& operator=(AcquireAwaiter&&) = delete;
  ~AcquireAwaiter() = default;

  bool poll() noexcept { return wait_.poll(); }
  bool enlist(Branch& branch) noexcept { return wait_.enlist(branch); }
  bool is_ended() noexcept { return wait_.is_ended(); }
  Result<BasicPermit<Keeper>> await_resume() {
    if (!wait_.take()) {
      return std::unexpected(Error(ErrorKind::kClosed, "Semaphore::acquire"));
    }
    return BasicPermit<Keeper>(std::move(semaphore_), wait_.count());
  }

 private:
  Keeper semaphore_;  // before wait_, which uses it to its own end
  PermitWait wait_;
};

}  // namespace detail

/// Given back when destroyed. The semaphore must outlive it.
using SemaphorePermit = detail::BasicPermit<Semaphore*>;
/// The same, keeping the semaphore alive.
using OwnedSemaphorePermit = detail::BasicPermit<std::shared_ptr<Semaphore>>;

/// Why try_acquire() gave nothing.
enum class TryAcquireError : std::uint8_t { kNoPermits, kClosed };

class Semaphore {
 public:
  static constexpr std::size_t kMaxPermits = detail::SemaphoreCore::kMaxPermits;

  /// Panics: UsageError for more than kMaxPermits.
  explicit Semaphore(std::size_t permits) : core_(checked(permits)) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  ~Semaphore() = default;

  /// Waits for a permit. Errors: kClosed. Cancel safety: no permit is lost, the place in the queue
  /// is.
  [[nodiscard]] detail::AcquireAwaiter<Semaphore*> acquire() noexcept { return {this, 1}; }
  /// Waits for several at once.
  [[nodiscard]] detail::AcquireAwaiter<Semaphore*> acquire_many(std::size_t count) noexcept {
    return {this, count};
  }
  [[nodiscard]] std::expected<SemaphorePermit, TryAcquireError> try_acquire(
      std::size_t count = 1) noexcept {
    switch (core_.try_acquire(count)) {
      case detail::SemaphoreCore::Try::kAcquired:
        return SemaphorePermit(this, count);
      case detail::SemaphoreCore::Try::kNoPermits:
        return std::unexpected(TryAcquireError::kNoPermits);
      default:
        return std::unexpected(TryAcquireError::kClosed);
    }
  }

  /// Panics: UsageError if there would be more than kMaxPermits.
  void add_permits(std::size_t count) {
    checked(count);
    checked(core_.available() + count);
    core_.release(count);
  }
  /// Takes up to `count` free permits out of circulation; returns how many.
  std::size_t forget_permits(std::size_t count) noexcept { return core_.forget(count); }
  [[nodiscard]] std::size_t available_permits() const noexcept { return core_.available(); }

  /// Fails all waiters and all later acquires with kClosed.
  void close() noexcept { core_.close(); }
  [[nodiscard]] bool is_closed() const noexcept { return core_.is_closed(); }

  /// For the library.
  [[nodiscard]] detail::SemaphoreCore& core() noexcept { return core_; }

 private:
  static std::size_t checked(std::size_t permits) {
    if (permits > kMaxPermits) {
      detail::throw_usage_error("Semaphore: more permits than SIZE_MAX / 8");
    }
    return permits;
  }

  detail::SemaphoreCore core_;
};

/// acquire() whose permit keeps the semaphore alive, for a task that outlives the caller.
[[nodiscard]] inline detail::AcquireAwaiter<std::shared_ptr<Semaphore>> acquire_owned(
    std::shared_ptr<Semaphore> semaphore, std::size_t count = 1) noexcept {
  return {std::move(semaphore), count};
}

namespace detail {

template <class Keeper>
void BasicPermit<Keeper>::give_back() noexcept {
  if (count_ != 0) {
    semaphore_->core().release(std::exchange(count_, 0));
  }
}

template <class Keeper>
AcquireAwaiter<Keeper>::AcquireAwaiter(Keeper semaphore, std::size_t count) noexcept
    : semaphore_(std::move(semaphore)), wait_(semaphore_->core(), count) {}

}  // namespace detail
}  // namespace ringo
