// SPDX-License-Identifier: MIT
//
// The mpmc channel with room for one: a sender, a receiver, and a receiver that gives up its first
// wait. Every value is received once, and the end seen by both after everything. Who hears nothing
// is a deadlock to relacy: a waiter that was handed something and looked too early, say.
//
// twin: RINGO_MODEL_TRUSTS_THE_FLAG
// twin: RINGO_TWIN_NOT_PASSED_ON

#include <ringo/detail/mpmc_channel.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/task_state.h>

#include <source_location>
#include <utility>

#include "model/model.h"
#include "model/model_task.h"

namespace ringo::mpmc::detail {
namespace {

using ringo::detail::Branch;
using ringo::detail::Plain;
using ringo::detail::Schedule;
using ringo::detail::TaskHeader;
using ringo::detail::TaskKind;
using ringo::detail::TaskState;

/// A task that runs until it suspends, so that wakers find it running, queued or idle: one that is
/// woken while it runs looks at once, when its waker may not be done. Its run queue is a semaphore
/// on which the model's thread sleeps.
class RunningTask final : public Schedule {
 public:
  void open() {
    rl::rl_sem_init(&queue_, 0, 0, $);
    header_ = new ringo::model::ModelCell(TaskState::kSpawnedWithHandle, kNoKind, this,
                                          std::source_location::current());
  }
  void close() {
    RL_ASSERT(!header_->state.release());
    RL_ASSERT(header_->state.release());
    delete header_;
    rl::rl_sem_destroy(&queue_, $);
  }

  void schedule(TaskHeader& /*task*/) noexcept override { rl::rl_sem_post(&queue_, $); }
  [[nodiscard]] Branch& branch() noexcept { return header_->root; }

  void suspend() {
    if (!header_->state.stop_running()) {
      while (rl::rl_sem_wait(&queue_, $) != 0) {
        // interrupted for nothing, as real ones are
      }
    }
    (void)header_->state.start_running();
  }

 private:
  static constexpr TaskKind kNoKind{nullptr, nullptr, nullptr, nullptr};

  rl::rl_sem_t queue_;
  ringo::model::ModelCell* header_ = nullptr;
};

/// Who reads it while it is being moved has a race.
struct Letter {
  explicit Letter(int n) : number(n) {}
  Letter(Letter&& other) noexcept : number(other.number.get()) { other.number.set(0); }
  Letter(const Letter&) = delete;
  Letter& operator=(const Letter&) = delete;
  Letter& operator=(Letter&&) = delete;
  ~Letter() = default;
  Plain<int> number;
};

struct MpmcModel : rl::test_suite<MpmcModel, 3> {
  static constexpr int kValues = 2;

  Channel<Letter>* channel = nullptr;
  RunningTask tasks[3];
  int received[kValues + 1] = {};

  void before() {
    for (RunningTask& task : tasks) {
      task.open();
    }
    for (int& times : received) {
      times = 0;
    }
    channel = new Channel<Letter>(1);
    channel->add_reference();
  }
  void after() {
    for (int i = 1; i <= kValues; ++i) {
      RL_ASSERT(received[i] == 1);
    }
    RL_ASSERT(channel->length() == 0);
    channel->release();
    for (RunningTask& task : tasks) {
      task.close();
    }
  }

  /// As SendAwaiter does.
  void send(int number, RunningTask& task) {
    Chain<Letter> value{Letter(number)};
    Channel<Letter>::SendWaiter waiter;
    auto sent = channel->send_or_wait(value, waiter, task.branch());
    if (sent == Channel<Letter>::Sent::kFull) {
      while (channel->is_waiting(waiter)) {
        task.suspend();
      }
      sent = channel->send_granted(value, waiter);
    }
    RL_ASSERT(sent == Channel<Letter>::Sent::kSent);
  }

  /// As ReceiveBase does. False: there is nothing more.
  bool receive(RunningTask& task) {
    Chain<Letter> taken;
    for (;;) {
      Channel<Letter>::RecvWaiter waiter;
      switch (channel->receive_or_wait(taken, waiter, task.branch())) {
        case Channel<Letter>::Received::kFinished:
          return false;
        case Channel<Letter>::Received::kValue:
          break;
        case Channel<Letter>::Received::kWaiting:
          while (channel->is_waiting(waiter)) {
            task.suspend();
          }
          channel->take_handed(waiter, taken);
          if (taken.empty()) {
            continue;  // closed
          }
          break;
      }
      ++received[taken.take_value().number.get()];
      return true;
    }
  }
  /// Waits, and is destroyed at once.
  void give_up(RunningTask& task) {
    Chain<Letter> taken;
    Channel<Letter>::RecvWaiter waiter;
    switch (channel->receive_or_wait(taken, waiter, task.branch())) {
      case Channel<Letter>::Received::kWaiting:
#ifdef RINGO_TWIN_NOT_PASSED_ON
        if (!waiter.is_queued()) {
          return;
        }
#endif
        channel->stop_receiving(waiter);
        return;
      case Channel<Letter>::Received::kValue:
        channel->give_back(std::move(taken));
        return;
      default:
        return;
    }
  }

  void thread(unsigned index) {
    RunningTask& task = tasks[index];
    if (index == 0) {
      for (int i = 1; i <= kValues; ++i) {
        send(i, task);
      }
      channel->close();
      return;
    }
    if (index == 1) {
      give_up(task);
    }
    while (receive(task)) {
    }
  }
};

}  // namespace
}  // namespace ringo::mpmc::detail

int main() {
  return ringo::model::run<ringo::mpmc::detail::MpmcModel>(100'000, 0);
}
