// SPDX-License-Identifier: MIT
//
// fmt formatters for the locks and cells, for logs and test failures. A lock shows its value if it
// can be had without waiting, else `<locked>`: `Mutex { data: <locked> }`, as Tokio's Debug. The
// value's own formatter runs while the lock is held, and must not use it.
//
// Thread safety: as the lock's own.

#pragma once

#include <ringo/detail/lock_access.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/rw_lock.h>

#include <string_view>

#include <fmt/format.h>

namespace ringo::detail {

/// Formats a lock named Name; takes no format specification.
template <class Lock>
struct LockFormatter {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }

  template <class Context>
  auto format_named(std::string_view name, const Lock& lock, Context& context) const {
    auto out = context.out();
    const bool was_free = PeekAccess::try_peek(lock, [&](const auto& value) {
      out = fmt::format_to(out, "{} {{ data: {} }}", name, value);
    });
    return was_free ? out : fmt::format_to(out, "{} {{ data: <locked> }}", name);
  }
};

}  // namespace ringo::detail

template <class T>
struct fmt::formatter<ringo::Mutex<T>> : ringo::detail::LockFormatter<ringo::Mutex<T>> {
  template <class Context>
  auto format(const ringo::Mutex<T>& mutex, Context& context) const {
    return this->format_named("Mutex", mutex, context);
  }
};

template <class T>
struct fmt::formatter<ringo::RwLock<T>> : ringo::detail::LockFormatter<ringo::RwLock<T>> {
  template <class Context>
  auto format(const ringo::RwLock<T>& lock, Context& context) const {
    return this->format_named("RwLock", lock, context);
  }
};
