// SPDX-License-Identifier: MIT
//
// CancellationToken: who is cancelled by whom, however the tree is built and taken down.
//
// Of Tokio's sync_cancellation_token.rs these do not apply: derives_send_sync and assert_send/sync
// (C++ has no such traits), and cancel_token_owned* (our awaiter always owns its token).
//
// Thread safety: tests.

#include <ringo/cancellation_token.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using testing_support::Tracked;

Task<void> waits(CancellationToken token) {
  co_await token.cancelled();
}
Task<int> never(Tracked /*held*/) {
  co_await time::sleep(Duration::max());
  co_return 0;
}
Task<int> value(int n) {
  co_return n;
}

CO_TEST(CancellationToken, HeaderExample) {
  const auto serve = [](CancellationToken token) { return waits(std::move(token)); };
  ringo::CancellationToken stop;
  auto serving = ringo::spawn(serve(stop.child_token()));
  stop.cancel();
  co_await stop.cancelled();
  const JoinResult<void> ended = co_await serving;
  EXPECT_TRUE(ended.has_value());
}

CO_TEST(CancellationToken, WakesEverybody) {
  const CancellationToken token;
  std::vector<JoinHandle<void>> waiting;
  for (int i = 0; i < 100; ++i) {
    waiting.push_back(spawn(waits(i % 2 == 0 ? token : token.child_token())));
  }
  co_await yield_now();
  EXPECT_FALSE(token.is_cancelled());
  token.cancel();
  token.cancel();
  EXPECT_TRUE(token.is_cancelled());
  for (JoinHandle<void>& handle : waiting) {
    const JoinResult<void> ended = co_await handle;
    CO_ASSERT_TRUE(ended.has_value());
  }
}

CO_TEST(CancellationToken, AChildIsCancelledThroughItsParent) {
  const CancellationToken parent;
  const CancellationToken child = parent.child_token();
  auto waiting = spawn(waits(child));
  co_await yield_now();
  parent.cancel();
  EXPECT_TRUE(child.is_cancelled());
  const JoinResult<void> ended = co_await waiting;
  EXPECT_TRUE(ended.has_value());
}

TEST(CancellationToken, AGrandchildIsReachedThoughTheChildIsGone) {
  const CancellationToken parent;
  const CancellationToken grandchild = parent.child_token().child_token();
  EXPECT_FALSE(grandchild.is_cancelled());
  parent.cancel();
  EXPECT_TRUE(grandchild.is_cancelled());
}

TEST(CancellationToken, AChildIsCancelledWithoutItsParent) {
  const CancellationToken parent;
  const CancellationToken child = parent.child_token();
  const CancellationToken sibling = parent.child_token();
  child.cancel();
  EXPECT_TRUE(child.is_cancelled());
  EXPECT_FALSE(parent.is_cancelled());
  EXPECT_FALSE(sibling.is_cancelled());
}

TEST(CancellationToken, AChildOfACancelledTokenIsCancelled) {
  const CancellationToken parent;
  parent.cancel();
  EXPECT_TRUE(parent.child_token().is_cancelled());
  EXPECT_TRUE(parent.child_token().child_token().is_cancelled());
}

TEST(CancellationToken, ChildrenMayGoInAnyOrder) {
  for (int kept = 0; kept < 3; ++kept) {
    const CancellationToken parent;
    std::vector<std::optional<CancellationToken>> children;
    for (int i = 0; i < 3; ++i) {
      children.emplace_back(parent.child_token());
    }
    for (int i = 0; i < 3; ++i) {
      if (i != kept) {
        children[static_cast<std::size_t>(i)].reset();
      }
    }
    parent.cancel();
    EXPECT_TRUE(children[static_cast<std::size_t>(kept)]->is_cancelled());
  }
}

TEST(CancellationToken, CancelsOnlyItsDescendants) {
  const CancellationToken root;
  const CancellationToken middle = root.child_token();
  std::vector<CancellationToken> below;
  std::vector<CancellationToken> beside;
  for (int i = 0; i < 20; ++i) {
    below.push_back(i == 0 ? middle.child_token()
                           : below[static_cast<std::size_t>(i) / 2].child_token());
    beside.push_back(i == 0 ? root.child_token()
                            : beside[static_cast<std::size_t>(i) / 2].child_token());
  }
  middle.cancel();
  for (std::size_t i = 0; i < below.size(); ++i) {
    EXPECT_TRUE(below[i].is_cancelled()) << i;
    EXPECT_FALSE(beside[i].is_cancelled()) << i;
  }
  EXPECT_FALSE(root.is_cancelled());
}

TEST(CancellationToken, TheParentMayGoBeforeItsChildren) {
  CancellationToken parent;
  const CancellationToken child = parent.child_token();
  parent = CancellationToken();
  EXPECT_FALSE(child.is_cancelled());
  child.cancel();
  EXPECT_TRUE(child.is_cancelled());
}

TEST(CancellationToken, ADeepTreeTakesNoStack) {
  // Deeper than any stack: 200,000 levels.
  std::vector<CancellationToken> levels(1);
  for (int i = 0; i < 200'000; ++i) {
    levels.push_back(levels.back().child_token());
  }
  levels.front().cancel();
  EXPECT_TRUE(levels.back().is_cancelled());

  CancellationToken deepest;
  for (int i = 0; i < 200'000; ++i) {
    deepest = deepest.child_token();  // each keeps the one above alive
  }
  deepest = CancellationToken();
}

TEST(CancellationToken, EqualityAndHashAreThoseOfTheToken) {
  const CancellationToken token;
  const CancellationToken same = token;  // NOLINT(performance-unnecessary-copy-initialization)
  const CancellationToken other;
  const std::hash<CancellationToken> hash;
  EXPECT_EQ(token, same);
  EXPECT_EQ(hash(token), hash(same));
  EXPECT_NE(token, other);
  EXPECT_NE(token, token.child_token());
}

TEST(CancellationDropGuard, CancelsWhenItGoes) {
  const CancellationToken token;
  {
    const CancellationDropGuard guard = token.drop_guard();
    EXPECT_FALSE(token.is_cancelled());
  }
  EXPECT_TRUE(token.is_cancelled());
}

TEST(CancellationDropGuard, CanBeDisarmedAndMoved) {
  const CancellationToken token;
  {
    CancellationDropGuard guard = token.drop_guard();
    CancellationDropGuard moved = std::move(guard);
    EXPECT_EQ(moved.disarm(), token);
  }
  EXPECT_FALSE(token.is_cancelled());
}

CO_TEST(RunUntilCancelled, GivesTheValueOrNothing) {
  const int before = Tracked::alive();
  const CancellationToken token;
  const std::optional<int> done = co_await token.run_until_cancelled(value(3));
  EXPECT_EQ(done, 3);
  auto cancels = [](CancellationToken stop) -> Task<void> {
    co_await yield_now();
    stop.cancel();
  };
  auto cancelling = spawn(cancels(token));
  const std::optional<int> stopped = co_await token.run_until_cancelled(never(Tracked()));
  EXPECT_FALSE(stopped.has_value());
  EXPECT_EQ(Tracked::alive(), before);
  (void)co_await cancelling;
  const std::optional<int> too_late = co_await token.run_until_cancelled(value(4));
  EXPECT_FALSE(too_late.has_value());
}

Task<void> waits_for_cancellation() {
  const CancellationToken token;
  auto cancels = [](CancellationToken stop) -> Task<void> {
    co_await yield_now();
    stop.cancel();
  };
  auto cancelling = spawn(cancels(token));
  (void)co_await token.run_until_cancelled(never(Tracked()));
  co_await token.child_token().cancelled();
  (void)co_await cancelling;
}

TEST(CancellationToken, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return waits_for_cancellation(); });
}

TEST(CancellationToken, MayGoAsSoonAsItIsSeenToBeCancelled) {
  for (int round = 0; round < 200; ++round) {
    auto token = std::make_unique<CancellationToken>();
    std::thread canceller([&cancelled = *token] { cancelled.cancel(); });
    while (!token->is_cancelled()) {
      std::this_thread::yield();
    }
    // The node goes with its last owner, while cancel() may not have returned.
    *token = CancellationToken();
    canceller.join();
  }
}

TEST(CancellationToken, TreesChangeWhileTheyAreCancelled) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int round = 0; round < 30; ++round) {
    const CancellationToken root;
    std::vector<std::thread> threads;
    std::vector<std::vector<CancellationToken>> trees(3);
    for (std::vector<CancellationToken>& tokens : trees) {
      threads.emplace_back([&root, &tokens, seed = random()] {
        std::mt19937_64 own(seed);
        tokens.push_back(root.child_token());
        while (!root.is_cancelled()) {
          const std::size_t at = own() % tokens.size();
          switch (own() % 4) {
            case 0:
              tokens[at] = tokens[own() % tokens.size()];
              break;
            case 1:
              if (tokens.size() > 1) {
                tokens[at].cancel();
              }
              break;
            default:
              tokens.push_back(tokens[at].child_token());
          }
        }
      });
    }
    Runtime runtime = testing_support::multi_thread_runtime(2);
    JoinHandle<void> waiting = runtime.spawn(waits(root.child_token()));
    std::this_thread::yield();
    root.cancel();
    for (std::thread& thread : threads) {
      thread.join();
    }
    // Now that cancel() has returned: while it runs, those below are cancelled one by one.
    for (const std::vector<CancellationToken>& tokens : trees) {
      for (const CancellationToken& token : tokens) {
        EXPECT_TRUE(token.is_cancelled());
      }
    }
    auto join = [](JoinHandle<void> handle) -> Task<bool> {
      const JoinResult<void> ended = co_await handle;
      co_return ended.has_value();
    };
    EXPECT_TRUE(runtime.block_on(join(std::move(waiting))));
  }
}

}  // namespace
}  // namespace ringo
