#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 100
# exchange and mesh with what is large or takes long. Laptop: alice.
# STREAMS_BYTES (64 MiB) and STREAMS_SECONDS (20) are the size of a body and how
# long an answer takes.
# shellcheck disable=SC2154 # status and output are bats'

bats_require_minimum_version 1.5.0
load common
load net
load inbound

BYTES=${STREAMS_BYTES:-$((64 << 20))}
LONG=${STREAMS_SECONDS:-20}

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

# bodies [CURL-ARGUMENTS...]: the same down and up
bodies() {
  local want got
  eventually 5 asks local "http://$WEB/" "$@"
  want=$(laptop alice sh -c "curl -sS localhost:8080/bytes/$BYTES | sha256sum")
  got=$(in_pod toolbox curl -sS "$@" "http://$WEB/bytes/$BYTES" | sha256sum)
  [ "$got" = "$want" ]
  # shellcheck disable=SC2016
  got=$(in_pod toolbox sh -c 'url=$1 n=$2; shift 2
    "$0" -b "$n" | curl -sS -T - "$@" "$url"' \
    "$RUN/netsrv" "http://$WEB/sink" "$BYTES" "$@")
  [ "$got" = "$BYTES ${want%% *}" ]
}

# long [CURL-ARGUMENTS...]: a silent answer of so many seconds
long() {
  [ "$(in_pod toolbox curl -sS -o /dev/null -w '%{http_code}' "$@" \
    "http://$WEB/sleep/$((LONG * 1000))")" = 200 ]
}

@test "exchange: large bodies and an answer that takes long" {
  serve alice local
  start x alice exchange web --expose 8080
  bodies
  long
  leave x
}

@test "mesh: large bodies and an answer that takes long" {
  serve alice local
  start m alice mesh web --expose 8080 --versionMark blue
  bodies -H 'version: blue'
  long -H 'version: blue'
  leave m
}
