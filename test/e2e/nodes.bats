#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 120
# apart
# Two nodes: one that joins while connected, one that is drained, one whose power
# fails. It gives the cluster its second node and takes it away again.
# Laptop: carol.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load common
load net
load inbound

setup_file() {
  load common
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  "$CLUSTER/node2" down
}

teardown_file() {
  load common
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  kc uncordon kt-node >/dev/null
  kc -n "$NS" delete service second --ignore-not-found >/dev/null
  # its node may be off
  kc -n "$NS" delete pod second --force --grace-period=0 --ignore-not-found \
    >/dev/null 2>&1
  "$CLUSTER/node2" down
}

setup() {
  skip_on_foreign "a node more"
}

teardown() {
  connect_kill
  kc uncordon kt-node >/dev/null
}

reaches() { # URL
  laptop carol curl -sS --max-time 3 -o /dev/null "$1" 2>/dev/null
}

# second_up: the node is there, with our image, and Pod and Service "second" on it
second_up() {
  "$CLUSTER/node2" up
  KT_NODE=2 "$CLUSTER/load-image" "${SHADOW_TAR:-$TOP/build/shadow.tar}" "$KTCTL_IMAGE"
  kc -n "$NS" apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "second",
  "labels": {"app": "second"}},
  "spec": {"nodeName": "kt-node-2", "terminationGracePeriodSeconds": 1,
    "containers": [{"name": "netsrv", "image": "${KTCTL_TEST_REGISTRY:-kt.local}/netsrv:1",
      "imagePullPolicy": "IfNotPresent", "args": ["-l", "7000"]}]}},
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "second"},
  "spec": {"selector": {"app": "second"}, "ports": [{"port": 80, "targetPort": 8080}]}}]}
END
  kc -n "$NS" wait --for=condition=Ready --timeout=60s pod/second >/dev/null
}

# shadow_on_second FLAGS...: a connect whose shadow is on the second node
shadow_on_second() {
  kc cordon kt-node >/dev/null
  kc taint node kt-node-2 ktctl.test/second- >/dev/null
  connect_start carol "$@"
  kc uncordon kt-node >/dev/null
  kc taint node kt-node-2 ktctl.test/second=:NoSchedule >/dev/null
  [ "$(kc -n "$NS" get pod "$(shadow_pod)" -o 'jsonpath={.spec.nodeName}')" = kt-node-2 ]
}

@test "nodes: one that joins while connected: its Pods are reached, by address and Service" {
  connect_start carol
  second_up
  eventually 30 reaches "http://$(pod_ip second):8080/"
  eventually 10 reaches "http://second.$NS/"
  connect_stop
  # and by who comes later
  connect_start carol
  reaches "http://$(pod_ip second):8080/"
  connect_stop
}

@test "nodes: the shadow's is drained: the next one is elsewhere, connections work again" {
  second_up
  shadow_on_second
  reaches "http://web.$NS/"
  kc drain kt-node-2 --force --ignore-daemonsets --delete-emptydir-data \
    --pod-selector control-by=kt --timeout=90s >/dev/null 2>&1 3>&- &
  local drain=$! start=${EPOCHREALTIME/./}
  eventually 60 elsewhere
  eventually 30 reaches "http://web.$NS/"
  echo "# again after $(((${EPOCHREALTIME/./} - start) / 1000)) ms" >&3
  eventually 20 reaches "http://$(pod_ip second):8080/"
  wait "$drain"
  kc uncordon kt-node-2 >/dev/null
  connect_stop
  eventually 20 no_objects
}

shadow_first() {
  kc -n "$NS" get pods -l kt-role=shadow-connect --sort-by .metadata.creationTimestamp \
    -o 'jsonpath={.items[0].metadata.name}'
}

two_stood_by() {
  [ "$(grep -c 'stands by$' "$CONNECT_LOG")" -ge 2 ]
}

elsewhere() { # a shadow is ready on the first node
  [ -n "$(kc -n "$NS" get pods -l kt-role=shadow-connect --field-selector \
    spec.nodeName=kt-node,status.phase=Running -o name)" ]
}

@test "nodes: the power of the shadow's fails: connections work again" {
  second_up
  shadow_on_second
  reaches "http://web.$NS/"
  "$CLUSTER/node2" off
  local start=${EPOCHREALTIME/./}
  eventually 60 reaches "http://web.$NS/"
  echo "# again after $(((${EPOCHREALTIME/./} - start) / 1000)) ms" >&3
  tail -n 5 "$CONNECT_LOG"
  grep -q 'does not answer, .* has taken its place' "$CONNECT_LOG"
  connect_stop
}

@test "nodes: the power of the shadow's fails, one stands by on the other: a few seconds" {
  second_up
  shadow_on_second --shadows 2
  eventually 60 grep -q 'stands by$' "$CONNECT_LOG"
  # it was made when there was no other node: the next one is on the first
  local first
  first=$(shadow_first)
  pod_ends force "$(shadows shadow-connect | grep -v "$first")"
  eventually 60 elsewhere
  eventually 30 two_stood_by
  reaches "http://web.$NS/"
  local start=${EPOCHREALTIME/./}
  "$CLUSTER/node2" off # takes its time, too
  eventually 20 reaches "http://web.$NS/"
  local took=$(((${EPOCHREALTIME/./} - start) / 1000))
  echo "# again after $took ms" >&3
  tail -n 5 "$CONNECT_LOG"
  [ "$took" -lt 8000 ]
  connect_stop
}
