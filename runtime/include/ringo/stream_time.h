// SPDX-License-Identifier: MIT
//
// Adaptors of streams that know the time: timeout, throttle, and chunks_timeout, which makes
// batches. As tokio_stream::StreamExt.
//
//   auto batches = ringo::stream::as_stream(std::move(rx)) |
//                  ringo::stream::chunks_timeout(100, 10ms);
//   while (std::optional<std::vector<int>> batch = co_await batches.next()) store(*batch);
//
// All are generators: what is under way goes on when a next() is dropped, and time too.
// Thread safety: one owner's at a time.

#pragma once

#include <ringo/detail/stream_stage.h>
#include <ringo/generator.h>
#include <ringo/result.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringo {

namespace detail {

template <bool kRepeats>
struct MakeTimeout {
  template <class S>
  static Generator<Result<StreamItem<S>>> make(S source, Duration limit) {
    bool is_late = false;
    for (;;) {
      NextOf<S> item = NextOf<S>();
      if (is_late && !kRepeats) {
        item = co_await source.next();
      } else {
        Result<NextOf<S>> got = co_await time::timeout(limit, source.next());
        if (!got) {
          is_late = true;
          co_yield Result<StreamItem<S>>(std::unexpected(got.error()));
          continue;
        }
        item = *std::move(got);
      }
      if (!item) {
        co_return;
      }
      is_late = false;
      co_yield Result<StreamItem<S>>(item_of(item));
    }
  }
};

struct MakeThrottle {
  template <class S>
  static Generator<StreamItem<S>> make(S source, Duration pause) {
    for (;;) {
      NextOf<S> got = co_await source.next();
      if (!got) {
        co_return;
      }
      const time::Sleep sleep = time::sleep(pause);
      co_yield item_of(got);
      co_await time::sleep_until(sleep.deadline());
    }
  }
};

struct MakeChunks {
  template <class S>
  static Generator<std::vector<std::remove_cvref_t<StreamItem<S>>>> make(S source,
                                                                         std::size_t limit,
                                                                         Duration patience) {
    std::vector<std::remove_cvref_t<StreamItem<S>>> batch;
    bool has_ended = false;
    while (!has_ended) {
      NextOf<S> first = co_await source.next();
      if (!first) {
        co_return;
      }
      batch.push_back(item_of(first));
      const time::Sleep patience_ends = time::sleep(patience);
      const Instant deadline = patience_ends.deadline();
      while (batch.size() < limit) {
        Result<NextOf<S>> got = co_await time::timeout_at(deadline, source.next());
        has_ended = got && !*got;
        if (!got || has_ended) {
          break;
        }
        batch.push_back(item_of(*got));
      }
      co_yield std::exchange(batch, {});
    }
  }
};

}  // namespace detail

namespace stream {

/// Result<T>: the items, and kTimedOut if none has come for so long after the one before (or after
/// the first next()). It waits on for the late one without a limit. Panics: as time::sleep().
[[nodiscard]] inline auto timeout(Duration limit) {
  return detail::Pipe<detail::MakeTimeout<false>, Duration>(limit);
}
/// timeout() that gives kTimedOut again and again, for as long as none comes.
[[nodiscard]] inline auto timeout_repeating(Duration limit) {
  return detail::Pipe<detail::MakeTimeout<true>, Duration>(limit);
}

/// The items, and after each of them the source is not asked for so long. Panics: as time::sleep().
[[nodiscard]] inline auto throttle(Duration pause) {
  return detail::Pipe<detail::MakeThrottle, Duration>(pause);
}

/// std::vector<T>: what came until there were `limit` items, or for so long after the first of
/// them, or until the end; never empty. Panics: UsageError for a limit of 0; as time::sleep().
[[nodiscard]] inline auto chunks_timeout(std::size_t limit, Duration patience) {
  if (limit == 0) {
    detail::throw_usage_error("chunks_timeout: a batch has at least one item");
  }
  return detail::Pipe<detail::MakeChunks, std::size_t, Duration>(limit, patience);
}

}  // namespace stream
}  // namespace ringo
