# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# office.sh: laptops, and the office network between them and the cluster.
# Sourced by laptop and down.
#
#   laptop alice: eth0 10.77.0.11 --+
#                                   +-- office: lan0 10.77.0.1 -- node: API
#   laptop bob:   eth0 10.77.0.12 --+           10.77.0.53 DNS, .80 .81 HTTP
#
# The office is a router which knows the API server's address and refuses
# everything else; it also runs the name server (corpdns.py) and a netsrv.

OFFICE_NS=ktoffice-$ID
OFFICE=$STATE/office
LAPTOPS=$STATE/laptops
LAN=10.77.0
LAN6=fd77:

# Processes of the office and of each laptop are members of a cgroup, so that
# all of them are found again, in whatever namespaces they went to live.
members() {
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    echo "/sys/fs/cgroup/$CGROUP/$1"
  else
    echo "/sys/fs/cgroup/unified/$CGROUP/$1"
  fi
}

join_members() { echo "$BASHPID" >"$(members "$1")/cgroup.procs"; }

kill_members() {
  local group
  group=$(members "$1")
  [ -d "$group" ] || return 0
  wait_for 10 no_members "$group" || die "processes in $group do not end"
  rmdir "$group"
}

no_members() {
  local pids
  pids=$(find "$1" -name cgroup.procs -exec cat {} +)
  [ -n "$pids" ] || return 0
  # shellcheck disable=SC2086 # one word per process
  kill -9 $pids 2>/dev/null
  return 1
}

# in_background GROUP NETNS LOG CMD...: start a daemon there; sets $started
in_background() {
  local group=$1 netns=$2 log=$3
  shift 3
  (
    join_members "$group"
    close_inherited
    exec setsid nsenter --net="/run/netns/$netns" "$@"
  ) </dev/null >>"$log" 2>&1 &
  started=$!
  disown $started
}

# --- the office ---

office_up() {
  [ -e "/run/netns/$OFFICE_NS" ] && [ -f "$OFFICE/ok" ] && office_runs
}

# Both daemons live. What killed them (memory ran out, somebody's broad kill)
# left the network as it was.
office_runs() {
  local pid
  for pid in "$OFFICE/dns.pid" "$OFFICE/web.pid"; do
    [ -r "$pid" ] && kill -0 "$(<"$pid")" 2>/dev/null || return 1
  done
}

# mend_office: start again what has died; laptops stay as they are
mend_office() {
  if [ ! -f "$OFFICE/ok" ] || office_runs; then return; fi
  say "the office's daemons were dead: started again" >&2
  start_office
}

start_office() {
  kill_office_daemons
  in_background office "$OFFICE_NS" "$OFFICE/dns.err" \
    "$CLUSTER_DIR/corpdns.py" "$OFFICE/dns.log" "$NODE_IP" \
    "$LAN.53" "$LAN6:53"
  echo "$started" >"$OFFICE/dns.pid"
  in_background office "$OFFICE_NS" "$OFFICE/web.err" \
    env NAME=office "$STATE/netsrv"
  echo "$started" >"$OFFICE/web.pid"
  wait_for 10 dig +time=1 +tries=1 +short corp.test "@$LAN.53" || true
}

kill_office_daemons() {
  local pid
  for pid in "$OFFICE/dns.pid" "$OFFICE/web.pid"; do
    [ ! -f "$pid" ] || kill -9 "$(cat "$pid")" 2>/dev/null || true
  done
}

make_office() {
  local n=$OFFICE_NS range
  remove_office
  mkdir -p "$OFFICE" "$(members office)"
  ip netns add "$n"
  office_sysctls
  ip -n "$n" link set lo up
  # of its own address: else it has the lowest of its ports', and each laptop
  # that comes or goes may change it, unknown to the others for half a minute
  ip -n "$n" link add lan0 address 02:00:0a:4d:00:01 type bridge
  ip -n "$n" link set lan0 up
  for range in 1 53 80 81; do
    ip -n "$n" addr add "$LAN.$range/24" dev lan0
    ip -n "$n" addr add "$LAN6:$range/64" dev lan0 nodad
  done
  # the link to the node, whose fence treats "kl-" as it treats the machine
  ip -n "$n" link add up0 type veth peer name kl-office netns "$NODE_NS"
  ip -n "$n" addr add 10.78.0.2/30 dev up0
  ip -n "$n" link set up0 up
  ip -n "$NODE_NS" addr add 10.78.0.1/30 dev kl-office
  ip -n "$NODE_NS" link set kl-office up
  ip -n "$NODE_NS" route add "$LAN.0/24" via 10.78.0.2
  ip -n "$n" route add "$NODE_IP/32" via 10.78.0.1
  for range in "$POD_CIDR" "$SERVICE_CIDR" "172.31.$SUBNET.0/24"; do
    ip -n "$n" route add unreachable "$range"
  done
  start_office
  touch "$OFFICE/ok"
}

# It forwards, and it says "unreachable" as often as it is the case: with the
# usual limits a test would now and then see a time-out instead.
office_sysctls() {
  ip netns exec "$OFFICE_NS" sysctl -qw net.ipv4.ip_forward=1 \
    net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 \
    net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_msgs_burst=10000
}

remove_office() {
  kill_members office
  if [ -e "/run/netns/$OFFICE_NS" ]; then ip netns del "$OFFICE_NS"; fi
  rm -rf "$OFFICE"
}

# --- laptops ---

laptop_ns() { echo "ktlap-$ID-$1"; }

# laptop_pid NAME: the process that keeps the laptop's namespaces
laptop_pid() {
  local pid
  [ -r "$LAPTOPS/$1/pid" ] || return 1
  pid=$(<"$LAPTOPS/$1/pid")
  [ -n "$pid" ] && [ "/proc/$pid/exe" -ef "$STATE/pause" ] && echo "$pid"
}

make_laptop() {
  local name=$1 dir=$LAPTOPS/$1 n number
  n=$(laptop_ns "$name")
  remove_laptop "$name"
  number=$(free_number)
  mkdir -p "$dir"/{etc,etc.work,home} "$(members "laptop-$name")"
  echo "$number" >"$dir/number"
  ip netns add "$n"
  # the link's own IPv6 address is there at once, not a second later
  ip netns exec "$n" sysctl -qw net.ipv6.conf.default.accept_dad=0
  ip -n "$n" link set lo up
  ip -n "$n" link add eth0 type veth peer name "lp-$name" netns "$OFFICE_NS"
  ip -n "$OFFICE_NS" link set "lp-$name" master lan0 up
  ip -n "$n" addr add "$LAN.$number/24" dev eth0
  ip -n "$n" addr add "$LAN6:$number/64" dev eth0 nodad
  ip -n "$n" link set eth0 up
  ip -n "$n" route add default via "$LAN.1"
  ip -n "$n" route add default via "$LAN6:1"
  printf '%s\n' "search corp.test" "nameserver $LAN.53" \
    >"$dir/etc/resolv.conf"
  printf '%s\n' "127.0.0.1 localhost" "127.0.1.1 $name.corp.test $name" \
    "::1 localhost ip6-localhost ip6-loopback" >"$dir/etc/hosts"
  echo "$name" >"$dir/etc/hostname"

  in_background "laptop-$name" "$n" "$dir/init.log" unshare -m -u \
    --propagation private "$CLUSTER_DIR/laptop-init" "$name"
  wait_for 10 test -f "$dir/ok" || {
    cat "$dir/init.log" >&2
    die "laptop $name does not start"
  }
  echo "$started" >"$dir/pid"
  wait_for 2 laptop_pid "$name" || die "laptop $name ended at once"
}

# the last number of a laptop's address
free_number() {
  local number
  for number in {11..49} {100..249}; do
    grep -qsx "$number" "$LAPTOPS"/*/number || break
  done
  echo "$number"
}

remove_laptop() {
  local n
  n=$(laptop_ns "$1")
  kill_members "laptop-$1"
  if [ -e "/run/netns/$n" ]; then ip netns del "$n"; fi
  rm -rf "${LAPTOPS:?}/$1"
}

remove_all_laptops() {
  local dir
  for dir in "$LAPTOPS"/*/; do
    [ ! -d "$dir" ] || remove_laptop "$(basename "$dir")"
  done
  remove_office
}
