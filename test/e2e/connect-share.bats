#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 48
# The shadow that several users share, the one that is a Deployment, and the
# one that somebody deletes: traffic goes on.
# shellcheck disable=SC2154 # status and output come from bats
# shellcheck disable=SC2030,SC2031 # each test has its own CONNECT_PID

setup() {
  load common
  first=""
  second=""
}

teardown() {
  local pid
  for pid in $first $second; do
    CONNECT_PID=$pid connect_kill
  done
  connect_kill
  eventually 10 no_objects
}

daemon() { # JSONPATH of the shared Pod
  kc -n "$NS" get pod kt-connect-shadow-daemon -o "jsonpath=$1"
}
refs() { daemon '{.metadata.annotations.kt-ref-count}'; }
beat() { daemon '{.metadata.annotations.kt-last-heart-beat}'; }
beat_is_after() { [ "$(beat)" -gt "$1" ]; }

reaches() { # LAPTOP
  laptop "$1" curl -sS --max-time 3 -o /dev/null "http://web.$NS"
}

stop() { # PID: leaves with status 0
  kill -INT "$1"
  wait "$1"
}

@test "share: two users start at once and share one Pod, until the last leaves" {
  local log1 log2 old
  connect_spawn carol --shareShadow
  first=$CONNECT_PID log1=$CONNECT_LOG
  connect_spawn dave --shareShadow
  second=$CONNECT_PID log2=$CONNECT_LOG
  CONNECT_PID=
  eventually 30 grep -q 'All looks good' "$log1"
  eventually 30 grep -q 'All looks good' "$log2"
  [ "$(shadow_pod)" = kt-connect-shadow-daemon ]
  [ "$(kc -n "$NS" get pods -l control-by=kt -o name | wc -l)" = 1 ]
  [ "$(refs)" = 2 ]
  reaches carol
  reaches dave

  # whoever made it leaves: the other goes on, and keeps it alive
  stop "$first"
  first=
  [ "$(refs)" = 1 ]
  reaches dave
  old=$(beat)
  eventually 45 beat_is_after "$old"
  reaches dave
  stop "$second"
  second=
  eventually 5 no_objects
}

deployment() { # JQ-FILTER of the one shadow Deployment
  kc -n "$NS" get deployments -l control-by=kt,kt-role=shadow-connect -o json |
    jq -e ".items | if length == 1 then .[0] else error end | $1"
}

@test "share: --useShadowDeployment: its Pod may go, traffic goes on" {
  local pod
  connect_start carol --useShadowDeployment
  deployment '.metadata.annotations | .["kt-ref-count"] == "1" and
    (.["kt-last-heart-beat"] | test("^[0-9]+$"))'
  deployment '.spec.replicas == 1 and
    (.spec.template.metadata.labels | has("control-by") | not)'
  reaches carol
  pod=$(live_shadow)
  kc -n "$NS" delete pod "$pod" --grace-period=1 --wait=false >/dev/null
  eventually 15 reaches_by_another "$pod"
  connect_stop
}

# The old Pod's object may stay for seconds until the kubelet has removed it.
live_shadow() {
  kc -n "$NS" get pods -l kt-role=shadow-connect -o json | jq -r '.items[] |
    select(.metadata.deletionTimestamp == null).metadata.name'
}

reaches_by_another() { # POD: another one lives, and traffic goes
  local pod
  pod=$(live_shadow)
  [ -n "$pod" ] && [ "$pod" != "$1" ] && reaches carol
}

@test "share: a shadow Pod that is deleted is made anew, and traffic goes on" {
  local pod
  connect_start carol
  reaches carol
  pod=$(live_shadow)
  kc -n "$NS" delete pod "$pod" --grace-period=1 --wait=false >/dev/null
  eventually 15 reaches_by_another "$pod"
  kill -0 "$CONNECT_PID"
  connect_stop
}
