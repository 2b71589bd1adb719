#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 55
# The four scenes of the README: services a, b and c, which call each other, two
# developers, connect and mesh and exchange at once. Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  export KNS=$NS-chain-$RANDOM # one that ends still is in the way
  inbound_prepare
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  sed "s/namespace: demo/namespace: $KNS/; s/{name: demo}/{name: $KNS}/; s/\.demo\b/.$KNS/" \
    "$TOP/demo/app.yaml" | kc apply -f - >/dev/null
  local d
  for d in a b c; do
    kc -n "$KNS" rollout status "deployment/$d" --timeout=90s >/dev/null
  done
}

teardown_file() {
  kc delete namespace "$KNS" --wait=false >/dev/null 2>&1
}

setup() {
  skip_on_foreign "callers in the node's network"
}

teardown() {
  connect_kill
  background_end
}

chain() { # WANTED LAPTOP [CURL-ARGUMENTS...]
  local want=$1 who=$2 got
  shift 2
  got=$(laptop "$who" curl -sS --max-time 10 "$@" "http://a.$KNS/" 2>&1)
  [ "$got" = "$want" ] || { echo "got '$got', not '$want'" >&2; return 1; }
}

@test "scenes: local to the cluster; everybody's c; my c; two developers" {
  NS=$KNS connect_start alice
  eventually 10 chain "a -> b -> c" alice

  serve bob c-of-bob
  start x bob exchange c --expose 8080
  eventually 10 chain "a -> b -> c-of-bob" alice
  leave x
  eventually 10 chain "a -> b -> c" alice

  start c bob mesh c --expose 8080 --versionMark bob
  eventually 10 chain "a -> b -> c-of-bob" alice -H 'VERSION: bob'
  chain "a -> b -> c" alice

  # the local b calls the cluster's c: connect and mesh on one machine
  serve alice b-of-alice 0 "c.$KNS"
  start b alice mesh b --expose 8080 --versionMark ann
  eventually 10 chain "a -> b-of-alice -> c" alice -H 'VERSION: ann'
  for _ in 1 2 3 4 5; do
    chain "a -> b -> c-of-bob" alice -H 'VERSION: bob'
    chain "a -> b -> c" alice
    chain "a -> b-of-alice -> c" alice -H 'VERSION: ann'
  done
  leave c
  chain "a -> b-of-alice -> c" alice -H 'VERSION: ann'
  chain "a -> b -> c" alice -H 'VERSION: bob'
  leave b
  chain "a -> b -> c" alice -H 'VERSION: ann'
  connect_stop INT
  eventually 20 no_objects "$KNS"
}
