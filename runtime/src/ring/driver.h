// SPDX-License-Identifier: MIT
//
// What a worker parks in: it watches descriptors, and waits for them, for a deadline or for an
// unpark. One driver per worker; io_uring in production. Drivers only set readiness and wake; they
// run no user code.
//
// Thread safety: a Driver belongs to the thread that created it. Everybody else goes through its
// DriverHandle, which outlives it.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/source.h>
#include <ringo/result.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/system.h"
#include "ring/park_token.h"

namespace ringo::detail {

class DriverHandle;

class Driver {
 public:
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  [[nodiscard]] virtual const char* name() const noexcept = 0;

  /// Takes a reference to the source and reports its readiness until disarm().
  virtual void arm(Source& source) = 0;
  /// Stops watching a source whose users are gone, then closes its descriptor and releases it.
  virtual void disarm(Source& source) = 0;

  /// Gives everything that is watched to another driver, that of a thread which takes over. The
  /// only thing that may follow is the destructor.
  virtual void move_sources_to(Driver& successor) = 0;

  /// Hands what is pending to the kernel, and delivers what has happened. Waits for something to
  /// happen for at most so many nanoseconds; not at all for 0, without limit for nullopt. Under
  /// load it may wait up to 96 us for more to happen, but never past the limit (see gathering.h).
  virtual void turn(std::optional<std::int64_t> timeout_ns) = 0;

  /// Ends a turn() that waits, or the next one. Any thread.
  virtual void unpark() noexcept = 0;

  /// Stops watching everything: sources whose users are gone are closed, the others are marked as
  /// shut down. Returns when the kernel holds nothing of this driver any more.
  virtual void shut_down() = 0;

  /// How many operations the kernel has not completed yet.
  [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;

  /// How many events one turn() delivers at most; the rest waits for the next.
  void set_max_events(std::uint32_t events) noexcept { max_events_ = events; }
  /// How many events turn() has ever delivered. Any thread.
  [[nodiscard]] std::uint64_t events() const noexcept {
    return events_.load(std::memory_order_relaxed);
  }

 protected:
  [[nodiscard]] std::uint32_t max_events() const noexcept { return max_events_; }
  void note_event() noexcept {
    // relaxed, and no read-modify-write: only the driver's thread writes it.
    events_.store(events() + 1, std::memory_order_relaxed);
  }

 private:
  std::uint32_t max_events_ = 1024;
  std::atomic<std::uint64_t> events_{0};
};

/// The part of a driver that any thread may use, and that outlives it: requests are queued here and
/// carried out by the driver's thread. Requests after close() are refused.
class DriverHandle : public std::enable_shared_from_this<DriverHandle> {
 public:
  explicit DriverHandle(System& system) noexcept : system_(system) {}

  [[nodiscard]] System& system() const noexcept { return system_; }

  /// Carries the request out at once on the driver's own thread, else queues it and wakes the
  /// driver. False: the driver is gone.
  [[nodiscard]] bool arm(Source& source);
  [[nodiscard]] bool disarm(Source& source);

  /// How many sources its drivers were ever told to watch, and to watch no more; and how many
  /// events they have delivered. Any thread.
  [[nodiscard]] std::uint64_t armed() const noexcept {
    return armed_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t disarmed() const noexcept {
    return disarmed_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t events() noexcept;

  /// Ends the owner's park, or makes the next one return at once. Any thread. Complexity: one
  /// atomic exchange, and a system call only if the owner sleeps.
  void unpark() noexcept;

  // The owner's side.

  /// Gives the handle its driver, on the driver's thread.
  void attach(Driver* driver) noexcept;
  /// Waits in the driver (see Driver::turn) unless there was an unpark since the last time. The
  /// caller looks at all that others may have published for it before it parks again.
  void park(std::optional<std::int64_t> timeout_ns);
  /// Delivers what has happened, without waiting. An unpark stays in force.
  void poll();
  /// Carries out what other threads asked for.
  void run_requests();
  /// From now on requests are refused. The driver is not used any more.
  void close();

 private:
  enum class Kind : std::uint8_t { kArm, kDisarm };
  struct Request {
    Kind kind;
    Source* source;
  };

  [[nodiscard]] bool request(Kind kind, Source& source);
  [[nodiscard]] Driver& driver() noexcept;
  void carry_out(Driver& driver, const Request& request);

  System& system_;
  Mutex mutex_;
  Driver* driver_ RINGO_GUARDED_BY(mutex_) = nullptr;
  bool is_closed_ RINGO_GUARDED_BY(mutex_) = false;
  std::vector<Request> requests_ RINGO_GUARDED_BY(mutex_);
  std::atomic<bool> has_requests_{false};
  ParkToken park_token_;
  std::atomic<std::uint64_t> armed_{0};  ///< written by the owner's thread, as the next
  std::atomic<std::uint64_t> disarmed_{0};
  std::uint64_t earlier_events_ RINGO_GUARDED_BY(mutex_) = 0;  ///< of drivers before this one
};

/// Makes the driver of the calling thread: the kind that RINGO_DRIVER names, or io_uring. Errors:
/// kUnsupported with a text that says what forbids it and what to do.
[[nodiscard]] Result<std::unique_ptr<Driver>> make_driver(System& system);

/// The driver handle of the current worker, or of one of the entered runtime's workers. Panics:
/// UsageError where no runtime is current.
[[nodiscard]] std::shared_ptr<DriverHandle> current_driver_handle();
/// The driver of this thread, if it is a worker.
[[nodiscard]] DriverHandle* this_threads_driver_handle() noexcept;

}  // namespace ringo::detail
