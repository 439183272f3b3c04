// SPDX-License-Identifier: MIT
//
// What is shared, and the housekeeping. The system's clocks are here as well.

#include <ringo/server/clock.h>
#include <ringo/server/config.h>
#include <ringo/server/state.h>
#include <ringo/server/stats.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>

#include "commands/client_registry.h"
#include "store/shard.h"
#include "store/store.h"

namespace ringo::server {
namespace {

constexpr std::int64_t kSampleEveryUs = 1'000'000;
constexpr std::int64_t kCronBudgetUs = 2'000;  // 2 % of a core at ten runs a second
constexpr std::size_t kExpireBuckets = 4096;   // looked at between two looks at the clock
constexpr std::size_t kStalePermilleToGoOn = 100;

class SystemClock : public Clock {
 public:
  std::int64_t unix_us() override {
    // allow(clock): this class is the door; tests and simulations supply another Clock
    const auto now = std::chrono::system_clock::now();
    return std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  }
  std::int64_t steady_us() override {
    // allow(clock): as above
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  }
};

Store::Options store_options(Config& config) {
  if (config.hash_seed_first == 0 && config.hash_seed_second == 0) {
    // allow(randomness): against chosen keys; a simulation sets the seed in the configuration
    std::random_device device;
    const auto draw = [&] { return (std::uint64_t{device()} << 32U) | device(); };
    config.hash_seed_first = draw();
    config.hash_seed_second = draw();
  }
  return {config.shards, {config.hash_seed_first, config.hash_seed_second}};
}

}  // namespace

Clock& Clock::system() {
  static SystemClock clock;
  return clock;
}

ServerState::ServerState(const Config& config, Clock& clock)
    : start_config_(config),
      config_(config),
      clock_(clock),
      store_(std::make_unique<Store>(store_options(start_config_))),
      clients_(std::make_unique<ClientRegistry>()),
      start_us_(clock.steady_us()),
      random_state_(start_config_.hash_seed_first ^ (start_config_.hash_seed_second << 1U)),
      sample_us_(start_us_) {}

ServerState::~ServerState() = default;

std::uint64_t ServerState::uptime_s() const {
  return static_cast<std::uint64_t>(clock_.steady_us() - start_us_) / 1'000'000;
}

std::uint64_t ServerState::connected_clients() const {
  return clients_->size();
}

std::uint64_t ServerState::used_memory() {
  return store_->memory_bytes();
}

bool ServerState::is_out_of_memory() const {
  const std::uint64_t limit = config_.max_memory.load(std::memory_order_relaxed);
  return limit != 0 && memory_sample_.load(std::memory_order_relaxed) > limit;
}

std::uint64_t ServerState::next_random() {
  // splitmix64
  constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15U;
  std::uint64_t value = random_state_.fetch_add(kStep, std::memory_order_relaxed) + kStep;
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

bool ServerState::run_cron() {
  const std::int64_t start_us = clock_.steady_us();
  ExpireProgress all;
  bool is_stale = false;
  do {
    const ExpireProgress one = store_->expire_cycle(kExpireBuckets, clock_.unix_ms());
    all.expiring += one.expiring;
    all.expired += one.expired;
    all.ttl_sum += one.ttl_sum;
    is_stale = one.expiring != 0 && one.expired * 1000 / one.expiring >= kStalePermilleToGoOn;
  } while (is_stale && clock_.steady_us() - start_us < kCronBudgetUs);

  if (all.expiring != 0) {
    const std::size_t alive = all.expiring - all.expired;
    stats_.expired_stale_permille.store(all.expired * 1000 / all.expiring,
                                        std::memory_order_relaxed);
    stats_.average_ttl_ms.store(alive == 0 ? 0 : all.ttl_sum / alive, std::memory_order_relaxed);
  }
  const std::uint64_t memory = used_memory();
  memory_sample_.store(memory, std::memory_order_relaxed);
  stats_.peak_memory.store(std::max(memory, stats_.peak_memory.load(std::memory_order_relaxed)),
                           std::memory_order_relaxed);

  const std::int64_t elapsed_us = start_us - sample_us_;
  if (elapsed_us >= kSampleEveryUs) {
    const std::uint64_t commands = stats_.commands_processed();
    // RESETSTAT may have taken the counter back.
    const std::uint64_t done = commands - std::min(commands, sampled_commands_);
    stats_.operations_per_second.store(done * 1'000'000 / static_cast<std::uint64_t>(elapsed_us),
                                       std::memory_order_relaxed);
    sampled_commands_ = commands;
    sample_us_ = start_us;
  }
  return is_stale;
}

}  // namespace ringo::server
