#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 120
# every flavour
# env join and leave: members of an environment answer its requests, the trunk
# all others. Laptops: alice, bob.
# shellcheck disable=SC2154 # status, output, hammer come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  background_end
  kc -n "$NS" delete jobs -l kt-role=env --wait=false >/dev/null 2>&1
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete deployments,pods,services,configmaps -l control-by=kt \
    --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

env_create() { # NAME [FLAGS...]
  "$KTCTL" env create "$@" -n "$NS"
}

in_env() { # NAME: what a caller of it says, as arguments of curl
  printf '%s\n' -H "baggage: x=1,kt-env=$1"
}

asks_in() { # NAME WANTED
  asks "$2" "http://$WEB/" -H "baggage: x=1,kt-env=$1"
}

@test "env join --local: the mark comes here, all else to the trunk; it ends with the environment" {
  env_create dev.a
  serve alice local 100
  start a alice env join a web --local 8180
  eventually 10 asks_in dev.a local
  asks_in dev.a.child local
  is_own "$WEB"
  is_own "$WEB" -H 'baggage: kt-env=dev'
  # the record is the environment's, the router nobody's: it has no heartbeat
  [ "$(kc -n "$NS" get services -l kt-env=dev.a,kt-role=shadow-mesh -o \
    'jsonpath={.items[0].metadata.ownerReferences[0].name}')" = kt-env-dev.a ]
  [ -z "$(kc -n "$NS" get deployment web-kt-router -o \
    'jsonpath={.metadata.annotations.kt-last-heart-beat}')" ]
  [ -z "$(annotation web-kt-stuntman kt-last-heart-beat)" ]
  # a mesh user joins this router, nobody has all of the Service
  serve bob of-bob 200
  start b bob mesh web --expose 8280:8080 --versionMark blue
  eventually 10 asks of-bob "http://$WEB/" -H 'version: blue'
  asks_in dev.a local
  leave b
  ktctl_run bob exchange web -n "$NS" --expose 8280:8080
  ended_with 1 "members of environments (dev.a), by root" "env leave"
  kc -n "$NS" delete job kt-env-dev.a >/dev/null
  eventually 10 grep -q 'environment dev.a was deleted' "$RUN/a.log"
  eventually 20 nothing_left
  is_own "$WEB"
}

@test "env join --local: a router that ends with its users is not joined" {
  env_create dev.a
  serve alice local
  serve bob of-bob 100
  start a alice mesh web --expose 8080 --versionMark blue
  ktctl_run bob env join dev.a web -n "$NS" --local 8180
  ended_with 1 "a router that ends with its users: it is meshed by root"
  asks local "http://$WEB/" -H 'version: blue'
  leave a
  start b bob env join dev.a web --local 8180
  eventually 10 asks_in dev.a of-bob
  leave b
  kc -n "$NS" delete job kt-env-dev.a >/dev/null
  eventually 20 nothing_left
}

# trunk_watch: every address that Service web's own Pods answer at, from now on
# (the Service for the origin has them while the router stands before it)
trunk_watch() {
  (exec kubectl -n "$NS" get endpoints -w -o \
    'jsonpath={.metadata.name} {.subsets[*].addresses[*].ip} {.subsets[*].notReadyAddresses[*].ip}{"\n"}') \
    >"$RUN/trunk" 2>/dev/null 3>&- &
  echo "serve-trunk $!" >>"$PIDS"
}

member_ips() { # ENV
  kc -n "$NS" get pods -l "kt-env=$1" -o 'jsonpath={.items[*].status.podIP}'
}

@test "env join --image: a copy answers the mark, is never one of the trunk's Pods; leave restores all" {
  local ip
  env_create dev.a
  trunk_watch
  TIME=90 ktctl_run alice env join a web -n "$NS" --image kt.local/netsrv:1 \
    --set NAME=copy
  ended_with 0 "Service $NS/web is in environment dev.a" "env leave dev.a web"
  asks_in dev.a copy
  asks_in dev.a.child copy
  is_own "$WEB"
  # a member that runs needs no client: the router comes back by itself
  kc -n "$NS" delete pod -l kt-role=router --now >/dev/null
  eventually 30 asks copy "http://$WEB/" -H 'baggage: kt-env=dev.a' "${CONNECT_SOON[@]}"
  # a local member in the environment below it, with it as its parent
  env_create dev.a.me
  serve alice local 100
  start a alice env join dev.a.me web --local 8180
  eventually 10 asks_in dev.a.me local
  asks_in dev.a copy
  murder a
  eventually 20 asks_in dev.a.me copy
  # what a member of an environment below leaves is not what dev.a has
  "$KTCTL" clean -n "$NS" --thresholdInMinus 0 >/dev/null
  asks_in dev.a copy
  ip=$(member_ips dev.a)
  [ -n "$ip" ]
  ktctl_run alice env leave dev.a web -n "$NS"
  ended_with 0 "has left environment dev.a"
  is_own "$WEB" -H 'baggage: kt-env=dev.a'
  ! grep -E "^web(-kt-stuntman)? " "$RUN/trunk" | grep -wF "$ip" || false
  grep -qwF "$ip" "$RUN/trunk" # it was in its own record's
  "$KTCTL" env delete dev.a.me -n "$NS"
  "$KTCTL" env delete dev.a -n "$NS"
  eventually 20 nothing_left
}
