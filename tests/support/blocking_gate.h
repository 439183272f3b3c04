// SPDX-License-Identifier: MIT
//
// Blocks a thread, and with it a worker, until it is opened. A pipe, because the sanitizers hold
// signals back until a call that they know to block.
//
// Thread safety: all of it.

#pragma once

#include <unistd.h>

#include <array>
#include <stdexcept>

namespace ringo::testing_support {

class BlockingGate {
 public:
  BlockingGate() {
    if (pipe(fds_.data()) != 0) {
      throw std::runtime_error("no pipe");
    }
  }
  BlockingGate(const BlockingGate&) = delete;
  BlockingGate& operator=(const BlockingGate&) = delete;
  ~BlockingGate() {
    close(fds_[0]);
    close(fds_[1]);
  }

  /// Blocks until open(), once per call of that.
  void block() const noexcept {
    char byte = 0;
    while (read(fds_[0], &byte, 1) != 1) {
    }
  }
  void open() const noexcept {
    const char byte = 1;
    while (write(fds_[1], &byte, 1) != 1) {
    }
  }

 private:
  std::array<int, 2> fds_{};
};

}  // namespace ringo::testing_support
