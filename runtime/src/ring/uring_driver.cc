// SPDX-License-Identifier: MIT
//
// Setting up the ring, with a ladder down for old kernels; arming, cancelling and re-arming polls;
// and turn(), the one system call in which a worker sleeps.
//
// Thread safety: the driver's own thread, but for unpark().

#include "ring/uring_driver.h"

#include <poll.h>
#include <ringo/detail/assert.h>
#include <ringo/detail/source.h>
#include <ringo/result.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>

#include <liburing.h>

#include "base/thread_sanitizer.h"
#include "ring/driver.h"

namespace ringo::detail {
namespace {

constexpr unsigned kSubmissionEntries = 256;
// Multishot polls burst: 16 completions for each submission entry before the kernel has to buffer.
constexpr unsigned kCompletionEntries = 4096;
/// Hand submissions to the kernel early once so many have gathered.
constexpr unsigned kSubmitEarly = 32;

// user_data that is no Watch; Watches are aligned and so never this small.
constexpr std::uint64_t kIgnored = 0;
constexpr std::uint64_t kWakeFd = 1;

constexpr unsigned kPollMask = POLLIN | POLLOUT | POLLRDHUP;
constexpr unsigned kEdgeTriggered = 1U << 31;  // EPOLLET

// Linux 6.12, which headers of Debian 12 do not know: a wait for several completions that after
// some time is content with one.
constexpr unsigned kFeatureMinWait = 1U << 15;  // IORING_FEAT_MIN_TIMEOUT
struct WaitArguments {                          // io_uring_getevents_arg
  std::uint64_t signal_mask = 0;
  std::uint32_t signal_mask_size = 0;
  std::uint32_t min_wait_us = 0;
  std::uint64_t timeout = 0;
};
static_assert(sizeof(WaitArguments) == sizeof(io_uring_getevents_arg));

std::uint64_t to_readiness(unsigned events) noexcept {
  std::uint64_t bits = 0;
  if ((events & (POLLIN | POLLPRI)) != 0) {
    bits |= Source::kReadable;
  }
  if ((events & POLLOUT) != 0) {
    bits |= Source::kWritable;
  }
  if ((events & (POLLRDHUP | POLLHUP)) != 0) {
    bits |= Source::kReadClosed | Source::kReadable;
  }
  if ((events & POLLHUP) != 0) {
    bits |= Source::kWriteClosed | Source::kWritable;
  }
  if ((events & (POLLERR | POLLNVAL)) != 0) {
    bits |= Source::kError | Source::kReadable | Source::kWritable;
  }
  return bits;
}

Error explain_setup_error(int error) noexcept {
  switch (error) {
    case EPERM:
      return Error(
          ErrorKind::kUnsupported,
          "io_uring is forbidden here: a seccomp profile (Docker's and containerd's default "
          "do so: allow io_uring_setup, io_uring_enter and io_uring_register, or run with "
          "--security-opt seccomp=unconfined) or the sysctl kernel.io_uring_disabled "
          "(set it to 0)",
          error);
    case ENOSYS:
      return Error(ErrorKind::kUnsupported,
                   "this kernel has no io_uring: ringo needs Linux 5.17 or newer, built with "
                   "CONFIG_IO_URING",
                   error);
    case ENOMEM:
      return Error(ErrorKind::kUnsupported,
                   "io_uring got no memory: raise the locked-memory limit (ulimit -l)", error);
    case EMFILE:
    case ENFILE:
      return Error(ErrorKind::kUnsupported,
                   "io_uring needs a file descriptor and none is left: raise ulimit -n", error);
    default:
      return Error(ErrorKind::kUnsupported, "io_uring_setup failed", error);
  }
}

}  // namespace

Result<std::unique_ptr<Driver>> UringDriver::create() {
  std::unique_ptr<UringDriver> driver(new UringDriver());
  if (Result<void> opened = driver->open(); !opened) {
    return std::unexpected(opened.error());
  }
  return driver;
}

Result<void> UringDriver::open() {
  // The best that the kernel has, down a ladder: EINVAL means that it does not know a flag.
  constexpr unsigned kCommon = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  constexpr unsigned kLadder[] = {
      kCommon | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
          IORING_SETUP_TASKRUN_FLAG,
      kCommon | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      kCommon,
  };
  int error = EINVAL;
  for (const unsigned flags : kLadder) {
    io_uring_params params{};
    params.flags = flags;
    params.cq_entries = kCompletionEntries;
    error = -io_uring_queue_init_params(kSubmissionEntries, &ring_, &params);
    if (error != EINVAL) {
      break;
    }
  }
  if (error != 0) {
    return std::unexpected(explain_setup_error(error));
  }
  is_open_ = true;
  acquire_ring_memory();
  if ((ring_.features & IORING_FEAT_CQE_SKIP) == 0) {
    // Cancellations rely on it: each poll owes exactly one final completion.
    return std::unexpected(
        Error(ErrorKind::kUnsupported,
              "this kernel's io_uring is too old: ringo needs Linux 5.17 or newer"));
  }
  can_gather_ =
      (ring_.features & kFeatureMinWait) != 0 && (ring_.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
  // Only spares the kernel a look-up at each enter, and a forked child a surprise.
  (void)io_uring_register_ring_fd(&ring_);
  (void)io_uring_ring_dontfork(&ring_);
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd_ < 0) {
    return std::unexpected(Error::os(errno, "eventfd"));
  }
  poll_wake_fd();
  return {};
}

UringDriver::~UringDriver() {
  RINGO_CHECK(in_flight_ == 0, "a ring was closed while the kernel still held operations of it");
  if (is_open_) {
    release_ring_memory();
    io_uring_queue_exit(&ring_);
  }
  if (wake_fd_ >= 0) {
    close(wake_fd_);
  }
}

io_uring_sqe* UringDriver::next_sqe() noexcept {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) {
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void UringDriver::poll(Watch& watch) {
  io_uring_sqe* sqe = next_sqe();
  if (sqe == nullptr) {
    // The kernel takes no more for now: the next turn tries again.
    watch.is_waiting_for_sqe = true;
    ++polls_without_sqe_;
    return;
  }
  io_uring_prep_poll_multishot(sqe, watch.source->fd(), kPollMask);
  sqe->poll32_events |= kEdgeTriggered;
  io_uring_sqe_set_data(sqe, &watch);
  watch.is_polling = true;
  ++in_flight_;
}

void UringDriver::poll_wake_fd() {
  io_uring_sqe* sqe = next_sqe();
  must_poll_wake_fd_ = sqe == nullptr;
  if (sqe == nullptr) {
    return;
  }
  io_uring_prep_poll_multishot(sqe, wake_fd_, POLLIN);
  sqe->poll32_events |= kEdgeTriggered;
  io_uring_sqe_set_data64(sqe, kWakeFd);
  ++in_flight_;
}

void UringDriver::retry_polls() {
  if (must_poll_wake_fd_) {
    poll_wake_fd();
  }
  if (polls_without_sqe_ == 0) {
    return;
  }
  for (Watch* watch = watches_.front(); watch != nullptr; watch = watches_.after(*watch)) {
    if (watch->is_waiting_for_sqe) {
      watch->is_waiting_for_sqe = false;
      --polls_without_sqe_;
      poll(*watch);
    }
  }
}

void UringDriver::arm(Source& source) {
  auto* watch = new Watch(source);
  source.driver_data = watch;
  watches_.push_back(*watch);
  poll(*watch);
}

void UringDriver::cancel(Watch& watch) {
  if (!watch.is_polling) {
    finish(watch);
    return;
  }
  io_uring_sqe* sqe = next_sqe();
  while (sqe == nullptr) {
    // Cannot be put off: nothing would remember it. Completions make room.
    io_uring_submit_and_get_events(&ring_);
    sqe = next_sqe();
  }
  // Not a poll_remove: that fails with EALREADY, and leaves the poll, while an event is on its way,
  // and the shutdown() that precedes every close sends one.
  io_uring_prep_cancel64(sqe, reinterpret_cast<std::uint64_t>(&watch), 0);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, kIgnored);
}

void UringDriver::disarm(Source& source) {
  auto* watch = static_cast<Watch*>(source.driver_data);
  RINGO_DCHECK(watch != nullptr, "a source was disarmed that was never armed");
  watch->is_closing = true;
  source.release_reference();  // the request's; the Watch keeps the one of arm()
  cancel(*watch);
}

void UringDriver::move_sources_to(Driver& successor) {
  while (Watch* watch = watches_.pop_front()) {
    Source& source = *watch->source;
    if (watch->is_closing) {
      source.driver_data = nullptr;
      source.close_descriptor();
      source.release_reference();
    } else {
      successor.arm(source);  // with the reference; an event that is lost here is reported anew
    }
    delete watch;
  }
  // What the kernel still holds are polls, which point to nothing of ours but their user_data; it
  // drops them with the ring.
  in_flight_ = 0;
}

void UringDriver::finish(Watch& watch) {
  if (watch.is_waiting_for_sqe) {
    --polls_without_sqe_;
  }
  if (watch.is_closing) {
    watch.source->close_descriptor();
  } else {
    watch.source->on_event(Source::kShutDown);
  }
  watch.source->driver_data = nullptr;
  watches_.remove(watch);
  watch.source->release_reference();
  delete &watch;
}

void UringDriver::on_completion(Watch& watch, int result, bool is_final) {
  if (result > 0 && !watch.is_closing) {
    note_event();
    gathering_.note_event(watch.gathering_stamp);
    watch.source->on_event(to_readiness(static_cast<unsigned>(result)));
  }
  if (!is_final) {
    return;
  }
  watch.is_polling = false;
  --in_flight_;
  if (watch.is_closing || is_shutting_down_) {
    finish(watch);
  } else if (result < 0 && result != -ECANCELED) {
    // The kernel cannot watch it (EBADF, EPERM for a regular file): let the next operation say why.
    watch.source->on_event(Source::kError | Source::kReadable | Source::kWritable);
  } else {
    poll(watch);
  }
}

void UringDriver::reap() {
  constexpr unsigned kBatch = 64;
  io_uring_cqe* batch[kBatch];
  // While it shuts down it waits for all of them.
  unsigned left = is_shutting_down_ ? UINT_MAX : max_events();
  while (unsigned count = io_uring_peek_batch_cqe(&ring_, batch, std::min(kBatch, left))) {
    left -= count;
    for (unsigned i = 0; i < count; ++i) {
      const std::uint64_t user_data = batch[i]->user_data;
      const int result = batch[i]->res;
      const bool is_final = (batch[i]->flags & IORING_CQE_F_MORE) == 0;
      if (user_data == kIgnored) {
        continue;
      }
      if (user_data == kWakeFd) {
        gathering_.note_unpark();
        if (is_final) {
          --in_flight_;
          if (!is_shutting_down_) {
            poll_wake_fd();
          }
        }
        continue;
      }
      // NOLINTNEXTLINE(performance-no-int-to-ptr): user_data is a number to the kernel alone.
      on_completion(*reinterpret_cast<Watch*>(user_data), result, is_final);
    }
    io_uring_cq_advance(&ring_, count);
  }
}

bool UringDriver::has_events() const noexcept {
  return io_uring_cq_ready(&ring_) != 0 ||
         (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void UringDriver::turn(std::optional<std::int64_t> timeout_ns) {
  retry_polls();
  if (polls_without_sqe_ != 0 || must_poll_wake_fd_) {
    timeout_ns = 0;  // come back soon: something could not be handed over
  }
  if (timeout_ns != 0 && !has_events()) {
    sleep(timeout_ns);
  } else if (has_events() || io_uring_sq_ready(&ring_) != 0) {
    io_uring_submit_and_get_events(&ring_);
  } else {
    return;
  }
  if (timeout_ns != 0) {
    run_deferred_signal_handlers();
  }
  reap();
  if (io_uring_sq_ready(&ring_) >= kSubmitEarly) {
    io_uring_submit(&ring_);
  }
}

void UringDriver::sleep(std::optional<std::int64_t> timeout_ns) {
  __kernel_timespec timeout{};
  if (timeout_ns) {
    timeout.tv_sec = *timeout_ns / 1'000'000'000;
    timeout.tv_nsec = *timeout_ns % 1'000'000'000;
  }
  const std::uint32_t events = can_gather_ ? gathering_.begin_sleep() : 1;
  // A timer would be late by as much as the wait for more.
  const std::int64_t wait_ns = std::int64_t{1000} * gathering_.wait_us();
  // Errors of either call (ETIME, EINTR, EAGAIN, EBUSY) all mean: look at what is there and go on.
  if (events == 1 || (timeout_ns && *timeout_ns <= 2 * wait_ns)) {
    io_uring_cqe* first = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &first, 1, timeout_ns ? &timeout : nullptr, nullptr);
    return;
  }
  if (io_uring_sq_ready(&ring_) != 0) {
    io_uring_submit(&ring_);
  }
  WaitArguments arguments;
  arguments.min_wait_us = gathering_.wait_us();
  arguments.timeout = timeout_ns ? reinterpret_cast<std::uint64_t>(&timeout) : 0;
  (void)syscall(SYS_io_uring_enter, ring_.ring_fd, 0, events,
                IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arguments, sizeof(arguments));
  gathering_.end_sleep(io_uring_cq_ready(&ring_));
}

void UringDriver::unpark() noexcept {
  // The poll is edge-triggered and the counter is never read: 2^64 wakes fit.
  const std::uint64_t one = 1;
  while (write(wake_fd_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

void UringDriver::shut_down() {
  // A poll that has got no SQE yet is not begun any more: its descriptor may be closed by now.
  is_shutting_down_ = true;
  for (Watch* watch = watches_.front(); watch != nullptr;) {
    Watch* next = watches_.after(*watch);
    if (!watch->is_closing) {
      cancel(*watch);
    }
    watch = next;
  }
  io_uring_sqe* sqe = next_sqe();
  while (sqe == nullptr) {
    io_uring_submit_and_get_events(&ring_);
    reap();
    sqe = next_sqe();
  }
  io_uring_prep_cancel64(sqe, kWakeFd, 0);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, kIgnored);
  while (in_flight_ != 0) {
    io_uring_cqe* first = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &first, 1, nullptr, nullptr);
    reap();
  }
}

}  // namespace ringo::detail
