#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 20
# What a cluster makes of our Pods: a webhook that puts a container before ours,
# and nodes that cannot run them. Laptops: alice, carol.
# shellcheck disable=SC2119,SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load common
load net

HOOK=ktctl-test${LANE:-}
NODE=ktctl-other${LANE:-}
PORT=$((9800 + ${LANE:-0}))

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  load net
  skip_on_foreign "a webhook beside the API server"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=webhook -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$RUN/hook.key" -out "$RUN/hook.crt" 2>/dev/null
  node_exec "$PYTHON" "$TOOLS/webhook.py" "$PORT" "$RUN/hook.crt" "$RUN/hook.key" \
    kt.local/pause:1 "$NODE" "$RUN/hook.stop" >"$RUN/hook.log" 2>&1 3>&- &
  eventually 10 node_exec curl -sko /dev/null "https://127.0.0.1:$PORT/"
  kc label namespace "$NS" "hook=$HOOK" --overwrite
  node_make
  hook_make
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  kc delete mutatingwebhookconfiguration "$HOOK" --ignore-not-found
  kc delete node "$NODE" --ignore-not-found
  kc label namespace "$NS" hook-
  : >"$RUN/hook.stop"
  sleep 1
}

teardown() {
  connect_kill
  kc -n "$NS" delete pod here --force --grace-period=0 --ignore-not-found \
    >/dev/null 2>&1 # no kubelet would end it
}

# a node of another architecture, without a kubelet, as good as one can be: for
# others it is tainted
node_make() {
  kc apply -f - <<END
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "$NODE", "labels": {
  "kubernetes.io/os": "windows", "kubernetes.io/arch": "arm64",
  "kubernetes.io/hostname": "$NODE"}},
 "spec": {"taints": [{"key": "ktctl.test/other", "effect": "NoSchedule"}]}}
END
  kc replace --raw "/api/v1/nodes/$NODE/status" -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "$NODE"},
 "status": {"allocatable": {"cpu": "64", "memory": "64Gi", "pods": "100"},
  "capacity": {"cpu": "64", "memory": "64Gi", "pods": "100"},
  "conditions": [{"type": "Ready", "status": "True", "reason": "Test",
   "lastHeartbeatTime": "$(date -u +%FT%TZ)"}]}}
END
}

hook_make() {
  kc apply -f - <<END
{"apiVersion": "admissionregistration.k8s.io/v1",
 "kind": "MutatingWebhookConfiguration", "metadata": {"name": "$HOOK"},
 "webhooks": [{"name": "hook.ktctl.test", "admissionReviewVersions": ["v1"],
  "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 10,
  "namespaceSelector": {"matchLabels": {"hook": "$HOOK"}},
  "clientConfig": {"url": "https://127.0.0.1:$PORT/",
   "caBundle": "$(base64 -w0 "$RUN/hook.crt")"},
  "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
   "resources": ["pods"]}]}]}
END
}

of_pod() { # POD JSONPATH
  kc -n "$NS" get pod "$1" -o "jsonpath=$2"
}

on_other() { # POD
  [ "$(of_pod "$1" '{.spec.nodeName}')" = "$NODE" ]
}

shadow() {
  kc -n "$NS" get pods -l control-by=kt -o 'jsonpath={.items[0].metadata.name}'
}

@test "webhook: a container before ours, and a node that cannot run us" {
  # anybody's Pod goes to that node
  kc -n "$NS" run here --image kt.local/pause:1 --image-pull-policy Never >/dev/null
  eventually 20 on_other here
  connect_start alice
  local pod
  pod=$(shadow)
  [ "$(of_pod "$pod" '{.spec.containers[0].name}')" = aaa-proxy ]
  ! on_other "$pod" || false
  laptop alice curl -sS --max-time 10 -o /dev/null "http://web.$NS/"
  connect_stop
}

@test "webhook: our image cannot be pulled, though the first container runs" {
  ktctl_run carol connect -n "$NS" -i kt.test/nope:1
  ended_with 1 "image cannot be pulled" "kt.test/nope:1"
}
