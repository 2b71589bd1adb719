#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 30
# every flavour
# The life of an environment: made, shown, extended, deleted, and gone by
# itself. In a namespace of its own, with the published Role and no other.
# shellcheck disable=SC2154 # status and output come from bats

setup_file() {
  load common
  export ENS=$NS-env
  kc create namespace "$ENS" --dry-run=client -o yaml | kc apply -f - >/dev/null
  eventually 20 kc -n "$ENS" get serviceaccount default >/dev/null 2>&1
  eventually 20 kc -n "$ENS" get configmap kube-root-ca.crt >/dev/null 2>&1
  kc -n "$ENS" create service clusterip web --tcp=80 --dry-run=client -o yaml |
    kc -n "$ENS" apply -f - >/dev/null
  [ -z "${KUBECONFIG_DEV:-}" ] || may env
}

teardown_file() {
  load common
  kc delete namespace "$ENS" --wait=false >/dev/null
}

setup() {
  load common
}

# may ROLE: the developer has this Role of deploy/rbac in the namespace, and no
# other
may() {
  kc -n "$ENS" apply -f "$TOP/deploy/rbac/$1.yaml" >/dev/null
  kc -n "$ENS" delete rolebinding env-test --ignore-not-found >/dev/null
  kc -n "$ENS" create rolebinding env-test --role "ktctl-$1" \
    --user "$(kc --kubeconfig "$KUBECONFIG_DEV" config view -o \
      'jsonpath={.users[0].name}')" >/dev/null
}

# ktctl with nothing but that Role
kt() { # COMMAND...
  ktctl_run alice "$@" -n "$ENS" ${KUBECONFIG_DEV:+-c "$KUBECONFIG_DEV"}
}

# all that an environment could leave behind
namespace_now() {
  kc -n "$ENS" get jobs,services,configmaps,deployments,pods -o name | sort
  kc -n "$ENS" get service web -o json | jq '.spec, .metadata.annotations'
}

namespace_is() { # SNAPSHOT
  [ "$(namespace_now)" = "$1" ]
}

@test "env: made, shown, extended, deleted; then all is as before" {
  local before uid
  before=$(namespace_now)
  kt env list
  ended_with 0 "No environment in namespace $ENS"
  kt env create pr-1 --parent dev --ttl 1h --strict
  ended_with 0 "Environment dev.pr-1 of namespace $ENS is there, until" \
    "There is no environment dev above it"
  uid=$(kc -n "$ENS" get job kt-env-dev.pr-1 -o 'jsonpath={.metadata.uid}')
  [ "$(kc -n "$ENS" get service kt-env-dev--pr-1 -o \
    'jsonpath={.spec.clusterIP} {.metadata.ownerReferences[0].uid}')" = "None $uid" ]
  kt env create dev.pr-1
  ended_with 1 "exists already" "time left: "
  kt env create qa.pr-1
  ended_with 0 "Environment qa.pr-1"
  kt env show pr-1
  ended_with 1 "the end of several environments' names: dev.pr-1, qa.pr-1"
  kt env list -o json
  [ "$(jq -c '[.environments[] | .name, .strict]' <<<"$output")" = \
    '["dev.pr-1",true,"qa.pr-1",false]' ]
  kt env delete qa.pr-1
  ended_with 0 "Environment qa.pr-1 of namespace $ENS is deleted"
  kt env extend pr-1 --ttl 2d
  ended_with 0 "Environment dev.pr-1 of namespace $ENS lives until"
  [ "$(kc -n "$ENS" get job kt-env-dev.pr-1 -o json |
    jq '.spec.activeDeadlineSeconds > 172000')" = true ]
  kt env show pr-1
  ended_with 0 "time left  " "otherwise  dev, the trunk" "No members"
  grep -qE "time left  (1d23h|2d0h)" <<<"$output"
  kt env delete pr-1
  ended_with 0 "Environment dev.pr-1 of namespace $ENS is deleted"
  eventually 20 namespace_is "$before"
}

@test "env: what is not allowed or not meant is said before anything is made" {
  local before
  before=$(namespace_now)
  kt env create Pr_1
  ended_with 2 "'Pr_1' is no name of an environment"
  kt env create pr-1 --ttl 0
  ended_with 2 "--ttl 0" "--force"
  kt env create pr-1 --ttl soon
  ended_with 2 "'soon' is not a time"
  kt env delete pr-1
  ended_with 1 "no environment 'pr-1' in namespace $ENS"
  if [ -n "${KUBECONFIG_DEV:-}" ]; then
    kc -n "$ENS" patch role ktctl-env --type json -p \
      '[{"op": "remove", "path": "/rules/1"}]' >/dev/null # of Services
    kt env create pr-1
    kc -n "$ENS" apply -f "$TOP/deploy/rbac/env.yaml" >/dev/null
    ended_with 1 'cannot create resource "services"' "name: ktctl-env"
  fi
  namespace_is "$before"
}

# What joining leaves behind, without a program that runs: the router, the
# Service for the origin, a member's record, the table
taken() { # ENVIRONMENT
  local uid
  uid=$(kc -n "$ENS" get job "kt-env-$1" -o 'jsonpath={.metadata.uid}')
  kc -n "$ENS" patch service web --type merge -p '{"metadata": {"annotations":
    {"kt-selector": "{\"app\":\"web\"}"}}, "spec": {"selector": {"app": null,
    "kt-role": "router", "kt-target": "R"}}}' >/dev/null
  kc -n "$ENS" apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-kt-stuntman",
  "labels": {"control-by": "kt"}, "annotations": {"kt-user": "ann"}},
  "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}},
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-kt-mesh-$1",
  "labels": {"control-by": "kt", "kt-role": "shadow-mesh", "kt-env": "$1"},
  "annotations": {"kt-config": "service=web", "kt-env-member": "selector app=x"},
  "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job",
    "name": "kt-env-$1", "uid": "$uid"}]},
  "spec": {"ports": [{"port": 80}], "selector": {"app": "x"}}},
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kt-env",
  "labels": {"control-by": "kt", "kt-role": "env-table"},
  "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job",
    "name": "kt-env-$1", "uid": "$uid"}]},
  "data": {"members": "member $1 web x. 0 -\n"}},
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
  "name": "web-kt-router", "labels": {"control-by": "kt", "kt-role": "router",
  "kt-target": "R"}, "annotations": {"kt-config": "service=web"}},
  "spec": {"replicas": 0, "selector":
  {"matchLabels": {"kt-target": "R"}}, "template": {"metadata": {"labels":
  {"kt-role": "router", "kt-target": "R"}}, "spec": {"containers": [{"name":
  "standalone", "image": "none:1"}], "volumes": [{"name": "kt-env",
  "configMap": {"name": "kt-env", "optional": true}}]}}}}]}
END
}

namespace_is_but_for_the_router() { # SNAPSHOT
  [ "$(kc -n "$ENS" get jobs,services,configmaps -o name |
    grep -v web-kt-stuntman | sort)" = "$(grep -E '^[a-z.]+/' <<<"$1")" ]
}

over() { # ENVIRONMENT
  [ "$(date +%s)" -gt "$(kc -n "$ENS" get job "kt-env-$1" -o \
    'jsonpath={.metadata.annotations.kt-expires}')" ]
}

removes_what_has_ended() { # Kubernetes 1.21 and newer
  kc version -o json | jq -e \
    '.serverVersion.minor | sub("[^0-9].*"; "") | tonumber >= 21' >/dev/null
}

@test "env: gone by itself, with all that is its; the Service is given back" {
  local before
  before=$(namespace_now)
  kt env create short
  taken short
  # nothing of ours runs; what lives is left alone
  kt env show short
  ended_with 0 "web      selector app=x" "no ready Pod"
  [ "$(kc -n "$ENS" get service web -o 'jsonpath={.spec.selector.kt-target}')" = R ]
  kt env extend short --ttl 1s
  ended_with 0
  if removes_what_has_ended; then
    eventually 60 namespace_is_but_for_the_router "$before"
    kt env list
    ended_with 0 "recovered Service web" "No environment in namespace $ENS"
  else
    eventually 20 over short
    [ -z "${KUBECONFIG_DEV:-}" ] || may clean
    kt clean --thresholdInMinus 0 # what is as young as here is not idle else
    ended_with 0 "recovered Service web" "removed jobs kt-env-short" \
      "removed deployments web-kt-router"
  fi
  eventually 20 namespace_is "$before"
}
