// SPDX-License-Identifier: MIT
//
// The children of a scope: how they are counted, aborted, and how they end.
//
// Thread safety: see scope_core.h.

#include <ringo/detail/assert.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/scope_core.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/task_state.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <cstddef>
#include <exception>
#include <source_location>
#include <utility>

#include "scheduler/runtime_shared.h"

namespace ringo::detail {

ScopeCore::~ScopeCore() {
  RINGO_DCHECK(size() == 0, "a scope was destroyed while children of it ran");
}

void ScopeCore::open(Branch& parent, RuntimeShared& runtime) noexcept {
  parent_ = &parent;
  runtime_ = &runtime;
}

bool ScopeCore::add(ScopeLink& child) noexcept {
  const MutexGuard guard(mutex_);
  children_.push_back(child);
  ++count_;
  return !is_ending_;
}

void ScopeCore::remove(ScopeLink& child, std::exception_ptr failure) noexcept {
  WakeList woken;
  const MutexGuard guard(mutex_);
  children_.remove(child);
  --count_;
  if (failure != nullptr && failure_ == nullptr) {
    failure_ = std::move(failure);
    cancel_all(woken);
    woken.add(*parent_);
  } else if (count_ == 0) {
    woken.add(*parent_);
  }
}

void ScopeCore::cancel_all(WakeList& woken) noexcept {
  is_ending_ = true;
  for (ScopeLink* child = children_.front(); child != nullptr; child = children_.after(*child)) {
    woken.add_cancelled(child->task);
  }
}

void ScopeCore::abort_children() noexcept {
  WakeList woken;
  const MutexGuard guard(mutex_);
  const bool was_ending = is_ending_;
  cancel_all(woken);
  is_ending_ = was_ending;
}

void ScopeCore::end() noexcept {
  WakeList woken;
  const MutexGuard guard(mutex_);
  if (!is_ending_) {
    cancel_all(woken);
  }
}

void ScopeCore::fail(std::exception_ptr failure) noexcept {
  WakeList woken;
  const MutexGuard guard(mutex_);
  if (failure_ == nullptr) {
    failure_ = std::move(failure);
  }
  if (!is_ending_) {
    cancel_all(woken);
  }
}

std::size_t ScopeCore::size() const noexcept {
  const MutexGuard guard(mutex_);
  return count_;
}

bool ScopeCore::is_ending() const noexcept {
  const MutexGuard guard(mutex_);
  return is_ending_;
}

std::exception_ptr ScopeCore::take_failure() noexcept {
  const MutexGuard guard(mutex_);
  return std::exchange(failure_, nullptr);
}

ScopeTask::ScopeTask(ScopeCore& scope_core, Task<void>&& task, std::source_location where) noexcept
    // Queued by its creator; the second reference is the AbortHandle's to copy.
    : TaskHeader(TaskState::kSpawnedWithHandle - TaskState::kJoinInterest, kKind,
                 &schedule_of(scope_core.runtime()), where),
      core_(&scope_core),
      link_(*this),
      body_(task.release()) {
  body_.promise().branch = &root;
}

void* ScopeTask::operator new(std::size_t size) {
  return allocate_frame(size);
}
void ScopeTask::operator delete(void* cell, std::size_t size) noexcept {
  free_frame(cell, size);
}

AbortHandle ScopeTask::spawn(ScopeCore& core, Task<void>&& task, std::source_location where) {
  auto* const child = new ScopeTask(core, std::move(task), where);
  if (!core.add(child->link_)) {
    (void)child->state.cancel();
  }
  AbortHandle handle(*child);
  launch(*child, core.runtime());
  release(*child);
  return handle;
}

bool ScopeTask::poll(TaskHeader& header) noexcept {
  auto& child = static_cast<ScopeTask&>(header);
  if (!run_branch(child.root, child.body_)) {
    return false;
  }
  std::exception_ptr failure;
  if (VoidOutcome& outcome = child.body_.promise().outcome; outcome.has_exception()) {
    failure = outcome.take_exception();
  }
  std::exchange(child.body_, nullptr).destroy();
  // The scope may be gone afterwards.
  child.core_->remove(child.link_, std::move(failure));
  return true;
}

bool ScopeTask::cancel(TaskHeader& header) noexcept {
  auto& child = static_cast<ScopeTask&>(header);
  if (!cancel_branch(child.root)) {
    return false;
  }
  child.root.leaf = nullptr;
  std::exchange(child.body_, nullptr).destroy();
  child.core_->remove(child.link_, nullptr);
  return true;
}

}  // namespace ringo::detail
