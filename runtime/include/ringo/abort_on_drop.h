// SPDX-License-Identifier: MIT
//
// AbortOnDrop: a JoinHandle whose task ends with it, instead of going on alone. For a child that is
// of no use without its parent. As tokio_util::task::AbortOnDropHandle.
//
//   ringo::AbortOnDrop reader(ringo::spawn(read_replies(session)));
//   co_await write_requests(session);       // if this is left in any way, the reader ends too
//   auto why = co_await reader;
//
// Several children: JoinSet.
// Thread safety: one owner's.

#pragma once

#include <ringo/spawn.h>

#include <optional>
#include <utility>

namespace ringo {

/// Move-only. Destroying it asks the task to end and does not wait for that; where the child uses
/// what the parent owns, abort() and await it. A moved-from one may be destroyed or assigned to.
///
/// Cancel safety: awaiting by reference (`co_await handle`) may be cancelled and repeated.
template <class T = void>
class [[nodiscard("the task is aborted when this is destroyed, so keep it")]] AbortOnDrop {
 public:
  using value_type = T;

  explicit AbortOnDrop(JoinHandle<T> handle) : handle_(std::move(handle)) {}
  AbortOnDrop(AbortOnDrop&& other) noexcept : handle_(std::exchange(other.handle_, std::nullopt)) {}
  /// Aborts the task that it had.
  AbortOnDrop& operator=(AbortOnDrop&& other) noexcept {
    if (this != &other) {
      abort_held();
      handle_ = std::exchange(other.handle_, std::nullopt);
    }
    return *this;
  }
  ~AbortOnDrop() { abort_held(); }

  /// As those of JoinHandle.
  void abort() const noexcept { handle_->abort(); }
  [[nodiscard]] bool is_finished() const noexcept { return handle_->is_finished(); }
  [[nodiscard]] TaskId id() const noexcept { return handle_->id(); }
  [[nodiscard]] AbortHandle abort_handle() const noexcept { return handle_->abort_handle(); }

  /// Gives the task back, to go on without this.
  [[nodiscard]] JoinHandle<T> detach() && { return *std::exchange(handle_, std::nullopt); }

  /// What co_await uses.
  [[nodiscard]] detail::JoinAwaiter<T> into_awaiter() const noexcept {
    return handle_->into_awaiter();
  }

 private:
  void abort_held() noexcept {
    if (handle_) {
      handle_->abort();
    }
  }

  std::optional<JoinHandle<T>> handle_;
};

}  // namespace ringo
