#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 35
# What only a current Kubernetes has: namespaces that enforce PodSecurity
# "restricted", the ServiceCIDR API. Laptop: carol.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0

setup_file() {
  load common
  export RNS=$NS-restricted
  kc create namespace "$RNS" --dry-run=client -o yaml | kc apply -f - >/dev/null
  kc label namespace "$RNS" --overwrite \
    pod-security.kubernetes.io/enforce=restricted >/dev/null
  eventually 20 kc -n "$RNS" get serviceaccount default >/dev/null 2>&1
}

teardown_file() {
  load common
  kc delete namespace "$RNS" --wait=false >/dev/null
}

setup() {
  load common
  kc get --raw /apis/networking.k8s.io/v1/servicecidrs >/dev/null 2>&1 ||
    skip "Kubernetes older than 1.33"
}

teardown() {
  connect_kill
}

reaches() { # URL
  laptop carol curl -sS --max-time 5 -o /dev/null "$1"
}

@test "restricted: the namespace refuses a Pod that does not keep to it" {
  run kc -n "$RNS" run bad --image kt.local/netsrv:1
  [ "$status" -ne 0 ]
  [[ $output == *"violates PodSecurity"* ]]
}

@test "restricted: a developer with the published Role connects from it" {
  kc -n "$RNS" apply -f "$TOP/deploy/rbac/connect.yaml" >/dev/null
  kc -n "$RNS" create rolebinding dev --role ktctl-connect --user dev >/dev/null
  NS=$RNS KUBECONFIG=$KUBECONFIG_DEV connect_start carol
  reaches "http://web.$NS"
  reaches "http://$(service_ip web)"
  kc -n "$RNS" get pods -l kt-role=shadow-connect -o json |
    jq -e '.items | length == 1' >/dev/null
  run ! grep -i 'violates' "$CONNECT_LOG"
  connect_stop
  eventually 10 no_objects "$RNS"
}

@test "the Service ranges come from the ServiceCIDR API" {
  connect_start carol --debug
  grep -q 'Service ranges from ServiceCIDR objects' "$CONNECT_LOG"
  reaches http://web
  # a range that is added later is known at once, and to the next start
  kc apply -f - >/dev/null <<END
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: more$LANE}
spec: {cidrs: ["10.123.${LANE:-9}.0/24"]}
END
  eventually 15 is_routed
  eventually 20 more_service # the range is not in use before it is Ready
  eventually 15 reaches "http://10.123.${LANE:-9}.7"
  connect_stop
  connect_start carol
  is_routed
  kc -n "$NS" delete service "more$LANE" >/dev/null
  kc delete servicecidr "more$LANE" >/dev/null
  eventually 15 is_not_routed
}

is_routed() {
  laptop carol ip route get "10.123.${LANE:-9}.7" | grep -q 'dev kt0'
}

is_not_routed() {
  ! is_routed 2>/dev/null
}

more_service() {
  kc -n "$NS" apply -f - >/dev/null 2>&1 <<END
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "more$LANE"},
 "spec": {"clusterIP": "10.123.${LANE:-9}.7", "selector": {"app": "web"},
  "ports": [{"port": 80, "targetPort": 8080}]}}
END
}
