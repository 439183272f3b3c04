// SPDX-License-Identifier: MIT
//
// Bytes and BytesMut: sharing without copying, growth, reuse of storage, and a random history
// against std::string.
//
// Thread safety: one test uses threads to share storage.
#include <ringo/bytes.h>

#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/random_seed.h"

namespace ringo {
namespace {

static_assert(sizeof(Bytes) <= 32);
static_assert(std::is_nothrow_move_constructible_v<Bytes>);
static_assert(std::is_nothrow_copy_constructible_v<Bytes>);
static_assert(!std::is_copy_constructible_v<BytesMut>);

TEST(Bytes, IsEmptyByDefault) {
  const Bytes bytes;
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(bytes.size(), 0U);
  EXPECT_NE(bytes.data(), nullptr);
  EXPECT_EQ(bytes, "");
  EXPECT_FALSE(bytes.is_unique());
  EXPECT_EQ(Bytes::copy_from(std::string_view()), bytes);
  EXPECT_EQ(Bytes::from_static({}), bytes);
}

TEST(Bytes, StaticBytesAreNotCopied) {
  static constexpr std::string_view kText = "static";
  const Bytes bytes = Bytes::from_static(kText);
  const Bytes copy = bytes;
  EXPECT_EQ(bytes.data(), kText.data());
  EXPECT_EQ(copy.data(), kText.data());
  EXPECT_FALSE(copy.is_unique());
  EXPECT_EQ(copy.slice(1, 3).data(), kText.data() + 1);
}

TEST(Bytes, CopiesShareTheStorage) {
  const std::string original(1000, 'x');
  Bytes bytes = Bytes::copy_from(original);
  EXPECT_NE(bytes.data(), original.data());
  EXPECT_TRUE(bytes.is_unique());
  {
    const Bytes copy = bytes;
    EXPECT_EQ(copy.data(), bytes.data());
    EXPECT_FALSE(bytes.is_unique());
  }
  EXPECT_TRUE(bytes.is_unique());
  const Bytes moved = std::move(bytes);
  EXPECT_TRUE(moved.is_unique());
  EXPECT_EQ(moved, original);
}

TEST(Bytes, AssignmentReleasesWhatItReplaces) {
  const Bytes kept = Bytes::copy_from("kept");
  Bytes bytes = kept;
  const Bytes& alias = bytes;
  bytes = alias;
  EXPECT_EQ(bytes, "kept");
  bytes = Bytes::copy_from("other");
  EXPECT_TRUE(kept.is_unique());
  bytes = kept;
  EXPECT_FALSE(kept.is_unique());
  bytes.clear();
  EXPECT_TRUE(kept.is_unique());
}

TEST(Bytes, SlicesShareTheStorage) {
  const Bytes bytes = Bytes::copy_from("hello world");
  const Bytes slice = bytes.slice(6, 11);
  EXPECT_EQ(slice, "world");
  EXPECT_EQ(slice.data(), bytes.data() + 6);
  EXPECT_EQ(slice.slice(1), "orld");
  EXPECT_EQ(bytes.slice(0, 11), bytes);
  EXPECT_EQ(bytes.slice_ref(bytes.view().substr(2, 3)).data(), bytes.data() + 2);
  EXPECT_EQ(bytes.slice_ref(""), "");
}

TEST(Bytes, AnEmptySliceKeepsNothingAlive) {
  const Bytes bytes = Bytes::copy_from("hello");
  const Bytes empty = bytes.slice(2, 2);
  EXPECT_TRUE(empty.empty());
  EXPECT_TRUE(bytes.is_unique());
}

TEST(Bytes, ASliceOutlivesTheWhole) {
  Bytes slice;
  {
    const Bytes bytes = Bytes::copy_from("hello world");
    slice = bytes.slice(6);
  }
  EXPECT_EQ(slice, "world");
  EXPECT_TRUE(slice.is_unique());
}

TEST(Bytes, SplitsAndAdvances) {
  Bytes bytes = Bytes::copy_from("hello world");
  EXPECT_EQ(bytes.split_to(6), "hello ");
  EXPECT_EQ(bytes, "world");
  EXPECT_EQ(bytes.split_off(3), "ld");
  EXPECT_EQ(bytes, "wor");
  bytes.advance(1);
  EXPECT_EQ(bytes, "or");
  bytes.truncate(5);
  EXPECT_EQ(bytes, "or");
  bytes.truncate(1);
  EXPECT_EQ(bytes, "o");
  EXPECT_EQ(bytes.split_off(1), "");
  EXPECT_EQ(bytes.split_to(0), "");
  EXPECT_EQ(bytes.split_to(1), "o");
  EXPECT_TRUE(bytes.empty());
  Bytes whole = Bytes::copy_from("all");
  EXPECT_EQ(whole.split_off(0), "all");
  EXPECT_TRUE(whole.empty());
}

TEST(Bytes, ComparesAndHashesAsItsContent) {
  const Bytes a = Bytes::copy_from("abc");
  const Bytes b = Bytes::from_static("abc");
  EXPECT_EQ(a, b);
  EXPECT_EQ(a, "abc");
  EXPECT_EQ(a, std::string("abc"));
  EXPECT_NE(a, "abd");
  EXPECT_LT(a, Bytes::from_static("abcd"));
  EXPECT_LT(a, "abd");
  EXPECT_LT(a, "\xff");  // bytes are unsigned
  EXPECT_EQ(std::hash<Bytes>()(a), std::hash<Bytes>()(b));
  const std::unordered_set<Bytes> set{a, b, Bytes::from_static("x")};
  EXPECT_EQ(set.size(), 2U);
}

TEST(Bytes, ConvertsToViews) {
  const Bytes bytes = Bytes::copy_from(std::string_view("a\0b", 3));
  const std::string_view view = bytes;
  EXPECT_EQ(view.size(), 3U);
  const std::span<const std::byte> span = bytes;
  EXPECT_EQ(span.size(), 3U);
  EXPECT_EQ(span[2], std::byte{'b'});
  EXPECT_EQ(bytes[2], 'b');
  EXPECT_EQ(bytes.to_string(), std::string("a\0b", 3));
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), bytes.to_string());
  EXPECT_EQ(Bytes::copy_from(span), bytes);
}

TEST(Bytes, TakesOverOwners) {
  struct Owner {
    std::shared_ptr<int> token;
    std::string text;
    operator std::string_view() const { return text; }  // NOLINT
  };
  auto token = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = token;
  Bytes slice;
  {
    const Bytes bytes = Bytes::from_owner(Owner{std::move(token), "owned text"});
    EXPECT_EQ(bytes, "owned text");
    slice = bytes.slice(6);
  }
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(slice, "text");
  slice.clear();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(Bytes::from_owner(std::string("short")), "short");  // stored inline: must move first
  EXPECT_EQ(Bytes::from_owner(std::string()), "");
}

TEST(Bytes, StorageMayBeSharedBetweenThreads) {
  constexpr int kRounds = 20000;
  const Bytes bytes = Bytes::copy_from("shared between threads");
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([bytes] {
      for (int i = 0; i < kRounds; ++i) {
        Bytes copy = bytes;
        const Bytes tail = copy.split_off(7);
        ASSERT_EQ(copy, "shared ");
        ASSERT_EQ(tail, "between threads");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(bytes.is_unique());
}

TEST(Bytes, TheLastOwnerOnAnyThreadFrees) {
  for (int round = 0; round < 500; ++round) {
    Bytes bytes = Bytes::copy_from(std::string(100, 'x'));
    std::thread other([copy = bytes]() mutable { copy.clear(); });
    bytes.clear();
    other.join();
  }
}

TEST(BytesDeathTest, PositionsOutsideAbort) {
  Bytes bytes = Bytes::copy_from("abc");
  EXPECT_DEATH(bytes.slice(2, 4), "slice");
  EXPECT_DEATH(bytes.slice(2, 1), "slice");
  EXPECT_DEATH(bytes.slice_ref("elsewhere"), "slice_ref");
  EXPECT_DEATH(bytes.split_to(4), "split_to");
  EXPECT_DEATH(bytes.split_off(4), "split_off");
  EXPECT_DEATH(bytes.advance(4), "advance");
  EXPECT_DEATH(static_cast<void>(bytes[3]), "operator");
  BytesMut buffer = BytesMut::copy_from("abc");
  EXPECT_DEATH(buffer.advance(4), "advance");
  EXPECT_DEATH(buffer.split_to(4), "split_to");
  EXPECT_DEATH(buffer.commit(buffer.spare().size() + 1), "commit");
  EXPECT_DEATH(static_cast<void>(buffer[3]), "operator");
}

TEST(BytesMut, Grows) {
  BytesMut buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), 0U);
  std::string model;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 17), static_cast<char>('a' + i % 26));
    buffer.append(piece);
    buffer.put('.');
    model += piece + ".";
  }
  buffer.append(3, '!');
  EXPECT_EQ(buffer, model + "!!!");
  EXPECT_GE(buffer.capacity(), buffer.size());
}

TEST(BytesMut, AppendingCostsAConstantPerByte) {
  BytesMut buffer;
  int moves = 0;
  const char* place = buffer.data();
  for (int i = 0; i < 1 << 20; ++i) {
    buffer.put('x');
    moves += buffer.data() == place ? 0 : 1;
    place = buffer.data();
  }
  EXPECT_LE(moves, 20);
}

TEST(BytesMut, SpareRoomJoinsByCommit) {
  BytesMut buffer(100);
  buffer.append("head ");
  const std::span<std::byte> spare = buffer.spare();
  ASSERT_GE(spare.size(), 95U);
  EXPECT_EQ(spare.size(), buffer.capacity() - buffer.size());
  std::memcpy(spare.data(), "tail!", 5);
  buffer.commit(4);
  EXPECT_EQ(buffer, "head tail");
  buffer.commit(0);
  std::memcpy(buffer.prepare(1000), "?", 1);
  buffer.commit(1);
  EXPECT_EQ(buffer, "head tail?");
  EXPECT_GE(buffer.spare().size(), 999U);
}

TEST(BytesMut, SplitsWithoutCopying) {
  BytesMut buffer = BytesMut::copy_from("hello world");
  const char* const start = buffer.data();
  BytesMut front = buffer.split_to(6);
  EXPECT_EQ(front, "hello ");
  EXPECT_EQ(buffer, "world");
  EXPECT_EQ(front.data(), start);
  EXPECT_EQ(buffer.data(), start + 6);
  front.append("there");  // must not write into what follows
  EXPECT_EQ(front, "hello there");
  EXPECT_EQ(buffer, "world");
  buffer.append("!");
  EXPECT_EQ(buffer, "world!");
  EXPECT_EQ(buffer.split(), "world!");
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.split_to(0).capacity(), 0U);
}

TEST(BytesMut, FreezesWithoutCopying) {
  BytesMut buffer = BytesMut::copy_from("hello world");
  const char* const start = buffer.data();
  const Bytes hello = buffer.split_to(5).freeze();
  EXPECT_EQ(hello.data(), start);
  const Bytes rest = std::move(buffer).freeze();
  EXPECT_EQ(rest, " world");
  EXPECT_EQ(rest.data(), start + 5);
  EXPECT_EQ(hello, "hello");
  EXPECT_EQ(BytesMut().freeze(), "");
  EXPECT_EQ(BytesMut(10).freeze(), "");
}

TEST(BytesMut, IsUsableAfterFreezeAndMove) {
  BytesMut buffer = BytesMut::copy_from("one");
  const Bytes one = std::move(buffer).freeze();
  buffer.append("two");  // NOLINT: documented as empty
  EXPECT_EQ(buffer, "two");
  BytesMut other = std::move(buffer);
  buffer.append("three");  // NOLINT
  EXPECT_EQ(other, "two");
  EXPECT_EQ(buffer, "three");
  buffer = std::move(other);
  EXPECT_EQ(buffer, "two");
}

TEST(BytesMut, ClearKeepsTheRoom) {
  BytesMut buffer(1000);
  const std::size_t capacity = buffer.capacity();
  buffer.append(900, 'x');
  const char* const start = buffer.data();
  buffer.advance(500);
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.data(), start);
  EXPECT_EQ(buffer.capacity(), capacity);
}

TEST(BytesMut, ClearLeavesFrozenPartsAlone) {
  BytesMut buffer(100);
  buffer.append("frozen rest");
  const Bytes frozen = buffer.split_to(6).freeze();
  buffer.clear();
  buffer.append("overwritten?");
  EXPECT_EQ(frozen, "frozen");
  EXPECT_EQ(buffer, "overwritten?");
}

TEST(BytesMut, ReusesConsumedRoomWhenItIsTheOnlyOwner) {
  BytesMut buffer(1000);
  const std::size_t capacity = buffer.capacity();
  const char* const start = buffer.data();
  buffer.append(capacity, 'x');
  buffer.advance(capacity - 10);
  buffer.reserve(500);
  EXPECT_EQ(buffer.data(), start);
  EXPECT_EQ(buffer.capacity(), capacity);
  EXPECT_EQ(buffer, std::string(10, 'x'));
}

TEST(BytesMut, DoesNotReuseRoomThatOthersSee) {
  BytesMut buffer(1000);
  const std::size_t capacity = buffer.capacity();
  buffer.append(capacity, 'x');
  const Bytes seen = buffer.split_to(capacity - 10).freeze();
  EXPECT_FALSE(buffer.try_reclaim());
  buffer.reserve(500);
  buffer.append(500, 'y');
  EXPECT_EQ(seen, std::string(capacity - 10, 'x'));
  EXPECT_EQ(buffer, std::string(10, 'x') + std::string(500, 'y'));
}

TEST(BytesMut, ReclaimsOnceTheOthersHaveGone) {
  BytesMut buffer(1000);
  const std::size_t capacity = buffer.capacity();
  buffer.append(600, 'x');
  Bytes frozen = buffer.split().freeze();
  EXPECT_FALSE(buffer.try_reclaim());
  EXPECT_LT(buffer.capacity(), capacity);
  frozen.clear();
  EXPECT_TRUE(buffer.try_reclaim());
  EXPECT_EQ(buffer.capacity(), capacity);

  BytesMut front = BytesMut::copy_from("front back");
  {
    const BytesMut back = front.split_to(6);
  }
  const char* const place = front.data();
  front.append("x");
  EXPECT_EQ(front, "backx");
  EXPECT_EQ(front.data(), place);  // the spare room behind it was enough
}

TEST(BytesMut, AFrontGetsBackTheRoomBehindIt) {
  BytesMut buffer(1000);
  buffer.append("front back");
  BytesMut front = buffer.split_to(5);
  buffer = BytesMut();
  const char* const place = front.data();
  front.append(500, 'x');
  EXPECT_EQ(front.data(), place);
  EXPECT_EQ(front, "front" + std::string(500, 'x'));
}

TEST(BytesMut, RefusesMoreThanTheAddressSpace) {
  BytesMut buffer = BytesMut::copy_from("x");
  EXPECT_THROW(buffer.reserve(static_cast<std::size_t>(-1)), std::length_error);
  EXPECT_EQ(buffer, "x");
}

TEST(BytesMut, ARandomHistoryAgreesWithStrings) {
  auto random = testing_support::seeded_random();
  const auto up_to = [&random](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
  };
  for (int round = 0; round < 200; ++round) {
    BytesMut buffer;
    std::string model;
    std::deque<std::pair<Bytes, std::string>> frozen;
    for (int step = 0; step < 300; ++step) {
      const std::size_t at = up_to(model.size());
      switch (up_to(7)) {
        case 0:
          buffer.advance(at);
          model.erase(0, at);
          break;
        case 1:
          frozen.emplace_back(buffer.split_to(at).freeze(), model.substr(0, at));
          model.erase(0, at);
          break;
        case 2:
          if (!frozen.empty()) {
            frozen.pop_front();
          }
          break;
        case 3:
          if (up_to(9) == 0) {
            buffer.clear();
            model.clear();
          } else {
            buffer.truncate(at);
            model.resize(at);
          }
          break;
        case 4:
          buffer.reserve(up_to(300));
          break;
        default: {
          const std::string piece(up_to(100), static_cast<char>('a' + step % 26));
          buffer.append(piece);
          model += piece;
        }
      }
      ASSERT_EQ(buffer, model);
    }
    for (const auto& [bytes, text] : frozen) {
      ASSERT_EQ(bytes, text);
    }
  }
}

}  // namespace
}  // namespace ringo
