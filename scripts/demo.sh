#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Starts the server on a free port of the loopback, runs the demonstration against it, and stops it:
#   scripts/demo.sh BIN_DIR [arguments of ringo-demo]
set -euo pipefail
bin=$1
shift

log=$(mktemp)
server_pid=
cleanup() {
  if [[ -n $server_pid ]]; then
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
  fi
  rm -f "$log"
}
trap cleanup EXIT

# Below the ephemeral range, so that no outgoing connection has the port. A port in use ends the
# server, and the next one is tried.
for port in $(shuf -i 20000-30000 -n 20); do
  "$bin/ringo-server" --port "$port" >"$log" 2>&1 &
  server_pid=$!
  for _ in $(seq 100); do
    grep -q 'Listening on' "$log" && break 2
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.05
  done
  kill "$server_pid" 2>/dev/null || true
  wait "$server_pid" 2>/dev/null || true
  server_pid=
done
if [[ -z $server_pid ]]; then
  echo "demo: the server did not start:" >&2
  cat "$log" >&2
  exit 1
fi
cat "$log"
"$bin/ringo-demo" --port "$port" "$@"
