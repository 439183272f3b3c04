// SPDX-License-Identifier: MIT
//
// ClientRegistry: all connected clients, for CLIENT LIST and CLIENT KILL.
//
// Thread safety: all functions, from any thread. A record outlives its session for as long as
// somebody who has looked it up holds it.

#pragma once

#include <ringo/parking_mutex.h>
#include <ringo/thread_annotations.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ringo::server {

struct Command;

/// What others may see of a session.
struct ClientRecord {
  // Fixed at the start.
  std::uint64_t id = 0;
  int fd = -1;
  std::string address;
  std::string local_address;
  std::int64_t connected_us = 0;

  // Set by the session, once per batch; relaxed: they are for display only.
  std::atomic<std::int64_t> active_us{0};
  std::atomic<const Command*> last_command{nullptr};
  std::atomic<std::uint8_t> resp{2};
  std::atomic<bool> is_no_evict{false};
  std::atomic<bool> is_killed{false};

  ParkingMutex lock;
  std::string name RINGO_GUARDED_BY(lock);
  std::string library_name RINGO_GUARDED_BY(lock);
  std::string library_version RINGO_GUARDED_BY(lock);
  std::function<void()> kill_hook RINGO_GUARDED_BY(lock);

  /// Marks the client as killed and wakes its task.
  void kill();
  /// The line of CLIENT LIST, without a line break. `now_us` is steady time.
  std::string describe(std::int64_t now_us);
};

class ClientRegistry {
 public:
  /// Gives the record its number and makes it known. Numbers start at 1 and are never used again.
  void add(const std::shared_ptr<ClientRecord>& record);
  void remove(std::uint64_t id);

  std::size_t size() const { return size_.load(std::memory_order_relaxed); }

  /// All clients, in the order of their numbers.
  std::vector<std::shared_ptr<ClientRecord>> all();

 private:
  ParkingMutex lock_;
  std::map<std::uint64_t, std::shared_ptr<ClientRecord>> records_ RINGO_GUARDED_BY(lock_);
  std::uint64_t next_id_ RINGO_GUARDED_BY(lock_) = 1;
  std::atomic<std::size_t> size_{0};
};

}  // namespace ringo::server
