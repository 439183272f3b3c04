// SPDX-License-Identifier: MIT
//
// What the micro benchmarks ask for: pipelines of requests as bytes, keys of 16 bytes that are the
// same in every run.
//
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace micro {

inline constexpr std::size_t kPipeline = 16;
inline constexpr std::size_t kKeys = 100'000;

/// Visits the keys 0 to kKeys - 1 in an order without a pattern that a cache would know.
class Keys {
 public:
  std::string next() {
    state_ = (state_ * 1'664'525 + 1'013'904'223) % (std::uint64_t{1} << 32);
    return fmt::format("key:{:012}", state_ % kKeys);
  }

 private:
  std::uint64_t state_ = 1;
};

inline std::string get(const std::string& key) {
  return fmt::format("*2\r\n$3\r\nGET\r\n${}\r\n{}\r\n", key.size(), key);
}

inline std::string set(const std::string& key, const std::string& value) {
  return fmt::format("*3\r\n$3\r\nSET\r\n${}\r\n{}\r\n${}\r\n{}\r\n", key.size(), key, value.size(),
                     value);
}

}  // namespace micro
