// SPDX-License-Identifier: MIT
//
// A descriptor's readiness against the kernel, which reports edges: what arrives while a reader
// finds nothing must not be forgotten. The other direction is cleared at the same time.
//
// twin: RINGO_MODEL_WITHOUT_TICK

#include <ringo/detail/readiness.h>

#include "model/model.h"

namespace ringo::detail {
namespace {

struct ReadinessModel : rl::test_suite<ReadinessModel, 3> {
  static constexpr Readiness::Word kReadable = 1;
  static constexpr Readiness::Word kWritable = 2;
  static constexpr int kArrivals = 2;

  Readiness readiness{kReadable | kWritable};
  Atomic<int> in_socket{0};
  int received = 0;

  /// recv(): everything that is there, or would block.
  int receive() { return in_socket.exchange(0, std::memory_order_acq_rel); }

  void thread(unsigned index) {
    if (index == 0) {  // the kernel
      for (int i = 0; i < kArrivals; ++i) {
        in_socket.fetch_add(1, std::memory_order_acq_rel);
        readiness.set(kReadable);
      }
    } else if (index == 1) {  // the reader
      for (int i = 0; i < kArrivals + 1; ++i) {
        const Readiness::Word seen = readiness.load();
        if ((seen & kReadable) == 0) {
          return;  // it would wait for the next event
        }
        const int count = receive();
        if (count == 0) {
          readiness.clear(kReadable, seen);
        }
        received += count;
      }
    } else {  // a writer whose socket is full
      const Readiness::Word seen = readiness.load();
      readiness.clear(kWritable, seen);
    }
  }

  void after() {
    // What nobody has received must still be known to be there: no second edge will tell.
    const int left = receive();
    RL_ASSERT(left == 0 || (readiness.load() & kReadable) != 0);
    RL_ASSERT(received + left == kArrivals);
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::ReadinessModel>(100'000, 2);
}
