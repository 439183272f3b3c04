// SPDX-License-Identifier: MIT
//
// The signal handler of the probe, its handshake with who asks, and the names of addresses.

#include "scheduler/thread_probe.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <ringo/detail/context.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "scheduler/task_name.h"

namespace ringo::detail {
namespace {

constexpr int kSignal = SIGURG;
/// The handler itself, and the kernel's frame that calls it.
constexpr std::size_t kFramesOfHandler = 2;

// idle ──ask──▶ asked ──the handler──▶ answering ──▶ answered ──taken──▶ idle
//                 └───────the asker's patience has ended────────────────▶ idle
enum class State : std::uint32_t { kIdle, kAsked, kAnswering, kAnswered };

// What the handler may touch: lock-free atomics, this thread's context, backtrace(), sem_post().
constinit std::atomic<State> state{State::kIdle};
constinit std::atomic<const Worker*> asked_worker{nullptr};
constinit ThreadFinding answer{};
sem_t answer_is_there;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): the handler's
static_assert(std::atomic<State>::is_always_lock_free);

extern "C" void handle_probe(int /*signal_number*/) {
  const int saved_error = errno;
  // The worker may have moved to another thread, or this be a late signal of an earlier probe.
  State expected = State::kAsked;
  // acquire: pairs with the asker's release.
  if (thread_context.worker != nullptr &&
      thread_context.worker == asked_worker.load(std::memory_order_relaxed) &&
      state.compare_exchange_strong(expected, State::kAnswering, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
    answer.task_id = 0;
    answer.name[0] = '\0';
    // A task that runs on this thread cannot go away meanwhile.
    if (const TaskHeader* task = thread_context.task; task != nullptr) {
      answer.task_id = task->id;
      answer.spawned_at = task->spawned_at;
      const std::string_view name = task_name(*task).substr(0, ThreadFinding::kMaxNameLength);
      *std::copy(name.begin(), name.end(), answer.name.begin()) = '\0';
    }
    const int depth = backtrace(answer.frames.data(), static_cast<int>(answer.frames.size()));
    answer.frame_count = static_cast<std::size_t>(std::max(depth, 0));
    // release: pairs with the asker's acquire.
    state.store(State::kAnswered, std::memory_order_release);
    sem_post(&answer_is_there);
  }
  errno = saved_error;
}

/// False: the program uses the signal itself.
bool install_handler() noexcept {
  struct sigaction current{};
  if (sigaction(kSignal, nullptr, &current) != 0) {
    return false;
  }
  if (current.sa_handler == &handle_probe) {
    return true;
  }
  if (current.sa_handler != SIG_DFL && current.sa_handler != SIG_IGN) {
    return false;
  }
  sem_init(&answer_is_there, 0, 0);
  // The first call loads a library, which must not happen in a handler.
  std::array<void*, 1> here{};
  (void)backtrace(here.data(), static_cast<int>(here.size()));
  struct sigaction action{};
  action.sa_handler = &handle_probe;
  action.sa_flags =
      SA_RESTART;  // code that knows nothing of this sees no EINTR where that is possible
  sigemptyset(&action.sa_mask);
  return sigaction(kSignal, &action, nullptr) == 0;
}

/// False: the time was up.
bool wait_for_answer(std::chrono::nanoseconds patience) noexcept {
  constexpr std::int64_t kSecond = 1'000'000'000;
  timespec until{};
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  const std::int64_t end = until.tv_sec * kSecond + until.tv_nsec + patience.count();
  until.tv_sec = end / kSecond;
  until.tv_nsec = end % kSecond;
  while (sem_clockwait(&answer_is_there, CLOCK_MONOTONIC, &until) != 0) {
    if (errno == ETIMEDOUT) {
      return false;
    }
  }
  return true;
}

Mutex probe_mutex;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): one signal

}  // namespace

std::optional<ThreadFinding> probe_thread(pid_t thread, const Worker& worker,
                                          std::chrono::nanoseconds patience) noexcept {
  const MutexGuard guard(probe_mutex);
  if (thread == 0 || !install_handler()) {
    return std::nullopt;
  }
  asked_worker.store(&worker, std::memory_order_relaxed);
  // release: pairs with the handler's acquire.
  state.store(State::kAsked, std::memory_order_release);
  if (syscall(SYS_tgkill, getpid(), thread, kSignal) != 0) {
    state.store(State::kIdle, std::memory_order_relaxed);
    return std::nullopt;  // the thread has ended
  }
  if (!wait_for_answer(patience)) {
    State expected = State::kAsked;
    if (state.compare_exchange_strong(expected, State::kIdle, std::memory_order_acq_rel)) {
      return std::nullopt;
    }
    while (sem_wait(&answer_is_there) != 0) {
      // interrupted; the handler has begun, and will not take long
    }
  }
  // acquire: pairs with the handler's release.
  (void)state.load(std::memory_order_acquire);
  ThreadFinding finding = answer;
  const std::size_t skipped = std::min(kFramesOfHandler, finding.frame_count);
  std::copy(finding.frames.begin() + skipped, finding.frames.end(), finding.frames.begin());
  finding.frame_count -= skipped;
  state.store(State::kIdle, std::memory_order_relaxed);
  return finding;
}

std::vector<std::string> describe_stack(std::span<void* const> frames) {
  std::vector<std::string> lines;
  lines.reserve(frames.size());
  for (void* const frame : frames) {
    const auto address = reinterpret_cast<std::uintptr_t>(frame);
    Dl_info info{};
    if (dladdr(frame, &info) == 0 || info.dli_fname == nullptr) {
      lines.push_back(fmt::format("{:#x}", address));
      continue;
    }
    const std::uintptr_t in_module = address - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    if (info.dli_sname == nullptr) {
      lines.push_back(fmt::format("{}+{:#x}", info.dli_fname, in_module));
      continue;
    }
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> demangled(
        abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), &std::free);
    lines.push_back(fmt::format(
        "{}+{:#x} ({}+{:#x})", status == 0 ? demangled.get() : info.dli_sname,
        address - reinterpret_cast<std::uintptr_t>(info.dli_saddr), info.dli_fname, in_module));
  }
  return lines;
}

}  // namespace ringo::detail
