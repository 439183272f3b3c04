// SPDX-License-Identifier: MIT
//
// The mpsc channel's gate and queue, with blocks of two slots. Every value sent arrives once, in
// its sender's order, and what the sender did before is visible with it; blocks are not freed under
// a sender; the receiver sleeps only if it will be woken; the end is seen once, after everything. A
// sender that waits and gives up has sent or has not, and no permit is lost or found.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_RELAXED_CLAIMS
// twin: RINGO_TWIN_SLEEPS_ON_A_CLAIM
// twin: RINGO_TWIN_NO_LOOK_AFTER_REGISTERING
// twin: RINGO_TWIN_PERMIT_LEFT
// twin: RINGO_TWIN_NO_BARRIER
// twin: RINGO_TWIN_NO_RECEIVER_BARRIER
// twin: RINGO_TWIN_NO_SECOND_LOOK
// twin: RINGO_TWIN_SENDS_WITHOUT_THE_LOCK
// twin: RINGO_TWIN_SENT_IS_GRANTED

#ifdef RINGO_TWIN_RELAXED
// Nobody publishes anything by a plain store.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_release)
#elif defined(RINGO_TWIN_RELAXED_CLAIMS)
// M3: who moves tail_ on does not see all who may still be on the block.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_acq_rel)
#elif defined(RINGO_TWIN_NO_BARRIER)
// G6: the receiver does not see the waiter, nor the waiter what was given back.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_seq_cst)
#endif

#include <ringo/detail/mpsc_gate.h>
#include <ringo/detail/mpsc_queue.h>
#include <ringo/detail/relax.h>

#include <cstddef>
#include <cstdint>

#include "model/model.h"
#include "model/model_task.h"
// One translation unit: the source under test is a part of it.
#include "sync/mpsc_gate.cc"  // NOLINT(bugprone-suspicious-include)

namespace ringo::detail {
namespace {

using model::ModelTask;

/// What is sent: a pointer to something that the sender has written.
struct Letter {
  Plain<int> text;
};

/// What Channel does with gate and queue, without its counts and awaiters.
template <std::size_t kCapacity>
class ModelChannel {
 public:
  MpscGate gate{kCapacity};
  MpscQueue<Letter*> queue{gate};
  Atomic<std::uint64_t> end{UINT64_MAX};

  static constexpr bool kIsBounded = kCapacity != 0;

  void close() {
    const MpscGate::State before = gate.close();
    if (!kIsBounded && !before.is_closed()) {
      end.store(before.claimed(), std::memory_order_release);
    }
    queue.wake_consumer();
  }
  void give_back() {
    if (gate.is_finished(gate.release(1))) {
      queue.wake_consumer();
    }
  }
  [[nodiscard]] bool is_finished(MpscGate::State state) const {
    if (kIsBounded) {
      return gate.is_finished(state);
    }
    return end.load(std::memory_order_acquire) == static_cast<std::uint32_t>(queue.consumed());
  }

  /// Bounded: sends, waiting for room. False: closed.
  bool send(Letter& letter, ModelTask& task) {
    MpscGate::Claim claim;
    MpscGate::Try result = gate.with_credit(1, [&] { return gate.try_send(claim); });
    if (result == MpscGate::Try::kNoPermits || result == MpscGate::Try::kOthersWait) {
      GateWaiter waiter;
      Letter* value = &letter;
      waiter.value = &value;
      result = gate.acquire_or_wait(waiter, task.branch(), 1);
      if (result == MpscGate::Try::kNoPermits) {
        do {
          task.sleep();
        } while (gate.is_waiting(waiter));
        value = nullptr;
        if (waiter.result == GateWaiter::Result::kSent) {
          return true;
        }
        result = waiter.result == GateWaiter::Result::kGranted ? MpscGate::Try::kDone
                                                               : MpscGate::Try::kClosed;
      }
      if (result == MpscGate::Try::kDone) {
        claim = gate.claim();
      }
    }
    if (result == MpscGate::Try::kDone) {
      queue.publish(claim, &letter);
    }
    return result == MpscGate::Try::kDone;
  }
  /// Bounded: queues a sender, which gives up in the next moment. Whether it has sent.
  bool send_or_give_up(Letter& letter, ModelTask& task) {
    GateWaiter waiter;
    Letter* value = &letter;
    waiter.value = &value;
    const MpscGate::Try result = gate.acquire_or_wait(waiter, task.branch(), 1);
    bool is_granted = result == MpscGate::Try::kDone;
    if (result == MpscGate::Try::kNoPermits) {
      is_granted = gate.stop_waiting(waiter);
      value = nullptr;
    }
    if (is_granted) {
      give_back();
    }
    return waiter.result == GateWaiter::Result::kSent;
  }
  bool send_unbounded(Letter& letter) {
    MpscGate::Claim claim;
    if (!gate.claim_unless_closed(claim)) {
      return false;
    }
    queue.publish(claim, &letter);
    return true;
  }

  /// Null: the end.
  Letter* receive(ModelTask& task) {
    for (;;) {
      if (queue.has_ready()) {
        Letter* letter = queue.front();
        queue.discard_front();
        queue.give_room(1);
        return letter;
      }
      const MpscGate::State state = queue.start_waiting(task.branch());
      if (is_finished(state)) {
        queue.stop_waiting();
        return nullptr;
      }
#ifdef RINGO_TWIN_NO_LOOK_AFTER_REGISTERING
      task.sleep();
#elif defined(RINGO_TWIN_SLEEPS_ON_A_CLAIM)
      if (!queue.has_ready()) {
        task.sleep();
      }
#else
      if (!queue.is_behind(state)) {
        task.sleep();
      } else {
        relax();  // another task's turn
      }
#endif
      queue.stop_waiting();
    }
  }
};

/// Two senders, of some letters and of one; whoever of them is last closes. The blocks have two
/// slots, so others are grown, and the first given back, while they are at it; with more letters,
/// the one may hold tail_ up while the others go on far beyond.
template <std::size_t kCapacity, unsigned kLetters>
struct SendModel : rl::test_suite<SendModel<kCapacity, kLetters>, 3> {
  ModelChannel<kCapacity> channel;
  ModelTask tasks[3];
  Letter letters[kLetters];
  Atomic<int> senders{2};

  void before() {
    for (ModelTask& task : tasks) {
      task.open();
    }
  }
  void after() {
    for (ModelTask& task : tasks) {
      task.close();
    }
  }

  void send(unsigned which, unsigned thread) {
    letters[which].text.set(static_cast<int>(which) + 1);
    if (kCapacity != 0) {
      RL_ASSERT(channel.send(letters[which], tasks[thread]));
    } else {
      RL_ASSERT(channel.send_unbounded(letters[which]));
    }
  }

  void thread(unsigned index) {
    if (index == 2) {
      unsigned seen = 0;
      bool has_seen[kLetters] = {};
      while (Letter* letter = channel.receive(tasks[2])) {
        const auto which = static_cast<std::size_t>(letter - letters);
        RL_ASSERT(letter->text.get() == static_cast<int>(which) + 1);
        RL_ASSERT(!has_seen[which]);
        RL_ASSERT(which == 0 || which == kLetters - 1 || has_seen[which - 1]);  // a sender's order
        has_seen[which] = true;
        ++seen;
      }
      RL_ASSERT(seen == kLetters);
      return;
    }
    if (index == 0) {
      for (unsigned which = 0; which + 1 < kLetters; ++which) {
        send(which, 0);
      }
    } else {
      send(kLetters - 1, 1);
    }
    if (senders.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      channel.close();
    }
  }
};

/// The receiver closes, and goes on to the end; a sender has a permit that it gives back, another
/// waits for room. Everybody ends, and what was sent arrives.
struct CloseModel : rl::test_suite<CloseModel, 3> {
  ModelChannel<1> channel;
  ModelTask tasks[3];
  Letter letter;
  int sent = 0;
  int received = 0;

  void before() {
    for (ModelTask& task : tasks) {
      task.open();
    }
    RL_ASSERT(channel.gate.try_acquire(1) == MpscGate::Try::kDone);
  }
  void after() {
    for (ModelTask& task : tasks) {
      task.close();
    }
    RL_ASSERT(sent == received);
  }

  void thread(unsigned index) {
    if (index == 0) {
#ifdef RINGO_TWIN_PERMIT_LEFT
      (void)channel.gate.release(1);  // without looking whether it was the last
#else
      channel.give_back();
#endif
    } else if (index == 1) {
      letter.text.set(1);
      sent = channel.send(letter, tasks[1]) ? 1 : 0;
    } else {
      channel.close();
      while (Letter* arrived = channel.receive(tasks[2])) {
        RL_ASSERT(arrived->text.get() == 1);
        ++received;
      }
    }
  }
};

/// The channel is full, two wait to send and one of them gives up; the receiver takes what there
/// is.
struct GiveUpModel : rl::test_suite<GiveUpModel, 3> {
  ModelChannel<1> channel;
  ModelTask tasks[3];
  Letter first;
  Letter letters[2];
  bool was_sent[2] = {};
  bool has_seen[2] = {};

  void before() {
    for (ModelTask& task : tasks) {
      task.open();
    }
    first.text.set(0);
    RL_ASSERT(channel.send(first, tasks[2]));
  }
  void after() {
    for (int which = 0; which < 2; ++which) {
      RL_ASSERT(has_seen[which] == was_sent[which]);
    }
    RL_ASSERT(channel.gate.free_permits() == 1);
    for (ModelTask& task : tasks) {
      task.close();
    }
  }

  void thread(unsigned index) {
    if (index == 2) {
      RL_ASSERT(channel.receive(tasks[2]) == &first);
      while (!has_seen[1]) {
        const Letter* const letter = channel.receive(tasks[2]);
        RL_ASSERT(letter != nullptr);
        const auto which = static_cast<std::size_t>(letter - letters);
        RL_ASSERT(letter->text.get() == static_cast<int>(which) + 1);
        RL_ASSERT(!has_seen[which]);
        has_seen[which] = true;
      }
      // What was sent before the other gave up, and is behind.
      while (channel.queue.has_ready()) {
        RL_ASSERT(channel.receive(tasks[2]) == &letters[0]);
        RL_ASSERT(!has_seen[0]);
        has_seen[0] = true;
      }
      return;
    }
    letters[index].text.set(static_cast<int>(index) + 1);
    if (index == 0) {
      was_sent[0] = channel.send_or_give_up(letters[0], tasks[0]);
    } else {
      was_sent[1] = channel.send(letters[1], tasks[1]);
    }
  }
};

/// The receiver takes two values out; two who learn of that try to send, and find room for both.
struct TryModel : rl::test_suite<TryModel, 3> {
  ModelChannel<2> channel;
  ModelTask tasks[3];
  Letter letter;
  Atomic<bool> has_taken{false};

  void before() {
    for (ModelTask& task : tasks) {
      task.open();
    }
    letter.text.set(1);
    RL_ASSERT(channel.send(letter, tasks[0]));
    RL_ASSERT(channel.send(letter, tasks[0]));
  }
  void after() {
    for (ModelTask& task : tasks) {
      task.close();
    }
    RL_ASSERT(channel.gate.free_permits() <= 2);
  }

  void thread(unsigned index) {
    if (index == 0) {
      RL_ASSERT(channel.receive(tasks[0]) == &letter);
      RL_ASSERT(channel.receive(tasks[0]) == &letter);
      has_taken.store(true, std::memory_order_release);
    } else if (has_taken.load(std::memory_order_acquire)) {
      MpscGate& gate = channel.gate;
      if (index == 1) {
        RL_ASSERT(gate.free_permits() >= 1);
      }
      MpscGate::Claim claim;
      RL_ASSERT(gate.with_credit(1, [&] { return gate.try_send(claim); }) == MpscGate::Try::kDone);
      channel.queue.publish(claim, &letter);
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  using namespace ringo::detail;
  if (const int failed = ringo::model::run<SendModel<0, 3>>(100'000, 0); failed != 0) {
    return failed;
  }
  if (const int failed = ringo::model::run<SendModel<1, 3>>(100'000, 0); failed != 0) {
    return failed;
  }
  if (const int failed = ringo::model::run<SendModel<2, 6>>(100'000, 0); failed != 0) {
    return failed;
  }
  if (const int failed = ringo::model::run<SendModel<0, 7>>(100'000, 0); failed != 0) {
    return failed;
  }
  if (const int failed = ringo::model::run<TryModel>(100'000, 0); failed != 0) {
    return failed;
  }
  if (const int failed = ringo::model::run<GiveUpModel>(100'000, 0); failed != 0) {
    return failed;
  }
  return ringo::model::run<CloseModel>(100'000, 0);
}
