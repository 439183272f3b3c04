#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Puts Debian's memcached into build/peers/memcached, for scripts/bench.sh. It is not installed, since
# its package starts a service.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/build/peers/memcached
[[ ! -x $folder/usr/bin/memcached ]] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "unpack_memcached: this is not a Debian system; RINGO_PEER_MEMCACHED can name a program" >&2
  exit 1
fi
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
chmod 755 "$temporary"
(cd "$temporary" && apt-get download memcached >/dev/null 2>&1) || {
  echo "unpack_memcached: apt-get cannot download it" >&2
  exit 1
}
mkdir -p "$folder"
dpkg -x "$temporary"/memcached_*.deb "$folder"
