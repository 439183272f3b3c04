// SPDX-License-Identifier: MIT
//
// JoinSet: spawned tasks that belong together. It gives their results as they end, and aborts what
// is left when it is destroyed. As tokio::task::JoinSet.
//
//   ringo::JoinSet<int> set;
//   for (int i = 0; i < 10; ++i) set.spawn(work(i));
//   while (auto done = co_await set.join_next()) sum += done->value_or(0);
//
// JoinMap names its tasks by keys. In the calling task instead of in parallel: join_all().
// Thread safety: one owner's at a time.

#pragma once

#include <ringo/detail/handle_count.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/ready_group.h>
#include <ringo/detail/task_core.h>
#include <ringo/join_error.h>
#include <ringo/local_set.h>
#include <ringo/named.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ringo {

namespace detail {

/// One task of a JoinSet. Its cell is what the task's end wakes.
template <class T>
struct JoinSetEntry final : TaskHeader {
  JoinSetEntry(JoinHandle<T>&& task, ReadyGroup& in_group) noexcept
      : TaskHeader(TaskState::kIdleWithHandle, kKind, &in_group, std::source_location::current()),
        group(in_group),
        handle(std::move(task)) {}
  JoinSetEntry(const JoinSetEntry&) = delete;
  JoinSetEntry& operator=(const JoinSetEntry&) = delete;
  ~JoinSetEntry() = default;

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* cell, std::size_t size) noexcept { free_frame(cell, size); }

  /// Has the task's end push the entry to the group.
  void watch() {
    end.emplace(handle->into_awaiter());
    if (!end->enlist(root) && state.notify()) {
      group->schedule(*this);
    }
  }

  // The set runs its entries itself.
  static void destroy(TaskHeader& header) noexcept { delete static_cast<JoinSetEntry*>(&header); }
  static constexpr TaskKind kKind{nullptr, nullptr, nullptr, &destroy};

  RefPtr<ReadyGroup> group;
  std::optional<JoinHandle<T>> handle;
  std::optional<JoinAwaiter<T>> end;
};

/// What a JoinSet holds, at one address for as long as somebody waits for it.
template <class T>
class JoinSetState {
 public:
  using Entry = JoinSetEntry<T>;

  JoinSetState() : group_(*new ReadyGroup()) {}
  JoinSetState(const JoinSetState&) = delete;
  JoinSetState& operator=(const JoinSetState&) = delete;
  ~JoinSetState() {
    abort_all();
    detach_all();
    group_->close(ready_);
  }

  void add(JoinHandle<T>&& handle) {
    auto* entry = new Entry(std::move(handle), *group_);
    entries_.push_back(*entry);
    ++size_;
    entry->watch();
  }
  void abort_all() noexcept {
    for (Entry* entry = entries_.front(); entry != nullptr; entry = entries_.after(*entry)) {
      entry->handle->abort();
    }
  }
  void detach_all() noexcept {
    while (Entry* entry = entries_.front()) {
      entry->end.reset();
      entry->handle.reset();
      if (!entry->state.is_complete()) {
        ReadyGroup::retire(*entry);
      }
      remove(*entry);
    }
    ended_ = nullptr;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Looks for a task that has ended. False: there is none, and `waiter`, unless it is null, will
  /// be woken by the next.
  bool has_ended(Branch* waiter) noexcept {
    while (ended_ == nullptr) {
      if (waiter == nullptr) {
        group_->take_ready(ready_);
      } else if (!group_->take_ready_or_wait(ready_, *waiter)) {
        return false;
      }
      TaskHeader* woken = ready_.pop_front();
      if (woken == nullptr) {
        return false;
      }
      auto& entry = static_cast<Entry&>(*woken);
      (void)entry.state.start_running();
      if (!entry.handle) {
        // Detached while its task's end was under way.
        (void)entry.state.complete();
        release(entry);
      } else if (entry.handle->is_finished()) {
        (void)entry.state.complete();
        release(entry);  // the life reference; the set's is left
        ended_ = &entry;
      } else if (entry.state.stop_running()) {
        ready_.push_back(entry);
      }
    }
    return true;
  }
  void stop_waiting() noexcept { group_->stop_waiting(); }

  struct Ended {
    Ended(TaskId ended_id, JoinResult<T>&& task_result)
        : id(ended_id), result(std::move(task_result)) {}
    TaskId id;
    JoinResult<T> result;
  };
  /// What has_ended() has found.
  std::optional<Ended> take_ended() {
    Entry* entry = std::exchange(ended_, nullptr);
    if (entry == nullptr) {
      return std::nullopt;
    }
    const EntryRemoval removal(*this, *entry);  // also if moving the result throws
    std::optional<Ended> ended;
    ended.emplace(entry->handle->id(), entry->end->await_resume());
    return ended;
  }

 private:
  class EntryRemoval {
   public:
    EntryRemoval(JoinSetState& set, Entry& entry) noexcept : set_(set), entry_(entry) {}
    EntryRemoval(const EntryRemoval&) = delete;
    EntryRemoval& operator=(const EntryRemoval&) = delete;
    ~EntryRemoval() {
      entry_.end.reset();
      entry_.handle.reset();
      set_.remove(entry_);
    }

   private:
    JoinSetState& set_;
    Entry& entry_;
  };

  void remove(Entry& entry) noexcept {
    entries_.remove(entry);
    --size_;
    release(entry);
  }

  RefPtr<ReadyGroup> group_;
  IntrusiveList<Entry> entries_;
  ReadyMembers ready_;      ///< woken, not looked at
  Entry* ended_ = nullptr;  ///< looked at, not taken
  std::size_t size_ = 0;
};

template <class T, bool kWithId>
class JoinNextAwaiter final : public LeafAwaiter<JoinNextAwaiter<T, kWithId>> {
 public:
  static constexpr std::string_view kOperation = "JoinSet::join_next";

  explicit JoinNextAwaiter(JoinSetState<T>& set) noexcept : set_(&set) {}
  JoinNextAwaiter(JoinNextAwaiter&&) = default;
  JoinNextAwaiter& operator=(JoinNextAwaiter&&) = delete;
  ~JoinNextAwaiter() {
    if (is_waiting_) {
      set_->stop_waiting();
    }
  }

  bool poll() noexcept { return set_->size() == 0 || set_->has_ended(nullptr); }
  bool enlist(Branch& branch) noexcept {
    is_waiting_ = true;
    return set_->size() != 0 && !set_->has_ended(&branch);
  }
  bool is_ended() noexcept { return set_->has_ended(&this->branch()); }

  auto await_resume() {
    auto ended = set_->take_ended();
    if constexpr (kWithId) {
      using Pair = std::pair<TaskId, JoinResult<T>>;
      return ended ? std::optional<Pair>(std::in_place, ended->id, std::move(ended->result))
                   : std::optional<Pair>();
    } else {
      return ended ? std::optional<JoinResult<T>>(std::move(ended->result))
                   : std::optional<JoinResult<T>>();
    }
  }

 private:
  JoinSetState<T>* set_;
  bool is_waiting_ = false;
};

}  // namespace detail

/// A moved-from set may only be destroyed or assigned to. Destroying a set aborts the tasks that
/// are left in it, and does not wait for them.
template <class T = void>
class JoinSet {
 public:
  JoinSet() : state_(std::make_unique<detail::JoinSetState<T>>()) {}

  /// Spawns a task on the current runtime; the set owns its result. Panics: as spawn().
  AbortHandle spawn(Task<T> task, std::source_location where = std::source_location::current()) {
    return add(ringo::spawn(std::move(task), where));
  }
  AbortHandle spawn(Named<Task<T>> task,
                    std::source_location where = std::source_location::current()) {
    return add(ringo::spawn(std::move(task), where));
  }
  /// spawn(invoke(function)).
  template <class F>
    requires std::same_as<std::invoke_result_t<std::decay_t<F>&>, Task<T>>
  AbortHandle spawn(F&& function, std::source_location where = std::source_location::current()) {
    return add(ringo::spawn(std::forward<F>(function), where));
  }
  /// Spawns a task on that runtime.
  AbortHandle spawn_on(Task<T> task, const Handle& runtime,
                       std::source_location where = std::source_location::current()) {
    return add(runtime.spawn(std::move(task), where));
  }
  /// Runs a function on the blocking pool. Aborting stops it only before it has begun.
  template <class F>
    requires std::same_as<std::invoke_result_t<std::decay_t<F>>, T>
  AbortHandle spawn_blocking(F&& function,
                             std::source_location where = std::source_location::current()) {
    return add(ringo::spawn_blocking(std::forward<F>(function), where));
  }
  /// The same on that runtime's pool.
  template <class F>
    requires std::same_as<std::invoke_result_t<std::decay_t<F>>, T>
  AbortHandle spawn_blocking_on(F&& function, const Handle& runtime,
                                std::source_location where = std::source_location::current()) {
    return add(runtime.spawn_blocking(std::forward<F>(function), where));
  }
  /// Spawns a task that stays on this thread, by ringo::spawn_local(), or on that set.
  AbortHandle spawn_local(Task<T> task,
                          std::source_location where = std::source_location::current()) {
    return add(ringo::spawn_local(std::move(task), where));
  }
  AbortHandle spawn_local_on(Task<T> task, LocalSet& set,
                             std::source_location where = std::source_location::current()) {
    return add(set.spawn_local(std::move(task), where));
  }
  /// Takes over a task that was spawned before.
  AbortHandle add(JoinHandle<T> handle) {
    AbortHandle abort = handle.abort_handle();
    state_->add(std::move(handle));
    return abort;
  }

  /// Waits for the next task to end, in the order of their ending: std::optional<JoinResult<T>>,
  /// empty if the set is. Cancel safety: no result is lost. Complexity: O(1).
  [[nodiscard]] detail::JoinNextAwaiter<T, false> join_next() noexcept {
    return detail::JoinNextAwaiter<T, false>(*state_);
  }
  /// join_next() with the task's id: std::optional<std::pair<TaskId, JoinResult<T>>>.
  [[nodiscard]] detail::JoinNextAwaiter<T, true> join_next_with_id() noexcept {
    return detail::JoinNextAwaiter<T, true>(*state_);
  }
  /// The result of a task that has ended, if there is one.
  [[nodiscard]] std::optional<JoinResult<T>> try_join_next() {
    auto ended = try_join_next_with_id();
    if (!ended) {
      return std::nullopt;
    }
    return std::move(ended->second);
  }
  [[nodiscard]] std::optional<std::pair<TaskId, JoinResult<T>>> try_join_next_with_id() {
    (void)state_->has_ended(nullptr);
    auto ended = state_->take_ended();
    if (!ended) {
      return std::nullopt;
    }
    return std::pair<TaskId, JoinResult<T>>(ended->id, std::move(ended->result));
  }

  /// Awaits all and gives their values in the order of their ending (nothing for void). What a task
  /// throws comes out and the others are aborted; an aborted one comes out as std::runtime_error.
  /// Not cancel safe: the values are lost, and the tasks aborted.
  [[nodiscard]] auto join_all() && { return collect(std::move(*this)); }

  /// Asks all tasks to end. They stay in the set until join_next() has given each of them out.
  void abort_all() noexcept { state_->abort_all(); }
  /// Aborts all and waits until they are gone. The set must live as long; it can be used again.
  [[nodiscard]] Task<void> shutdown() {
    abort_all();
    return drain(*this);
  }
  /// Lets all of them go on without the set.
  void detach_all() noexcept { state_->detach_all(); }

  /// How many tasks are in the set, those included that have ended and were not given out.
  [[nodiscard]] std::size_t size() const noexcept { return state_->size(); }
  [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

 private:
  static auto collect(JoinSet set)
      -> Task<std::conditional_t<std::is_void_v<T>, void,
                                 std::vector<std::conditional_t<std::is_void_v<T>, char, T>>>> {
    if constexpr (std::is_void_v<T>) {
      for (;;) {
        const std::optional<JoinResult<T>> ended = co_await set.join_next();
        if (!ended) {
          co_return;
        }
        if (!*ended) {
          ended->error().rethrow();
        }
      }
    } else {
      std::vector<T> values;
      values.reserve(set.size());
      for (;;) {
        std::optional<JoinResult<T>> ended = co_await set.join_next();
        if (!ended) {
          co_return values;
        }
        if (!*ended) {
          ended->error().rethrow();
        }
        values.push_back(**std::move(ended));
      }
    }
  }
  static Task<void> drain(JoinSet& set) {
    while (!set.is_empty()) {
      (void)co_await set.join_next();
    }
  }

  std::unique_ptr<detail::JoinSetState<T>> state_;
};

/// A JoinSet whose tasks have keys. As tokio_util::task::JoinMap.
template <class K, class T = void, class Hash = std::hash<K>>
class JoinMap {
 public:
  /// Spawns a task under a key. A task that has the key already is aborted and forgotten.
  AbortHandle spawn(K key, Task<T> task,
                    std::source_location where = std::source_location::current()) {
    AbortHandle abort = set_.spawn(std::move(task), where);
    const auto [place, is_new] = by_key_.try_emplace(key, abort);
    if (!is_new) {
      place->second.abort();
      keys_.erase(place->second.id());
      place->second = abort;
    }
    keys_.emplace(abort.id(), std::move(key));
    return abort;
  }

  /// Waits for the next task to end: its key and result, or nothing if the map is empty.
  /// Cancel safety: no result is lost.
  [[nodiscard]] Task<std::optional<std::pair<K, JoinResult<T>>>> join_next() { return next(*this); }

  /// Aborts the task with that key. False: there is none.
  bool abort(const K& key) {
    const auto place = by_key_.find(key);
    if (place == by_key_.end()) {
      return false;
    }
    place->second.abort();
    return true;
  }
  void abort_all() noexcept { set_.abort_all(); }

  [[nodiscard]] bool contains_key(const K& key) const { return by_key_.contains(key); }
  [[nodiscard]] std::size_t size() const noexcept { return by_key_.size(); }
  [[nodiscard]] bool is_empty() const noexcept { return by_key_.empty(); }

 private:
  static Task<std::optional<std::pair<K, JoinResult<T>>>> next(JoinMap& map) {
    std::optional<std::pair<K, JoinResult<T>>> result;
    for (;;) {
      std::optional<std::pair<TaskId, JoinResult<T>>> ended = co_await map.set_.join_next_with_id();
      if (!ended) {
        co_return result;
      }
      auto node = map.keys_.extract(ended->first);
      if (node.empty()) {
        continue;  // its key was given to another
      }
      map.by_key_.erase(node.mapped());
      result.emplace(std::move(node.mapped()), std::move(ended->second));
      co_return result;
    }
  }

  JoinSet<T> set_;
  std::unordered_map<TaskId, K> keys_;
  std::unordered_map<K, AbortHandle, Hash> by_key_;
};

}  // namespace ringo
