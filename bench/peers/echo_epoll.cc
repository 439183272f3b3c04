// SPDX-License-Identifier: MIT
//
// peer_echo_epoll: the raw echo server on epoll, no runtime at all.
//
//   peer_echo_epoll PORT
//
// Thread safety: none; one thread.

#include <string_view>

#include "epoll_server.h"
#include "listen.h"

namespace {

struct Echo {
  static std::string_view answer(std::string_view bytes) { return bytes; }
};

}  // namespace

int main(int argc, char** argv) {
  peer::serve_by_epoll<Echo>(peer::port_of(argc, argv));
}
