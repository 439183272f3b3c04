// SPDX-License-Identifier: MIT
//
// ringo-cli: sends one command and prints the reply as redis-cli does: for people on a terminal,
// raw where the output is a file or a pipe.
//
//   ringo-cli set hello world          OK
//   ringo-cli -p 7000 get hello        "world"
//
// Thread safety: a program.

#include <ringo/client/blocking_client.h>
#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/config.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/resp.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include <CLI/CLI.hpp>

namespace {

using ringo::client::BlockingClient;
using ringo::client::ClientError;
using ringo::client::ClientErrorKind;
using ringo::client::ClientResult;
using ringo::client::ConnectOptions;
using ringo::protocol::Frame;

struct Arguments {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  double timeout_seconds = 0;
  std::string username;
  std::string password;
  std::uint32_t database = 0;
  bool is_resp3 = false;
  bool is_raw = false;
  bool is_for_people = false;
  std::vector<std::string> words;
};

/// Text as it is, one element a line.
void append_raw(std::string& out, const Frame& frame) {
  const Frame& reply = frame.without_attributes();
  if (reply.is_aggregate()) {
    bool is_first = true;
    for (const Frame& item : reply.items()) {
      if (!is_first) {
        out += '\n';
      }
      is_first = false;
      append_raw(out, item);
    }
  } else if (const std::optional<std::string_view> text = reply.as_text()) {
    out += *text;
  } else if (const std::optional<std::int64_t> integer = reply.as_integer()) {
    out += std::to_string(*integer);
  } else if (const std::optional<bool> boolean = reply.as_boolean()) {
    out += *boolean ? "true" : "false";
  } else if (const std::optional<double> number = reply.as_double()) {
    char digits[ringo::protocol::kMaxDoubleChars];
    const char* end = ringo::protocol::format_double(digits, *number);
    out.append(digits, static_cast<std::size_t>(end - digits));
  }
  // Null is an empty line, as redis-cli prints it.
}

int report(const ClientError& error) {
  const bool is_refused = error.cause() && error.cause()->is_os(ECONNREFUSED);
  if (error.kind() == ClientErrorKind::kServer) {
    fmt::print(stderr, "(error) {}\n", error.message());
  } else {
    fmt::print(stderr, "{}{}\n", error.message(),
               is_refused ? " (start one with: make run-server)" : "");
  }
  return 1;
}

int run_command(const Arguments& arguments) {
  ConnectOptions options;
  options.username = arguments.username;
  options.password = arguments.password;
  options.database = arguments.database;
  options.version = arguments.is_resp3 ? ringo::protocol::RespVersion::kResp3
                                       : ringo::protocol::RespVersion::kResp2;
  options.request_timeout.reset();  // a command may take its time, as with redis-cli
  if (arguments.timeout_seconds > 0) {
    options.request_timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(arguments.timeout_seconds));
  }
  ClientResult<BlockingClient> client =
      BlockingClient::connect(arguments.host, arguments.port, options);
  if (!client) {
    return report(client.error());
  }
  const std::vector<std::string_view> words(arguments.words.begin(), arguments.words.end());
  const ClientResult<Frame> reply = client->command(words);
  if (!reply) {
    return report(reply.error());
  }
  std::string out;
  if (arguments.is_for_people) {
    out = reply->to_string();
  } else {
    append_raw(out, *reply);
  }
  out += '\n';
  if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0) {
    std::perror("ringo-cli: standard output");
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  bool is_forced_for_people = false;
  CLI::App app("Sends one command to a Redis-compatible server and prints the reply.", "ringo-cli");
  app.set_help_flag("--help", "print this help");
  app.set_version_flag("--version,-v", std::string("ringo-cli " RINGO_VERSION));
  app.add_option("-h,--host", arguments.host, "server's host")->capture_default_str();
  app.add_option("-p,--port", arguments.port, "server's port")->capture_default_str();
  app.add_option("-t,--timeout", arguments.timeout_seconds, "seconds to wait for the reply")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--user", arguments.username, "user name, with --pass");
  app.add_option("-a,--pass", arguments.password, "password");
  app.add_option("-n,--db", arguments.database, "database number");
  app.add_flag("-3", arguments.is_resp3, "speak RESP3");
  CLI::Option* raw = app.add_flag("--raw", arguments.is_raw, "text as it is, also on a terminal");
  app.add_flag("--no-raw", is_forced_for_people, "for people, also in a pipe")->excludes(raw);
  app.add_option("command", arguments.words, "the command and its arguments")->required();
  // What follows the command's name is its own, even if it looks like an option.
  app.prefix_command();
  app.positionals_at_end();
  CLI11_PARSE(app, argc, argv);
  const std::vector<std::string> rest = app.remaining();
  arguments.words.insert(arguments.words.end(), rest.begin(), rest.end());
  arguments.is_for_people =
      is_forced_for_people || (!arguments.is_raw && isatty(STDOUT_FILENO) == 1);
  return run_command(arguments);
}
