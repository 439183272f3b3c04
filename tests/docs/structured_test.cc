// SPDX-License-Identifier: MIT
//
// The code of docs/guide/structured.md, compiled and run: the guide quotes it from here
// (scripts/check_docs.py).
//
// Thread safety: each test has a runtime of its own.

#include <ringo/fork_join.h>
#include <ringo/scope.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/random_seed.h"

namespace {

ringo::Task<std::size_t> measure(const std::string& page) {
  co_await ringo::yield_now();
  if (page.empty()) {
    throw std::runtime_error("an empty page");
  }
  co_return page.size();
}

ringo::Task<void> measure_one(const std::string& page, std::size_t& size) {
  size = co_await measure(page);
}

ringo::Task<void> measure_all(ringo::Scope& scope, std::span<const std::string> pages,
                              std::span<std::size_t> sizes) {
  for (std::size_t i = 0; i < pages.size(); ++i) {
    scope.spawn(measure_one(pages[i], sizes[i]));
  }
  co_return;
}

ringo::Task<std::size_t> total(std::vector<std::string> pages) {
  std::vector<std::size_t> sizes(pages.size());
  co_await ringo::scope(measure_all, std::span<const std::string>(pages), std::span(sizes));
  co_return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
}

CO_TEST(Guide, ScopeLendsTheLocals) {
  const std::vector<std::string> pages{"one", "three", "a"};
  const std::size_t size = co_await total(pages);
  EXPECT_EQ(size, 9U);
}

CO_TEST(Guide, ScopeFailsWithItsFirstChild) {
  const std::vector<std::string> pages{"one", "", "a"};
  std::string caught;
  try {
    (void)co_await total(pages);
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  EXPECT_EQ(caught, "an empty page");
}

ringo::Task<void> sort(std::span<std::uint64_t> numbers) {
  if (numbers.size() <= 512) {
    std::sort(numbers.begin(), numbers.end());
    co_return;
  }
  const std::size_t half = numbers.size() / 2;
  std::nth_element(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(half),
                   numbers.end());
  co_await ringo::fork_join(sort(numbers.first(half)), sort(numbers.subspan(half)));
}

CO_TEST(Guide, ForkJoinSorts) {
  auto random = ringo::testing_support::seeded_random();
  std::vector<std::uint64_t> numbers(20'000);
  std::generate(numbers.begin(), numbers.end(), std::ref(random));
  co_await sort(numbers);
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
}

ringo::Task<std::uint64_t> sum(std::vector<std::vector<std::uint64_t>> parts) {
  const auto add_up = [](std::span<const std::uint64_t> part) -> ringo::Task<std::uint64_t> {
    co_return std::accumulate(part.begin(), part.end(), std::uint64_t{0});
  };
  std::vector<ringo::Task<std::uint64_t>> children;
  for (const std::vector<std::uint64_t>& part : parts) {
    children.push_back(add_up(part));
  }
  const std::vector<std::uint64_t> sums = co_await ringo::fork_join(std::move(children));
  co_return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

CO_TEST(Guide, ForkJoinOfAVector) {
  const std::vector<std::vector<std::uint64_t>> parts{{1, 2, 3}, {}, {4, 5}};
  const std::uint64_t added = co_await sum(parts);
  EXPECT_EQ(added, 15U);
}

}  // namespace
