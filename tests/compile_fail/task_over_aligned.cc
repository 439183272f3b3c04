// SPDX-License-Identifier: MIT
//
// A frame is aligned to 16 bytes, and a promise must be where a task dump looks for it.
//
// expect-error: a Task cannot return a type that is aligned to more than 16 bytes
#include <ringo/task.h>

#ifdef RINGO_COMPILE_FAIL
struct alignas(32) Vector {
#else
struct alignas(16) Vector {
#endif
  float lanes[8];
};

ringo::Task<Vector> zeros() {
  co_return Vector();
}

ringo::Task<float> first() {
  const Vector vector = co_await zeros();
  co_return vector.lanes[0];
}
