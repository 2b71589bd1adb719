#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 14
# every flavour
# A developer who has the published Role in one namespace, and nothing else in
# the cluster, does the whole job.
# shellcheck disable=SC2154 # status and output come from bats

setup_file() {
  load common
  [ -n "${KUBECONFIG_DEV:-}" ] || return 0
  grant connect
}

teardown_file() {
  load common
  [ -n "${KUBECONFIG_DEV:-}" ] || return 0
  kc -n "$NS" delete role,rolebinding --all >/dev/null
}

setup() {
  load common
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "needs the test cluster's identities"
}

teardown() {
  connect_kill
  eventually 10 no_objects
}

grant() { # NAME...: deploy/rbac/NAME.yaml to the developer
  local name
  for name; do
    kc -n "$NS" apply -f "$TOP/deploy/rbac/$name.yaml" >/dev/null
    kc -n "$NS" create rolebinding "dev-$name" --role "ktctl-$name" \
      --user dev --dry-run=client -o yaml | kc -n "$NS" apply -f - >/dev/null
  done
}

as_dev() { # FLAGS...
  KUBECONFIG=$KUBECONFIG_DEV connect_start carol "$@"
}

reaches() { # URL
  laptop carol curl -sS --max-time 5 -o /dev/null "$1"
}

@test "rbac: with the published Role: names, Services, Pods; one warning at most" {
  as_dev
  reaches http://web
  reaches "http://web.$NS"
  reaches "http://web.$NS.svc.cluster.local"
  reaches "http://$(service_ip web)"
  reaches "http://$(pod_ip db-0):8080"
  reaches "http://db-0.db.$NS:8080"
  reaches "http://webh.$NS:8080"
  [ "$(grep -c 'warning:' "$CONNECT_LOG")" -le 1 ]
  connect_stop
}

@test "rbac: a flag that needs more says so, and works with its Role" {
  KUBECONFIG=$KUBECONFIG_DEV ktctl_run carol connect -n "$NS" \
    --useShadowDeployment
  ended_with 1 'cannot create resource "deployments"' "kind: Role"
  grant connect-deployment
  as_dev --useShadowDeployment
  reaches "http://web.$NS"
  connect_stop
}

@test "rbac: without the verb watch it asks again and again instead" {
  kc -n "$NS" patch role ktctl-connect --type json -p '[
    {"op": "replace", "path": "/rules/0/verbs",
     "value": ["create", "get", "list", "patch", "delete"]},
    {"op": "test", "path": "/rules/3/resources", "value": ["services"]},
    {"op": "replace", "path": "/rules/3/verbs", "value": ["list"]}]' >/dev/null
  as_dev
  reaches http://web
  connect_stop
  grant connect
}
