// SPDX-License-Identifier: MIT
//
// The handlers of all commands, by family. Each family has a file of its name.
//
// Thread safety: as CommandContext.

#pragma once

#include "commands/command.h"

namespace ringo::server::handlers {

// strings.cc
void get(CommandContext& context);
void setnx(CommandContext& context);
void getset(CommandContext& context);
void getdel(CommandContext& context);
void append(CommandContext& context);
void strlen(CommandContext& context);
void mget(CommandContext& context);
void mset(CommandContext& context);
void msetnx(CommandContext& context);

// set.cc
void set(CommandContext& context);
void setex(CommandContext& context);
void psetex(CommandContext& context);
void getex(CommandContext& context);

// counters.cc
void incr(CommandContext& context);
void decr(CommandContext& context);
void incrby(CommandContext& context);
void decrby(CommandContext& context);
void incrbyfloat(CommandContext& context);

// keys.cc
void del(CommandContext& context);
void exists(CommandContext& context);
void type(CommandContext& context);
void dbsize(CommandContext& context);
void flush(CommandContext& context);
void randomkey(CommandContext& context);
void keys(CommandContext& context);
void scan(CommandContext& context);

// expiry.cc
void expire(CommandContext& context);
void pexpire(CommandContext& context);
void expireat(CommandContext& context);
void pexpireat(CommandContext& context);
void ttl(CommandContext& context);
void pttl(CommandContext& context);
void expiretime(CommandContext& context);
void pexpiretime(CommandContext& context);
void persist(CommandContext& context);

// connection.cc
void ping(CommandContext& context);
void echo(CommandContext& context);
void quit(CommandContext& context);
void hello(CommandContext& context);
void reset(CommandContext& context);
void auth(CommandContext& context);
void select(CommandContext& context);
void time(CommandContext& context);

// client.cc
void client_id(CommandContext& context);
void client_info(CommandContext& context);
void client_list(CommandContext& context);
void client_kill(CommandContext& context);
void client_getname(CommandContext& context);
void client_setname(CommandContext& context);
void client_setinfo(CommandContext& context);
void client_reply(CommandContext& context);
void client_no_evict(CommandContext& context);
void client_help(CommandContext& context);

// config.cc
void config_get(CommandContext& context);
void config_set(CommandContext& context);
void config_resetstat(CommandContext& context);
void config_help(CommandContext& context);

// info.cc
void info(CommandContext& context);

// introspection.cc
void command(CommandContext& context);
void command_count(CommandContext& context);
void command_info(CommandContext& context);
void command_docs(CommandContext& context);
void command_list(CommandContext& context);
void command_getkeys(CommandContext& context);
void command_help(CommandContext& context);

}  // namespace ringo::server::handlers
