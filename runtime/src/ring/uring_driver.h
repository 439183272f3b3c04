// SPDX-License-Identifier: MIT
//
// The io_uring driver. The ring watches descriptors with edge-triggered multishot polls; data moves
// by direct system calls (see source.h), so that nothing in the kernel points to a buffer of ours.
//
// Each watched source has one Watch, the user_data of its poll. The kernel sends exactly one final
// completion (without F_MORE) for each poll; the Watch is freed there and nowhere else, so a late
// completion can never meet a reused one. Multishot polls end whenever the kernel likes (completion
// queue overflow, errors): every final completion that nobody asked for arms the poll again.
//
// Thread safety: only the thread that created it (the ring is SINGLE_ISSUER); unpark() from any.

#pragma once

#include <ringo/detail/intrusive_list.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include <liburing.h>

#include "ring/driver.h"
#include "ring/gathering.h"

namespace ringo::detail {

class UringDriver final : public Driver {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Driver>> create();
  ~UringDriver() override;

  [[nodiscard]] const char* name() const noexcept override { return "io_uring"; }
  void arm(Source& source) override;
  void disarm(Source& source) override;
  void move_sources_to(Driver& successor) override;
  void turn(std::optional<std::int64_t> timeout_ns) override;
  void unpark() noexcept override;
  void shut_down() override;
  [[nodiscard]] std::size_t in_flight() const noexcept override { return in_flight_; }

 private:
  struct Watch : ListNode {
    explicit Watch(Source& watched) noexcept : source(&watched) {}
    Source* source;
    bool is_polling = false;  ///< the kernel owes a final completion
    bool is_closing = false;  ///< the users are gone: close the descriptor with it
    bool is_waiting_for_sqe = false;
    Gathering::Stamp gathering_stamp = 0;
  };

  UringDriver() = default;
  [[nodiscard]] Result<void> open();

  io_uring_sqe* next_sqe() noexcept;
  void poll(Watch& watch);
  void poll_wake_fd();
  void retry_polls();
  void cancel(Watch& watch);
  [[nodiscard]] bool has_events() const noexcept;
  void sleep(std::optional<std::int64_t> timeout_ns);
  void reap();
  void on_completion(Watch& watch, int result, bool is_final);
  void finish(Watch& watch);

  io_uring ring_{};
  bool is_open_ = false;
  bool is_shutting_down_ = false;
  int wake_fd_ = -1;
  std::size_t in_flight_ = 0;
  std::size_t polls_without_sqe_ = 0;
  bool must_poll_wake_fd_ = false;
  bool can_gather_ = false;  ///< the kernel knows how
  Gathering gathering_;
  IntrusiveList<Watch> watches_;
};

}  // namespace ringo::detail
