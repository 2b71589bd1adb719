#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 50
# events: a session tells of the requests that it sees, and whether those that
# are expected come. Laptop: alice.
# shellcheck disable=SC2154 # status, output and stderr come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
}

teardown() {
  background_end
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  eventually 30 no_objects
}

# shellcheck disable=SC2120 # with arguments or without
events() { # ARG...
  laptop alice "$KTCTL" events "$@"
}

named() { # URL [ARG...]: who has answered
  toolbox curl -sS --max-time 5 "$@" | jq -r .name
}

is_named() { # NAME URL
  [ "$(named "$2")" = "$1" ]
}

@test "events: mesh tells who has answered each request, by --expect as well" {
  local ip
  local later
  ip=$(web web)
  serve alice local
  start mesh alice mesh web --expose 8080 --versionMark blue
  # what was before counts with --since
  [ "$(named "http://$ip/a?secret" -H 'VERSION: blue')" = local ]
  run -0 --separate-stderr events -o json --since 60s --timeout 20s \
    --expect 'service=web answered=local path=/a status=200 count>=1' \
    --expect 'method=GET; answered=origin count>=0' mesh
  [ "$(jq -c '[.met, .expected[0].count]' <<<"$output")" = '[true,1]' ]
  # and to the Service's own Pods alone: what is expected does not come
  (sleep 1 && named "http://$ip/b") 3>&- &
  later=$!
  run -1 --separate-stderr events --timeout 4s \
    --expect "service=web namespace=$NS path=/b answered=local"
  wait "$later"
  [[ $stderr == *"of 1 more all but answered=local is so, the last has \"origin\""* ]]
  run -0 events --since 60s --timeout 20s \
    --expect 'path=/b answered=origin mark=null from!=null latency_us<9000000'
  leave mesh
  run -1 events --expect 'count>=1'
  [[ $output == *"no session that sees requests"* ]]
}

@test "events: two meshes of one machine tell of each request once, and whose it was" {
  local ip
  ip=$(web web)
  serve alice local
  start blue alice mesh web --expose 8080 --versionMark blue
  start green alice mesh web --expose 8080 --versionMark green
  [ "$(named "http://$ip/1" -H 'VERSION: blue')" = local ]
  [ "$(named "http://$ip/2" -H 'VERSION: green')" = local ]
  [ "$(named "http://$ip/3")" != local ]
  # an upper bound is decided when the time is over
  run -0 --separate-stderr events -o json --since 60s --timeout 4s \
    --expect 'service=web path=/1 count=1; service=web path=/2 count=1; service=web path=/3 count=1' \
    --expect 'path=/1 answered=local; path=/2 answered=local; path=/3 answered=origin'
  leave green
  leave blue
}

@test "events: preview sees HTTP in what goes by, and a program that is not there" {
  serve alice local
  start preview alice preview new --expose 8080:80,8099:81 --skipPortChecking
  local ip follows
  ip=$(web new)
  # shellcheck disable=SC2119 # it has none
  events >"$RUN/events.out" 3>&- &
  follows=$!
  eventually 10 is_named local "http://$ip/c?secret"
  toolbox curl -sS --max-time 5 "http://$ip:81/" || true
  run -0 events --since 60s --timeout 20s --expect 'service=new path=/c answered=local port=80' \
    --expect 'type=connection answered=nobody port=81' -o json
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$BATS_TEST_DIRNAME/../../docs/schema/expect.json" <<<"$output"
  leave preview
  wait "$follows"
  jq -se 'any(.path == "/c" and .status == 200 and .answered == "local")' "$RUN/events.out"
  run ! grep -q secret "$RUN/events.out"
}
