// SPDX-License-Identifier: MIT
//
// The register and the lines of CLIENT LIST. Thread safety as in the header.

#include "commands/client_registry.h"

#include <ringo/parking_mutex.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "commands/command.h"

namespace ringo::server {

void ClientRecord::kill() {
  const ParkingGuard guard(lock);
  is_killed.store(true, std::memory_order_relaxed);
  if (kill_hook) {
    kill_hook();
    kill_hook = nullptr;
  }
}

std::string ClientRecord::describe(std::int64_t now_us) {
  const Command* last = last_command.load(std::memory_order_relaxed);
  const ParkingGuard guard(lock);
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db=0 sub=0 psub=0 ssub=0 "
      "multi=-1 cmd={} user=default lib-name={} lib-ver={} resp={}",
      id, address, local_address, fd, name, (now_us - connected_us) / 1'000'000,
      (now_us - active_us.load(std::memory_order_relaxed)) / 1'000'000,
      is_no_evict.load(std::memory_order_relaxed) ? "e" : "N",
      last == nullptr ? "NULL" : last->name, library_name, library_version,
      resp.load(std::memory_order_relaxed));
}

void ClientRegistry::add(const std::shared_ptr<ClientRecord>& record) {
  const ParkingGuard guard(lock_);
  record->id = next_id_++;
  records_.emplace(record->id, record);
  size_.store(records_.size(), std::memory_order_relaxed);
}

void ClientRegistry::remove(std::uint64_t id) {
  std::shared_ptr<ClientRecord> last;  // destroyed after the lock has been released
  const ParkingGuard guard(lock_);
  if (const auto at = records_.find(id); at != records_.end()) {
    last = std::move(at->second);
    records_.erase(at);
  }
  size_.store(records_.size(), std::memory_order_relaxed);
}

std::vector<std::shared_ptr<ClientRecord>> ClientRegistry::all() {
  std::vector<std::shared_ptr<ClientRecord>> records;
  const ParkingGuard guard(lock_);
  records.reserve(records_.size());
  for (const auto& [id, record] : records_) {
    records.push_back(record);
  }
  return records;
}

}  // namespace ringo::server
