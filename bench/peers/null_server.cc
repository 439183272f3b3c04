// SPDX-License-Identifier: MIT
//
// peer_null_server: a server that speaks the Redis protocol and does nothing. It finds where each
// request ends and answers a GET with 64 letters, whatever the key, and anything else with +OK. The
// floor for a server with this load: what is beyond it is its own work.
//
//   peer_null_server PORT
//
// Not a parser to take as an example: it believes every length that it is told.
// Thread safety: none; one thread.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "epoll_server.h"
#include "listen.h"

namespace {

class NullConnection {
 public:
  std::string_view answer(std::string_view input) {
    output_.clear();
    while (!input.empty()) {
      input.remove_prefix(step(input));
    }
    return output_;
  }

 private:
  enum class State : std::uint8_t { kStart, kCount, kDollar, kLength, kPayload, kInline };

  /// Takes what the state is about from the front of `input`; how many bytes that is.
  std::size_t step(std::string_view input) {
    switch (state_) {
      case State::kStart:
        state_ = input.front() == '*' ? State::kCount : State::kInline;
        number_ = 0;
        name_ = '\0';
        return state_ == State::kCount ? 1 : 0;
      case State::kCount:
        return read_number(input, [this] { arguments_left_ = number_; });
      case State::kDollar:
        state_ = State::kLength;
        number_ = 0;
        return 1;
      case State::kLength:
        return read_number(input, [this] {
          payload_left_ = number_ + 2;
          state_ = State::kPayload;
        });
      case State::kPayload:
        return skip_payload(input);
      case State::kInline:
        return skip_line(input);
    }
    return input.size();
  }

  /// The digits up to the line's end, then `done`.
  template <typename F>
  std::size_t read_number(std::string_view input, F done) {
    for (std::size_t at = 0; at < input.size(); ++at) {
      if (input[at] == '\n') {
        state_ = State::kDollar;
        done();
        return at + 1;
      }
      if (input[at] != '\r') {
        number_ = number_ * 10 + static_cast<std::size_t>(input[at] - '0');
      }
    }
    return input.size();
  }

  std::size_t skip_payload(std::string_view input) {
    if (name_ == '\0') {
      name_ = input.front();
    }
    const std::size_t count = std::min(payload_left_, input.size());
    payload_left_ -= count;
    if (payload_left_ == 0) {
      --arguments_left_;
      state_ = State::kDollar;
      if (arguments_left_ == 0) {
        state_ = State::kStart;
        output_ += name_ == 'G' || name_ == 'g' ? kValue : kOk;
      }
    }
    return count;
  }

  std::size_t skip_line(std::string_view input) {
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos) {
      return input.size();
    }
    state_ = State::kStart;
    output_ += input.starts_with("PING") ? std::string_view("+PONG\r\n") : kOk;
    return end + 1;
  }

  static constexpr std::string_view kOk = "+OK\r\n";
  static constexpr std::string_view kValue =
      "$64\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";

  State state_ = State::kStart;
  char name_ = '\0';  // the first letter of the command
  std::size_t number_ = 0;
  std::size_t arguments_left_ = 0;
  std::size_t payload_left_ = 0;
  std::string output_;
};

}  // namespace

int main(int argc, char** argv) {
  peer::serve_by_epoll<NullConnection>(peer::port_of(argc, argv));
}
