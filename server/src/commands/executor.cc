// SPDX-License-Identifier: MIT
//
// From requests to replies: batches, the checks before a handler, statistics.
//
// A batch is parsed first, then executed, in three passes over its keys: the index line of each is
// asked for, then the entry that it names, and when the handlers run, both have arrived. One key
// costs one wait for memory at most, and the waits of a batch overlap.

#include <ringo/bytes.h>
#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/server/executor.h>
#include <ringo/server/session.h>
#include <ringo/server/state.h>
#include <ringo/server/stats.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/core.h>
#include <fmt/format.h>  // NOLINT(misc-include-cleaner): format_to of fmt 9 does not link without

#include "commands/arguments.h"
#include "commands/client_registry.h"
#include "commands/command.h"
#include "store/entry.h"
#include "store/key_hash.h"
#include "store/short_equal.h"
#include "store/store.h"

namespace ringo::server {
namespace {

constexpr std::string_view kOutOfMemory = "OOM command not allowed when used memory > 'maxmemory'.";
constexpr std::size_t kShownBytes = 128;  // of an unknown command, and of its arguments

/// Counts calls per command, and adds them to the shared statistics once per run of the same
/// command. The time of a run is the wall time from its first to its last reply.
class Meter {
 public:
  Meter(Session& session, std::int64_t now_us)
      : stats_(session.state().stats()),
        record_(session.record()),
        clock_(session.state().clock()),
        since_us_(now_us) {
    record_.active_us.store(now_us, std::memory_order_relaxed);
  }
  ~Meter() { flush(); }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;
  Meter(Meter&&) = delete;
  Meter& operator=(Meter&&) = delete;

  void add(const Command* command) {
    if (command != command_) {
      flush();
      command_ = command;
    }
    ++calls_;
  }

  void add_error(const Command* command, std::string_view text, bool is_rejected) {
    count(stats_.error_replies);
    const std::string_view code = text.substr(0, text.find(' '));
    const auto& codes = ServerStats::kErrorCodes;
    const auto* at = std::find(codes.begin(), std::prev(codes.end()), code);
    count(stats_.errors_by_code[static_cast<std::size_t>(at - codes.begin())]);
    if (command != nullptr) {
      CommandStats& one = stats_.commands[stats_index(*command)];
      count(is_rejected ? one.rejected_calls : one.failed_calls);
    }
  }

 private:
  void flush() {
    if (calls_ == 0) {
      return;
    }
    const std::int64_t now_us = clock_.unix_us();
    CommandStats& one = stats_.commands[stats_index(*command_)];
    count(one.calls, calls_);
    // The clock of the day may have been set back.
    count(one.microseconds,
          static_cast<std::uint64_t>(std::max<std::int64_t>(0, now_us - since_us_)));
    record_.last_command.store(command_, std::memory_order_relaxed);
    calls_ = 0;
    since_us_ = now_us;
  }

  ServerStats& stats_;
  ClientRecord& record_;
  Clock& clock_;
  std::int64_t since_us_;
  const Command* command_ = nullptr;
  std::uint64_t calls_ = 0;
};

/// What a client sent, up to its first zero byte as in Redis' messages.
std::string_view shown(std::string_view text, std::size_t limit) {
  return text.substr(0, std::min(text.find('\0'), limit));
}

void reply_unknown(std::span<const std::string_view> args, protocol::ReplyWriter& reply) {
  std::string rest;
  for (const std::string_view arg : args.subspan(1)) {
    if (rest.size() >= kShownBytes) {
      break;
    }
    fmt::format_to(std::back_inserter(rest), "'{}' ", shown(arg, kShownBytes - rest.size()));
  }
  reply.error(fmt::format("ERR unknown command '{}', with args beginning with: {}",
                          shown(args[0], kShownBytes), rest));
}

bool has_arity(const Command& command, std::size_t count) {
  const auto size = static_cast<std::int64_t>(count);
  return command.arity < 0 ? size >= -command.arity : size == command.arity;
}

/// A request and what has been found out about it ahead. Left uninitialized in a batch.
struct Request {
  const std::string_view* args_data;
  std::size_t args_size;
  const Command* command;  // the container, where there are subcommands; null if unknown
  std::uint64_t key_hash;  // of args[1], if has_key
  bool has_key;

  std::span<const std::string_view> args() const { return {args_data, args_size}; }
  HashedKey key() const { return {args_data[1], key_hash}; }
};

/// Executes a request. Its reply begins with '-' if and only if it has failed.
[[gnu::always_inline]] inline void run(Session& session, const Request& request,
                                       protocol::ReplyWriter& reply, UnixMs now, Meter& meter) {
  const std::size_t start = reply.out().size();
  const Command* command = request.command;
  const std::span<const std::string_view> args = request.args();
  const HashedKey key = request.has_key ? request.key() : HashedKey{};
  CommandContext context(session, args, reply, now, request.has_key ? &key : nullptr);
  bool is_rejected = true;
  if (command == nullptr) [[unlikely]] {
    reply_unknown(args, reply);
  } else {
    if (!command->subcommands.empty() && args.size() > 1) [[unlikely]] {
      context.command = command;
      command = find_subcommand(*command, args[1]);
    }
    if (command == nullptr) [[unlikely]] {
      reply_unknown_subcommand(context);
    } else if (!has_arity(*command, args.size())) [[unlikely]] {
      reply_wrong_arity(reply, command->name);
    } else if ((command->flags & kDenyOom) != 0 && session.state().is_out_of_memory())
        [[unlikely]] {
      reply.error(kOutOfMemory);
    } else {
      is_rejected = false;
      context.command = command;
      meter.add(command);
      try {
        command->handler(context);
      } catch (const std::bad_alloc&) {
        reply.out().truncate(start);
        reply.error("OOM out of memory");
      }
    }
  }
  const std::string_view written = reply.out().view().substr(start);
  if (!written.empty() && written[0] == '-') [[unlikely]] {
    meter.add_error(command, written.substr(1), is_rejected);
  }
}

/// run() as CLIENT REPLY wants it.
void run_with_reply_mode(Session& session, const Request& request, protocol::ReplyWriter& reply,
                         UnixMs now, Meter& meter) {
  using Mode = Session::ReplyMode;
  if (session.reply_mode() == Mode::kOn) [[likely]] {
    const std::size_t start = reply.out().size();
    run(session, request, reply, now, meter);
    if (session.reply_mode() != Mode::kOn) [[unlikely]] {
      reply.out().truncate(start);
    }
    return;
  }
  if (session.reply_mode() == Mode::kSkipNext) {
    session.set_reply_mode(Mode::kSkipping);
  }
  const std::size_t start = reply.out().size();
  run(session, request, reply, now, meter);
  if (session.reply_mode() != Mode::kOn) {
    reply.out().truncate(start);
  }
  if (session.reply_mode() == Mode::kSkipping) {
    session.set_reply_mode(Mode::kOn);
  }
}

/// Requests that are executed together. Its arrays are 5 KiB that nothing initializes.
class Batch {
 public:
  static constexpr std::size_t kMaxRequests = 32;
  static constexpr std::size_t kMaxArgs = 192;

  /// False if the request has to be executed at once, straight from the parser: it has too many
  /// arguments, or they do not lie in the input and are gone when the parser goes on.
  bool add(std::span<const std::string_view> args, std::string_view input, std::size_t end) {
    if (args.size() > kMaxArgs - args_count_ || !lies_in(args.back(), input)) [[unlikely]] {
      return false;
    }
    std::string_view* const copy = args_room() + args_count_;
    std::uninitialized_copy(args.begin(), args.end(), copy);
    requests_[count_].args_data = copy;
    requests_[count_].args_size = args.size();
    ends_[count_] = end;
    args_count_ += args.size();
    ++count_;
    return true;
  }

  void clear() { count_ = args_count_ = 0; }
  std::size_t size() const { return count_; }
  bool is_full() const { return count_ == kMaxRequests; }
  std::size_t end(std::size_t index) const { return ends_[index]; }
  const Request& operator[](std::size_t index) const { return requests_[index]; }

  /// Looks the commands up, and asks for the memory of their first keys.
  void prepare(Store& store) {
    if (count_ == 1) {
      prepare_one(store, requests_[0]);
      return;
    }
    for (std::size_t i = 0; i < count_; ++i) {
      // A pipeline mostly has the same command again and again.
      if (i != 0 && short_equal(requests_[i].args_data[0], requests_[i - 1].args_data[0])) {
        prepare_key(store, requests_[i], requests_[i - 1].command);
      } else {
        prepare_one(store, requests_[i]);
      }
      if (requests_[i].has_key) {
        store.prefetch(requests_[i].key());
      }
    }
    for (std::size_t i = 0; i < count_; ++i) {
      if (requests_[i].has_key) {
        store.prefetch_entry(requests_[i].key());
      }
    }
  }

  static void prepare_one(const Store& store, Request& request) {
    prepare_key(store, request, find_command(request.args_data[0]));
  }

  static void prepare_key(const Store& store, Request& request, const Command* command) {
    request.command = command;
    request.has_key = command != nullptr && command->first_key == 1 && request.args_size > 1;
    request.key_hash = request.has_key ? store.hashed(request.args_data[1]).hash : 0;
  }

 private:
  static bool lies_in(std::string_view part, std::string_view whole) {
    // Quoted inline arguments are copies; a request has either only such or none.
    return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
  }

  std::string_view* args_room() { return reinterpret_cast<std::string_view*>(args_); }

  std::size_t count_ = 0;
  std::size_t args_count_ = 0;
  std::array<std::size_t, kMaxRequests> ends_;
  std::array<Request, kMaxRequests> requests_;
  alignas(std::string_view) std::byte args_[kMaxArgs * sizeof(std::string_view)];
};

Request make_request(const Store& store, std::span<const std::string_view> args) {
  Request request;
  request.args_data = args.data();
  request.args_size = args.size();
  Batch::prepare_one(store, request);
  return request;
}

/// One call to process().
class Processor {
 public:
  Processor(Session& session, protocol::RequestParser& parser, std::string_view input,
            BytesMut& out, std::size_t output_limit)
      : session_(session),
        parser_(parser),
        input_(input),
        out_(out),
        reply_(out, session.version()),
        full_at_(out.size() + output_limit) {}

  ProcessResult run_all() {
    for (;;) {
      if (const std::optional<ProcessResult> result = run_batch()) {
        return *result;
      }
    }
  }

 private:
  /// Nothing: there may be more, go on.
  std::optional<ProcessResult> run_batch() {
    if (session_.is_killed()) [[unlikely]] {
      return ProcessResult{parsed_, ProcessStatus::kClose};
    }
    batch_.clear();
    protocol::ParseStatus status = protocol::ParseStatus::kRequest;
    bool is_left_over = false;  // the last request is still with the parser
    while (!batch_.is_full() && !is_left_over) {
      status = parser_.parse({input_.data() + parsed_, input_.size() - parsed_});
      parsed_ += parser_.consumed();
      if (status != protocol::ParseStatus::kRequest) {
        break;
      }
      is_left_over = !batch_.add(parser_.args(), input_, parsed_);
    }
    if (batch_.size() != 0 || is_left_over) {
      const std::int64_t now_us = session_.state().clock().unix_us();
      Meter meter(session_, now_us);
      batch_.prepare(session_.state().store());
      for (std::size_t i = 0; i < batch_.size(); ++i) {
        run_with_reply_mode(session_, batch_[i], reply_, now_us / 1000, meter);
        if (const auto stop = stop_after(batch_.end(i))) {
          if (stop->status == ProcessStatus::kOutputFull && batch_.end(i) != parsed_) {
            parser_.reset();  // it has seen more, which will be shown to it again
          }
          return stop;
        }
      }
      if (is_left_over) {
        const Request request = make_request(session_.state().store(), parser_.args());
        run_with_reply_mode(session_, request, reply_, now_us / 1000, meter);
        return stop_after(parsed_);
      }
    }
    if (status == protocol::ParseStatus::kNeedMore) {
      return ProcessResult{parsed_, ProcessStatus::kNeedMore};
    }
    if (status == protocol::ParseStatus::kError) {
      return fail();
    }
    return std::nullopt;
  }

  std::optional<ProcessResult> stop_after(std::size_t end) const {
    if (session_.closes_after_reply()) [[unlikely]] {
      return ProcessResult{end, ProcessStatus::kClose};
    }
    if (out_.size() >= full_at_) [[unlikely]] {
      return ProcessResult{end, ProcessStatus::kOutputFull};
    }
    return std::nullopt;
  }

  ProcessResult fail() {
    if (session_.reply_mode() == Session::ReplyMode::kOn) {
      reply_.error(parser_.error());
    }
    Meter(session_, session_.state().clock().unix_us()).add_error(nullptr, parser_.error(), true);
    session_.close_after_reply();
    return {parsed_, ProcessStatus::kClose};
  }

  Session& session_;
  protocol::RequestParser& parser_;
  std::string_view input_;
  BytesMut& out_;
  protocol::ReplyWriter reply_;
  std::size_t full_at_;
  std::size_t parsed_ = 0;
  Batch batch_;
};

}  // namespace

ProcessResult process(Session& session, protocol::RequestParser& parser, std::string_view input,
                      BytesMut& out, std::size_t output_limit) {
  return Processor(session, parser, input, out, output_limit).run_all();
}

std::optional<ForeseenRequest> foresee(Session& session, protocol::RequestParser& parser,
                                       std::string_view input) {
  // Such a beginning is never skipped as an empty request: whatever parse() says, nothing is
  // consumed that a second call would miss.
  const bool is_array = input.size() > 1 && input[0] == '*' && input[1] >= '1' && input[1] <= '9';
  if (!is_array || parser.parse(input) != protocol::ParseStatus::kRequest ||
      parser.consumed() != input.size()) {
    return std::nullopt;
  }
  Store& store = session.state().store();
  const Request request = make_request(store, parser.args());
  if (request.has_key) {
    store.prefetch(request.key());
  }
  return ForeseenRequest{request.command, request.key_hash, request.has_key};
}

void fetch_entry(Session& session, const ForeseenRequest& request) {
  if (request.has_key) {
    session.state().store().prefetch_entry({{}, request.key_hash});
  }
}

ProcessStatus process_foreseen(Session& session, const protocol::RequestParser& parser,
                               const ForeseenRequest& foreseen, BytesMut& out) {
  if (session.is_killed()) [[unlikely]] {
    return ProcessStatus::kClose;
  }
  const std::span<const std::string_view> args = parser.args();
  const Request request{args.data(), args.size(), foreseen.command, foreseen.key_hash,
                        foreseen.has_key};
  const std::int64_t now_us = session.state().clock().unix_us();
  Meter meter(session, now_us);
  protocol::ReplyWriter reply(out, session.version());
  run_with_reply_mode(session, request, reply, now_us / 1000, meter);
  return session.closes_after_reply() ? ProcessStatus::kClose : ProcessStatus::kNeedMore;
}

void execute(Session& session, std::span<const std::string_view> args,
             protocol::ReplyWriter& reply) {
  const Request request = make_request(session.state().store(), args);
  const std::int64_t now_us = session.state().clock().unix_us();
  Meter meter(session, now_us);
  run(session, request, reply, now_us / 1000, meter);
}

}  // namespace ringo::server
