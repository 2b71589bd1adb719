# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lifecycle.sh: making and removing what a cluster has outside its own
# directory. Sourced by up and down.

# Directories the node mounts its own over. They are made on the machine when
# they are missing, and removed, if still empty, with the last cluster.
NODE_MOUNTS=(/var/lib/kubelet /var/lib/containerd /var/lib/cni /etc/cni
  /var/log/pods /var/log/containers /opt/containerd)

# Marks our routes among the machine's ("proto" of ip route).
readonly ROUTE_PROTO=204

# ranges of every cluster on this machine, IPv4 then IPv6
FENCED=("$POD_CIDR" "$SERVICE_CIDR")
FENCED6=("$POD_CIDR6" "$SERVICE_CIDR6")

# Pick 172.31.X.0/30 for the link to the node: X comes from the id, and moves
# on while anything on this machine has to do with 172.31.X.*.
choose_address() {
  local x=$((16#${ID:0:2})) tries=0
  if [ ! -f "$STATE/subnet" ]; then
    while subnet_in_use $x; do
      x=$(((x + 1) % 256))
      tries=$((tries + 1))
      [ $tries -lt 256 ] || die "no free subnet 172.31.X.0/24"
    done
    echo $x >"$STATE/subnet"
  fi
  load_address
}

subnet_in_use() {
  ip -4 route show table all | grep -q "172\.31\.$1\." ||
    grep -qsx "$1" "$STATE_ROOT"/*/subnet
}

# The fence on the machine's side: the cluster's addresses fail at once, and
# nothing sent to them by mistake leaves through the default route.
add_routes() {
  local range
  for range in "${FENCED[@]}" "172.31.$SUBNET.0/24"; do
    ip route show exact "$range" | grep -q . ||
      ip route add unreachable "$range" metric 4000 proto $ROUTE_PROTO
  done
  for range in "${FENCED6[@]}"; do
    ip -6 route show exact "$range" | grep -q . ||
      ip -6 route add unreachable "$range" metric 4000 proto $ROUTE_PROTO \
        2>/dev/null || true # a machine without IPv6
  done
}

make_link() {
  ip netns add "$NODE_NS"
  ip link add "$HOST_LINK" type veth peer name kt0 netns "$NODE_NS"
  ip addr add "$HOST_IP/30" dev "$HOST_LINK"
  ip link set "$HOST_LINK" up
  ip -n "$NODE_NS" addr add "$NODE_IP/30" dev kt0
  ip -n "$NODE_NS" link set kt0 up
  # without a default route, processes of the node itself could not reach a
  # ClusterIP; node-init fences it off
  ip -n "$NODE_NS" route add default via "$HOST_IP"
  ip -n "$NODE_NS" addr add "fd31::2/64" dev kt0 nodad
  ip -n "$NODE_NS" route add default via fd31::1
}

# Start node-init as process 1 of new namespaces; remember its pid.
make_node() {
  rm -f "$INIT.ok"
  ip netns exec "$NODE_NS" true # mounts nothing yet, but fails early
  (
    close_inherited
    exec setsid nsenter --net="/run/netns/$NODE_NS" \
      unshare -m -p -u -i -f --propagation private "$CLUSTER_DIR/node-init"
  ) </dev/null >"$LOGS/node-init.log" 2>&1 &
  local unshare=$!
  disown $unshare
  wait_for 10 test -f "$INIT.ok" || {
    cat "$LOGS/node-init.log" >&2
    die "the node's first process failed"
  }
  # nsenter became unshare, whose only child is the node's process 1
  pgrep -P $unshare >"$INIT.pid"
  wait_for 2 node_pid || die "the node's first process is gone"
}

# cgroup v1 has a tree per controller, v2 has one
cgroup_trees() {
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
  else
    find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d
  fi
}

# On a node the group of all Pods (kubepods) is one of the root's, and the kubelet gives
# it 1024 shares for each processor. Here it is below ours, which would have those of one
# process: all Pods together would wait for the daemons, and what is measured would be that.
make_cgroups() {
  local tree
  for tree in $(cgroup_trees); do
    mkdir -p "$tree/$CGROUP"
    [ ! -f "$tree/$CGROUP/cpu.shares" ] ||
      echo $((1024 * $(nproc))) >"$tree/$CGROUP/cpu.shares"
  done
}

# Everything in the node's pid namespace ends with its process 1.
stop_node() {
  local pid
  if pid=$(node_pid); then
    kill -9 "$pid"
    wait_for 10 test ! -e "/proc/$pid" || die "process $pid does not end"
  fi
  rm -f "$INIT.pid" "$INIT.ok"
}

remove_network() {
  local range
  lock_machine
  ip link del "$HOST_LINK" 2>/dev/null || true
  if [ -e "/run/netns/$NODE_NS" ]; then ip netns del "$NODE_NS"; fi
  if load_address; then
    ip route del unreachable "172.31.$SUBNET.0/24" metric 4000 \
      proto $ROUTE_PROTO 2>/dev/null || true
  fi
  # a namespace ktnode-* is a cluster that needs the common things
  if ! ls /run/netns/ktnode-* >/dev/null 2>&1; then
    for range in "${FENCED[@]}"; do
      ip route del unreachable "$range" metric 4000 proto $ROUTE_PROTO \
        2>/dev/null || true
    done
    for range in "${FENCED6[@]}"; do
      ip -6 route del unreachable "$range" metric 4000 proto $ROUTE_PROTO \
        2>/dev/null || true
    done
    rmdir --ignore-fail-on-non-empty "${NODE_MOUNTS[@]}" 2>/dev/null || true
  fi
  unlock_machine
}

remove_cgroups() {
  local tree
  for tree in $(cgroup_trees); do
    [ -d "$tree/$CGROUP" ] || continue
    # just killed processes may still be leaving
    wait_for 5 cgroup_gone "$tree/$CGROUP" ||
      say "could not remove the cgroup $tree/$CGROUP"
  done
}

cgroup_gone() {
  find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
  [ ! -d "$1" ]
}

# stop_cluster: end it, whatever state it is in. The certificates, the
# kubeconfig files and the logs stay.
stop_cluster() {
  [ ! -d "$STATE/node-2" ] || "$CLUSTER_DIR/node2" down
  remove_all_laptops
  stop_node
  remove_network
  remove_cgroups
  rm -rf "$NODE_DIR"
}
