// SPDX-License-Identifier: MIT
//
// Commands that read and write whole values. SET and GETEX with their options are in set.cc.

#include <ringo/bytes.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/handlers.h"
#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"

namespace ringo::server::handlers {
namespace {

/// A large value that belongs at `offset` of the output.
struct Gap {
  std::size_t offset;
  LargeRef value;
};

/// Puts large values where they belong, after the locks have been released.
void fill_gaps(CommandContext& context, std::size_t start, const std::vector<Gap>& gaps) {
  BytesMut& out = context.reply.out();
  const std::string written(out.view().substr(start));
  const std::string_view text = written;
  out.truncate(start);
  std::size_t done = 0;
  for (const Gap& gap : gaps) {
    const std::size_t until = gap.offset - start;
    context.reply.raw(text.substr(done, until - done));
    context.reply.bulk(gap.value);
    done = until;
  }
  context.reply.raw(text.substr(done));
}

bool has_odd_pairs(CommandContext& context) {
  if (context.args.size() % 2 == 1) {
    return false;
  }
  reply_wrong_arity(context.reply, context.command->name);
  return true;
}

}  // namespace

void get(CommandContext& context) {
  reply_value(context, context.key());
}

void setnx(CommandContext& context) {
  const HashedKey key = context.key();
  const bool is_set = context.store().with(key, [&](Shard& shard) {
    if (shard.find(key, context.now_ms) != nullptr) {
      return false;
    }
    shard.put(key, context.args[2], kNoExpiry, context.now_ms);
    return true;
  });
  context.reply.integer(is_set ? 1 : 0);
}

void getset(CommandContext& context) {
  const HashedKey key = context.key();
  const LargeRef old = context.store().with(key, [&](Shard& shard) {
    LargeRef large;
    const Entry* entry = shard.read(key, context.now_ms);
    if (entry == nullptr) {
      context.reply.null();
    } else if (entry->is_large()) {
      large = LargeRef(*entry->large());
    } else {
      context.reply.bulk(entry->value());
    }
    shard.put(key, context.args[2], kNoExpiry, context.now_ms);
    return large;
  });
  if (old) {
    context.reply.bulk(old);
  }
}

void getdel(CommandContext& context) {
  const HashedKey key = context.key();
  const LargeRef old = context.store().with(key, [&](Shard& shard) {
    LargeRef large;
    const Entry* entry = shard.read(key, context.now_ms);
    if (entry == nullptr) {
      context.reply.null();
      return large;
    }
    if (entry->is_large()) {
      large = LargeRef(*entry->large());
    } else {
      context.reply.bulk(entry->value());
    }
    shard.erase(key, context.now_ms);
    return large;
  });
  if (old) {
    context.reply.bulk(old);
  }
}

void append(CommandContext& context) {
  const HashedKey key = context.key();
  const std::string_view tail = context.args[2];
  const std::uint64_t limit = context.state.config().max_bulk_bytes.load(std::memory_order_relaxed);
  const std::size_t size = context.store().with(key, [&](Shard& shard) -> std::size_t {
    const Entry* entry = shard.find(key, context.now_ms);
    if (entry != nullptr && entry->value().size() + tail.size() > limit) {
      return 0;
    }
    return entry == nullptr || !tail.empty() ? shard.append(key, tail, context.now_ms)
                                             : entry->value().size();
  });
  if (size == 0 && !tail.empty()) {
    context.reply.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return;
  }
  context.reply.integer(static_cast<std::int64_t>(size));
}

void strlen(CommandContext& context) {
  const HashedKey key = context.key();
  const std::size_t size = context.store().with(key, [&](Shard& shard) -> std::size_t {
    const Entry* entry = shard.read(key, context.now_ms);
    return entry == nullptr ? 0 : entry->value().size();
  });
  context.reply.integer(static_cast<std::int64_t>(size));
}

void mget(CommandContext& context) {
  const KeyList keys(context);
  context.reply.array(keys.size());
  const std::size_t start = context.reply.out().size();
  std::vector<Gap> gaps;
  context.store().with_all(keys.all(), [&](auto& shard_of) {
    for (const HashedKey& key : keys.all()) {
      shard_of(key).prefetch_entry(key.hash);
    }
    for (const HashedKey& key : keys.all()) {
      const Entry* entry = shard_of(key).read(key, context.now_ms);
      if (entry == nullptr) {
        context.reply.null();
      } else if (entry->is_large()) {
        gaps.push_back({context.reply.out().size(), LargeRef(*entry->large())});
      } else {
        context.reply.bulk(entry->value());
      }
    }
  });
  if (!gaps.empty()) {
    fill_gaps(context, start, gaps);
  }
}

void mset(CommandContext& context) {
  if (has_odd_pairs(context)) {
    return;
  }
  const KeyList keys(context, 2);
  context.store().with_all(keys.all(), [&](auto& shard_of) {
    std::size_t value = 2;
    for (const HashedKey& key : keys.all()) {
      shard_of(key).put(key, context.args[value], kNoExpiry, context.now_ms);
      value += 2;
    }
  });
  context.reply.ok();
}

void msetnx(CommandContext& context) {
  if (has_odd_pairs(context)) {
    return;
  }
  const KeyList keys(context, 2);
  const bool is_set = context.store().with_all(keys.all(), [&](auto& shard_of) {
    for (const HashedKey& key : keys.all()) {
      if (shard_of(key).find(key, context.now_ms) != nullptr) {
        return false;
      }
    }
    std::size_t value = 2;
    for (const HashedKey& key : keys.all()) {
      shard_of(key).put(key, context.args[value], kNoExpiry, context.now_ms);
      value += 2;
    }
    return true;
  });
  context.reply.integer(is_set ? 1 : 0);
}

}  // namespace ringo::server::handlers
