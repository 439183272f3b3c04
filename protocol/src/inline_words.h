// SPDX-License-Identifier: MIT
//
// Cuts an inline request ("SET key \"a b\"") into words, as sdssplitargs() of Redis does, but for a
// zero byte, which is a character like any other.
//
// Thread safety: a reader belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace ringo::protocol {

class InlineWords {
 public:
  /// Words that had quotes are written to `out`, which has room for line.size() bytes: removing
  /// quotes never makes a word longer. Without quotes in the line nothing is written.
  InlineWords(std::string_view line, char* out) : line_(line), out_(out) {}

  static bool has_quotes(std::string_view line) {
    return line.find_first_of("\"'") != std::string_view::npos;
  }

  /// Moves to the next word; false at the end of the line.
  bool skip_blanks();

  /// A word of a line without quotes is a part of that line.
  std::string_view read_plain();

  /// Returns false if the quotes of the word do not balance.
  bool read_quoted(std::string_view& word);

 private:
  char peek(std::size_t ahead) const {
    return at_ + ahead < line_.size() ? line_[at_ + ahead] : '\0';
  }
  bool ends_after_quote() const;
  bool read_double_quoted();
  bool read_single_quoted();

  std::string_view line_;
  std::size_t at_ = 0;
  char* out_;
};

}  // namespace ringo::protocol
