// SPDX-License-Identifier: MIT
//
// Streams that the tests of adaptors are fed with.
//
// Thread safety: tests.

#pragma once

#include <ringo/generator.h>
#include <ringo/yield.h>

#include "support/gate.h"
#include "support/tracked.h"

namespace ringo::testing_support {

/// 1 … last, without waiting for anybody.
inline Generator<int> count_to(int last, Tracked /*held*/ = Tracked()) {
  for (int i = 1; i <= last; ++i) {
    co_yield i;
  }
}

/// 1 … last, with a turn for the others before each.
inline Generator<int> count_slowly_to(int last, Tracked /*held*/ = Tracked()) {
  for (int i = 1; i <= last; ++i) {
    co_await yield_now();
    co_yield i;
  }
}

/// 1 … last, as soon as the gate is open.
inline Generator<int> count_behind(Gate& gate, int last, Tracked /*held*/ = Tracked()) {
  co_await gate.passed();
  for (int i = 1; i <= last; ++i) {
    co_yield i;
  }
}

}  // namespace ringo::testing_support
