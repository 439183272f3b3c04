// SPDX-License-Identifier: MIT
//
// fmt formatters for the locks and cells, for logs and test failures. A lock shows its value if it
// can be had without waiting, else `<locked>`: `Mutex { data: <locked> }`, as Tokio's Debug. The
// value's own formatter runs while the lock is held, and must not use it.
//
//   ringo::Mutex<int> mutex(42);
//   std::string shown = fmt::format("{}", mutex);
//
// Thread safety: as the lock's own.

#pragma once

#include <ringo/detail/lock_access.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/once_cell.h>
#include <ringo/sync/rw_lock.h>
#include <ringo/sync/set_once.h>

#include <string_view>

#include <fmt/format.h>

namespace ringo::detail {

/// Takes no format specification.
struct PlainFormatter {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
};

struct LockFormatter : PlainFormatter {
  template <class Lock, class Context>
  static auto format_named(std::string_view name, const Lock& lock, Context& context) {
    auto out = context.out();
    const bool was_free = PeekAccess::try_peek(lock, [&out, name](const auto& value) {
      out = fmt::format_to(out, "{} {{ data: {} }}", name, value);
    });
    return was_free ? out : fmt::format_to(out, "{} {{ data: <locked> }}", name);
  }
};

struct CellFormatter : PlainFormatter {
  template <class Cell, class Context>
  static auto format_named(std::string_view name, const Cell& cell, Context& context) {
    if (const auto* value = cell.get(); value != nullptr) {
      return fmt::format_to(context.out(), "{} {{ value: {} }}", name, *value);
    }
    return fmt::format_to(context.out(), "{} {{ value: <none> }}", name);
  }
};

}  // namespace ringo::detail

template <class T>
struct fmt::formatter<ringo::Mutex<T>> : ringo::detail::LockFormatter {
  template <class Context>
  auto format(const ringo::Mutex<T>& mutex, Context& context) const {
    return format_named("Mutex", mutex, context);
  }
};
template <class T>
struct fmt::formatter<ringo::RwLock<T>> : ringo::detail::LockFormatter {
  template <class Context>
  auto format(const ringo::RwLock<T>& lock, Context& context) const {
    return format_named("RwLock", lock, context);
  }
};
template <class T>
struct fmt::formatter<ringo::OnceCell<T>> : ringo::detail::CellFormatter {
  template <class Context>
  auto format(const ringo::OnceCell<T>& cell, Context& context) const {
    return format_named("OnceCell", cell, context);
  }
};
template <class T>
struct fmt::formatter<ringo::SetOnce<T>> : ringo::detail::CellFormatter {
  template <class Context>
  auto format(const ringo::SetOnce<T>& cell, Context& context) const {
    return format_named("SetOnce", cell, context);
  }
};
