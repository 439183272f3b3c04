// SPDX-License-Identifier: MIT
//
// A canary for the compiler: is the address in a coroutine's handle that of its frame? g++ 12 gets
// some frames wrong: where a body, or a block in it, declares no variable and contains an `if`,
// `while` or `switch` with a co_await in its condition, the handle that the promise gives is eight
// bytes off, and resuming it is undefined. Task refuses such a frame when it is made (checked_frame
// in <ringo/task.h>), and knows it by its address: it is not aligned to 16 bytes. So these tests
// claim that a frame is sound exactly if it is aligned, whatever its shape; and that it is sound in
// the shapes that we write, and on every other compiler in all of them.
//
// Stands on the language alone and includes nothing of ours. The coroutines are made, never run.

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>

#include <gtest/gtest.h>

namespace {

class Coroutine {
 public:
  struct promise_type {
    static void* operator new(std::size_t size) { return frame = ::operator new(size); }
    static void operator delete(void* memory) noexcept { ::operator delete(memory); }

    Coroutine get_return_object() noexcept {
      return Coroutine(frame, std::coroutine_handle<promise_type>::from_promise(*this).address());
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }

    static inline void* frame = nullptr;  // the one that was allocated last
  };

  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;
  // Back as mere memory, for the handle may be wrong. Nothing in these frames has a destructor.
  ~Coroutine() { ::operator delete(frame_); }

  bool is_sound() const noexcept { return address_ == frame_; }
  bool is_aligned() const noexcept {
    return (reinterpret_cast<std::uintptr_t>(address_) & 15) == 0;
  }

 private:
  Coroutine(void* frame, void* address) noexcept : frame_(frame), address_(address) {}

  void* frame_;
  void* address_;  // what the handle says
};

/// Gives a bool; has a destructor, as the awaiters of a channel and of a Task have.
class Answer {
 public:
  explicit Answer(bool value) noexcept : value_(value) {}
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  ~Answer() { value_ = false; }
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<> /*self*/) const noexcept {}
  bool await_resume() const noexcept { return value_; }

 private:
  bool value_;
};

void act() {}

// --- the shapes that g++ 12 gets wrong ----------------------------------------------------------

Coroutine if_not(bool value) {
  if (!co_await Answer(value)) {
    co_return;
  }
  act();
}

Coroutine if_plain(bool value) {
  if (co_await Answer(value)) {
    act();
  }
}

Coroutine while_plain(bool value) {
  while (co_await Answer(value)) {
    act();
  }
}

Coroutine switch_on(bool value) {
  switch (co_await Answer(value)) {
    case true:
      act();
      break;
    default:
      break;
  }
}

Coroutine if_after_statement(bool value) {
  co_await Answer(value);
  if (!co_await Answer(value)) {
    act();
  }
}

Coroutine if_in_a_block(bool value) {
  if (value) {
    if (!co_await Answer(value)) {
      act();
    }
  }
}

// --- the shapes that we write instead -----------------------------------------------------------

Coroutine named_first(bool value) {
  const bool answer = co_await Answer(value);
  if (!answer) {
    co_return;
  }
  act();
}

Coroutine named_in_the_condition(bool value) {
  if (const bool answer = co_await Answer(value); !answer) {
    act();
  }
}

Coroutine loop_variable(bool value) {
  while (const std::optional<bool> answer = co_await Answer(value)) {
    act();
  }
}

Coroutine variable_in_scope(bool value) {
  const bool first = co_await Answer(value);
  while (co_await Answer(first)) {
    act();
  }
}

Coroutine statement(bool value) {
  co_await Answer(value);
}

struct Shape {
  const char* name;
  Coroutine (*make)(bool);
};

constexpr Shape kFragile[] = {
    {"if_not", if_not},
    {"if_plain", if_plain},
    {"while_plain", while_plain},
    {"switch_on", switch_on},
    {"if_after_statement", if_after_statement},
    {"if_in_a_block", if_in_a_block},
};

constexpr Shape kReliable[] = {
    {"named_first", named_first},     {"named_in_the_condition", named_in_the_condition},
    {"loop_variable", loop_variable}, {"variable_in_scope", variable_in_scope},
    {"statement", statement},
};

TEST(FrameLayout, ReliableShapesGetASoundFrame) {
  for (const Shape& shape : kReliable) {
    const Coroutine coroutine = shape.make(true);
    EXPECT_TRUE(coroutine.is_sound()) << shape.name;
    EXPECT_TRUE(coroutine.is_aligned()) << shape.name;
  }
}

TEST(FrameLayout, UnsoundFrameIsKnownByItsAlignment) {
  for (const Shape& shape : kFragile) {
    const Coroutine coroutine = shape.make(true);
    EXPECT_EQ(coroutine.is_sound(), coroutine.is_aligned()) << shape.name;
#if defined(__clang__) || !defined(__GNUC__)
    EXPECT_TRUE(coroutine.is_sound()) << shape.name;
#endif
  }
}

}  // namespace
