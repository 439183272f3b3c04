// SPDX-License-Identifier: MIT
//
// What the handles of a channel count: how many of a kind there are (the last one to go closes the
// channel), how many weak ones, and who keeps the memory. RefPtr<C> is a handle's reference to a
// channel C, which derives from RefCounted<C>; PooledObject is the base of what is allocated for
// each message, and takes its memory from the frame pool.
//
// Thread safety: all of it, but a RefPtr is one thread's at a time.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/frame_pool.h>

#include <atomic>
#include <cstddef>
#include <new>
#include <utility>

namespace ringo::detail {

/// The handles of one kind (all senders, say), strong and weak.
class HandleCount {
 public:
  explicit HandleCount(std::size_t strong) : strong_(strong) {}

  void add() noexcept {
    // relaxed: made from a handle that exists.
    strong_.fetch_add(1, std::memory_order_relaxed);
  }
  /// True: it was the last.
  [[nodiscard]] bool drop() noexcept {
    // acq_rel: what was done through all handles happens before the close.
    return strong_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  /// A strong handle from a weak one. False: the last strong one has gone.
  [[nodiscard]] bool upgrade() noexcept {
    std::size_t count = strong_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    while (count != 0) {
      // acq_rel: as for drop().
      if (strong_.compare_exchange_weak(count, count + 1, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  // relaxed: a mere number.
  void add_weak() noexcept { weak_.fetch_add(1, std::memory_order_relaxed); }
  void drop_weak() noexcept { weak_.fetch_sub(1, std::memory_order_relaxed); }

  [[nodiscard]] std::size_t strong() const noexcept {
    return strong_.load(std::memory_order_acquire);  // pairs with drop()
  }
  [[nodiscard]] std::size_t weak() const noexcept { return weak_.load(std::memory_order_acquire); }

 private:
  Atomic<std::size_t> strong_;
  Atomic<std::size_t> weak_{0};
};

/// Base of what RefPtr points to. Starts with no reference.
template <class Derived>
class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void add_reference() noexcept {
    // relaxed: made from a reference, or from none at birth.
    references_.fetch_add(1, std::memory_order_relaxed);
  }
  void release() noexcept {
    // acq_rel: all uses happen before the destruction.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete static_cast<Derived*>(this);
    }
  }

 protected:
  RefCounted() = default;
  ~RefCounted() = default;

 private:
  Atomic<std::size_t> references_{0};
};

template <class C>
class RefPtr {
 public:
  RefPtr() = default;
  explicit RefPtr(C& object) noexcept : object_(&object) { object.add_reference(); }
  RefPtr(const RefPtr& other) noexcept : object_(other.object_) {
    if (object_ != nullptr) {
      object_->add_reference();
    }
  }
  RefPtr(RefPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  RefPtr& operator=(RefPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~RefPtr() {
    if (object_ != nullptr) {
      object_->release();
    }
  }

  [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }
  C* operator->() const noexcept { return object_; }
  C& operator*() const noexcept { return *object_; }
  friend bool operator==(const RefPtr& a, const RefPtr& b) noexcept = default;

 private:
  C* object_ = nullptr;
};

/// Objects of up to 2 KiB come from the frame pool; over-aligned ones from operator new.
struct PooledObject {
#ifndef RINGO_MODEL  // the model checker watches operator new
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* object, std::size_t size) noexcept { free_frame(object, size); }
  static void* operator new(std::size_t size, std::align_val_t alignment) {
    return ::operator new(size, alignment);
  }
  static void operator delete(void* object, std::align_val_t alignment) noexcept {
    ::operator delete(object, alignment);
  }
#endif
};

}  // namespace ringo::detail
