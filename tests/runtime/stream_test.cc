// SPDX-License-Identifier: MIT
//
// Adaptors of streams that know no time: what each gives, when it asks its source, what becomes of
// it when a next() is dropped.
//
// Thread safety: tests.

#include <ringo/detail/outcome.h>
#include <ringo/detail/stream_stage.h>
#include <ringo/generator.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/stream.h>
#include <ringo/stream_sources.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/stream_support.h"

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/gate.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::count_behind;
using testing_support::count_slowly_to;
using testing_support::count_to;
using testing_support::Gate;
using testing_support::Tracked;
using Numbers = std::vector<int>;

static_assert(Stream<Generator<int>>);
static_assert(Stream<Generator<int&>>);
static_assert(!Stream<int>);
static_assert(std::is_same_v<StreamItem<Generator<int>>, int>);
static_assert(std::is_same_v<StreamItem<Generator<int&>>, int&>);

/// Everything that is left in a stream.
template <Stream S>
Task<std::vector<StreamItem<S>>> rest_of(S& stream) {
  auto collecting = stream::by_ref(stream) | stream::collect();
  co_return co_await std::move(collecting);
}

CO_TEST(StreamAdaptor, HeaderExample) {
  int sum = 0;
  auto squares = ringo::stream::iter(std::vector{1, 2, 3, 4}) |
                 ringo::stream::filter([](int n) { return n % 2 == 0; }) |
                 ringo::stream::map([](int n) { return n * n; });
  while (std::optional<int> square = co_await squares.next()) {
    sum += *square;
  }
  auto counted = ringo::stream::iter(std::vector{5, 6}) | ringo::stream::collect();
  std::vector<int> numbers = co_await std::move(counted);
  EXPECT_EQ(sum, 20);
  EXPECT_EQ(numbers, (Numbers{5, 6}));
}

CO_TEST(StreamAdaptor, MapGivesWhatTheFunctionGives) {
  auto texts = count_slowly_to(3) | stream::map([](int n) { return std::to_string(n); });
  const std::vector<std::string> all = co_await rest_of(texts);
  EXPECT_EQ(all, (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(co_await texts.next(), std::nullopt);
}

CO_TEST(StreamAdaptor, MapMayGiveReferencesAndMoveOnlyThings) {
  std::map<int, std::string> names{{1, "one"}, {2, "two"}};
  auto found = count_to(2) | stream::map([&names](int n) -> std::string& { return names[n]; });
  while (std::string* name = co_await found.next()) {
    *name += "!";
  }
  EXPECT_EQ(names[1], "one!");
  EXPECT_EQ(names[2], "two!");
  auto owned = count_to(1) | stream::map([](int n) { return std::make_unique<int>(n); }) |
               stream::filter([](const std::unique_ptr<int>& n) { return n != nullptr; });
  std::optional<std::unique_ptr<int>> first = co_await owned.next();
  EXPECT_EQ(**first, 1);
}

CO_TEST(StreamAdaptor, FilterOfReferencesPassesThemOn) {
  Numbers numbers{1, 2, 3};
  const auto refer = [](Numbers& all) -> Generator<int&> {
    for (int& each : all) {
      co_yield each;
    }
  };
  auto odd = refer(numbers) | stream::filter([](int& n) { return n % 2 == 1; });
  while (int* number = co_await odd.next()) {
    *number = 0;
  }
  EXPECT_EQ(numbers, (Numbers{0, 2, 0}));
}

CO_TEST(StreamAdaptor, FilterMapLeavesOutWhatHasNoValue) {
  auto halves = count_slowly_to(6) | stream::filter_map([](int n) {
                  return n % 2 == 0 ? std::optional(n / 2) : std::nullopt;
                });
  const auto got_1 = co_await rest_of(halves);
  EXPECT_EQ(got_1, (Numbers{1, 2, 3}));
}

CO_TEST(StreamAdaptor, ThenAwaitsOneAfterTheOther) {
  auto twice = count_to(3) | stream::then([](int n) -> Task<int> {
                 co_await yield_now();
                 co_return 2 * n;
               });
  const auto got_2 = co_await rest_of(twice);
  EXPECT_EQ(got_2, (Numbers{2, 4, 6}));
}

CO_TEST(StreamAdaptor, TakeAsksNoMoreThanItNeeds) {
  Generator<int> source = count_to(5);
  auto two = stream::by_ref(source) | stream::take(2);
  const auto got_3 = co_await rest_of(two);
  EXPECT_EQ(got_3, (Numbers{1, 2}));
  EXPECT_EQ(co_await two.next(), std::nullopt);
  auto none = stream::by_ref(source) | stream::take(0);
  EXPECT_EQ(co_await none.next(), std::nullopt);
  const auto got_4 = co_await rest_of(source);
  EXPECT_EQ(got_4, (Numbers{3, 4, 5}));
  auto more = count_to(1) | stream::take(2);
  const auto got_5 = co_await rest_of(more);
  EXPECT_EQ(got_5, (Numbers{1}));
}

CO_TEST(StreamAdaptor, TakeWhileEndsAtTheFirstRefused) {
  Generator<int> source = count_slowly_to(5);
  auto small = stream::by_ref(source) | stream::take_while([](int n) { return n < 3; });
  const auto got_6 = co_await rest_of(small);
  EXPECT_EQ(got_6, (Numbers{1, 2}));
  EXPECT_EQ(co_await small.next(), std::nullopt);
  const auto got_7 = co_await rest_of(source);
  EXPECT_EQ(got_7, (Numbers{4, 5}));
}

CO_TEST(StreamAdaptor, SkipAndSkipWhileLeaveOutTheBeginning) {
  auto behind = count_slowly_to(5) | stream::skip(3);
  const auto got_8 = co_await rest_of(behind);
  EXPECT_EQ(got_8, (Numbers{4, 5}));
  auto beyond = count_to(2) | stream::skip(3);
  const auto got_9 = co_await rest_of(beyond);
  EXPECT_EQ(got_9, Numbers());
  auto from = stream::iter(Numbers{1, 2, 9, 1}) | stream::skip_while([](int n) { return n < 5; });
  const auto got_10 = co_await rest_of(from);
  EXPECT_EQ(got_10, (Numbers{9, 1}));
}

/// A stream that goes on after its end.
class Revives final : public detail::Stage<Revives> {
 public:
  using Item = int;
  bool poll(detail::Outcome<std::optional<int>>& to) {
    ++asked;
    if (asked % 2 == 0) {
      detail::give_end(to);
    } else {
      detail::give(to, asked);
    }
    return true;
  }
  auto ask() { return never_.recv(); }
  bool take(std::optional<int> /*got*/, detail::Outcome<std::optional<int>>& /*to*/) {
    return true;
  }
  int asked = 0;

 private:
  mpsc::Receiver<int> never_ = mpsc::channel<int>(1).receiver;
};

CO_TEST(StreamAdaptor, FuseDoesNotAskAfterTheEnd) {
  Revives source;
  auto fused = stream::by_ref(source) | stream::fuse();
  EXPECT_EQ(co_await fused.next(), 1);
  EXPECT_EQ(co_await fused.next(), std::nullopt);
  EXPECT_EQ(co_await fused.next(), std::nullopt);
  EXPECT_EQ(source.asked, 2);
}

CO_TEST(StreamAdaptor, ChainGivesOneAfterTheOther) {
  auto both = count_slowly_to(2) | stream::chain(stream::iter(Numbers{8, 9}));
  const auto got_11 = co_await rest_of(both);
  EXPECT_EQ(got_11, (Numbers{1, 2, 8, 9}));
}

CO_TEST(StreamAdaptor, MergeGivesAllOfBoth) {
  Gate gate;
  auto both = count_behind(gate, 2) | stream::merge(stream::iter(Numbers{7, 8, 9}));
  for (int expected = 7; expected <= 9; ++expected) {
    EXPECT_EQ(co_await both.next(), expected);
  }
  gate.open();
  EXPECT_EQ(co_await both.next(), 1);
  EXPECT_EQ(co_await both.next(), 2);
  EXPECT_EQ(co_await both.next(), std::nullopt);
}

CO_TEST(StreamAdaptor, MergeStarvesNeither) {
  auto both = (count_to(1000) | stream::map([](int) { return 1; })) |
              stream::merge(count_to(1000) | stream::map([](int) { return 2; }));
  // Not one of 200 lots in two: that happens once in 10^60 runs.
  std::map<int, int> seen;
  for (int i = 0; i < 200; ++i) {
    ++seen[*co_await both.next()];
  }
  EXPECT_GT(seen[1], 0);
  EXPECT_GT(seen[2], 0);
}

CO_TEST(StreamAdaptor, ZipMakesPairs) {
  auto pairs = count_slowly_to(3) | stream::zip(stream::iter(std::vector<std::string>{"a", "b"}));
  std::string text;
  while (std::optional<std::pair<int, std::string>> pair = co_await pairs.next()) {
    text += std::to_string(pair->first) + pair->second;
  }
  EXPECT_EQ(text, "1a2b");
}

CO_TEST(StreamAdaptor, PeekLooksAtWhatComesNext) {
  auto peekable = count_slowly_to(2) | stream::peekable();
  const int* first = co_await peekable.peek();
  EXPECT_EQ(*first, 1);
  const int* again = co_await peekable.peek();
  EXPECT_EQ(*again, 1);
  EXPECT_EQ(co_await peekable.next(), 1);
  EXPECT_EQ(co_await peekable.next(), 2);
  const int* at_end = co_await peekable.peek();
  EXPECT_EQ(at_end, nullptr);
  EXPECT_EQ(co_await peekable.next(), std::nullopt);
}

CO_TEST(StreamConsumer, FoldAndCollect) {
  auto folding = count_slowly_to(4) | stream::fold(std::string(), [](std::string text, int n) {
                   return std::move(text) + std::to_string(n);
                 });
  EXPECT_EQ(co_await std::move(folding), "1234");
  auto collecting = stream::iter(Numbers{2, 1, 2}) | stream::collect<std::set<int>>();
  const std::set<int> distinct = co_await std::move(collecting);
  EXPECT_EQ(distinct, (std::set<int>{1, 2}));
}

CO_TEST(StreamConsumer, AllAndAnyStopAsSoonAsTheyKnow) {
  Generator<int> source = count_to(9);
  auto all = stream::by_ref(source) | stream::all([](int n) { return n < 3; });
  EXPECT_FALSE(co_await std::move(all));
  auto any = stream::by_ref(source) | stream::any([](int n) { return n == 5; });
  EXPECT_TRUE(co_await std::move(any));
  const auto got_12 = co_await rest_of(source);
  EXPECT_EQ(got_12, (Numbers{6, 7, 8, 9}));
  auto all_of_none = stream::by_ref(source) | stream::all([](int) { return false; });
  EXPECT_TRUE(co_await std::move(all_of_none));
  auto any_of_none = stream::by_ref(source) | stream::any([](int) { return true; });
  EXPECT_FALSE(co_await std::move(any_of_none));
}

CO_TEST(StreamAdaptor, PassesExceptionsOn) {
  const int before = Tracked::alive();
  {
    auto fails = count_slowly_to(3) | stream::map([](int n) {
                   if (n == 2) {
                     throw std::runtime_error("thrown by a function");
                   }
                   return n;
                 }) |
                 stream::filter([](int) { return true; });
    EXPECT_EQ(co_await fails.next(), 1);
    std::string what;
    try {
      (void)co_await fails.next();
    } catch (const std::runtime_error& error) {
      what = error.what();
    }
    EXPECT_EQ(what, "thrown by a function");
    EXPECT_EQ(co_await fails.next(), 3);  // only that item is lost
  }
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(StreamAdaptor, ADroppedNextLosesNothing) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto pipeline = stream::as_stream(std::move(rx)) | stream::map([](int n) { return n + 1; }) |
                  stream::filter([](int n) { return n % 2 == 0; }) |
                  stream::then([](int n) -> Task<int> {
                    co_await yield_now();
                    co_await yield_now();
                    co_return n;
                  }) |
                  stream::merge(count_slowly_to(2) | stream::filter([](int) { return false; }));
  const auto sends = [](mpsc::Sender<int> sender) -> Task<void> {
    for (int i = 0; i < 40; ++i) {
      (void)co_await sender.send(i);
      co_await yield_now();
    }
  };
  JoinHandle<void> sending = spawn(sends(std::move(tx)));
  Numbers all;
  for (bool has_ended = false; !has_ended;) {
    std::variant<std::optional<int>, std::monostate> first =
        co_await select(pipeline.next(), yield_now());
    if (first.index() == 0) {
      const std::optional<int>& item = std::get<0>(first);
      has_ended = !item;
      if (item) {
        all.push_back(*item);
      }
    }
  }
  Numbers expected;
  for (int i = 2; i <= 40; i += 2) {
    expected.push_back(i);
  }
  EXPECT_EQ(all, expected);
  (void)co_await sending;
}

CO_TEST(StreamAdaptor, FilterThatRefusesAllLetsOthersRun) {
  std::atomic<bool> may_end{false};
  const auto ends = [](std::atomic<bool>& end) -> Task<void> {
    end = true;
    co_return;
  };
  const auto endless = [](std::atomic<bool>& end) -> Generator<int> {
    while (!end) {
      co_yield 1;
    }
  };
  JoinHandle<void> ending = spawn(ends(may_end));
  auto none = endless(may_end) | stream::filter([](int) { return false; });
  EXPECT_EQ(co_await none.next(), std::nullopt);
  (void)co_await ending;
}

Generator<Tracked> sleeps_and_tracks(int count) {
  for (int i = 0; i < count; ++i) {
    co_await time::sleep(1ms);
    co_yield Tracked();
  }
}
Task<int> uses_all_adaptors() {
  auto pipeline = sleeps_and_tracks(3) | stream::map([](Tracked held) { return held; }) |
                  stream::merge(sleeps_and_tracks(2)) |
                  stream::filter([](const Tracked&) { return true; }) |
                  stream::then([](Tracked held) -> Task<Tracked> {
                    co_await yield_now();
                    co_return held;
                  }) |
                  stream::zip(sleeps_and_tracks(6)) |
                  stream::chain(sleeps_and_tracks(2) | stream::zip(sleeps_and_tracks(1))) |
                  stream::skip(1) | stream::peekable();
  int count = 0;
  (void)co_await pipeline.peek();
  auto counting = stream::by_ref(pipeline) | stream::map([](auto) { return 1; }) |
                  stream::fold(0, [](int sum, int n) { return sum + n; });
  count = co_await std::move(counting);
  co_return count;
}

TEST(StreamAdaptor, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return uses_all_adaptors(); });
}

TEST(StreamAdaptor, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return uses_all_adaptors(); });
}

}  // namespace
}  // namespace ringo
