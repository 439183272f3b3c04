// SPDX-License-Identifier: MIT
//
// Strategy one of two: state that several connections share stands behind a plain mutex. Right for
// short operations that never wait, such as a look-up in a map. (Strategy two, a task that owns the
// state, is channels.cc.)
//
// The lock never meets a co_await: Guarded runs a function under it, and a function that is a
// coroutine does not compile. Under contention a ConcurrentMap takes its place. Try it with
// redis-cli -p 7778.

#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/protocol/resp.h>
#include <ringo/ringo.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/core.h>

/// A handle to the shared map: copying it copies the handle, not the state.
class Db {
 public:
  std::optional<ringo::Bytes> get(const std::string& key) const {
    return map_->with([&](const Map& map) {
      const auto found = map.find(key);
      return found == map.end() ? std::nullopt : std::optional(found->second);
    });
  }
  void set(std::string key, ringo::Bytes value) const {
    map_->with([&](Map& map) { map.insert_or_assign(std::move(key), std::move(value)); });
  }

 private:
  using Map = std::unordered_map<std::string, ringo::Bytes>;
  std::shared_ptr<ringo::Guarded<Map>> map_ = std::make_shared<ringo::Guarded<Map>>();
};

void apply(const Db& db, std::span<const std::string_view> args,
           ringo::protocol::ReplyWriter& reply) {
  if (args.size() == 3 && args[0] == "SET") {
    db.set(std::string(args[1]), ringo::Bytes::copy_from(args[2]));
    reply.ok();
  } else if (args.size() == 2 && args[0] == "GET") {
    const std::optional<ringo::Bytes> value = db.get(std::string(args[1]));
    value ? reply.bulk(*value) : reply.null();
  } else {
    reply.error("ERR this example knows GET key and SET key value");
  }
}

ringo::Task<void> process(ringo::net::TcpStream stream, Db db) {
  ringo::BytesMut in;
  ringo::BytesMut out;
  ringo::protocol::RequestParser parser;
  while ((co_await stream.read_buf(in)).value_or(0) != 0) {
    ringo::protocol::ParseStatus status = parser.parse(in);
    for (; status == ringo::protocol::ParseStatus::kRequest; status = parser.parse(in)) {
      ringo::protocol::ReplyWriter reply(out, ringo::protocol::RespVersion::kResp2);
      apply(db, parser.args(), reply);
      in.advance(parser.consumed());
    }
    in.advance(parser.consumed());
    if (status == ringo::protocol::ParseStatus::kError || !co_await stream.write_all(out)) {
      co_return;
    }
    out.clear();
  }
}

RINGO_MAIN(int argc, char** argv) {
  auto listener = co_await ringo::net::TcpListener::bind(argc > 1 ? argv[1] : "127.0.0.1:7778");
  if (!listener) {
    fmt::print(stderr, "{}\n", listener.error().message());
    co_return 1;
  }
  fmt::print("Listening on {}\n", listener->local_address()->to_string());
  std::fflush(stdout);
  const Db db;
  while (auto accepted = co_await listener->accept()) {
    ringo::spawn(process(std::move(accepted->stream), db)).detach();
  }
  co_return 1;
}
