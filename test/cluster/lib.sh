# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh: what the scripts of the test cluster share. Source it.
#
# Every checkout has clusters of its own, one for each version of Kubernetes.
# Whatever is visible on the whole machine (network namespaces, links, addresses,
# cgroups, directories) carries an id made from the checkout's path and the
# version, so that they never meet.

# Tests call the scripts thousands of times: what is done here starts no programs
# where the shell can do it.

# shellcheck disable=SC2034 # the variables are for those who source this
CLUSTER_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd -P)
CHECKOUT=${CLUSTER_DIR%/*/*}

# KUBE=1.20 or 1.20.2: each flavour pins one version
IFS=. read -r major minor _ <<<"${KUBE:-1.20}"
FLAVOUR_DIR=$CLUSTER_DIR/flavours/$major.$minor
[ -f "$FLAVOUR_DIR/version" ] || {
  echo "KUBE=$KUBE: there is $(cd "$CLUSTER_DIR/flavours" && echo *)" >&2
  exit 2
}
KUBE=$(<"$FLAVOUR_DIR/version")

STATE_ROOT=${KTCTL_STATE:-/var/lib/ktctl-test}
CACHE_ROOT=${KTCTL_CACHE:-/var/cache/ktctl-test}
CACHE=$CACHE_ROOT/kube-$KUBE

ID=$(printf %s "$CHECKOUT${KUBE##1.20.*}" | sha256sum)
ID=${ID:0:6}
STATE=$STATE_ROOT/$ID
PKI=$STATE/pki
HOST_LINK=kt$ID # 15 characters at most

# KT_NODE=2: the scripts mean the second node, where there is one (node2)
case ${KT_NODE:-1} in
  1) suffix='' NODE_NUMBER=0 ;;
  2) suffix=-2 NODE_NUMBER=1 ;;
  *) echo "KT_NODE=$KT_NODE: there are 1 and 2" >&2 && exit 2 ;;
esac
NODE_NS=ktnode-$ID$suffix
NODE_NAME=kt-node$suffix
CGROUP=ktctl-$ID$suffix
KUBELET=kubelet$suffix
NODE_DIR=$STATE/node$suffix
ETC=$STATE/etc$suffix
LOGS=$STATE/logs$suffix
INIT=$STATE/init$suffix
NODE_POD_CIDR=10.244.$NODE_NUMBER.0/24

POD_CIDR=10.244.0.0/16
NODE_POD_CIDR6=fd00:244:0:$NODE_NUMBER::/64
SERVICE_CIDR=10.96.0.0/12
POD_CIDR6=fd00:244::/64
SERVICE_CIDR6=fd00:96::/112
DNS_IP=10.96.0.10

STARTED=${EPOCHREALTIME/./}

# say WORDS...: a progress line with the time since the script began
say() {
  local us=$((${EPOCHREALTIME/./} - STARTED))
  printf '%4d.%02d s  %s\n' $((us / 1000000)) $((us % 1000000 / 10000)) "$*"
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

need_root() { [ $EUID = 0 ] || die "must be root"; }

# wait_for SECONDS CMD...: run CMD every 0.1 s until it succeeds
wait_for() {
  local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "${EPOCHREALTIME/./}" -lt $end ] || return 1
    sleep 0.1
  done
}

# What the build makes; flavours/*/build.sh says when BIN is to be made anew.
[[ $(<"$FLAVOUR_DIR/build.sh") =~ BUILD_VERSION=([0-9]+) ]]
BIN=$CACHE/bin-${BASH_REMATCH[1]}

# dns_program: the path of the DNS server that is built from these sources
dns_program() {
  echo "$CACHE/dns-$(find "$CLUSTER_DIR/dns" "$FLAVOUR_DIR" -name '*.go' |
    LC_ALL=C sort | xargs cat | sha256sum | cut -c1-12)"
}

# The node's address is chosen once per cluster and remembered.
load_address() {
  [ -f "$STATE/subnet" ] || return 1
  SUBNET=$(<"$STATE/subnet")
  HOST_IP=172.31.$SUBNET.1
  NODE_IP=172.31.$SUBNET.$((2 + 4 * NODE_NUMBER))
  API=https://172.31.$SUBNET.2:6443
}

# node_pid: print the pid of the node's init if it is alive and really ours
node_pid() {
  local pid
  [ -r "$INIT.pid" ] || return 1
  pid=$(<"$INIT.pid")
  [ -n "$pid" ] && [ "/proc/$pid/exe" -ef "$STATE/pause" ] && echo "$pid"
}

# Close what the caller had open (locks, the pipes of a test program, which
# would wait for a daemon that holds one); for a subshell that becomes a daemon.
close_inherited() {
  local fd
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || eval "exec $fd>&-"
  done
}

# node_exec CMD...: run CMD inside the node's namespaces
node_exec() {
  local pid
  pid=$(node_pid) || die "the cluster of $CHECKOUT is not up"
  nsenter -t "$pid" -m -n -p -u -i -- \
    env PATH="$STATE/sbin:$BIN:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}

kubectl() { "$BIN/kubectl" --kubeconfig "$STATE/kubeconfig" "$@"; }

# api PATH [CURL-OPTIONS...]: ask the API server as admin (quicker than kubectl)
api() {
  local path=$1
  shift
  curl -sS --fail --max-time 5 --cacert "$PKI/ca.crt" \
    --cert "$PKI/admin.crt" --key "$PKI/admin.key" "$API$path" "$@"
}

# One lock for what all clusters of the machine share (routes, addresses)
# and one for each cluster, so that two `up` do not run at once. Directories
# can be locked as well as files, and are there already.
lock_machine() {
  exec 8</run/lock
  flock 8
}
unlock_machine() { exec 8<&-; }
lock_cluster() {
  exec 9<"$CLUSTER_DIR"
  flock 9
}
