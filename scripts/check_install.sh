#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs a finished build into a folder of its own, and builds and runs tests/consumer against it,
# once by find_package(ringo), once by pkg-config; then starts the installed programs:
#   scripts/check_install.sh BUILD_DIR COMPILER
# The install goes through DESTDIR and is then moved, so what depends on its place would be found.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
compiler=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== install"
DESTDIR="$work/stage" cmake --install "$build" --prefix /opt/ringo >"$work/install.log" || {
  cat "$work/install.log"
  exit 1
}
mv "$work/stage/opt/ringo" "$work/prefix"
if grep -rIl --include='*.cmake' --include='*.pc' --include='*.h' -e "$root" -e "$build" \
  "$work/prefix"; then
  echo "the files above name the source or the build folder" >&2
  exit 1
fi

echo "== find_package"
cmake -S "$root/tests/consumer" -B "$work/consumer" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/configure.log" 2>&1 || {
  cat "$work/configure.log"
  exit 1
}
cmake --build "$work/consumer"
"$work/consumer/consumer"

echo "== pkg-config"
libdir=$(dirname "$(find "$work/prefix" -name ringo.pc)")
export PKG_CONFIG_PATH=$libdir
read -ra flags <<<"$(pkg-config --cflags --libs ringo-client ringo-server ringo)"
"$compiler" -std=c++23 -O2 "$root/tests/consumer/main.cc" -o "$work/by_pkg_config" "${flags[@]}"
"$work/by_pkg_config"
[[ $(pkg-config --modversion ringo) == $("$work/by_pkg_config" --version) ]]

echo "== programs"
for program in "$work"/prefix/bin/*; do
  [[ -e $program ]] || continue
  echo "$(basename "$program"): $("$program" --version)"
done
