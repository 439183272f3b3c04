// SPDX-License-Identifier: MIT
//
// The smallest user of the installed libraries. With --version it prints the version it was built
// with; scripts/check_install.sh compares that with what pkg-config says.
#include <ringo/bytes.h>
#include <ringo/config.h>

#include <cstdio>

int main(int argc, char**) {
  if (argc > 1) {
    return std::puts(RINGO_VERSION) < 0;
  }
  const ringo::Bytes greeting = ringo::Bytes::from_static("installed");
  return greeting.size() == 9 ? 0 : 1;
}
