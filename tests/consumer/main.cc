// SPDX-License-Identifier: MIT
//
// The smallest user of the installed libraries: spawns a task and prints what it returns. With
// --version it prints the version it was built with; scripts/check_install.sh compares that with
// what pkg-config says.
#include <ringo/config.h>
#include <ringo/protocol/resp.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <cstdio>
#include <cstring>

namespace {

ringo::Task<int> answer() {
  co_return 42;
}

ringo::Task<int> async_main() {
  auto handle = ringo::spawn(answer());
  const auto joined = co_await handle;
  const bool is_right = joined.has_value() && *joined == 42;
  std::puts(is_right ? "a spawned task returned 42" : "the spawned task failed");
  co_return is_right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--version") == 0) {
    std::puts(RINGO_VERSION);
    return 0;
  }
  return ringo::run(async_main());
}
