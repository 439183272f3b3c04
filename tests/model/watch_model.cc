// SPDX-License-Identifier: MIT
//
// The watch channel, both kinds of values: one that modifies, one that sends, and a receiver. It
// reads whole values, misses no change, and has seen the last value when it sees the end; no
// modification is lost, nor one sent value undone. A receiver that hears nothing is a deadlock to
// relacy.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_NO_LOOK_BEFORE_WAITING
// twin: RINGO_MODEL_SENDS_OUT_OF_TURN

#ifdef RINGO_TWIN_RELAXED
// Nobody publishes anything by a plain store.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_release)
#endif

#include <ringo/detail/wait_queue.h>
#include <ringo/detail/watch_channel.h>

#include <cstdint>

#include "model/model.h"
#include "model/model_task.h"

namespace ringo::watch::detail {

// The source's also looks at which thread it is on, and a model has only one.
void ModificationTurn::begin() {
  mutex_.lock();
}
void ModificationTurn::end() noexcept {
  mutex_.unlock();
}

namespace {

using model::ModelTask;
using ringo::detail::Plain;

/// Two words, for a WordStore: a mixture of two values shows.
struct Words {
  explicit Words(std::uint64_t n) noexcept : first(n), second(n) {}
  [[nodiscard]] std::uint64_t get() const {
    RL_ASSERT(first == second);
    return first;
  }
  void set(std::uint64_t n) { first = second = n; }
  std::uint64_t first;
  std::uint64_t second;
};
static_assert(ringo::detail::kFitsWordCell<Words>);

/// For a NodeStore: who reads what is being written has a race.
struct Text {
  explicit Text(std::uint64_t n) : number(n) {}
  Text(const Text& other) : number(other.number.get()) {}
  Text(Text&& other) noexcept : number(other.number.get()) {}
  Text& operator=(const Text&) = delete;
  Text& operator=(Text&&) = delete;
  ~Text() { number.set(666); }
  [[nodiscard]] std::uint64_t get() const { return number.get(); }
  void set(std::uint64_t n) { number.set(n); }
  Plain<std::uint64_t> number;
};
static_assert(!ringo::detail::kFitsWordCell<Text>);

template <class T>
struct WatchModel : rl::test_suite<WatchModel<T>, 3> {
  static constexpr std::uint64_t kSent = 10;
  static constexpr std::uint64_t kLastVersion = 4;

  Channel<T>* channel = nullptr;
  ModelTask receiver;
  bool is_closing = false;  ///< else nothing but a change wakes the receiver

  void before() {
    is_closing = rl::rand(2) == 0;
    channel = new Channel<T>(T(0));
    channel->add_reference();
    channel->add_receiver();
    channel->senders.add();  // two
    receiver.open();
  }
  void after() {
    const std::uint64_t last = (*channel->read().snapshot).get();
    RL_ASSERT(last == kSent || last == kSent + 1);
    channel->drop_receiver();
    receiver.close();
    channel->release();
  }

  void drop_sender() {
    if (channel->senders.drop() && is_closing) {
      channel->close();
    }
  }

  void modify() {
    RL_ASSERT(channel->modify([](T& value) {
      value.set(value.get() + 1);
      return true;
    }));
    drop_sender();
  }
  void send() {
    typename Channel<T>::Snapshot next{T(kSent)};
    RL_ASSERT(channel->replace(next, Channel<T>::Needs::kReceiver).has_value());
    drop_sender();
  }

  /// As ChangedAwaiter does. False: closed.
  bool wait_for_change(std::uint64_t& seen) {
    for (;;) {
      QueueWaiter waiter;
      bool is_waiting = !channel->has_news(seen);
      if (is_waiting) {
#ifdef RINGO_TWIN_NO_LOOK_BEFORE_WAITING
        is_waiting = channel->wait(waiter, receiver.branch(), channel->version());
#else
        is_waiting = channel->wait(waiter, receiver.branch(), seen);
#endif
      }
      if (is_waiting) {
        do {
          receiver.sleep();
        } while (!channel->has_news(seen));
        if (waiter.is_queued()) {
          channel->stop_waiting(waiter);
        }
      }
      const bool is_closed = channel->is_closed();
      const std::uint64_t version = channel->version();
      if (version != seen) {
        return true;
      }
      if (is_closed) {
        return false;
      }
    }
  }
  void follow() {
    std::uint64_t seen = 0;
    std::uint64_t value = 0;
    int changes = 0;
    while ((is_closing || seen != kLastVersion) && wait_for_change(seen)) {
      const typename Channel<T>::Read read = channel->read();
      RL_ASSERT(read.version != seen);
      seen = read.version;
      value = (*read.snapshot).get();
      ++changes;
    }
    RL_ASSERT(changes == 1 || changes == 2);
    RL_ASSERT(value == (*channel->read().snapshot).get());
    RL_ASSERT(seen == kLastVersion);
  }

  void thread(unsigned index) {
    if (index == 0) {
      modify();
    } else if (index == 1) {
      send();
    } else {
      follow();
    }
  }
};

}  // namespace
}  // namespace ringo::watch::detail

int main() {
  using namespace ringo::watch::detail;  // NOLINT(google-build-using-namespace)
  const int words = ringo::model::run<WatchModel<Words>>(100'000, 0);
  return words != 0 ? words : ringo::model::run<WatchModel<Text>>(100'000, 0);
}
