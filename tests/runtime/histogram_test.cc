// SPDX-License-Identifier: MIT
//
// Which durations belong to which bucket.

#include <ringo/histogram.h>
#include <ringo/usage_error.h>

#include <chrono>
#include <cstddef>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using ringo::HistogramBuckets;

TEST(HistogramBuckets, OfTheSameWidth) {
  const HistogramBuckets buckets = HistogramBuckets::linear(10us, 3);
  EXPECT_EQ(buckets.count(), 3U);
  EXPECT_EQ(buckets.bucket_of(-1ns), 0U);
  EXPECT_EQ(buckets.bucket_of(0ns), 0U);
  EXPECT_EQ(buckets.bucket_of(10us - 1ns), 0U);
  EXPECT_EQ(buckets.bucket_of(10us), 1U);
  EXPECT_EQ(buckets.bucket_of(20us - 1ns), 1U);
  EXPECT_EQ(buckets.bucket_of(20us), 2U);
  EXPECT_EQ(buckets.bucket_of(1h), 2U);
  EXPECT_EQ(buckets.range(1).first, 10us);
  EXPECT_EQ(buckets.range(1).second, 20us);
  EXPECT_EQ(buckets.range(2).second, std::chrono::nanoseconds::max());
}

TEST(HistogramBuckets, ThatDouble) {
  const HistogramBuckets buckets = HistogramBuckets::doubling(1us, 5);
  EXPECT_EQ(buckets.bucket_of(1us - 1ns), 0U);
  EXPECT_EQ(buckets.bucket_of(1us), 1U);
  EXPECT_EQ(buckets.bucket_of(2us - 1ns), 1U);
  EXPECT_EQ(buckets.bucket_of(2us), 2U);
  EXPECT_EQ(buckets.bucket_of(4us), 3U);
  EXPECT_EQ(buckets.bucket_of(8us - 1ns), 3U);
  EXPECT_EQ(buckets.bucket_of(8us), 4U);
  EXPECT_EQ(buckets.bucket_of(1h), 4U);
}

TEST(HistogramBuckets, HaveARangeThatTheirDurationsAreIn) {
  for (const HistogramBuckets& buckets :
       {HistogramBuckets::linear(7ns, HistogramBuckets::kMaxCount),
        HistogramBuckets::doubling(3ns, 60)}) {
    for (std::size_t i = 0; i + 1 < buckets.count(); ++i) {
      const auto [begin, end] = buckets.range(i);
      EXPECT_EQ(buckets.bucket_of(begin), i);
      EXPECT_EQ(buckets.bucket_of(end - 1ns), i);
      EXPECT_EQ(buckets.bucket_of(end), i + 1);
    }
  }
}

TEST(HistogramBuckets, HaveLimits) {
  EXPECT_NO_THROW((void)HistogramBuckets::linear(1ns, 1));
  EXPECT_NO_THROW((void)HistogramBuckets::linear(1ns, HistogramBuckets::kMaxCount));
  EXPECT_THROW((void)HistogramBuckets::linear(1ns, HistogramBuckets::kMaxCount + 1),
               ringo::UsageError);
  EXPECT_THROW((void)HistogramBuckets::linear(1ns, 0), ringo::UsageError);
  EXPECT_THROW((void)HistogramBuckets::doubling(0ns, 1), ringo::UsageError);
}

}  // namespace
