// SPDX-License-Identifier: MIT
//
// The streams of a StreamMap. Each waits in a cell of its own, whose queue is the map's ReadyGroup;
// so the task that awaits the map asks only those that were woken, and they wait on when a next()
// of the map is dropped.
//
//   ready     to be asked: RUNNING of its cell is the map's
//   waiting   its next() is registered; a wake pushes it to the group
//   gone      removed while that wake was under way; whoever takes it out of the queue frees it
//
// Thread safety: the group's queue any thread, the rest by the owner.

#pragma once

#include <ringo/detail/frame_pool.h>
#include <ringo/detail/handle_count.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/ready_group.h>
#include <ringo/detail/stream_stage.h>
#include <ringo/detail/task_core.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ringo::detail {

/// Uniform in [0, bound), from the current worker's generator. Any thread.
[[nodiscard]] std::uint32_t random_below(std::uint32_t bound) noexcept;

template <class K, Stream S>
struct StreamMapEntry final : TaskHeader {
  static constexpr std::size_t kNotReady = SIZE_MAX;

  StreamMapEntry(S&& source, ReadyGroup& in_group)
      : TaskHeader(TaskState::kSpawnedWithHandle, kKind, &in_group,
                   std::source_location::current()),
        group(in_group),
        stream(std::move(source)) {}
  StreamMapEntry(const StreamMapEntry&) = delete;
  StreamMapEntry& operator=(const StreamMapEntry&) = delete;
  ~StreamMapEntry() = default;

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* cell, std::size_t size) noexcept { free_frame(cell, size); }

  // The map runs its entries itself.
  static void destroy(TaskHeader& header) noexcept { delete static_cast<StreamMapEntry*>(&header); }
  static constexpr TaskKind kKind{nullptr, nullptr, nullptr, &destroy};

  RefPtr<ReadyGroup> group;
  const K* key = nullptr;  ///< in the map's table
  std::optional<S> stream;
  std::optional<decltype(std::declval<S&>().next())> waiting;
  std::size_t ready_at = kNotReady;  ///< its place among those that are to be asked
  bool is_pinned = false;
  bool has_ended = false;  ///< its next() has, and what it gives was not asked for
};

template <class K, Stream S, class Hash>
class StreamMapState {
  using Entry = StreamMapEntry<K, S>;

 public:
  using Item = std::pair<K, StreamItem<S>>;

  StreamMapState() : group_(*new ReadyGroup()) {}
  StreamMapState(const StreamMapState&) = delete;
  StreamMapState& operator=(const StreamMapState&) = delete;
  ~StreamMapState() {
    for (const auto& [key, entry] : table_) {
      drop(*entry);
    }
    woken_.append(again_);
    group_->close(woken_);
  }

  /// Requires: the key is not there.
  void insert(K&& key, S&& stream) {
    if (ready_.capacity() <= table_.size()) {
      ready_.reserve(2 * table_.size() + 8);  // a wake allocates nothing
    }
    const auto place = table_.try_emplace(std::move(key), nullptr).first;
    try {
      place->second = new Entry(std::move(stream), *group_);
    } catch (...) {
      table_.erase(place);
      throw;
    }
    place->second->key = &place->first;
    make_ready(*place->second);
  }
  std::optional<S> remove(const K& key) {
    const auto place = table_.find(key);
    if (place == table_.end()) {
      return std::nullopt;
    }
    Entry* entry = place->second;
    entry->waiting.reset();
    std::optional<S> stream = std::move(entry->stream);
    table_.erase(place);
    drop(*entry);
    return stream;
  }
  [[nodiscard]] bool contains(const K& key) const { return table_.contains(key); }
  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }

  /// Looks for an item, or the end. False: there is neither yet, or some stream is pinned, which
  /// must not be left alone; if `waiter` is given, it is woken when one of them can go on.
  bool look(Branch* waiter) noexcept {
    for (;;) {
      while (!has_found() && !ready_.empty()) {
        ask(any_ready());
      }
      if (!has_found() && table_.empty()) {
        found_.set_value();
      }
      if (has_found()) {
        run_pinned();
        if (pinned_ == 0) {
          return true;
        }
      }
      if (!take_woken_or_wait(waiter)) {
        return false;
      }
      make_woken_ready();
    }
  }
  /// What look() has found.
  std::optional<Item> take_found() {
    const FoundGuard guard(found_);
    return found_.take();
  }
  void stop_waiting() noexcept { group_->stop_waiting(); }

  [[nodiscard]] bool is_pinned() const noexcept { return pinned_ != 0; }
  /// Ends the streams that are pinned. False: ask again after the next wake. Complexity: O(number
  /// of streams), if one is.
  [[nodiscard]] bool end_pinned(Branch& branch) noexcept {
    while (pinned_ != 0) {
      woken_.append(again_);
      make_woken_ready();
      for (const auto& [key, entry] : table_) {
        if (entry->is_pinned) {
          end_pin(*entry);
        }
      }
      if (pinned_ == 0) {
        break;
      }
      if (!again_.empty()) {
        wake(branch);
        return false;
      }
      if (!group_->take_ready_or_wait(woken_, branch)) {
        return false;
      }
    }
    return true;
  }

  bool is_awaited = false;

 private:
  static constexpr std::size_t kNotReady = Entry::kNotReady;

  struct FoundGuard {
    explicit FoundGuard(Outcome<std::optional<Item>>& taken) noexcept : found(taken) {}
    FoundGuard(const FoundGuard&) = delete;
    FoundGuard& operator=(const FoundGuard&) = delete;
    ~FoundGuard() { found.clear(); }
    Outcome<std::optional<Item>>& found;
  };

  void make_ready(Entry& entry) noexcept {
    ready_.push_back(&entry);
    entry.ready_at = ready_.size() - 1;
  }
  void make_unready(Entry& entry) noexcept {
    Entry* last = ready_.back();
    ready_[entry.ready_at] = last;
    last->ready_at = entry.ready_at;
    ready_.pop_back();
    entry.ready_at = kNotReady;
  }
  void set_pinned(Entry& entry, bool is_pinned) noexcept {
    if (entry.is_pinned != is_pinned) {
      entry.is_pinned = is_pinned;
      is_pinned ? ++pinned_ : --pinned_;
    }
  }
  [[nodiscard]] bool has_found() const noexcept {
    return found_.has_value() || found_.has_exception();
  }
  Entry& any_ready() noexcept {
    const std::size_t count = ready_.size();
    return *ready_[count == 1 ? 0 : random_below(static_cast<std::uint32_t>(count))];
  }

  bool take_woken_or_wait(Branch* waiter) noexcept {
    if (waiter == nullptr) {
      group_->take_ready(woken_);
      return !woken_.empty();
    }
    if (!again_.empty()) {
      woken_.append(again_);
      yield_turn(*waiter);  // the other tasks first
      return false;
    }
    return group_->take_ready_or_wait(woken_, *waiter);
  }
  void make_woken_ready() noexcept {
    while (TaskHeader* header = woken_.pop_front()) {
      auto& entry = static_cast<Entry&>(*header);
      (void)entry.state.start_running();
      if (entry.stream) {
        make_ready(entry);
      } else {
        complete(entry);
      }
    }
  }

  /// Asks a stream that is ready. Finds an item, or an exception, or makes the stream wait, or
  /// removes it.
  void ask(Entry& entry) noexcept {
    try {
      if (!std::exchange(entry.has_ended, false) && !run(entry)) {
        return;
      }
      NextOf<S> got = entry.waiting->await_resume();
      entry.waiting.reset();
      if (!got) {
        forget(entry);
        return;
      }
      found_.set_value(std::in_place, *entry.key, item_of(got));
    } catch (...) {
      found_.set_exception(std::current_exception());
      forget(entry);
    }
  }
  /// True: its next() has ended. False: it waits.
  bool run(Entry& entry) {
    take_ready_bits(entry);
    if (entry.waiting ? entry.waiting->ended() : begin(entry)) {
      set_pinned(entry, false);
      entry.root.leaf = nullptr;
      return true;
    }
    set_pinned(entry, entry.root.leaf->is_pinned());
    make_unready(entry);
    if (entry.take_turn() || entry.state.stop_running()) {
      again_.push_back(entry);
    }
    return false;
  }
  static bool begin(Entry& entry) {
    entry.waiting.emplace(entry.stream->next());
    return entry.waiting->await_ready() || !entry.waiting->start(entry.root);
  }
  /// Lets the streams that are pinned and ready go on; what they give is asked for later.
  void run_pinned() noexcept {
    for (std::size_t i = 0; pinned_ != 0 && i < ready_.size();) {
      Entry& entry = *ready_[i];
      if (!entry.is_pinned) {
        ++i;
      } else if (run(entry)) {
        entry.has_ended = true;
        ++i;
      }
    }
  }
  void end_pin(Entry& entry) noexcept {
    take_ready_bits(entry);
    if (entry.waiting->cancel()) {
      set_pinned(entry, false);
      entry.waiting.reset();
      entry.root.leaf = nullptr;
      // What it has become is seen when it is asked again.
      if (entry.state.notify()) {
        again_.push_back(entry);
      }
    } else if (entry.ready_at != kNotReady) {
      make_unready(entry);
      if (entry.take_turn() || entry.state.stop_running()) {
        again_.push_back(entry);
      }
    } else if (entry.take_turn() && entry.state.notify()) {
      again_.push_back(entry);
    }
  }

  void forget(Entry& entry) noexcept {
    table_.erase(table_.find(*entry.key));
    drop(entry);
  }
  /// Gives up an entry that is in the table no more.
  void drop(Entry& entry) noexcept {
    set_pinned(entry, false);
    entry.waiting.reset();
    entry.root.leaf = nullptr;
    entry.stream.reset();
    if (entry.ready_at != kNotReady) {
      make_unready(entry);
      complete(entry);
    } else {
      ReadyGroup::retire(entry);
    }
    release(entry);
  }
  /// Requires: RUNNING is ours.
  static void complete(Entry& entry) noexcept {
    (void)entry.state.complete();
    release(entry);
  }

  RefPtr<ReadyGroup> group_;
  std::unordered_map<K, Entry*, Hash> table_;
  std::vector<Entry*> ready_;  ///< in no order
  ReadyMembers woken_;         ///< to become ready
  ReadyMembers again_;         ///< woken by themselves, for the next time
  std::size_t pinned_ = 0;
  Outcome<std::optional<Item>> found_;
};

template <class K, Stream S, class Hash>
class StreamMapAwaiter final : public LeafAwaiter<StreamMapAwaiter<K, S, Hash>> {
  using State = StreamMapState<K, S, Hash>;

 public:
  explicit StreamMapAwaiter(State& state) noexcept : state_(&state) {}
  StreamMapAwaiter(StreamMapAwaiter&& other) noexcept
      : LeafAwaiter<StreamMapAwaiter>(other), state_(other.state_) {}
  StreamMapAwaiter& operator=(StreamMapAwaiter&&) = delete;
  ~StreamMapAwaiter() { stop_waiting(); }

  bool poll() noexcept { return is_misused() || state_->look(nullptr); }
  bool enlist(Branch& branch) noexcept {
    is_waiting_ = state_->is_awaited = true;
    return !state_->look(&branch);
  }
  bool is_ended() noexcept { return state_->look(&this->branch()); }
  [[nodiscard]] bool cancel() noexcept override {
    return is_misused() || state_->end_pinned(this->branch());
  }
  [[nodiscard]] bool is_pinned() const noexcept override {
    return !is_misused() && state_->is_pinned();
  }

  std::optional<typename State::Item> await_resume() {
    if (is_misused()) {
      throw_usage_error("StreamMap::next: somebody else awaits it already");
    }
    stop_waiting();
    return state_->take_found();
  }

 private:
  [[nodiscard]] bool is_misused() const noexcept { return state_->is_awaited && !is_waiting_; }
  void stop_waiting() noexcept {
    if (std::exchange(is_waiting_, false)) {
      state_->is_awaited = false;
      state_->stop_waiting();
    }
  }

  State* state_;
  bool is_waiting_ = false;
};

}  // namespace ringo::detail
