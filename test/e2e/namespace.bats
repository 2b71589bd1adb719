#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 90
# The namespace is deleted and made anew while ktctl runs. Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  export KNS=$NS-anew-$RANDOM
  inbound_prepare
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

make_namespace() {
  kc create namespace "$KNS" >/dev/null &&
    kc -n "$KNS" create service clusterip web --tcp=80:8080 >/dev/null
}

no_namespace() {
  ! kc get namespace "$KNS" >/dev/null 2>&1
}

# words LOG: its warnings without the time, the random end of names, the count
words() {
  grep warning: "$1" | sed -E 's/^[0-9:. ]+//; s/-[a-z]{5}\b/-NAME/g; s/ \(and .*//'
}

@test "namespace: deleted and made anew: each trouble is told once, and in the right words" {
  serve alice local
  make_namespace
  start x alice exchange web --expose 8080
  NS=$KNS connect_start bob
  eventually 10 asks local "http://$(web web)/"
  kc delete namespace "$KNS" --wait=false >/dev/null
  # the Service goes with it; before Kubernetes 1.33, perhaps before the Pods
  gone() { ! kill -0 "$(pid_of x)" 2>/dev/null; }
  eventually 60 gone
  ! leave x 2>/dev/null || false
  cat "$RUN/x.log" >&2
  grep -qE "Namespace $KNS is being deleted|Service $KNS/web was deleted by" "$RUN/x.log"
  ! grep -q "recovered by somebody else" "$RUN/x.log" || false

  eventually 60 no_namespace
  sleep 10 # connect goes on trying
  make_namespace

  # it has another Pod there
  here() { [ -n "$(KNS=$KNS shadows shadow-connect)" ]; }
  eventually 60 here
  eventually 30 laptop bob curl -sS -o /dev/null --max-time 3 \
    "http://web.$NS/"
  connect_stop
  cat "$CONNECT_LOG" >&2
  # no words twice
  local log
  for log in "$RUN/x.log" "$CONNECT_LOG"; do
    words "$log" | sort | uniq -c >&2
    # once, and a count or two
    [ "$(words "$log" | sort | uniq -c | awk '$1 > 2' | wc -l)" = 0 ]
    [ "$(words "$log" | wc -l)" -le 10 ]
  done
}
