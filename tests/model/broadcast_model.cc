// SPDX-License-Identifier: MIT
//
// The broadcast channel, both kinds of slots and all policies: a sender, a receiver from the first
// value to the end, and one that comes late and leaves early. Values are whole and in order, what
// is missing is told exactly, the end is seen once, after everything, and with back-pressure all
// room comes home. A receiver that hears nothing is a deadlock to relacy.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_NO_LOOK_BEFORE_WAITING
// twin: RINGO_MODEL_TAIL_AS_END
// twin: RINGO_MODEL_GIVES_UP_LATE

#ifdef RINGO_TWIN_RELAXED
// Nobody publishes anything by a plain store.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_release)
#endif

#include <ringo/detail/broadcast_channel.h>
#include <ringo/detail/wait_queue.h>

#include <cstddef>
#include <cstdint>
#include <expected>

#include "model/model.h"
#include "model/model_task.h"
// One translation unit: the source under test is a part of it.
#include "sync/semaphore_core.cc"  // NOLINT(bugprone-suspicious-include)

namespace ringo::broadcast::detail {
namespace {

using model::ModelTask;
using ringo::detail::Plain;
using ringo::detail::SemaphoreCore;
using ringo::detail::SemaphoreWaiter;

constexpr std::uint64_t kValues = 3;

/// Two words, for a WordSlot: a mixture of two values shows.
struct Words {
  explicit Words(std::uint64_t n) noexcept : first(n), second(n) {}
  [[nodiscard]] bool is(std::uint64_t n) const { return first == n && second == n; }
  std::uint64_t first;
  std::uint64_t second;
};
static_assert(ringo::detail::kFitsWordCell<Words>);

/// For a NodeSlot: who reads what is being written, or moved away, has a race.
struct Text {
  explicit Text(std::uint64_t n) : number(n) {}
  Text(const Text& other) : number(other.number.get()) {}
  Text(Text&& other) noexcept : number(other.number.get()) { other.number.set(kValues); }
  Text& operator=(const Text&) = delete;
  Text& operator=(Text&&) = delete;
  ~Text() { number.set(kValues + 1); }
  [[nodiscard]] bool is(std::uint64_t n) const { return number.get() == n; }
  Plain<std::uint64_t> number;
};
static_assert(!ringo::detail::kFitsWordCell<Text>);

template <class T, Overflow kOverflow>
struct BroadcastModel : rl::test_suite<BroadcastModel<T, kOverflow>, 3> {
  // With room for two, slots are used again before all have left; with room for one, at once.
  static constexpr std::size_t kCapacity = kOverflow == Overflow::kBackPressure ? 2 : 1;

  Channel<T>* channel = nullptr;
  Cursor first;
  ModelTask sender;
  ModelTask receiver;
  std::uint64_t sent = 0;
  bool is_closing = false;  ///< else nothing but a value wakes the receiver

  void before() {
    sent = 0;
    is_closing = rl::rand(2) == 0;
    channel = new Channel<T>(kCapacity, kOverflow);
    channel->add_reference();
    first.disconnected_at.store(Cursor::kNever, std::memory_order_relaxed);
    RL_ASSERT(channel->join(first));
    sender.open();
    receiver.open();
  }
  void after() {
    channel->leave(first);
    RL_ASSERT(channel->is_vacant());
    RL_ASSERT(channel->length() == 0);
    RL_ASSERT(channel->room.available() == kCapacity);
    sender.close();
    receiver.close();
    channel->release();
  }

  /// As PermitWait does.
  void wait_for_room() {
    SemaphoreWaiter waiter;
    if (channel->room.acquire_or_wait(waiter, sender.branch(), 1) ==
        SemaphoreCore::Try::kNoPermits) {
      do {
        sender.sleep();
      } while (channel->room.is_waiting(waiter));
    }
  }
  void send_all() {
    for (std::uint64_t i = 0; i < kValues; ++i) {
      if (kOverflow == Overflow::kBackPressure) {
        wait_for_room();
      }
      typename Slot<T>::Item item{T(i)};
      if (channel->publish(item)) {
        ++sent;
      } else if (kOverflow == Overflow::kBackPressure) {
        channel->room.release(1);
      }
    }
    if (is_closing) {
      channel->close();
    }
  }

  void receive_all() {
    std::uint64_t next = 0;
    while (is_closing || next != kValues) {
      const std::expected<T, RecvError> value = channel->receive(first);
      if (value) {
        RL_ASSERT(value->is(next));
        ++next;
      } else if (value.error().reason == RecvFailure::kLagged) {
        RL_ASSERT(kOverflow == Overflow::kLag);
        next += value.error().missed;
      } else if (value.error().reason == RecvFailure::kEmpty) {
        wait_for_news();
      } else if (value.error().reason == RecvFailure::kDisconnected) {
        RL_ASSERT(kOverflow == Overflow::kDisconnectSlow);
        RL_ASSERT(next + value.error().missed <= kValues);
        return;
      } else {
        RL_ASSERT(next == sent);
        return;
      }
    }
  }
  void wait_for_news() {
    QueueWaiter waiter;
#ifdef RINGO_TWIN_NO_LOOK_BEFORE_WAITING
    Cursor as_it_is_now;
    as_it_is_now.next.store(channel->tail(), std::memory_order_relaxed);
    const bool is_waiting = channel->wait(waiter, receiver.branch(), as_it_is_now);
#else
    const bool is_waiting = channel->wait(waiter, receiver.branch(), first);
#endif
    if (is_waiting) {
      do {
        receiver.sleep();
      } while (!channel->has_news(first));
      if (waiter.is_queued()) {
        channel->stop_waiting(waiter);
      }
    }
  }

  void come_and_go() {
    Cursor late;
    RL_ASSERT(channel->join(late));
    (void)channel->receive(late);
    channel->leave(late);
  }

  void thread(unsigned index) {
    if (index == 0) {
      send_all();
    } else if (index == 1) {
      receive_all();
    } else {
      come_and_go();
    }
  }
};

template <class T>
int run_with() {
  constexpr rl::iteration_t kExecutions = 60'000;
  if (model::run<BroadcastModel<T, Overflow::kLag>>(kExecutions, 0) != 0 ||
      model::run<BroadcastModel<T, Overflow::kBackPressure>>(kExecutions, 0) != 0) {
    return 1;
  }
  return model::run<BroadcastModel<T, Overflow::kDisconnectSlow>>(kExecutions, 0);
}

}  // namespace
}  // namespace ringo::broadcast::detail

int main() {
  using namespace ringo::broadcast::detail;  // NOLINT(google-build-using-namespace)
  const int words = run_with<Words>();
  return words != 0 ? words : run_with<Text>();
}
