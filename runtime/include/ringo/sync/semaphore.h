// SPDX-License-Identifier: MIT
//
// Semaphore: bounds how many do something at the same time (connections, requests in flight). First
// in first out, also for acquire_many: a big request at the head holds smaller ones up. As
// tokio::sync::Semaphore.
//
//   auto slots = std::make_shared<ringo::Semaphore>(100);
//   ringo::Result<ringo::OwnedSemaphorePermit> permit = co_await ringo::acquire_owned(slots);
//
// A permit goes back when it is destroyed. What a task of its own takes along is an owned permit,
// which keeps the semaphore alive: the functions that end in _owned take a shared_ptr.
//
// For exclusive access to data take Mutex<T>; to hand values over, a channel.
// Thread safety: all of it. No runtime is needed. A permit is one owner's; it may be moved to
// another thread, and may be held over a co_await.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/semaphore_core.h>
#include <ringo/result.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace ringo {

class Semaphore;

/// Why try_acquire() gave nothing.
enum class TryAcquireError : std::uint8_t { kNoPermits, kClosed };

namespace detail {

/// Permits of a semaphore; Keeper is what makes sure that it lives: a pointer or a shared_ptr.
template <class Keeper>
class [[nodiscard]] BasicPermit {
 public:
  /// For the library: takes over permits that were acquired.
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
  /// The semaphore that they are of.
  [[nodiscard]] const Keeper& semaphore() const noexcept { return semaphore_; }
  /// Takes the permits out of circulation.
  void forget() noexcept { count_ = 0; }
  /// Takes over the permits of another of the same semaphore.
  /// Panics: UsageError if it is of a different one; the other's permits go back.
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
  static constexpr std::string_view kOperation = "Semaphore::acquire";

  AcquireAwaiter(Keeper semaphore, std::size_t count) noexcept;
  AcquireAwaiter(AcquireAwaiter&&) = default;
  AcquireAwaiter& operator=(AcquireAwaiter&&) = delete;
  ~AcquireAwaiter() = default;

  bool poll() noexcept { return wait_.poll(); }
  bool enlist(Branch& branch) noexcept { return wait_.enlist(branch); }
  bool is_ended() noexcept { return wait_.is_ended(); }
  void describe_more(LeafDescription& description) const noexcept { wait_.describe(description); }
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

/// Panics: UsageError for more permits than a semaphore can have.
inline std::size_t checked_permits(std::size_t count) {
  if (count > SemaphoreCore::kMaxPermits) [[unlikely]] {
    throw_usage_error("Semaphore: more permits than SIZE_MAX / 8");
  }
  return count;
}

template <class Keeper>
std::expected<BasicPermit<Keeper>, TryAcquireError> try_acquire_permit(Keeper semaphore,
                                                                       std::size_t count) noexcept;

}  // namespace detail

/// Given back when destroyed. The semaphore must outlive it.
using SemaphorePermit = detail::BasicPermit<Semaphore*>;
/// The same, keeping the semaphore alive.
using OwnedSemaphorePermit = detail::BasicPermit<std::shared_ptr<Semaphore>>;

class Semaphore {
 public:
  static constexpr std::size_t kMaxPermits = detail::SemaphoreCore::kMaxPermits;

  /// Panics: UsageError for more than kMaxPermits.
  explicit Semaphore(std::size_t permits) : core_(detail::checked_permits(permits)) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  /// Requires: nobody waits, and no SemaphorePermit is left.
  ~Semaphore() = default;

  /// Waits for a permit, first come first served. Errors: kClosed.
  ///
  /// Cancel safety: no permit is lost, one that had been assigned goes to the next in the queue;
  /// the place in the queue is lost. Complexity: one compare-and-swap while there are permits and
  /// nobody waits; no allocation.
  [[nodiscard]] detail::AcquireAwaiter<Semaphore*> acquire() noexcept { return {this, 1}; }
  /// Waits for several at once, and keeps those behind it waiting until there are as many. It never
  /// takes a part of them. Errors and cancel safety: as acquire().
  /// Panics: UsageError for more than kMaxPermits.
  [[nodiscard]] detail::AcquireAwaiter<Semaphore*> acquire_many(std::size_t count) {
    return {this, detail::checked_permits(count)};
  }

  /// Takes a permit if one is free and nobody waits for it.
  [[nodiscard]] std::expected<SemaphorePermit, TryAcquireError> try_acquire() noexcept {
    return detail::try_acquire_permit(this, 1);
  }
  /// Takes all of them or none. Panics: UsageError for more than kMaxPermits.
  [[nodiscard]] std::expected<SemaphorePermit, TryAcquireError> try_acquire_many(
      std::size_t count) {
    return detail::try_acquire_permit(this, detail::checked_permits(count));
  }

  /// acquire() for threads. Panics: UsageError on a worker thread.
  [[nodiscard]] Result<SemaphorePermit> blocking_acquire() {
    return detail::block_on_leaf("Semaphore::blocking_acquire", acquire());
  }
  /// acquire_many() for threads. Panics: UsageError on a worker thread; for more than kMaxPermits.
  [[nodiscard]] Result<SemaphorePermit> blocking_acquire_many(std::size_t count) {
    return detail::block_on_leaf("Semaphore::blocking_acquire_many", acquire_many(count));
  }

  /// Brings new permits into circulation, to those who wait first. On a closed semaphore they can
  /// be counted and forgotten, and nothing else.
  /// Panics: UsageError if more than kMaxPermits would be free; then none was added.
  void add_permits(std::size_t count) {
    if (!core_.try_release(count)) [[unlikely]] {
      detail::throw_usage_error("Semaphore::add_permits: more permits than SIZE_MAX / 8");
    }
  }
  /// Takes up to `count` free permits out of circulation; returns how many.
  std::size_t forget_permits(std::size_t count) noexcept { return core_.forget(count); }
  /// How many are free; while somebody waits, fewer than the first in the queue needs.
  [[nodiscard]] std::size_t available_permits() const noexcept { return core_.available(); }

  /// Fails all waiters and all later acquires with kClosed. Permits that are out go back as ever.
  void close() noexcept { core_.close(); }
  [[nodiscard]] bool is_closed() const noexcept { return core_.is_closed(); }

  /// For the library.
  [[nodiscard]] detail::SemaphoreCore& core() noexcept { return core_; }

 private:
  detail::SemaphoreCore core_;
};

/// Semaphore::acquire() and its family, of permits that keep the semaphore alive: for a task that
/// outlives the caller.
[[nodiscard]] inline detail::AcquireAwaiter<std::shared_ptr<Semaphore>> acquire_owned(
    std::shared_ptr<Semaphore> semaphore) noexcept {
  return {std::move(semaphore), 1};
}
[[nodiscard]] inline detail::AcquireAwaiter<std::shared_ptr<Semaphore>> acquire_many_owned(
    std::shared_ptr<Semaphore> semaphore, std::size_t count) {
  return {std::move(semaphore), detail::checked_permits(count)};
}
[[nodiscard]] inline std::expected<OwnedSemaphorePermit, TryAcquireError> try_acquire_owned(
    std::shared_ptr<Semaphore> semaphore) noexcept {
  return detail::try_acquire_permit(std::move(semaphore), 1);
}
[[nodiscard]] inline std::expected<OwnedSemaphorePermit, TryAcquireError> try_acquire_many_owned(
    std::shared_ptr<Semaphore> semaphore, std::size_t count) {
  return detail::try_acquire_permit(std::move(semaphore), detail::checked_permits(count));
}
[[nodiscard]] inline Result<OwnedSemaphorePermit> blocking_acquire_owned(
    std::shared_ptr<Semaphore> semaphore) {
  return detail::block_on_leaf("blocking_acquire_owned", acquire_owned(std::move(semaphore)));
}
[[nodiscard]] inline Result<OwnedSemaphorePermit> blocking_acquire_many_owned(
    std::shared_ptr<Semaphore> semaphore, std::size_t count) {
  return detail::block_on_leaf("blocking_acquire_many_owned",
                               acquire_many_owned(std::move(semaphore), count));
}

namespace detail {

template <class Keeper>
void BasicPermit<Keeper>::give_back() noexcept {
  if (count_ != 0) {
    RINGO_CHECK(semaphore_->core().try_release(std::exchange(count_, 0)),
                "a semaphore was given more permits than SIZE_MAX / 8");
  }
}

template <class Keeper>
AcquireAwaiter<Keeper>::AcquireAwaiter(Keeper semaphore, std::size_t count) noexcept
    : semaphore_(std::move(semaphore)), wait_(semaphore_->core(), count) {}

template <class Keeper>
std::expected<BasicPermit<Keeper>, TryAcquireError> try_acquire_permit(Keeper semaphore,
                                                                       std::size_t count) noexcept {
  switch (semaphore->core().try_acquire(count)) {
    case SemaphoreCore::Try::kAcquired:
      return BasicPermit<Keeper>(std::move(semaphore), count);
    case SemaphoreCore::Try::kNoPermits:
      return std::unexpected(TryAcquireError::kNoPermits);
    default:
      return std::unexpected(TryAcquireError::kClosed);
  }
}

}  // namespace detail
}  // namespace ringo
