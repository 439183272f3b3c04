// SPDX-License-Identifier: MIT
//
// The replies that are too rare, or too long, to be inlined into every command.
//
// Thread safety: see ringo/protocol/reply_writer.h.
#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/resp.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace ringo::protocol {

void ReplyWriter::line(char type, std::string_view text) {
  char* const start = out_->prepare(text.size() + 3);
  start[0] = type;
  // A line break inside would end the reply early and let its rest pass for another one.
  char* end = std::transform(text.begin(), text.end(), start + 1,
                             [](char c) { return c == '\r' || c == '\n' ? ' ' : c; });
  finish(start, end);
}

void ReplyWriter::bulk_error(std::string_view text) {
  if (version_ == RespVersion::kResp2) {
    error(text);
    return;
  }
  header('!', text.size());
  raw(text);
  raw("\r\n");
}

void ReplyWriter::number(double value) {
  char text[kMaxDoubleChars];
  const std::string_view digits(text, static_cast<std::size_t>(format_double(text, value) - text));
  version_ == RespVersion::kResp2 ? bulk(digits) : line(',', digits);
}

void ReplyWriter::big_number(std::string_view digits) {
  version_ == RespVersion::kResp2 ? bulk(digits) : line('(', digits);
}

void ReplyWriter::verbatim(std::string_view format, std::string_view text) {
  if (version_ == RespVersion::kResp2) {
    bulk(text);
    return;
  }
  char prefix[4] = {' ', ' ', ' ', ':'};
  std::copy_n(format.begin(), std::min<std::size_t>(format.size(), 3), prefix);
  header('=', sizeof(prefix) + text.size());
  raw({prefix, sizeof(prefix)});
  raw(text);
  raw("\r\n");
}

}  // namespace ringo::protocol
