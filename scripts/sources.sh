#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Lists our C++ files, one a line, for the tools that want them all.
set -euo pipefail
cd "$(dirname "$0")/.."
find runtime protocol client server examples bench tests \
  \( -name '*.h' -o -name '*.cc' \) -type f | LC_ALL=C sort
