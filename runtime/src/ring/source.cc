// SPDX-License-Identifier: MIT
//
// The transitions of a source's readiness word, and its end: the last user shuts the descriptor
// down, and it is closed when the driver no longer watches it.
//
// Thread safety: all of it; source.h says what each transition relies on.

#include <ringo/detail/io_waiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/source.h>
#include <ringo/detail/task_core.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/system.h"
#include "ring/driver.h"

namespace ringo::detail {

// References: the users together hold one, the driver that watches the source holds one from arm()
// to the end of disarm(). A request that is queued carries the reference it is about.

Source* Source::create(int fd, std::uint64_t initial) {
  std::shared_ptr<DriverHandle> home = current_driver_handle();
  DriverHandle& handle = *home;
  auto* source = new Source(fd, initial, std::move(home), handle.system());
  source->add_reference();  // the driver's
  if (!handle.arm(*source)) {
    source->on_event(kShutDown);
    source->release_reference();
  }
  return source;
}

Source::Source(int fd, std::uint64_t initial, std::shared_ptr<DriverHandle> home, System& system)
    : readiness_(initial),
      fd_(fd),
      is_direct_(&system == &System::real()),
      home_(std::move(home)),
      system_(system) {}

Source::~Source() = default;

void Source::remove_user() noexcept {
  // acq_rel: what the other users did happens before the descriptor goes.
  if (users_.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  // The kernel's watch holds the open file, so close() alone would not send FIN.
  if (!is_kept_) {
    system_.shutdown(fd_, SHUT_RDWR);
  }
  add_reference();  // disarm()'s own
  if (!home_->disarm(*this)) {
    close_descriptor();
    release_reference();
  }
  release_reference();
}

void Source::clear(Direction direction, std::uint64_t seen) noexcept {
  readiness_.clear(direction == Direction::kRead ? kReadable : kWritable, seen);
}

void Source::on_event(std::uint64_t bits) noexcept {
  readiness_.set(bits);
  WakeList woken;
  {
    const MutexGuard guard(mutex_);
    for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
      if ((bits & interest(direction)) == 0) {
        continue;
      }
      while (IoWaiter* waiter = waiters(direction).pop_front()) {
        waiter->wake(woken);
      }
    }
  }
  woken.schedule_all();
}

bool Source::enlist(IoWaiter& waiter, Branch& branch, Direction direction) noexcept {
  const MutexGuard guard(mutex_);
  // An event after this look finds the waiter: it takes the lock after it has set its bits.
  if ((readiness() & interest(direction)) != 0) {
    return false;
  }
  waiter.link_as(branch);
  waiters(direction).push_back(waiter);
  return true;
}

void Source::unlink(IoWaiter& waiter, Direction direction) noexcept {
  const MutexGuard guard(mutex_);
  if (waiter.is_linked()) {
    waiters(direction).remove(waiter);
    waiter.give_up();
  }
}

void Source::release_reference() noexcept {
  // acq_rel: all uses happen before the destruction.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete this;
  }
}

void Source::close_descriptor() noexcept {
  if (fd_ >= 0) {
    system_.close(fd_);
    fd_ = -1;
  }
}

}  // namespace ringo::detail
