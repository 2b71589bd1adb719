# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # for run and trial.bash, or theirs
# shellcheck disable=SC2016 # expanded later, or on the laptop
# The faults of "make chaos", one entry each; docs/reliability.md tells what was
# measured.
#
#   fault NAME DOOR POINTS HOLD BOUND STREAMS MAKE [UNDO]
#
# DOOR: how alice reaches the API server: direct; bytes, requests: through the two
# doors of proxy.py; node: direct, and a program of the node suffers, so that the
# cluster has to be ours alone.
# POINTS: start, steady, end: of connect; xstart, xsteady, xend: of exchange.
# HOLD: seconds between MAKE and UNDO. BOUND: seconds after UNDO until all works
# again (at an end: until the command has left). STREAMS: what becomes of open
# connections at "steady": kept; any: they may be reset, not silent; another: the
# same, and the first shadow is left to "clean"; again: the client is gone, and the
# same command has to work.
# MAKE, UNDO: commands. $N is a random number of this trial, of 15 bits.

declare -A DOOR POINTS HOLD BOUND STREAMS MAKE UNDO
FAULTS=()

fault() {
  FAULTS+=("$1")
  DOOR[$1]=$2 POINTS[$1]=$3 HOLD[$1]=$4 BOUND[$1]=$5 STREAMS[$1]=$6
  MAKE[$1]=$7 UNDO[$1]=${8:-true}
}

# --- how they are made ----------------------------------------------------------

# drop RULE...: packets between alice and the cluster meet each RULE; $A is alice's
# address there
drop() {
  local rule text="add table ip chaos$LANE
    add chain ip chaos$LANE f { type filter hook forward priority 0; }"
  for rule; do
    text+=$'\n'"add rule ip chaos$LANE f ${rule//@A/$ALICE_IP}"
  done
  "$CLUSTER/laptop" --office nft "$text"
}

no_drop() {
  "$CLUSTER/laptop" --office nft delete table ip "chaos$LANE" 2>/dev/null || true
}

cable() { # up | down
  "$CLUSTER/laptop" --office ip link set "lp-alice$LANE" "$1"
}

cable_flaps() {
  local i
  for i in 1 2 3 4 5 6; do
    cable down
    sleep 0.3
    cable up
    sleep "0.$i"
  done
}

# address IP: alice has this one and no other
address() {
  laptop alice sh -c '
    ip addr add "$0/24" dev eth0
    ip addr del "$(ip -4 -o addr show dev eth0 | awk "NR == 1 {print \$4}")" dev eth0
    ip addr show dev eth0 | grep -q "$0/" || ip addr add "$0/24" dev eth0
    ip route replace default via 10.77.0.1' "$1"
}

narrow() {
  "$CLUSTER/laptop" --office tc qdisc add dev "lp-alice$LANE" root tbf \
    rate 256kbit burst 8kb latency 200ms
}

no_narrow() {
  "$CLUSTER/laptop" --office tc qdisc del dev "lp-alice$LANE" root 2>/dev/null || true
}

# proxy FAULT [ARGUMENT]: and wait until proxy.py has read it
proxy() {
  echo "$*" >"$RUN/control.new"
  mv "$RUN/control.new" "$RUN/control"
  eventually 10 cmp -s "$RUN/control" "$RUN/control.set"
}

daemon() { # kill | stop | cont | start, NAME
  "$CLUSTER/daemon" "$@"
}

# client SIGNAL, shadow SIGNAL: to the command of this trial, to its Pod's program
client() {
  kill "-$1" "$CLIENT"
}

shadow() {
  local pod
  pod=$(shadow_of_trial)
  node_exec kill "-$1" "$(pod_pid "$pod")"
}

shadow_ends() { # WAY: of inbound.bash's pod_ends
  pod_ends "$1" "$(shadow_of_trial)"
}

shadow_of_trial() {
  local role=shadow-connect
  [[ $POINT != x* ]] || role=shadow-exchange
  shadows "$role" | head -n 1
}

ports() { # FIRST LAST
  laptop alice sysctl -qw "net.ipv4.ip_local_port_range=$1 $2"
}

# home_full: nothing more can be written where ktctl keeps its files
home_full() {
  laptop alice sh -c 'mount -t tmpfs -o size=64k none "$HOME" || exit
    head -c 1M /dev/zero >"$HOME/filler" 2>/dev/null || true'
}

home_again() {
  laptop alice sh -c 'umount -l "$HOME"' 2>/dev/null || true
}

descriptors_end() { # what it has, and no more
  CLIENT_LIMIT=$(prlimit --pid "$CLIENT" --nofile --raw --noheadings -o SOFT)
  prlimit --pid "$CLIENT" "--nofile=$(descriptors "$CLIENT"):"
}

descriptors_again() {
  prlimit --pid "$CLIENT" "--nofile=$CLIENT_LIMIT:"
}

cni() { # away | back
  node_exec sh -c 'cd /etc/cni/net.d && case $0 in
    away) mv 10-kt.conflist .away ;; back) mv .away 10-kt.conflist ;; esac' "$1"
}

dns_pod_ends() {
  kc -n kube-system delete pod -l k8s-app=kube-dns --wait=false >/dev/null
}

# --- the network ------------------------------------------------------------------

UP='ip saddr @A' DOWN='ip daddr @A'
ALL=start,steady,end,xstart,xsteady,xend
fault hole-both direct $ALL 6 12 kept "drop '$UP drop' '$DOWN drop'" no_drop
fault hole-up direct steady,xsteady,end 6 12 kept "drop '$UP drop'" no_drop
fault hole-down direct steady,xsteady,end 6 12 kept "drop '$DOWN drop'" no_drop
fault loss-20 direct start,steady,xsteady 6 12 kept \
  "drop 'numgen random mod 5 == 0 drop'" no_drop
fault large-lost direct start,steady,xsteady 6 15 kept \
  "drop 'meta length > 1000 drop'" no_drop
fault unreachable direct start,steady,xsteady,end 5 12 kept \
  "drop '$UP reject with icmp type net-unreachable'" no_drop
fault refused direct start,steady,xsteady,end 5 12 kept \
  "drop '$UP tcp dport 6443 reject with tcp reset'" no_drop
fault cable direct start,steady,xsteady,end 5 12 kept 'cable down' 'cable up'
fault cable-flaps direct start,steady,xsteady 0 12 kept cable_flaps
fault address direct steady,xsteady 3 12 kept 'address 10.77.0.$((200 + N % 40))' \
  'address $ALICE_IP'
fault narrow direct start,steady,xsteady 6 12 kept narrow no_narrow

# --- what stands between, and passes bytes ----------------------------------------

fault cut-at-byte bytes $ALL 3 12 kept 'proxy cut $((N % 12000))' 'proxy pass'
fault reset-at-byte bytes $ALL 3 12 kept 'proxy reset $((N % 12000))' 'proxy pass'
fault byte-by-byte bytes start,steady,xsteady 4 12 kept 'proxy drip' 'proxy pass'
fault delay-400 bytes start,steady,xsteady 5 12 kept 'proxy delay 400' 'proxy pass'
fault proxy-times-out bytes start,steady,xsteady 6 12 kept 'proxy idle 500' 'proxy pass'
fault proxy-hangs bytes start,steady,xsteady,end 6 12 kept 'proxy stall' 'proxy pass'
fault tls-alert bytes start,steady,xsteady,end 4 12 kept 'proxy alert' 'proxy pass'
fault portal bytes start,steady,xsteady,end 4 12 kept 'proxy portal' 'proxy pass'

# --- what the API server may say --------------------------------------------------

for code in 401 403 409 500 503; do
  fault "api-$code" requests start,steady,xsteady,xend 4 12 kept "proxy status $code" \
    'proxy pass'
done
# a Pod that is not there is replaced; this one names none
fault api-404 requests start,steady,xsteady,xend 4 12 another 'proxy status 404' \
  'proxy pass'
fault api-429 requests start,steady,xstart,xsteady,xend 4 12 kept 'proxy status 429 1' \
  'proxy pass'
for way in html garbage short huge slow; do
  fault "api-$way" requests start,steady,xsteady 4 12 kept "proxy $way" 'proxy pass'
done
fault watch-ends requests start,steady,xsteady 5 12 kept 'proxy watch-end' 'proxy pass'
fault watch-gone requests start,steady,xsteady 5 12 kept 'proxy gone' 'proxy pass'
fault upgrade-502 requests start,steady,xsteady 5 12 kept 'proxy upgrade 502' 'proxy pass'
fault upgrade-hangs requests start,steady,xsteady 5 20 kept 'proxy upgrade-stall' \
  'proxy pass'

# --- programs of the cluster ------------------------------------------------------

for name in kube-apiserver etcd kubelet containerd; do
  fault "$name-killed" node start,steady,xsteady 5 40 any "daemon kill $name" \
    "daemon start $name"
  fault "$name-stopped" node start,steady,xsteady 6 40 any "daemon stop $name" \
    "daemon cont $name"
done
fault kube-proxy-killed node steady,xsteady 5 12 kept 'daemon kill kube-proxy' \
  'daemon start kube-proxy'
fault kube-proxy-stopped node steady,xstart 6 12 kept 'daemon stop kube-proxy' \
  'daemon cont kube-proxy'
for name in kube-scheduler kube-controller-manager; do
  fault "$name-killed" node start,steady,xstart 5 40 kept "daemon kill $name" \
    "daemon start $name"
done
fault cni-away node start,steady,xstart 6 60 kept 'cni away' 'cni back'
fault cluster-dns-ends node start,steady,xsteady 0 30 kept dns_pod_ends

# --- our own ----------------------------------------------------------------------

fault client-stopped direct start,steady,xstart,xsteady 8 12 kept 'client STOP' \
  'client CONT'
fault client-killed direct start,steady,xstart,xsteady 0 30 again 'client KILL'
fault shadow-killed direct steady,xsteady 0 30 any 'shadow KILL'
fault shadow-stopped direct steady,xsteady 6 12 kept 'shadow STOP' 'shadow CONT'
fault shadow-deleted direct steady,xsteady 0 30 any 'shadow_ends delete'
fault shadow-deleted-by-force direct steady,xsteady 0 30 any 'shadow_ends force'
fault shadow-evicted direct steady,xsteady 0 30 kept 'shadow_ends evict'

# --- this machine -----------------------------------------------------------------

fault no-ports direct start,steady 4 12 kept 'ports 40000 40001' 'ports 32768 60999'
fault no-descriptors direct steady 4 12 kept descriptors_end descriptors_again
fault disk-full direct start,steady,end 2 12 kept home_full home_again
