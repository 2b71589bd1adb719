#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 106
# every flavour
# Without an image of ours: the shadow's program comes as a ConfigMap, in a
# namespace of its own that enforces PodSecurity `restricted`, for a developer
# with the published Roles. Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

IMAGE=${KTCTL_IMAGE:-}
ZNS=zero$LANE
EMPTY=zempty$LANE

namespace() { # NAME
  kc apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "$1",
 "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
END
}

fixture() {
  kc -n "$ZNS" apply -f - <<END
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext:
        {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: netsrv
        image: ${KTCTL_TEST_REGISTRY:-kt.local}/netsrv:1
        imagePullPolicy: IfNotPresent
        args: ["-l", "7000"]
        env: [{name: PASSWORD, value: theirs}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
END
}

setup_file() {
  [ -n "${KUBECONFIG_DEV:-}" ] || return 0
  namespace "$ZNS"
  namespace "$EMPTY"
  eventually 20 fixture >/dev/null 2>&1
  kc -n "$ZNS" rollout status deployment/web --timeout=60s >&2
  grant connect
  export KNS=$ZNS
  inbound_prepare web
}

teardown_file() {
  [ -n "${KUBECONFIG_DEV:-}" ] || return 0
  kc delete namespace "$ZNS" "$EMPTY" --wait=false >/dev/null
}

setup() {
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "needs the test cluster's identities"
  unset KTCTL_IMAGE
  export KNS=$ZNS
}

teardown() {
  connect_kill
  background_end
  kc -n "$ZNS" delete pods,deployments,services -l control-by=kt --now \
    >/dev/null 2>&1
  eventually 15 all_gone
}

all_gone() { # but for the ConfigMaps
  [ -z "$(kc -n "$ZNS" get pods,deployments,services -l control-by=kt -o name)" ]
}

grant() { # NAME...: deploy/rbac/NAME.yaml to the developer
  local name
  for name; do
    kc -n "$ZNS" apply -f "$TOP/deploy/rbac/$name.yaml" >/dev/null
    kc -n "$ZNS" create rolebinding "dev-$name" --role "ktctl-$name" \
      --user dev --dry-run=client -o yaml | kc -n "$ZNS" apply -f - >/dev/null
  done
}

# connects LAPTOP FLAGS...: connect_start in that namespace
connects() {
  NS=$ZNS connect_start "$@"
}

reaches_web() { # LAPTOP
  [[ $(laptop "$1" curl -sS --max-time 5 http://web) == web-* ]]
}

programs() { # names of the ConfigMaps
  kc -n "$ZNS" get configmaps -l kt-role=shadow-program -o name
}

field() { # OBJECT JSONPATH
  kc -n "$ZNS" get "$1" -o "jsonpath=$2"
}

@test "zero image: or an image of ours, exported by ktctl" {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "imports into the test cluster's node"
  local name=kt.local/exported$LANE:1
  laptop alice "$KTCTL" image export --name "$name" - 2>/dev/null |
    "$CLUSTER/node-exec" ctr -n k8s.io images import - >&2
  connects alice --image "$name"
  reaches_web alice
  [ "$(field "pod/$(NS=$ZNS shadow_pod)" '{.spec.containers[0].image}')" = "$name" ]
  connect_stop
  "$CLUSTER/node-exec" ctr -n k8s.io images rm "$name" >&2
}

@test "zero image: connect, with the published Role; nothing of the Pod but its image" {
  kc -n "$ZNS" delete configmaps -l kt-role=shadow-program >/dev/null
  KUBECONFIG=$KUBECONFIG_DEV connects alice
  reaches_web alice
  local pod map
  pod=pod/$(NS=$ZNS shadow_pod)
  map=$(programs)
  [ "$(wc -l <<<"$map")" = 1 ]
  [[ $map == configmap/ktctl-shadow-*-*-???????? ]]
  [ "$(field "$map" '{.immutable}')" = true ]
  [ "$(field "$pod" '{.spec.containers[0].image}')" = \
    "$(field deployment/web '{.spec.template.spec.containers[0].image}')" ]
  [ -z "$(field "$pod" '{.spec.containers[0].env}')" ]
  [ "$(field "$pod" '{.spec.volumes[*].name}')" = program ]
  # its version, with the same Role
  KUBECONFIG=$KUBECONFIG_DEV ktctl_run alice version -n "$ZNS" -o json
  ended_with 0
  jq -e --arg pod "${pod#*/}" '.shadows == [{pod: $pod, role: "shadow-connect",
    version: .client.version}]' <<<"$output"
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$BATS_TEST_DIRNAME/../../docs/schema/version.json" <<<"$output"
  reaches_web alice
  connect_stop
  # who comes next finds it
  KUBECONFIG=$KUBECONFIG_DEV connects bob --debug
  [[ $(cat "$CONNECT_LOG") != *"bringing the shadow's program"* ]]
  reaches_web bob
  connect_stop
  [ "$(programs)" = "$map" ]
}

@test "zero image: a shared Pod, a Deployment; what was removed is made again" {
  local old
  connects alice --shareShadow
  reaches_web alice
  connect_stop
  connects alice --useShadowDeployment
  reaches_web alice
  old=$(shadows shadow-connect)
  kc -n "$ZNS" delete configmaps -l kt-role=shadow-program >/dev/null
  kc -n "$ZNS" delete pod -l kt-role=shadow-connect --now >/dev/null
  # the old one serves until it has gone
  eventually 40 replaced shadow-connect "$old"
  eventually 40 one_program
  eventually 40 reaches_web alice
  connect_stop
}

one_program() {
  [ "$(programs | wc -l)" = 1 ]
}

@test "zero image: exchange, mesh, preview, with the published Roles" {
  grant exchange mesh preview
  serve alice local
  start exchange alice exchange web --expose 8080 -c "$KUBECONFIG_DEV"
  eventually 5 asks local "http://$(web)/"
  leave exchange
  eventually 15 is_own "$(web)"
  start mesh alice mesh web --expose 8080 --versionMark me -c "$KUBECONFIG_DEV"
  eventually 5 asks local "http://$(web)/" -H 'VERSION: me'
  is_own "$(web)"
  leave mesh
  start preview alice preview new --expose 8080:80 -c "$KUBECONFIG_DEV"
  eventually 5 asks local "http://$(web new)/"
  leave preview
  [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
}

@test "zero image: two at once, the first ones in the namespace" {
  kc -n "$ZNS" delete configmaps -l kt-role=shadow-program >/dev/null
  spawn one alice connect
  spawn two bob connect
  ready one
  ready two
  reaches_web alice
  reaches_web bob
  [ "$(programs | wc -l)" = 1 ]
  leave one
  reaches_web bob
  leave two
}

@test "zero image: a namespace without Pods, and an image without a shell" {
  ktctl_run alice connect -n "$EMPTY"
  ended_with 1 "no Pod runs in namespace $EMPTY" --baseImage --image
  [ -z "$(kc -n "$EMPTY" get pods,configmaps -l control-by=kt -o name)" ]
  NS=$EMPTY connect_start alice \
    --baseImage "${KTCTL_TEST_REGISTRY:-kt.local}/pause:1"
  laptop alice curl -sS --max-time 5 -o /dev/null "http://web.$ZNS"
  connect_stop
}

@test "zero image: a ConfigMap that somebody changed is not used" {
  local map
  connects alice
  connect_stop
  map=$(programs)
  map=${map#*/}
  kc -n "$ZNS" get configmap "$map" -o json | "$PYTHON" -c 'import json, sys
o = json.load(sys.stdin)
o["binaryData"]["start"] = "IyEvYmluL3NoCg=="
o["metadata"] = {k: o["metadata"][k] for k in ("name", "labels")}
print(json.dumps(o))' >"$RUN/map.json"
  kc -n "$ZNS" delete configmap "$map" >/dev/null
  kc -n "$ZNS" create -f "$RUN/map.json" >/dev/null
  ktctl_run alice connect -n "$ZNS"
  ended_with 1 "somebody has changed it" "delete configmap $map" --image
  all_gone
  kc -n "$ZNS" delete configmap "$map" >/dev/null
  connects alice
  connect_stop
}

@test "zero image: without the right to ConfigMaps the Role and --image are named" {
  kc -n "$ZNS" delete rolebinding --all >/dev/null
  grant connect
  kc -n "$ZNS" patch role ktctl-connect --type json -p '[
    {"op": "test", "path": "/rules/2/resources", "value": ["configmaps"]},
    {"op": "remove", "path": "/rules/2"}]' >/dev/null
  KUBECONFIG=$KUBECONFIG_DEV ktctl_run alice connect -n "$ZNS"
  ended_with 1 'cannot get resource "configmaps"' --image \
    'resources: [configmaps]'
  KUBECONFIG=$KUBECONFIG_DEV connects alice --image "$IMAGE"
  reaches_web alice
  connect_stop
  grant connect
}

@test "zero image: --mode ephemeral says that it needs one" {
  ktctl_run alice exchange web -n "$ZNS" --mode ephemeral --expose 8080 \
    --skipPortChecking
  ended_with 1 "--mode ephemeral needs an image" --image
}

@test "zero image: clean removes what no Pod uses" {
  connects alice
  local map
  map=$(programs)
  connect_stop
  ktctl_run bob clean -n "$ZNS"
  [ "$(programs)" = "$map" ] # younger than five minutes
  eventually 10 all_gone
  ktctl_run bob clean -n "$ZNS" --thresholdInMinus 0
  ended_with 0 "removed configmaps ${map#*/}"
  [ -z "$(programs)" ]
}
