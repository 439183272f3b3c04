// SPDX-License-Identifier: MIT
//
// The chain of task-local values that are in force on this thread. A scope is in the chain while
// code inside it runs, and at no other time.
//
// Thread safety: each thread has its own chain.

#include <ringo/task_local.h>

#include <utility>

namespace ringo::detail {
namespace {

constinit thread_local LocalBinding* innermost = nullptr;

}  // namespace

LocalBindingGuard::LocalBindingGuard(LocalBinding& binding) noexcept : binding_(binding) {
  binding.outer = std::exchange(innermost, &binding);
}
LocalBindingGuard::~LocalBindingGuard() {
  innermost = binding_.outer;
}

NoLocalBindings::NoLocalBindings() noexcept : hidden_(std::exchange(innermost, nullptr)) {}
NoLocalBindings::~NoLocalBindings() {
  innermost = hidden_;
}

void* find_local(const void* key) noexcept {
  for (const LocalBinding* binding = innermost; binding != nullptr; binding = binding->outer) {
    if (binding->key == key) {
      return binding->value;
    }
  }
  return nullptr;
}

}  // namespace ringo::detail
