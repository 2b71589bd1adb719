#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 45
# every flavour
# forward: ports of this machine lead into the cluster. Laptop: alice.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup() {
  skip_on_foreign "Pods' addresses, and the network between"
}

teardown() {
  no_cut alice
  background_end
  kc -n "$NS" delete service/late role/ktctl-forward rolebinding/dev-forward \
    --ignore-not-found >/dev/null
  eventually 15 no_objects
}

# from PORT: who answers there
from() {
  laptop alice curl -sS --max-time 10 "http://127.0.0.1:$1/"
}

# is_from PREFIX PORT
is_from() {
  local got
  got=$(from "$2" 2>&1)
  [[ $got == $1* ]] || { echo "$2: got '$got', not '$1...'" >&2; return 1; }
}

# sees WANTED COMMAND PORT [MORE]: of probe.py
sees() {
  local want=$1 got
  shift
  got=$(probe alice "$1" 127.0.0.1 "${@:2}")
  # shellcheck disable=SC2053 # a pattern
  [[ $got == $want ]] || { echo "$*: got '$got', not '$want'" >&2; return 1; }
}

# spawn_as_nobody TAG ARGUMENTS...: forward by a user without any right on the
# machine; stdout goes to $RUN/TAG.out
spawn_as_nobody() {
  local tag=$1 home=$BATS_TEST_TMPDIR/home
  shift
  mkdir -p "$home"
  cp "$KUBECONFIG" "$home/kubeconfig"
  chown -R 65534:65534 "$home"
  chmod 711 "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "$BATS_TEST_TMPDIR" || true
  : >"$RUN/$tag.log"
  (laptop_exec alice setpriv --reuid=65534 --regid=65534 --clear-groups env \
    "HOME=$home" "KUBECONFIG=$home/kubeconfig" \
    "$KTCTL" forward -n "$NS" "$@") >"$RUN/$tag.out" 2>"$RUN/$tag.log" 3>&- &
  echo "$tag $!" >>"$PIDS"
}

@test "forward: Services, workloads, Pods, addresses and names, over one Pod, without root" {
  local pod any
  pod=$(pod_of app=web)
  spawn_as_nobody f web 18080 webn 18081:http webh 18082 \
    "far.$OTHER" 18083:80 deployment/web 18084:http sts/db 18085:8080 \
    "pod/$pod" 18086:8080 "$(pod_ip "$pod")" 18087:8080 \
    "db-0.db.$NS.svc.cluster.local" 18088:8080 \
    net 0:greet 17001:7001 17002:7002 17007:7007/udp \
    "net.$NS.svc" 17017:echo-udp "db-0.db.$NS" 17005:7005/udp
  ready f
  [ "$(shadows shadow-connect | wc -w)" = 1 ]
  for port in 18080 18081 18082 18084 18087; do
    is_from web- $port
  done
  is_from far- 18083
  is_from db- 18085
  is_from "$pod" 18086
  is_from db-0 18088
  laptop alice curl -sS -g --max-time 10 -o /dev/null 'http://[::1]:18080/'
  # the port that was taken is told, on stdout
  any=$(sed -n 's/^127.0.0.1:\([0-9]*\) -> net:greet$/\1/p' "$RUN/f.out")
  sees 'hello from web-*' greet "$any"
  # ends and resets are kept
  sees '1000000 ok' half-close 17001 1000000
  sees ECONNRESET abort 17002
  # UDP to a Service, by a port's name, and to a name
  sees 'ok 1 1400 9000' udp-echo 17007 1 1400 9000
  sees 'ok 1 1400' udp-echo 17017 1 1400
  [[ $(laptop alice "$PYTHON" - <<<'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("127.0.0.1", 17005))
s.send(b"who")
print(s.recv(100).decode())') == db-0* ]]
  leave f
}

@test "forward: with the published Role and nothing else" {
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "needs the test cluster's identities"
  kc -n "$NS" apply -f "$TOP/deploy/rbac/forward.yaml" >/dev/null
  kc -n "$NS" create rolebinding dev-forward --role ktctl-forward --user dev >/dev/null
  KUBECONFIG=$KUBECONFIG_DEV start f alice forward web 18080 sts/db 18081:http \
    "far.$OTHER" 18082:80
  is_from web- 18080
  is_from db- 18081
  is_from far- 18082 # its Service may not be read: it is a name
  run ! grep -q warning: "$RUN/f.log"
  leave f
}

@test "forward: while no Pod is ready it refuses; Pods that come are reached" {
  local old
  kc -n "$NS" create service clusterip late --tcp=80:8080 >/dev/null # app: late
  start f alice forward late 18080:80 pod/db-1 18081:8080
  grep -q 'late: no Pod is ready' "$RUN/f.log"
  sees 'ECONNREFUSED*' connect 18080
  kc -n "$NS" patch service late -p '{"spec": {"selector": {"app": "web"}}}' >/dev/null
  eventually 10 is_from web- 18080
  kc -n "$NS" patch service late -p '{"spec": {"selector": {"app": "none"}}}' >/dev/null
  eventually 10 sees 'ECONNREFUSED*' connect 18080
  # a Pod of the same name, elsewhere
  is_from db-1 18081
  old=$(pod_ip db-1)
  kc -n "$NS" delete pod db-1 --now --wait=true >/dev/null
  eventually 30 is_from db-1 18081
  [ "$(pod_ip db-1)" != "$old" ]
  # a target that refuses: reset, and why is told
  leave f
  start f alice forward deployment/web 18080:9
  sees '*ECONNRESET' read 18080
  grep -q 'deployment/web:9: a connection was reset: Connection refused' "$RUN/f.log"
  leave f
}

@test "forward: the network goes away and comes back; the shadow is lost" {
  local idle
  start f alice forward net 8080 7004
  laptop_exec alice "$PYTHON" "$TOOLS/idle.py" 127.0.0.1 $((150 << 20)) \
    >"$RUN/idle" 2>&1 3>&- &
  idle=$!
  eventually 20 grep -q running "$RUN/idle"
  cut_off alice
  sleep 4
  no_cut alice
  wait $idle || { cat "$RUN/idle" >&2; false; }
  kc -n "$NS" delete pod "$(shadow_pod)" --force --grace-period=0 >/dev/null 2>&1
  eventually 60 is_from web- 8080
  leave f
}

@test "forward: what is wrong is told, and nothing is left" {
  local listener
  laptop_exec alice nc -lk 127.0.0.1 18080 3>&- &
  listener=$!
  echo "serve-nc $listener" >>"$PIDS"
  eventually 10 sees 'connected*' connect 18080
  ktctl_run alice forward -n "$NS" web 18080
  ended_with 1 "listen on 127.0.0.1:18080: Address already in use" "hint:"
  ktctl_run alice forward -n "$NS" net
  ended_with 1 "net has several ports: 7007"
  ktctl_run alice forward -n "$NS" web 18081:8080
  ended_with 1 "'18081:8080': web has no such port; it has 80"
  ktctl_run alice forward -n "$NS" nosuch 18081
  ended_with 1 'services "nosuch" not found'
  ktctl_run alice forward -n "$NS" 10.1.2.3
  ended_with 1 "10.1.2.3: a port must be given"
  ktctl_run alice forward -n "$NS" web 18081 nobody.nowhere.svc.cluster.local 18082
  ended_with 1 "nobody.nowhere.svc.cluster.local: the cluster's DNS knows no such name, and it is no Service"
  ktctl_run alice forward -n "$NS" web:80
  ended_with 2 "'web:80' is no target"
  ktctl_run alice forward -n "$NS" web 18081 --address 10.0.0.0/8
  ended_with 2 "is a range, not an address"
  eventually 10 no_objects
}
