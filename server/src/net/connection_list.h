// SPDX-License-Identifier: MIT
//
// ConnectionList: the sockets of all connections, for the end of the server. Requests need it
// never; a connection is in it from before its task starts until it is destroyed.
//
// Thread safety: all functions, from any thread. The list's calls to shutdown(2) do not block.

#pragma once

#include <ringo/net/tcp.h>
#include <ringo/parking_mutex.h>
#include <ringo/thread_annotations.h>

#include <cstddef>

namespace ringo::server {

class ConnectionList {
 public:
  /// Being in the list. Requires: `stream` and the list outlive it.
  class Entry {
   public:
    Entry(ConnectionList& list, net::TcpStream& stream);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    Entry(Entry&&) = delete;
    Entry& operator=(Entry&&) = delete;

   private:
    friend class ConnectionList;

    ConnectionList& list_;
    net::TcpStream& stream_;
    Entry* previous_ = nullptr;
    Entry* next_ = nullptr;
  };

  /// Ends a direction of every connection. After kRead a connection still reads what has arrived,
  /// then the end of the stream; after kBoth it can write no more either.
  void shutdown_all(net::Shutdown direction);

 private:
  ParkingMutex lock_;
  Entry* first_ RINGO_GUARDED_BY(lock_) = nullptr;
};

}  // namespace ringo::server
