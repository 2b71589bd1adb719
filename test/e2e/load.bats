#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 95
# exchange and mesh under many requests and many users at once. Laptop: alice.
# LOAD_CONCURRENT (2,000), LOAD_USERS (20) and LOAD_REQUESTS (10,000) say how
# many; "make test" has half of the users and requests.
# shellcheck disable=SC2154 # status and output are bats'

bats_require_minimum_version 1.5.0
load common
load net
load inbound

CONCURRENT=${LOAD_CONCURRENT:-2000}
USERS=${LOAD_USERS:-$(long_or 20 10)}
REQUESTS=${LOAD_REQUESTS:-$(long_or 10000 5000)}

setup_file() {
  inbound_prepare web
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

# swarm ARGUMENTS...: what swarm.py says is in $hammer
swarm() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  hammer=$(in_pod toolbox sh -c 'ulimit -Sn "$(ulimit -Hn)"; exec "$0" "$@"' \
    "$PYTHON" "$TOOLS/swarm.py" "$@")
  echo "# swarm: $hammer" >&2
  [ -n "$hammer" ]
}

# none_lost N: as many were sent, and each one went where it should
none_lost() {
  [ "$(of sent)" = "$1" ] && [ "$(of failed)" = 0 ] && [ "$(of misrouted)" = 0 ]
}

@test "exchange: thousands of requests at the same time" {
  serve alice local
  start x alice exchange web --expose 8080
  eventually 5 asks local "http://$WEB/"
  swarm -c "$CONCURRENT" -n "$CONCURRENT" -o local "$WEB" 80 /sleep/2000
  none_lost "$CONCURRENT"
  # and again, over what is there already
  swarm -c 200 -n "$CONCURRENT" -o local "$WEB" 80
  none_lost "$CONCURRENT"
  leave x
}

@test "mesh: thousands of requests at the same time, to the laptop and to the origin" {
  serve alice u1
  start m alice mesh web --expose 8080 --versionMark u1
  eventually 5 asks u1 "http://$WEB/" -H 'version: u1'
  swarm -c "$CONCURRENT" -n "$CONCURRENT" -m 1 -o web- "$WEB" 80 /sleep/2000
  none_lost "$CONCURRENT"
  [ "$(of by.u1)" -gt $((CONCURRENT / 3)) ]
  leave m
}

@test "mesh: many users of one Service: each request reaches the one whose mark it has" {
  local i
  for i in $(seq "$USERS"); do
    serve alice "u$i" $((100 * i))
    spawn "m$i" alice mesh web --expose "$((8080 + 100 * i)):80" \
      --versionMark "u$i"
  done
  for i in $(seq "$USERS"); do
    ready "m$i" 120
  done
  swarm -c 50 -n "$REQUESTS" -m "$USERS" -o web- "$WEB" 80
  none_lost "$REQUESTS"
  for i in $(seq "$USERS"); do
    [ "$(of "by.u$i")" -gt $((REQUESTS / USERS / 2)) ]
    kill -TERM "$(pid_of "m$i")"
  done
  swarm -c 20 -n 200 -o web- "$WEB" 80
  none_lost 200
}
