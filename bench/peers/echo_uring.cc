// SPDX-License-Identifier: MIT
//
// peer_echo_uring: the raw echo server on io_uring: multishot accept, a recv and a send per
// message, SINGLE_ISSUER and DEFER_TASKRUN, no runtime at all. The echo row's goal is a ratio to
// it.
//
//   peer_echo_uring PORT
//
// Thread safety: none; one thread.

#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <liburing.h>

#include "listen.h"

namespace {

constexpr unsigned kEntries = 1024;

struct Client {
  int fd = -1;
  bool is_sending = false;
  unsigned sent = 0;
  unsigned filled = 0;
  std::array<char, 1024> buffer{};
};

class EchoServer {
 public:
  explicit EchoServer(std::uint16_t port) : listener_(peer::listen_on(port, 0)) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = 8 * kEntries;
    if (io_uring_queue_init_params(kEntries, &ring_, &params) != 0) {
      peer::fail("io_uring");
    }
    accept_more();
  }

  [[noreturn]] void run() {
    for (;;) {
      (void)io_uring_submit_and_wait(&ring_, 1);
      io_uring_cqe* cqe = nullptr;
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        ++seen;
        auto* client = static_cast<Client*>(io_uring_cqe_get_data(cqe));
        if (client == nullptr) {
          take(*cqe);
        } else {
          go_on(client, cqe->res);
        }
      }
      io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  io_uring_sqe* next_sqe() {
    io_uring_sqe* sqe = nullptr;
    while ((sqe = io_uring_get_sqe(&ring_)) == nullptr) {
      (void)io_uring_submit(&ring_);
    }
    return sqe;
  }

  void accept_more() {
    io_uring_sqe* sqe = next_sqe();
    io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, 0);
    io_uring_sqe_set_data(sqe, nullptr);
  }

  void take(const io_uring_cqe& cqe) {
    if (cqe.res >= 0) {
      peer::disable_nagle(cqe.res);
      auto* client = new Client;
      client->fd = cqe.res;
      receive(client);
    }
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
      accept_more();
    }
  }

  void receive(Client* client) {
    client->is_sending = false;
    io_uring_sqe* sqe = next_sqe();
    io_uring_prep_recv(sqe, client->fd, client->buffer.data(), client->buffer.size(), 0);
    io_uring_sqe_set_data(sqe, client);
  }

  void send(Client* client) {
    client->is_sending = true;
    io_uring_sqe* sqe = next_sqe();
    io_uring_prep_send(sqe, client->fd, client->buffer.data() + client->sent,
                       client->filled - client->sent, MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, client);
  }

  void go_on(Client* client, int result) {
    if (result <= 0) {
      ::close(client->fd);
      delete client;
    } else if (!client->is_sending) {
      client->filled = static_cast<unsigned>(result);
      client->sent = 0;
      send(client);
    } else {
      client->sent += static_cast<unsigned>(result);
      client->sent < client->filled ? send(client) : receive(client);
    }
  }

  int listener_;
  io_uring ring_{};
};

}  // namespace

int main(int argc, char** argv) {
  EchoServer(peer::port_of(argc, argv)).run();
}
