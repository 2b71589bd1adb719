#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 25
# run WORKLOAD --inPod: the program stands in the Pod's network. Laptop: gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load common

sweep() {
  kc -n "$NS" delete pod/guest rolebinding/run-role role/ktctl-run role/ktctl-run-in-pod \
    serviceaccount/run-role --ignore-not-found --wait=false --grace-period=0 --force \
    >&2 2>/dev/null || true
}

# a Pod as "restricted" has them, with a sidecar that only it can call
objects() {
  jq -n --arg ns "$NS" '
  def hard: {allowPrivilegeEscalation: false, capabilities: {drop: ["ALL"]}};
  {apiVersion: "v1", kind: "Pod", metadata: {name: "guest", namespace: $ns, labels: {app: "guest"}},
   spec: {terminationGracePeriodSeconds: 0, automountServiceAccountToken: false,
    securityContext: {runAsNonRoot: true, runAsUser: 4000, seccompProfile: {type: "RuntimeDefault"}},
    containers: [
     {name: "main", image: "kt.local/netsrv:1", imagePullPolicy: "IfNotPresent", args: ["-o", "100", "-l", "7000"],
      env: [{name: "WHO", value: "guest"}], securityContext: hard},
     {name: "sidecar", image: "kt.local/toolbox:1", imagePullPolicy: "IfNotPresent", securityContext: hard,
      command: ["sh", "-c", "while :; do echo from the sidecar | nc -l -s 127.0.0.1 -p 9911 2>/dev/null || echo from the sidecar | nc -l 127.0.0.1 9911; done"]}]}}'
}

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  sweep
  kc -n "$NS" wait --for=delete --timeout=30s pod/guest >&2 || true
  home=$(mktemp -d /tmp/ktctl-run.XXXXXX) # where another user may go
  echo "$home" >"$RUN/home"
  cp "$KUBECONFIG" "$home/config"
  chmod 755 "$home"
  chown -R 1500:1500 "$home"
  objects | kc create -f - >&2
  kc -n "$NS" wait --for=condition=Ready --timeout=60s pod/guest >&2
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
}

teardown() {
  [ -z "${RUN_PID:-}" ] || kill -KILL "$RUN_PID" 2>/dev/null || true
}

teardown_file() {
  [ -f "$RUN/home" ] || return 0
  sweep
  rm -rf "$(<"$RUN/home")"
}

user_exec() {
  laptop_exec gina env HOME="$home" KUBECONFIG="${CONFIG:-$home/config}" \
    setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs "$@" 3>&-
}

run_in() {
  (user_exec timeout -k 5 90 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" "$@")
}

# config_of ACCOUNT: a kubeconfig with its token
config_of() {
  kc config view --raw --minify -o json |
    jq --arg t "$(kc -n "$NS" create token "$1")" '.users[0].user = {token: $t}'
}

# guests STATE: how many of its containers are running, or terminated
guests() {
  kc -n "$NS" get pod guest -o json | jq --arg s "$1" '[.status.ephemeralContainerStatuses[]? |
    select(.name | startswith("kt-run-")) | select(.state[$s])] | length'
}

one_runs() {
  [ "$(guests running)" = 1 ]
}

all_over() {
  [ "$(guests running)" = 0 ]
}

@test "run --inPod: the Pod's address is the caller's, the sidecar is on 127.0.0.1, the own listener first" {
  local ip web
  ip=$(kc -n "$NS" get pod guest -o jsonpath='{.status.podIP}')
  web=$(kc -n "$NS" get pods -l app=web -o jsonpath='{.items[0].status.podIP}')
  # a port of this machine's, and one that it shares with the sidecar
  laptop_exec gina /usr/bin/python3 -c '
import socket, time
a, b = [socket.create_server(("127.0.0.1", p)) for p in (9912, 9911)]
while True:
    c, _ = a.accept()
    c.sendall(b"from this machine\n"); c.close()' 3>&- &
  RUN_PID=$!
  run -0 --separate-stderr run_in pod/guest --inPod --keep 20s -- sh -c '
    nc -dw 5 "$0" 7005 | cut -d" " -f2
    cat /dev/null | nc -w 5 127.0.0.1 9911
    cat /dev/null | nc -w 5 127.0.0.1 9912
    nc -zw 5 127.0.0.1 9913 || echo refused
    (echo from the program | nc -lN 127.0.0.1 9911 >/dev/null) & sleep 1
    cat /dev/null | nc -w 5 127.0.0.1 9911
    echo "$WHO"; sed -n "s/^CapEff:\t//p" /proc/self/status' "$web"
  echo "$output" >"$RUN/got"
  printf '%s\n' "$ip" 'from the sidecar' 'from this machine' refused 'from the program' guest \
    0000000000000000 >"$RUN/wanted"
  same "$RUN/wanted" "$RUN/got"
  # none of its capabilities, and it has ended
  [ "$(kc -n "$NS" get pod guest -o json | jq -c '.spec.ephemeralContainers[0].securityContext |
    [.capabilities, .runAsNonRoot]')" = '[{"drop":["ALL"]},true]' ]
  eventually 15 all_over
  [ "$(guests terminated)" -ge 1 ]
}

@test "run --inPod: with the published Roles, refused without; the container ends with a ktctl that is killed" {
  kc -n "$NS" apply -f "$TOP/deploy/rbac/run.yaml" >&2
  kc -n "$NS" create serviceaccount run-role >&2
  kc -n "$NS" create rolebinding run-role --role ktctl-run --serviceaccount "$NS:run-role" >&2
  config_of run-role >"$home/role"
  CONFIG=$home/role run -125 run_in pod/guest --inPod -- true
  [[ $output == *"pods/ephemeralcontainers"*"name: ktctl-run-in-pod"* ]]
  kc -n "$NS" patch role ktctl-run --type json -p '[{"op": "add", "path": "/rules/-", "value":
    {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["patch"]}}]' >&2
  : >"$RUN/log"
  CONFIG=$home/role user_exec "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" pod/guest --inPod --keep 5s \
    -- sh -c 'echo up; exec sleep 1000' >"$RUN/log" 2>&1 3>&- &
  RUN_PID=$!
  eventually 60 grep -q '^up' "$RUN/log"
  eventually 15 one_runs
  kill -KILL "$RUN_PID"
  wait "$RUN_PID" || true
  eventually 80 all_over
}

@test "run --inPod: what it cannot do is said before anything is begun" {
  run -2 run_in --inPod -- true
  [[ $output == *"whose Pod?"* ]]
  run -2 run_in web --inPod --shareShadow -- true
  [[ $output == *"--inPod and --shareShadow"* ]]
  run -2 user_exec env -u KTCTL_IMAGE "$KTCTL" run web -n "$NS" -i '' --inPod -- true
  [[ $output == *"--inPod needs an image"* ]]
  run -125 run_in web."$OTHER" --inPod -- true
}
