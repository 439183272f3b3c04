// SPDX-License-Identifier: MIT
//
// The quoting rules of inline requests:
//   "..."  escapes \n \r \t \b \a \xHH, any other escaped character stands for itself
//   '...'  only \' is an escape
// A word may begin before its quote, and ends with the closing quote.
//
// Thread safety: see inline_words.h.
#include "inline_words.h"

#include <cstddef>
#include <string_view>

namespace ringo::protocol {
namespace {

// As isspace() in the C locale. Between arguments all of them count; only kEndsWord end one.
constexpr std::string_view kBlanks = " \t\n\v\f\r";
bool is_blank(char c) {
  return kBlanks.contains(c);
}
bool ends_word(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

}  // namespace

bool InlineWords::skip_blanks() {
  while (at_ < line_.size() && is_blank(line_[at_])) {
    ++at_;
  }
  return at_ < line_.size();
}

std::string_view InlineWords::read_plain() {
  const std::size_t start = at_;
  while (at_ < line_.size() && !ends_word(line_[at_])) {
    ++at_;
  }
  return line_.substr(start, at_ - start);
}

bool InlineWords::read_quoted(std::string_view& word) {
  char* const start = out_;
  bool is_open = true;
  while (is_open && at_ < line_.size() && !ends_word(line_[at_])) {
    const char c = line_[at_++];
    if (c == '"' || c == '\'') {
      if (!(c == '"' ? read_double_quoted() : read_single_quoted())) {
        return false;
      }
      is_open = false;  // a closing quote ends the word
    } else {
      *out_++ = c;
    }
  }
  word = {start, static_cast<std::size_t>(out_ - start)};
  return true;
}

/// A closing quote must be followed by a blank or by nothing at all.
bool InlineWords::ends_after_quote() const {
  return at_ == line_.size() || is_blank(line_[at_]);
}

bool InlineWords::read_double_quoted() {
  while (at_ < line_.size()) {
    const char c = line_[at_++];
    if (c == '"') {
      return ends_after_quote();
    }
    if (c != '\\' || at_ == line_.size()) {
      *out_++ = c;
    } else if (peek(0) == 'x' && hex_value(peek(1)) >= 0 && hex_value(peek(2)) >= 0) {
      *out_++ = static_cast<char>(hex_value(peek(1)) * 16 + hex_value(peek(2)));
      at_ += 3;
    } else {
      *out_++ = unescape(line_[at_++]);
    }
  }
  return false;
}

bool InlineWords::read_single_quoted() {
  while (at_ < line_.size()) {
    const char c = line_[at_++];
    if (c == '\'') {
      return ends_after_quote();
    }
    if (c == '\\' && peek(0) == '\'') {
      ++at_;
      *out_++ = '\'';
    } else {
      *out_++ = c;
    }
  }
  return false;
}

}  // namespace ringo::protocol
