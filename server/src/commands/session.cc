// SPDX-License-Identifier: MIT
//
// The life of a session: registered when it is made, unregistered when it goes.

#include <ringo/parking_mutex.h>
#include <ringo/protocol/resp.h>
#include <ringo/server/session.h>
#include <ringo/server/state.h>
#include <ringo/server/stats.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "commands/client_registry.h"

namespace ringo::server {

Session::Session(ServerState& state, SessionPeer peer)
    : state_(&state), record_(std::make_shared<ClientRecord>()) {
  record_->fd = peer.fd;
  record_->address = std::move(peer.address);
  record_->local_address = std::move(peer.local_address);
  record_->connected_us = state.clock().unix_us();
  record_->active_us.store(record_->connected_us, std::memory_order_relaxed);
  state.clients().add(record_);
  id_ = record_->id;
  count(state.stats().connections_received);
}

Session::~Session() {
  set_kill_hook(nullptr);
  state_->clients().remove(id_);
}

bool Session::is_killed() const {
  return record_->is_killed.load(std::memory_order_relaxed);
}

void Session::set_kill_hook(std::function<void()> hook) {
  const ParkingGuard guard(record_->lock);
  if (hook && record_->is_killed.load(std::memory_order_relaxed)) {
    hook();  // killed before anybody could have been told
    return;
  }
  record_->kill_hook = std::move(hook);
}

void Session::reset() {
  version_ = protocol::RespVersion::kResp2;
  reply_mode_ = ReplyMode::kOn;
  record_->resp.store(2, std::memory_order_relaxed);
  record_->is_no_evict.store(false, std::memory_order_relaxed);
  const ParkingGuard guard(record_->lock);
  record_->name.clear();
}

}  // namespace ringo::server
