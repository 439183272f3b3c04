// SPDX-License-Identifier: MIT
//
// The readiness object behind every socket: what the driver last said about a descriptor, and who
// waits for it. System calls are made directly, without blocking, by whichever worker runs the
// task; the kernel never holds a pointer into a coroutine frame.
//
// Readiness is one word {tick, bits}. Each event sets its bits and advances the tick. A reader that
// found nothing more to read clears READABLE only if the tick is still the one it saw before its
// system call, so that an event in between is never lost. The end of a direction is sticky: data
// and FIN may arrive as one event, and there is no second one.
//
// Thread safety: all of it, except that a descriptor is closed only when its last user is gone.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/io_waiter.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/readiness.h>
#include <ringo/detail/task_core.h>
#include <ringo/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace ringo::detail {

class DriverHandle;
class System;

enum class Direction : std::uint8_t { kRead, kWrite };

class Source {
 public:
  // The bits of the readiness word.
  static constexpr std::uint64_t kReadable = 1;
  static constexpr std::uint64_t kWritable = 2;
  static constexpr std::uint64_t kReadClosed = 4;
  static constexpr std::uint64_t kWriteClosed = 8;
  static constexpr std::uint64_t kError = 16;
  static constexpr std::uint64_t kShutDown = 32;  ///< the runtime is gone

  /// Takes over a non-blocking descriptor and has it watched by the current worker (or, on a thread
  /// that only entered a runtime, by one of its workers). `initial` are the bits to assume.
  /// Panics: UsageError where no runtime is current.
  static Source* create(int fd, std::uint64_t initial);

  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] System& system() const noexcept { return system_; }
  /// Its system calls need not go through system(): that is the real one.
  [[nodiscard]] bool is_direct() const noexcept { return is_direct_; }

  void add_user() noexcept {
    // relaxed: made from an existing user.
    users_.fetch_add(1, std::memory_order_relaxed);
  }
  /// The last user's departure shuts the socket down at once (FIN leaves) and closes it as soon as
  /// the driver has let go of it.
  void remove_user() noexcept;
  [[nodiscard]] bool is_only_user() const noexcept {
    // acquire: pairs with remove_user(), as for a descriptor that is closed.
    return users_.load(std::memory_order_acquire) == 1;
  }
  /// Somebody else has a duplicate of the descriptor: do not shut the socket down. By the only
  /// user.
  void keep_connection() noexcept { is_kept_ = true; }

  [[nodiscard]] Readiness::Word readiness() const noexcept { return readiness_.load(); }
  /// Which bits say that a try is worth while.
  static constexpr std::uint64_t interest(Direction direction) noexcept {
    return direction == Direction::kRead ? (kReadable | kReadClosed | kError | kShutDown)
                                         : (kWritable | kWriteClosed | kError | kShutDown);
  }
  /// Forgets READABLE or WRITABLE, unless an event came after `seen` was read.
  void clear(Direction direction, std::uint64_t seen) noexcept;

  /// By the driver: bits that the kernel reported.
  void on_event(std::uint64_t bits) noexcept;

  /// Links a waiter unless the direction is ready. False: it is, try again.
  bool enlist(IoWaiter& waiter, Branch& branch, Direction direction) noexcept;
  /// By the waiter's owner, after enlist() said yes. Without the lock if an event has unlinked it.
  void unlist(IoWaiter& waiter, Direction direction) noexcept {
    if (waiter.may_be_linked()) {
      unlink(waiter, direction);
    }
  }

  // For the driver that watches it, on its own thread.
  void* driver_data = nullptr;
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release_reference() noexcept;
  void close_descriptor() noexcept;

 private:
  Source(int fd, std::uint64_t initial, std::shared_ptr<DriverHandle> home, System& system);
  ~Source();

  void unlink(IoWaiter& waiter, Direction direction) noexcept;

  IntrusiveList<IoWaiter>& waiters(Direction direction) RINGO_REQUIRES(mutex_) {
    return direction == Direction::kRead ? readers_ : writers_;
  }

  Readiness readiness_;
  int fd_;
  bool is_kept_ = false;  // only closed, not shut down
  const bool is_direct_;
  std::atomic<std::uint32_t> users_{1};       // streams, halves
  std::atomic<std::uint32_t> references_{1};  // all the users together, and the driver
  Mutex mutex_;
  IntrusiveList<IoWaiter> readers_ RINGO_GUARDED_BY(mutex_);
  IntrusiveList<IoWaiter> writers_ RINGO_GUARDED_BY(mutex_);
  const std::shared_ptr<DriverHandle> home_;
  System& system_;
};

/// A user's share of a source. Copies share the descriptor.
class SourceRef {
 public:
  SourceRef() = default;
  explicit SourceRef(Source* adopted) noexcept : source_(adopted) {}
  SourceRef(const SourceRef& other) noexcept : source_(other.source_) {
    if (source_ != nullptr) {
      source_->add_user();
    }
  }
  SourceRef(SourceRef&& other) noexcept : source_(std::exchange(other.source_, nullptr)) {}
  SourceRef& operator=(SourceRef other) noexcept {
    std::swap(source_, other.source_);
    return *this;
  }
  ~SourceRef() {
    if (source_ != nullptr) {
      source_->remove_user();
    }
  }

  [[nodiscard]] explicit operator bool() const noexcept { return source_ != nullptr; }
  Source* operator->() const noexcept { return source_; }
  Source& operator*() const noexcept { return *source_; }

 private:
  Source* source_ = nullptr;
};

/// The wait of an operation on a source. Derived supplies
/// `std::int64_t attempt(Source&)`: one non-blocking system call, its result or -errno, and
/// `bool exhausted(std::int64_t result)`: whether such a success proves that nothing is left.
/// Cancel safe: until the system call succeeded nothing has happened.
template <class Derived, Direction kDirection>
class IoAwaiter : public LeafAwaiter<Derived> {
 public:
  explicit IoAwaiter(Source& source) noexcept : source_(&source) {}
  IoAwaiter(IoAwaiter&& other) noexcept
      : LeafAwaiter<Derived>(other), source_(other.source_), result_(other.result_) {}
  IoAwaiter& operator=(IoAwaiter&&) = delete;

  bool poll() noexcept {
    const std::uint64_t seen = source_->readiness();
    if ((seen & Source::interest(kDirection)) == 0) {
      return false;
    }
    if ((seen & Source::kShutDown) != 0) {
      result_ = kShutDownResult;
      return true;
    }
    result_ = static_cast<Derived&>(*this).attempt(*source_);
    if (result_ == kWouldBlock) {
      source_->clear(kDirection, seen);
      return false;
    }
    if (result_ > 0 && static_cast<Derived&>(*this).exhausted(result_) && (seen & kSticky) == 0) {
      source_->clear(kDirection, seen);
    }
    return true;
  }
  bool enlist(Branch& branch) noexcept {
    while (!source_->enlist(waiter_, branch, kDirection)) {
      if (poll()) {
        return false;
      }
    }
    return true;
  }
  bool is_ended() noexcept {
    source_->unlist(waiter_, kDirection);
    return poll() || !enlist(this->branch());
  }

 protected:
  ~IoAwaiter() { source_->unlist(waiter_, kDirection); }

  static constexpr std::int64_t kWouldBlock = -11;  // -EAGAIN
  static constexpr std::int64_t kShutDownResult = INT64_MIN;
  static constexpr std::uint64_t kSticky =
      Source::kReadClosed | Source::kWriteClosed | Source::kError;

  [[nodiscard]] Source& source() const noexcept { return *source_; }
  [[nodiscard]] std::int64_t result() const noexcept { return result_; }
  /// The result as the caller sees it.
  [[nodiscard]] Result<std::size_t> to_result(const char* context) const {
    if (result_ >= 0) {
      return static_cast<std::size_t>(result_);
    }
    return std::unexpected(to_error(context));
  }
  [[nodiscard]] Error to_error(const char* context) const noexcept {
    return result_ == kShutDownResult ? Error(ErrorKind::kRuntimeShutDown, context)
                                      : Error::os(static_cast<int>(-result_), context);
  }

 private:
  Source* source_;
  std::int64_t result_ = 0;
  IoWaiter waiter_;
};

}  // namespace ringo::detail
