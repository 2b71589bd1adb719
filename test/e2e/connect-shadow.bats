#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 35
# every flavour
# connect --shadow: a Pod that an administrator made, for a developer who may do
# nothing but a port-forward into it, in a namespace that enforces PodSecurity
# `restricted`. Laptops: carol.
# shellcheck disable=SC2154,SC2030,SC2031 # status and output come from bats

SNS=shadow$LANE

# manifest [SED-EXPRESSION...]: deploy/shared-shadow.yaml with our image
manifest() {
  sed -e "s,registry.example/ktctl-shadow:v1,$KTCTL_IMAGE," "$@" \
    "$TOP/deploy/shared-shadow.yaml"
}

setup_file() {
  load common
  [ -n "${KUBECONFIG_DEV:-}" ] || return 0
  kc apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "$SNS",
 "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
END
  manifest | kc -n "$SNS" apply -f - >/dev/null
  grant connect-shadow
  eventually 60 ready ktctl-shadow-0
}

teardown_file() {
  load common
  [ -n "${KUBECONFIG_DEV:-}" ] || return 0
  kc delete namespace "$SNS" --wait=false >/dev/null
}

setup() {
  load common
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "needs the test cluster's identities"
}

teardown() {
  connect_kill
}

ready() { # POD
  kc -n "$SNS" wait --for=condition=Ready --timeout=1s "pod/$1" >/dev/null 2>&1
}

grant() { # NAME: deploy/rbac/NAME.yaml to the developer, and nothing else
  kc -n "$SNS" delete rolebindings --all >/dev/null
  kc -n "$SNS" apply -f "$TOP/deploy/rbac/$1.yaml" >/dev/null
  kc -n "$SNS" create rolebinding dev --role "ktctl-$1" --user dev >/dev/null
}

as_dev() { # SHADOW FLAGS...
  NS=$SNS KUBECONFIG=$KUBECONFIG_DEV connect_start carol --shadow "$@"
}

fetches() { # URL
  laptop carol curl -sS --max-time 3 -o /dev/null "$1"
}

@test "shadow: with one permission: names, Services, Pods; made anew, it is found again" {
  local uid
  as_dev ktctl-shadow-0
  fetches "http://web.$NS"
  fetches "http://web.$NS.svc.cluster.local"
  fetches "http://$(service_ip web)"
  fetches "http://$(pod_ip db-0):8080"
  [ "$(grep -c 'warning:' "$CONNECT_LOG")" = 1 ]
  grep -q 'warning: address ranges of Services and Pods were guessed' "$CONNECT_LOG"
  uid=$(kc -n "$SNS" get pod ktctl-shadow-0 -o 'jsonpath={.metadata.uid}')
  kc -n "$SNS" delete pod ktctl-shadow-0 --wait=false >/dev/null
  eventually 60 is_another "$uid"
  eventually 30 fetches "http://web.$NS"
  connect_stop
  # it is not ours
  ready ktctl-shadow-0
}

is_another() { # UID
  local now
  now=$(kc -n "$SNS" get pod ktctl-shadow-0 -o 'jsonpath={.metadata.uid}') &&
    [ "$now" != "$1" ] && ready ktctl-shadow-0
}

# found STATE CHECK TEXT: one of doctor's lines is so
found() {
  grep -qE "^$1 +$2 .*$3" <<<"$output" ||
    { printf 'no line "%s %s ... %s" in (status %s):\n%s\n' "$@" "$status" \
      "$output" >&2; return 1; }
}

@test "shadow: doctor looks at what it needs, with one permission" {
  export KUBECONFIG_ADMIN=$KUBECONFIG KUBECONFIG=$KUBECONFIG_DEV
  ktctl_run carol doctor -n "$SNS" --shadow ktctl-shadow-0
  ended_with 0 "0 failed"
  found ok 'may connect-shadow' 'ktctl-shadow-0'
  found ok 'shadow Pod' 'may not look at it'
  found ok carrier 'passes as spdy.*websocket'
  found ok version ''
  ! grep -q 'may connect \|base image\|ranges' <<<"$output" || false
  ktctl_run carol doctor connect -n "$SNS" --shadow other
  [ "$status" = 1 ]
  found fail 'may connect-shadow' 'create, get pods/portforward of other'
  KUBECONFIG=$KUBECONFIG_ADMIN ktctl_run carol doctor -n "$SNS" --shadow other
  [ "$status" = 1 ]
  found fail 'shadow Pod' other
  # a Pod that is none
  KUBECONFIG=$KUBECONFIG_ADMIN ktctl_run carol doctor -n "$NS" --shadow db-0
  [ "$status" = 1 ]
  found ok 'shadow Pod' 'is there and Ready'
  found fail tunnel 'db-0.*refused'
}

@test "shadow: the ranges of its manifest; a name that is wrong, a permission that lacks" {
  manifest -e 's,value: ""} # 10.9.*,value: "10.96.0.0/12\, fd00:10:96::/112"},' \
    -e 's,value: ""} # 10.2.*,value: "10.244.0.0/16"},' |
    kc -n "$SNS" apply -f - >/dev/null
  kc -n "$SNS" rollout status statefulset/ktctl-shadow --timeout=120s
  as_dev ktctl-shadow-0
  [ "$(grep -c warning: "$CONNECT_LOG")" = 0 ]
  grep -q '5/6. Routes: .*10\.244\.0\.0/16' "$CONNECT_LOG"
  fetches "http://web.$NS"
  connect_stop
  KUBECONFIG=$KUBECONFIG_DEV ktctl_run carol connect -n "$SNS" --shadow other
  ended_with 1 "open the tunnel to shadow Pod other" "'create' and 'get' on pods/portforward of other"
  kc -n "$SNS" delete rolebindings --all >/dev/null
  KUBECONFIG=$KUBECONFIG_DEV ktctl_run carol connect -n "$SNS" \
    --shadow ktctl-shadow-0
  ended_with 1 "pods/portforward" "resourceNames: [ktctl-shadow-0]"
}

@test "shadow: a Pod of a Deployment, and another one when that is gone" {
  grant connect-shadow-deployment
  manifest -e 's/kind: StatefulSet/kind: Deployment/' -e '/serviceName/d' \
    -e 's/: ktctl-shadow\b/: team/' | kc -n "$SNS" apply -f - >/dev/null
  kc -n "$SNS" rollout status deployment/team --timeout=60s
  as_dev deployment/team
  fetches "http://web.$NS"
  kc -n "$SNS" delete pod -l app.kubernetes.io/name=team --wait=false >/dev/null
  eventually 60 fetches "http://web.$NS"
  connect_stop
  KUBECONFIG=$KUBECONFIG_DEV ktctl_run carol connect -n "$SNS" \
    --shadow deployment/other
  ended_with 1 "Deployment $SNS/other has no Pods" "shared-shadow.yaml"
}
