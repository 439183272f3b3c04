// SPDX-License-Identifier: MIT
//
// No reference to the guarded value comes out of with().
//
// expect-error: a function under a lock must not return a reference
#include <ringo/guarded.h>

#include <string>

std::string first(ringo::Guarded<std::string>& guarded) {
#ifdef RINGO_COMPILE_FAIL
  return guarded.with([](std::string& text) -> std::string& { return text; });
#else
  return guarded.with([](std::string& text) { return text; });
#endif
}
