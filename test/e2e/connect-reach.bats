#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 75
# every flavour
# What a program of the laptop reaches during `ktctl connect`, by which name and
# address, and what it does not; the flags that change it. Laptops: alice, bob.

bats_require_minimum_version 1.5.0
load common
load net

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  connect_start alice
  export CONNECT_PID CONNECT_LOG
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  connect_kill
}

teardown() {
  # what a test started itself
  if [ -n "${OWN_PID:-}" ]; then
    CONNECT_PID=$OWN_PID connect_kill
  fi
}

# the name of the server that answers at a URL, as seen by alice
served_by() {
  laptop "${2:-alice}" curl -sS --max-time 10 "$1" -o /dev/null -D - |
    tr -d '\r' | sed -n 's/^X-Served-By: //Ip'
}

reaches() { # URL NAME-PATTERN [LAPTOP]
  local got
  got=$(served_by "$1" "${3:-alice}")
  # shellcheck disable=SC2053 # a pattern
  [[ $got == $2 ]] || { echo "$1: served by '$got', not $2" >&2; return 1; }
}

resolves() { # NAME [LAPTOP]: as programs do, with search list and hosts file
  laptop "${2:-alice}" getent ahostsv4 "$1" | awk 'NR == 1 {print $1}'
}

routed_to() { # ADDRESS [LAPTOP]: the device
  laptop "${2:-alice}" ip route get "$1" 2>&1 |
    sed -n 's/.* dev \([^ ]*\).*/\1/p'
}

# other_connect LAPTOP FLAGS...: one of the test's own, ended after it
other_connect() {
  connect_start "$@"
  OWN_PID=$CONNECT_PID
}

lan_address() {
  "$CLUSTER/laptop" --office ip -o link show lan0 | grep -o 'link/ether [^ ]*'
}

other_stop() {
  CONNECT_PID=$OWN_PID
  OWN_PID=
  connect_stop INT
}

# --- names and addresses -------------------------------------------------

@test "a Pod is reached by its address" {
  pod=$(pod_of app=web)
  reaches "http://$(pod_ip "$pod"):8080/" "$pod"
  reaches "http://$(pod_ip db-1):8080/" db-1
  far=$(pod_of app=far "$OTHER")
  reaches "http://$(pod_ip "$far" "$OTHER"):8080/" "$far"
}

@test "a Service is reached by its ClusterIP" {
  reaches "http://$(service_ip web)/" 'web-*'
  reaches "http://$(service_ip webn)/" 'web-*'
  reaches "http://$(service_ip far "$OTHER")/" 'far-*'
}

@test "a Service is reached by every form of its name" {
  reaches http://web/ 'web-*'
  reaches "http://web.$NS/" 'web-*'
  reaches "http://web.$NS.svc/" 'web-*'
  reaches "http://web.$NS.svc.cluster.local/" 'web-*'
  reaches "http://web.$NS.svc.cluster.local./" 'web-*'
  reaches http://WeB/ 'web-*'
}

@test "a headless Service and the Pods of a StatefulSet are reached by name" {
  reaches http://webh:8080/ 'web-*'
  reaches "http://webh.$NS.svc.cluster.local:8080/" 'web-*'
  reaches http://db:8080/ 'db-*'
  reaches http://db-0.db:8080/ db-0
  reaches "http://db-1.db.$NS:8080/" db-1
  reaches "http://db-1.db.$NS.svc.cluster.local:8080/" db-1
}

@test "a Service of another namespace is reached as name.namespace only" {
  reaches "http://far.$OTHER/" 'far-*'
  reaches "http://far.$OTHER.svc/" 'far-*'
  reaches "http://far.$OTHER.svc.cluster.local/" 'far-*'
  run -2 laptop alice getent hosts far
  run laptop alice curl -sS --max-time 5 http://far/
  [ "$status" -eq 6 ] # could not resolve
}

@test "an ExternalName is followed" {
  reaches "http://outside.$NS/" 'far-*'
  reaches "http://outside.$NS.svc.cluster.local/" 'far-*'
}

@test "a Service made while connected is reached at once" {
  kc -n "$NS" create service clusterip fresh --tcp=80:8080 --dry-run=client \
    -o yaml | sed 's/app: fresh/app: web/' | kc -n "$NS" apply -f - >&2
  eventually 8 reaches http://fresh/ 'web-*' 2>/dev/null
  kc -n "$NS" delete service fresh --wait=false >&2
}

@test "the cluster's name server itself is reached, over UDP and TCP" {
  dns=$(kc -n kube-system get service kube-dns -o \
    'jsonpath={.spec.clusterIP}')
  web=$(service_ip web)
  [ "$(probe alice udp-dns "$dns" "web.$NS.svc.cluster.local")" = "$web" ]
  [ "$(probe alice tcp-dns "$dns" "web.$NS.svc.cluster.local")" = "$web" ]
}

# --- the laptop's own network ----------------------------------------------

@test "the office's names and addresses are as before" {
  skip_on_foreign "the office"
  [ "$(resolves www.corp.test)" = 10.77.0.80 ]
  [ "$(resolves www)" = 10.77.0.80 ]
  [ "$(resolves chain.corp.test)" = 10.77.0.80 ]
  [ "$(resolves www.example.com)" = 203.0.113.11 ]
  run -2 laptop alice getent hosts nope.corp.test
  run laptop alice dig +noall +comments nope.corp.test
  [[ $output == *"status: NXDOMAIN"* ]]
  reaches http://www.corp.test:8080/ office
  [ "$(laptop alice cat /etc/resolv.conf)" = \
    "$(printf '%s\n' 'search corp.test' 'nameserver 10.77.0.53')" ]
}

# what the other lanes do all the time
@test "the office's network is the same when another laptop comes" {
  skip_on_foreign "the office"
  local before
  before=$(lan_address)
  laptop zed true
  "$CLUSTER/laptop" --office ip link set "lp-zed$LANE" address 00:16:3e:00:00:01
  [ "$(lan_address)" = "$before" ]
  "$CLUSTER/laptop" --down "zed$LANE"
  [ "$(lan_address)" = "$before" ]
}

@test "the cluster's ranges lead into the device, the API server does not" {
  [ "$(routed_to "$(service_ip web)")" = kt0 ]
  [ "$(routed_to "$(pod_ip db-0)")" = kt0 ]
  # the whole range, not only what is in use
  skip_on_foreign "its ranges"
  [ "$(routed_to 10.111.255.250)" = kt0 ]
  [ "$(routed_to 10.244.0.250)" = kt0 ]
  # nothing more
  [ "$(routed_to 10.112.0.1)" = eth0 ]
  [ "$(routed_to 10.245.0.1)" = eth0 ]
  api=${KTCTL_TEST_API#https://}
  [ "$(routed_to "${api%:*}")" = eth0 ]
  # what it says is what it did
  grep -q 'Routes: .*10\.96\.0\.0/12' "$CONNECT_LOG"
  grep -q 'Routes: .*10\.244\.0\.0/' "$CONNECT_LOG"
  laptop alice ip -6 route show dev kt0 | grep -q fd00:96::
}

@test "ranges in two ways: a hostNetwork Pod's network is not captured" {
  skip_on_foreign "the node's network"
  kc apply -f "$TOP/deploy/rbac/connect.yaml" -n "$NS" >&2
  kc -n "$NS" create rolebinding e2e-reach --role ktctl-connect \
    --serviceaccount default:ktctl-token --dry-run=client -o yaml |
    kc -n "$NS" apply -f - >&2
  kc -n "$NS" apply -f - >&2 <<END
apiVersion: v1
kind: Pod
metadata: {name: onhost}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers:
  - {name: pause, image: "kt.local/pause:1", imagePullPolicy: IfNotPresent}
END
  kc -n "$NS" wait --for=condition=Ready --timeout=30s pod/onhost >&2
  node=$(pod_ip onhost)

  # a second developer, who may not read Nodes: ranges come from Pods
  # shellcheck disable=SC2030
  KUBECONFIG=$KUBECONFIG_TOKEN other_connect bob
  kc -n "$NS" delete pod onhost --wait=false >&2
  [ "$(routed_to "$(pod_ip db-0)" bob)" = kt0 ]
  [ "$(routed_to "$(service_ip web)" bob)" = kt0 ]
  [ "$(routed_to "$node" bob)" = eth0 ]
  [ "$(routed_to "${node%.*}.250" bob)" = eth0 ]
  # alice, who may: the same
  [ "$(routed_to "${node%.*}.250")" = eth0 ]

  # and both work side by side
  reaches "http://web.$NS/" 'web-*' bob
  reaches "http://web.$NS/" 'web-*' alice
  reaches "http://db-0.db:8080/" db-0 bob
  other_stop
  reaches "http://web.$NS/" 'web-*' alice
}

@test "while the tunnel is down, the office's names answer within a second" {
  skip_on_foreign "the network between"
  cut_off alice
  sleep 1
  office=$(laptop alice dig +tries=1 +time=5 www.corp.test)
  cluster=$(laptop alice dig +tries=1 +time=5 "no.$NS.svc.cluster.local")
  no_cut alice
  # as soon as an address is reached, a name that was not asked for before is known
  pod=$(pod_ip db-0)
  eventually 20 laptop alice curl -sS --max-time 2 -o /dev/null "http://$pod:8080/" 2>/dev/null
  again=$(laptop alice dig +tries=1 +time=1 +short "db-0.db.$NS.svc.cluster.local")
  echo "$office"
  [[ $office == *10.77.0.80* ]]
  echo "$cluster"
  [[ $cluster == *"status: SERVFAIL"* ]]
  for reply in "$office" "$cluster"; do
    took=$(sed -n 's/.*Query time: \([0-9]*\) msec/\1/p' <<<"$reply")
    echo "$took ms"
    [ "$took" -lt 1000 ]
  done
  [ "$again" = "$pod" ]
  eventually 20 reaches http://web/ 'web-*' 2>/dev/null
}

# --- flags -------------------------------------------------------------------

@test "--includeIps, --excludeIps, --disablePodIp: what is routed" {
  one=$(service_ip webn)
  # half of a network that web is not in
  net=10.96
  [[ $(service_ip web) != "$net".* ]] || net=10.97
  other_connect bob --disablePodIp \
    --includeIps "203.0.113.0/24,$(pod_ip db-0)" \
    --excludeIps "$one,$net.128.0/17"
  [ "$(routed_to "$(pod_ip db-1)" bob)" != kt0 ]
  [ "$(routed_to 203.0.113.77 bob)" = kt0 ]
  [ "$(routed_to "$(pod_ip db-0)" bob)" = kt0 ]
  [ "$(routed_to "$one" bob)" != kt0 ]
  [ "$(routed_to $net.128.0 bob)" != kt0 ]
  [ "$(routed_to $net.255.255 bob)" != kt0 ]
  [ "$(routed_to $net.127.255 bob)" = kt0 ] || skip_on_foreign ranges
  reaches "http://web/" 'web-*' bob
  reaches "http://db-0.db:8080/" db-0 bob
  run laptop bob curl -sS --max-time 4 http://webn/
  [ "$status" -ne 0 ]
  run laptop bob curl -sS --max-time 4 "http://$(pod_ip db-1):8080/"
  [ "$status" -ne 0 ]
  other_stop
}

@test "--disableTunRoute: a device without routes" {
  other_connect bob --disableTunRoute
  laptop bob ip link show kt0
  [ "$(routed_to "$(service_ip web)" bob)" != kt0 ]
  [ "$(routed_to "$(pod_ip db-0)" bob)" != kt0 ]
  # one's own route is enough
  laptop bob ip route add "$(pod_ip db-0)/32" dev kt0
  reaches "http://$(pod_ip db-0):8080/" db-0 bob
  other_stop
}

@test "--disableTunDevice: a SOCKS5 proxy, without root" {
  skip_on_foreign "another user's home"
  ip=$(laptop bob ip -4 -o addr show dev eth0 | awk '{print $4}')
  home=$BATS_TEST_TMPDIR/home
  mkdir -p "$home"
  cp "$KUBECONFIG" "$home/config"
  chown -R 65534:65534 "$home"
  dir=$home
  while [ "$dir" != / ]; do
    chmod o+x "$dir"
    dir=$(dirname "$dir")
  done
  # shellcheck disable=SC2030
  CONNECT_LOG=$RUN/socks.log
  : >"$CONNECT_LOG"
  "$CLUSTER/laptop" "bob$LANE" -- setpriv --reuid 65534 --regid 65534 --clear-groups \
    env HOME="$home" KUBECONFIG="$home/config" \
    "$KTCTL" connect -n "$NS" --disableTunDevice --proxyPort 3456 \
    --proxyAddr "${ip%/*}" >"$CONNECT_LOG" 2>&1 3>&- &
  OWN_PID=$!
  eventually 30 connect_ready || { cat "$CONNECT_LOG"; false; }
  proxy=(curl -sS --max-time 10 --socks5-hostname "${ip%/*}:3456")
  for name in web "web.$NS" "web.$NS.svc.cluster.local" "far.$OTHER" \
    "$(service_ip web)"; do
    run -0 laptop bob "${proxy[@]}" "http://$name/"
  done
  run -0 laptop bob "${proxy[@]}" "http://$(pod_ip db-0):8080/"
  [[ $output == *db-0* ]]
  run -0 laptop bob "${proxy[@]}" http://db-1.db:8080/
  [[ $output == *db-1* ]]
  # refused is refused: 97 is curl's "proxy said no"
  run laptop bob "${proxy[@]}" "http://$(pod_ip db-0):81/"
  [ "$status" -eq 97 ]
  run laptop bob "${proxy[@]}" http://far/
  [ "$status" -eq 97 ]
  # it is one of HTTP as well: two servers for one program
  run -0 laptop bob curl -sS --max-time 10 -x "http://${ip%/*}:3456" \
    http://web/ http://db-1.db:8080/
  [[ $output == *web-*db-1* ]]
  # a local address that was not asked for is not listened on
  run laptop bob curl -sS --max-time 5 --socks5-hostname 127.0.0.1:3456 \
    http://web/
  [ "$status" -eq 7 ]
  # and nothing else of this machine is touched
  run laptop bob ip link show kt0
  [ "$status" -ne 0 ]
  [ -z "$(laptop bob nft list ruleset)" ]
  other_stop
}

@test "--mode sshuttle: Services and names work without a device" {
  # as in a container that has nothing but this capability
  CONNECT_WRAP="setpriv --bounding-set -all,+net_admin --inh-caps -all" \
    other_connect bob --mode sshuttle
  # shellcheck disable=SC2031
  grep -q 'redirected on this machine' "$CONNECT_LOG"
  reaches http://web/ 'web-*' bob
  reaches "http://far.$OTHER/" 'far-*' bob
  reaches "http://$(pod_ip db-0):8080/" db-0 bob
  [ "$(probe bob greet "$(service_ip net)" 7006 | cut -d- -f1)" = \
    "hello from web" ]
  other_stop
  run laptop bob curl -sS --max-time 4 http://web/
  [ "$status" -ne 0 ]
}

@test "--dnsMode podDNS needs another mode than tun2socks" {
  run -2 laptop bob "$KTCTL" connect -n "$NS" --dnsMode podDNS
  [[ $output == *podDNS* ]]
}

hosts_block() {
  laptop bob sed -n '/^# Kt Hosts Begin/,/^# Kt Hosts End/p' /etc/hosts
}

hosts_has() { # NAME ADDRESS
  hosts_block | grep -q "^$2[[:space:]].*$1"
}

hosts_lacks() { # NAME
  ! hosts_block | grep -qw "$1"
}

@test "--dnsMode hosts: a block in /etc/hosts that is kept up to date" {
  laptop bob cat /etc/hosts >"$BATS_TEST_TMPDIR/before"
  other_connect bob --dnsMode hosts
  hosts_block >&2
  hosts_has web "$(service_ip web)"
  hosts_has net "$(service_ip net)"
  hosts_lacks far
  reaches http://web/ 'web-*' bob
  [ -z "$(laptop bob nft list ruleset)" ]
  # other lines are as they were
  diff "$BATS_TEST_TMPDIR/before" <(laptop bob sed \
    '/^# Kt Hosts Begin/,/^# Kt Hosts End/d' /etc/hosts)

  kc -n "$NS" create service clusterip later --tcp=80:8080 >&2
  eventually 10 hosts_has later "$(service_ip later)"
  kc -n "$NS" delete service later --wait=false >&2
  eventually 10 hosts_lacks later
  other_stop
  diff "$BATS_TEST_TMPDIR/before" <(laptop bob cat /etc/hosts)
}

@test "--dnsMode hosts:NAMESPACES: names of these namespaces" {
  laptop bob cat /etc/hosts >"$BATS_TEST_TMPDIR/before"
  other_connect bob --dnsMode "hosts:$NS,$OTHER"
  hosts_block >&2
  hosts_has web "$(service_ip web)"
  hosts_has "far.$OTHER" "$(service_ip far "$OTHER")"
  reaches http://web/ 'web-*' bob
  reaches "http://web.$NS/" 'web-*' bob
  reaches "http://far.$OTHER/" 'far-*' bob
  reaches "http://far.$OTHER.svc.cluster.local/" 'far-*' bob
  other_stop
  diff "$BATS_TEST_TMPDIR/before" <(laptop bob cat /etc/hosts)
}

@test "--dnsMode localDNS:ORDER, --dnsCacheTtl, --ingressIp" {
  kc -n "$NS" apply -f - >&2 <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: e2e}
spec:
  rules:
  - {host: shop.corp.test, http: {paths: [{path: /, pathType: Prefix,
      backend: {service: {name: web, port: {number: 80}}}}]}}
  - {host: "*.wild.corp.test", http: {paths: [{path: /, pathType: Prefix,
      backend: {service: {name: web, port: {number: 80}}}}]}}
END
  # only the cluster and a server that is not there: the office's is not asked
  other_connect bob --dnsMode localDNS:cluster,tcp:127.0.0.1:5399 \
    --dnsCacheTtl 0 --ingressIp 203.0.113.9
  kc -n "$NS" delete ingress e2e >&2
  reaches http://web/ 'web-*' bob
  [ "$(resolves shop.corp.test bob)" = 203.0.113.9 ]
  [ "$(resolves some.wild.corp.test bob)" = 203.0.113.9 ]
  [ "$(resolves shop.corp.test alice)" != 203.0.113.9 ]
  run laptop bob dig +tries=1 +time=3 www.example.com
  [[ $output != *203.0.113.11* ]]

  # nothing is kept
  kc -n "$NS" create service clusterip moved --tcp=80:8080 >&2
  moved_ttl() {
    laptop bob dig +noall +answer "moved.$NS.svc.cluster.local" |
      awk '{print $2}' | grep .
  }
  eventually 5 moved_ttl
  ttl=$(moved_ttl)
  sleep 1.2
  # the server's own, each time; a cache would count it down
  [ "$(moved_ttl)" = "$ttl" ]
  [ "$ttl" -gt 1 ]
  kc -n "$NS" delete service moved --wait=false >&2
  other_stop
}
