// SPDX-License-Identifier: MIT
//
// A small trivially copyable value that may be read while it is being overwritten: it is kept in
// atomic words, and whoever owns the cell says by a sequence number of its own whether what was
// read is one value or the mixture of two. Reading costs no read-modify-write, and no user code
// runs.
//
// Thread safety: one writer at a time, any number of readers.

#pragma once

#include <ringo/detail/atomic.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ringo::detail {

inline constexpr std::size_t kMaxWordCell = 64;

/// Whether a WordCell takes the type: copying its bytes is copying it, and cheap.
template <class T>
inline constexpr bool kFitsWordCell =
    std::is_trivially_copyable_v<T> && std::is_copy_constructible_v<T> &&
    std::is_trivially_destructible_v<T> && sizeof(T) <= kMaxWordCell;

template <class T>
class WordCell {
  static_assert(kFitsWordCell<T>);
  static constexpr std::size_t kWords = (sizeof(T) + 7) / 8;

 public:
  using Words = std::array<std::uint64_t, kWords>;

  /// The owner marks its sequence number as "being written" before, and as complete after.
  void store(const T& value) noexcept {
    Words words{};
    std::memcpy(words.data(), &value, sizeof(T));
    for (std::size_t i = 0; i < kWords; ++i) {
      // release: a reader that sees the new word also sees the mark made before it.
      words_[i].store(words[i], std::memory_order_release);
    }
  }
  /// The owner looks at its sequence number before and after; if it has changed, the words are no
  /// value.
  [[nodiscard]] Words load() const noexcept {
    Words words;
    for (std::size_t i = 0; i < kWords; ++i) {
      // acquire: pairs with store(), and keeps the second look behind it.
      words[i] = words_[i].load(std::memory_order_acquire);
    }
    return words;
  }
  [[nodiscard]] static T to_value(const Words& words) noexcept {
    std::array<std::byte, sizeof(T)> bytes;
    std::memcpy(bytes.data(), words.data(), sizeof(T));
    return std::bit_cast<T>(bytes);
  }

 private:
  std::array<Atomic<std::uint64_t>, kWords> words_;
};

}  // namespace ringo::detail
