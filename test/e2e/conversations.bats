#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 35
# exchange and mesh with programs that talk: gRPC, WebSocket. Laptop: alice.
# shellcheck disable=SC2154 # status and output are bats'

bats_require_minimum_version 1.5.0
load common
load net
load inbound

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  # shellcheck source=test/e2e/inbound.bash
  . "$BATS_TEST_DIRNAME/inbound.bash"
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  netsrv_build
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  background_end
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
}

# local_serve PROTOCOL: tools/streams.py in the place of netsrv
local_serve() {
  (laptop_exec alice "$PYTHON" "$TOOLS/streams.py" "$1-serve" 8080) \
    >"$RUN/$1.log" 2>&1 3>&- &
  echo "serve-$1 $!" >>"$PIDS"
  eventually 60 laptop alice bash -c ': </dev/tcp/127.0.0.1/8080' 2>/dev/null
}

local_end() { # TAG
  local pid
  pid=$(pid_of "serve-$1")
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null || true
  sed -i "/^serve-$1 /d" "$PIDS"
}

says_ok() { # PROTOCOL [HEADER]
  local got
  got=$(in_pod toolbox "$PYTHON" "$TOOLS/streams.py" "$1" "$WEB" 80 \
    ${2:+"$2"} 2>&1) || true
  [ "$got" = ok ] || { echo "$got" >&2; return 1; }
}

# conversations [HEADER]
conversations() {
  for protocol in grpc websocket; do
    local_serve $protocol
    says_ok $protocol "$@"
    local_end $protocol
  done
}

@test "exchange: gRPC and WebSocket" {
  serve alice local
  start x alice exchange web --expose 8080
  eventually 5 asks local "http://$WEB/" # the node has switched
  local_end local
  conversations
  leave x
}

@test "mesh: gRPC and WebSocket" {
  serve alice local
  start m alice mesh web --expose 8080 --versionMark blue
  local_end local
  conversations version:blue
  is_own "$WEB"
  leave m
}
