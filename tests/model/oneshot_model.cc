// SPDX-License-Identifier: MIT
//
// The oneshot's state word: the value is handed over with everything its sender did before, a wait
// on either side is ended by the other, a refused value stays with its sender, the channel is freed
// exactly once, and nobody touches it afterwards.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_NO_LOOK_AFTER_REGISTERING
// twin: RINGO_TWIN_CLOSE_WAKES_NOBODY
// twin: RINGO_TWIN_SENDER_STAYS
// twin: RINGO_TWIN_NO_NUMBER

#ifdef RINGO_TWIN_RELAXED
#define RINGO_MODEL_WEAKEN(order) \
  ((order) == std::memory_order_release || (order) == std::memory_order_acq_rel)
#endif

#include <ringo/detail/oneshot_core.h>

#include "model/model.h"
#include "model/model_task.h"

namespace ringo::detail {
namespace {

using model::ModelTask;

/// A sender that sends, drops, or waits for the close and then sends; a receiver that awaits,
/// closes, or is dropped, each of them perhaps after a wait of another task that was cancelled.
struct OneshotModel : rl::test_suite<OneshotModel, 2> {
  enum class Sends { kValue, kNothing, kAfterClose };
  enum class Receives { kAwaits, kClosesAndTakes, kDrops };

  OneshotCore core;
  Plain<int> value;
  Plain<int> memory;  // the channel's: written by who frees it
  ModelTask sender_task;
  ModelTask receiver_task;
  ModelTask earlier_receiver_task;
  Sends sends{};
  Receives receives{};
  bool is_cancelled_first = false;
  int freed = 0;
  bool was_sent = false;
  bool was_received = false;

  void before() {
    sender_task.open();
    receiver_task.open();
    earlier_receiver_task.open();
    sends = static_cast<Sends>(rl::rand(3));
    receives = static_cast<Receives>(rl::rand(3));
    is_cancelled_first = rl::rand(2) == 0;
    if (sends == Sends::kAfterClose && receives == Receives::kAwaits) {
      receives = Receives::kDrops;  // each would wait for the other
    }
  }
  void after() {
    sender_task.close();
    receiver_task.close();
    earlier_receiver_task.close();
    RL_ASSERT(freed == 1);
    RL_ASSERT(!was_received || was_sent);
    if (receives == Receives::kAwaits) {
      RL_ASSERT(was_received == (sends == Sends::kValue));
    }
  }

  void free_channel() {
    ++freed;
    memory.set(1);
  }

  void send() {
    value.set(1);
    switch (core.finish(OneshotCore::kValue)) {
      case OneshotCore::Finished::kRefused:
        value.set(0);  // it is the sender's still
        end_sender();
        return;
      case OneshotCore::Finished::kLast:
        was_sent = true;
        free_channel();
        return;
      default:
        was_sent = true;
#ifdef RINGO_TWIN_SENDER_STAYS
        memory.set(2);  // has left, and looks once more
#endif
        return;
    }
  }
  void end_sender() {
    if (core.finish(OneshotCore::kNoValue) == OneshotCore::Finished::kLast) {
      free_channel();
    }
  }

  [[nodiscard]] bool is_settled() const {
    return (core.load() &
            (OneshotCore::kValue | OneshotCore::kNoValue | OneshotCore::kReceiverClosed)) != 0;
  }
  void take() {
    if ((core.load() & OneshotCore::kValue) != 0) {
      RL_ASSERT(value.get() == 1);
      was_received = true;
    }
  }

  void thread(unsigned index) {
    if (index == 0) {
      if (sends == Sends::kAfterClose) {
        while ((core.load() & OneshotCore::kReceiverClosed) == 0) {
          const bool is_waiting = core.wait_for_close(sender_task.branch());
#ifdef RINGO_TWIN_NO_LOOK_AFTER_REGISTERING
          sender_task.sleep();
#else
          if (is_waiting) {
            sender_task.sleep();
          }
#endif
          if (is_waiting) {
            core.stop_waiting_for_close();
          }
        }
      }
      if (sends == Sends::kNothing) {
        end_sender();
      } else {
        send();
      }
      return;
    }
    if (is_cancelled_first && !is_settled() &&
        core.wait_for_value(earlier_receiver_task.branch())) {
      core.stop_waiting_for_value();
    }
    if (receives == Receives::kAwaits) {
      while (!is_settled()) {
        if (core.wait_for_value(receiver_task.branch())) {
          receiver_task.sleep();
          core.stop_waiting_for_value();
        }
      }
      take();
    } else if (receives == Receives::kClosesAndTakes) {
      (void)core.close();
      take();
    }
    // As the receiver's destructor.
    if ((core.load() & OneshotCore::kSenderGone) == 0) {
#ifndef RINGO_TWIN_CLOSE_WAKES_NOBODY
      (void)core.close();
#endif
    }
    if (core.leave(OneshotCore::kReceiverGone)) {
      free_channel();
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::OneshotModel>(200'000, 0);
}
