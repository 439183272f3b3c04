// SPDX-License-Identifier: MIT
//
// The links of the list. Thread safety as in the header.

#include "net/connection_list.h"

#include <ringo/net/tcp.h>
#include <ringo/parking_mutex.h>

namespace ringo::server {

ConnectionList::Entry::Entry(ConnectionList& list, net::TcpStream& stream)
    : list_(list), stream_(stream) {
  const ParkingGuard guard(list_.lock_);
  next_ = list_.first_;
  if (next_ != nullptr) {
    next_->previous_ = this;
  }
  list_.first_ = this;
}

ConnectionList::Entry::~Entry() {
  const ParkingGuard guard(list_.lock_);
  if (previous_ != nullptr) {
    previous_->next_ = next_;
  } else {
    list_.first_ = next_;
  }
  if (next_ != nullptr) {
    next_->previous_ = previous_;
  }
}

void ConnectionList::shutdown_all(net::Shutdown direction) {
  const ParkingGuard guard(lock_);
  for (Entry* entry = first_; entry != nullptr; entry = entry->next_) {
    // It fails where the peer has gone, and then the connection's task knows that by itself.
    (void)entry->stream_.shutdown(direction);
  }
}

}  // namespace ringo::server
