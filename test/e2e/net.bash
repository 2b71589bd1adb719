# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the tests of the network: programs beside the Pods, broken links.

TOOLS=$TOP/test/e2e/tools
# a wrapper of python3 (pyenv's) would cost 100 ms a call
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# skip_on_foreign WHY: what needs the test cluster's node or office
skip_on_foreign() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "not on a foreign cluster: $1"
}

node_exec() {
  "$CLUSTER/node-exec" "$@"
}

# probe LAPTOP COMMAND...: see tools/probe.py
probe() {
  local name=$1
  shift
  laptop "$name" "$PYTHON" "$TOOLS/probe.py" "$@"
}

# pod_pid POD [NAMESPACE]: its process as the node counts
pod_pid() {
  local id
  id=$(kc -n "${2:-$NS}" get pod "$1" -o \
    'jsonpath={.status.containerStatuses[0].containerID}')
  node_exec ctr -n k8s.io task ls | awk -v id="${id##*/}" '$1 == id {print $2}'
}

# in_pod POD CMD...: a program of this machine in the Pod's network
in_pod() {
  local var=PID_OF_$1
  [ -n "${!var:-}" ] || export "$var=$(pod_pid "$1")"
  shift
  node_exec nsenter -t "${!var}" -n "$@"
}

# toolbox CMD...: a program of the toolbox, in its Pod
toolbox() {
  kc -n "$NS" exec toolbox -- "$@"
}

# near A B TOLERANCE-IN-PERCENT
near() {
  local d=$(($1 - $2))
  [ $((d < 0 ? -d : d)) -le $(($2 * $3 / 100)) ]
}

# cut_off LAPTOP: from now on every packet between it and the cluster is lost
# silently; no_cut LAPTOP: no more
cut_off() {
  local ip
  ip=$(laptop "$1" ip -4 -o addr show dev eth0 | awk '{print $4}')
  "$CLUSTER/laptop" --office nft "
    add table ip cut-$1$LANE
    add chain ip cut-$1$LANE f { type filter hook forward priority 0; }
    add rule ip cut-$1$LANE f ip saddr ${ip%/*} drop
    add rule ip cut-$1$LANE f ip daddr ${ip%/*} drop"
}

no_cut() {
  "$CLUSTER/laptop" --office nft delete table ip "cut-$1$LANE" 2>/dev/null || true
}

# resident PID / peak PID / descriptors PID: of a process of this machine
resident() {
  awk '/^VmRSS/ {print $2}' "/proc/$1/status"
}
peak() {
  awk '/^VmHWM/ {print $2}' "/proc/$1/status"
}
descriptors() {
  find "/proc/$1/fd" -mindepth 1 | wc -l
}

# shadow_resident / shadow_peak / shadow_descriptors: of the connect shadow
shadow_status() { # FIELD
  local pid
  pid=$(pod_pid "$(shadow_pod)")
  node_exec sed -n "s/^$1:[[:space:]]*\([0-9]*\).*/\1/p" "/proc/$pid/status"
}
shadow_resident() {
  shadow_status VmRSS
}
shadow_peak() {
  shadow_status VmHWM
}
shadow_descriptors() {
  local pid
  pid=$(pod_pid "$(shadow_pod)")
  node_exec find "/proc/$pid/fd" -mindepth 1 | wc -l
}

# gate ROLE MODE: the proxy tools/gate.py on carol's machine, and a kubeconfig that
# leads there, $BATS_TEST_TMPDIR/kubeconfig, of somebody who has the Role; what
# was asked of it is in .../asked; gate_end
gate() {
  local role=$1 mode=$2
  local dir=$BATS_TEST_TMPDIR server
  [ -n "${KUBECONFIG_TOKEN:-}" ] || skip "needs the test cluster's identities"
  kc -n "$NS" apply -f "$TOP/deploy/rbac/$role.yaml" >/dev/null
  kc -n "$NS" create rolebinding token --role "ktctl-$role" \
    --serviceaccount default:ktctl-token >/dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=gate \
    -keyout "$dir/key" -out "$dir/cert" 2>/dev/null
  cat "$dir/cert" "$dir/key" >"$dir/both"
  server=$(kubectl --kubeconfig "$KUBECONFIG_TOKEN" config view -o \
    'jsonpath={.clusters[0].cluster.server}')
  "$CLUSTER/laptop" "carol$LANE" -- "$PYTHON" "$TOP/test/e2e/tools/gate.py" \
    6443 "${server#https://}" "$dir/both" "$mode" "$dir/asked" 3>&- &
  GATE=$!
  kubectl --kubeconfig "$KUBECONFIG_TOKEN" config view --raw -o json |
    jq '.clusters[0].cluster = {server: "https://127.0.0.1:6443",
      "insecure-skip-tls-verify": true}' >"$dir/kubeconfig"
  eventually 20 laptop carol nc -z 127.0.0.1 6443
}

gate_end() {
  [ -z "${GATE:-}" ] || kill "$GATE" 2>/dev/null || true
  [ -z "${KUBECONFIG_DEV:-}" ] ||
    kc -n "$NS" delete role,rolebinding --all >/dev/null
}
