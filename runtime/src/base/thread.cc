// SPDX-License-Identifier: MIT
//
// std::thread's constructor by hand, for the sake of one attribute.

#include "base/thread.h"

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace ringo::detail {
namespace {

using Body = std::move_only_function<void()>;

extern "C" void* thread_entry(void* argument) {
  const std::unique_ptr<Body> body(static_cast<Body*>(argument));
  (*body)();
  return nullptr;
}

constexpr std::size_t kPage = 4096;

}  // namespace

int start_thread(std::size_t stack_size, std::move_only_function<void()> body) {
  auto kept = std::make_unique<Body>(std::move(body));
  pthread_attr_t attributes{};
  if (const int error = pthread_attr_init(&attributes); error != 0) {
    return error;
  }
  int error = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (error == 0 && stack_size != 0) {
    error = pthread_attr_setstacksize(&attributes, (stack_size + kPage - 1) / kPage * kPage);
  }
  pthread_t thread{};
  if (error == 0) {
    error = pthread_create(&thread, &attributes, &thread_entry, kept.get());
  }
  if (error == 0) {
    [[maybe_unused]] auto* const given = kept.release();  // to the thread
  }
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace ringo::detail
