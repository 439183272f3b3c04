#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages of the given lists, if any are missing:
#   scripts/setup.sh build [test] [check] [bench]     reads scripts/apt-<list>.txt
# Says what it does and how long it took; when nothing is missing it says nothing and returns at
# once. Needs root or sudo only when something is to be installed.
set -euo pipefail
cd "$(dirname "$0")"

if [[ $# -eq 0 ]]; then
  echo "usage: scripts/setup.sh LIST...   (lists: build test check bench)" >&2
  exit 2
fi
wanted=()
for list in "$@"; do
  if [[ ! -r "apt-$list.txt" ]]; then
    echo "setup: there is no list scripts/apt-$list.txt" >&2
    exit 2
  fi
  while read -r package; do
    wanted+=("$package")
  done < <(grep -vE '^[[:space:]]*(#|$)' "apt-$list.txt")
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is not a Debian system, so packages are yours to install. On Debian 12 they are:"
  echo "setup:   ${wanted[*]}"
  exit 0
fi

missing=()
find_missing() {
  local installed package
  installed=" $(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' 2>/dev/null |
    sed -n 's/^ii *//p' | tr '\n' ' ') "
  missing=()
  for package in "${wanted[@]}"; do
    [[ "$installed" == *" $package "* ]] || missing+=("$package")
  done
}
find_missing
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

# `make run-server` and `make run-client` may both be the first command, in two terminals.
mkdir -p ../build
exec 9>../build/.setup.lock
if ! flock -n 9; then
  echo "setup: waiting for another set-up to end"
  flock 9
  find_missing
  if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
  fi
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
    as_root=(sudo)
  else
    echo "setup: packages are missing, and this user can neither act as root nor use sudo." >&2
    echo "setup: ask an administrator to run:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "setup: failed: $*" >&2
    exit 1
  fi
}
start=$SECONDS
echo "setup: installing ${#missing[@]} Debian packages with apt-get (once; it may take some minutes):"
echo "setup:   ${missing[*]}"
run apt-get -o DPkg::Lock::Timeout=300 update
run apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"
echo "setup: done in $((SECONDS - start)) s"
