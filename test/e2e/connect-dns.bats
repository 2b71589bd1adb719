#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 30
# every flavour
# Names during `ktctl connect`: the cluster's as a Pod sees them, the office's
# as they were, each asked of nobody else. Laptop: alice.

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

# The name servers of a Pod and of the laptop
pod_server() {
  kc -n kube-system get service kube-dns -o 'jsonpath={.spec.clusterIP}'
}

laptop_server() {
  laptop alice sed -n 's/^nameserver //p' /etc/resolv.conf | head -1
}

reverse4() { # ADDRESS
  local IFS=. a
  read -ra a <<<"$1"
  echo "${a[3]}.${a[2]}.${a[1]}.${a[0]}.in-addr.arpa"
}

# cluster_names: more than 200 names under the cluster's domain, and reverse
# ones, that are there or are not
cluster_names() {
  local s ns ip i
  kc get services -A --no-headers -o custom-columns=:.metadata.name,:.metadata.namespace,:.spec.clusterIP |
    grep -E " ($NS|$OTHER|default|kube-system) " |
    while read -r s ns ip; do
      printf '%s\n' {,_http._tcp.,_echo._tcp.,_echo-udp._udp.,_no._tcp.,no.,a.b.}"$s.$ns.svc.cluster.local"
      [[ $ip == *.* ]] && reverse4 "$ip"
    done
  kc get pods -n "$NS" --no-headers -o custom-columns=:.status.podIP |
    grep -F . | while read -r ip; do
      printf '%s\n' "${ip//./-}."{web,webh,db}."$NS.svc.cluster.local" \
        "${ip//./-}.$NS.pod.cluster.local"
      reverse4 "$ip"
    done
  for i in 0 1 2; do
    printf '%s\n' "db-$i.db.$NS.svc.cluster.local" "db-$i.webh.$NS.svc.cluster.local"
  done
  printf '%s\n' {,svc.,pod.,"$NS.svc.","$OTHER.svc.",nons.svc.,x.,dns-version.,"$NS.pod."}cluster.local \
    "WEB.$NS.Svc.Cluster.LOCAL" "10-0-0-1.$NS.pod.cluster.local" "fd00--1.$NS.pod.cluster.local"
  for i in $(seq 60); do
    printf '%s\n' "missing-$i.$NS.svc.cluster.local" "web.missing-$i.svc.cluster.local"
  done
}

questions() { # TYPES...
  local name type
  while read -r name; do
    for type in "$@"; do
      echo "$name $type"
    done
  done
}

from_laptop() { # OPTIONS... SERVER
  laptop alice "$PYTHON" "$TOOLS/dnsask.py" "$@"
}

from_pod() {
  in_pod toolbox "$PYTHON" "$TOOLS/dnsask.py" "$@"
}

TYPES=(A AAAA SRV PTR TXT MX CNAME NS)

# compare OPTIONS: the questions in $BATS_TEST_TMPDIR/q, here and in a Pod
compare() {
  local dir=$BATS_TEST_TMPDIR
  from_pod "$@" "$(pod_server)" <"$dir/q" >"$dir/pod"
  from_laptop "$@" "$(laptop_server)" <"$dir/q" >"$dir/laptop"
  [ "$(wc -l <"$dir/pod")" -eq "$(wc -l <"$dir/q")" ]
  diff "$dir/pod" "$dir/laptop" >"$dir/diff" || {
    echo "$(grep -c '^<' "$dir/diff") of $(wc -l <"$dir/q") differ:" >&2
    head -20 "$dir/diff" >&2
    return 1
  }
}

@test "200 names of 8 types: what a Pod is told, over UDP and TCP" {
  skip_on_foreign "a Pod to ask from"
  cluster_names | sort -u >"$BATS_TEST_TMPDIR/names"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -ge 200 ]
  questions "${TYPES[@]}" <"$BATS_TEST_TMPDIR/names" >"$BATS_TEST_TMPDIR/q"
  compare --edns 1232
  # not a comparison of nothings
  [ "$(grep -c 'NOERROR.* an\[' "$BATS_TEST_TMPDIR/laptop")" -ge 40 ]
  [ "$(grep -c 'NXDOMAIN.* ns\[.*SOA' "$BATS_TEST_TMPDIR/laptop")" -ge 600 ]
  compare --tcp
}

@test "answers of more than 512 bytes, with EDNS and without, other types" {
  skip_on_foreign "a Pod to ask from"
  printf '%s\n' "many.$NS.svc.cluster.local SRV" "net.$NS.svc.cluster.local ANY" \
    "web.$NS.svc.cluster.local HTTPS" "web.$NS.svc.cluster.local SVCB" \
    "web.$NS.svc.cluster.local NAPTR" "web.$NS.svc.cluster.local CAA" \
    "web.$NS.svc.cluster.local SOA" "cluster.local SOA" \
    "web.$NS.svc.cluster.local TYPE65280" "wEb.$NS.SVC.cluster.LOCAL A" \
    "missing.$NS.svc.cluster.local TYPE65281" >"$BATS_TEST_TMPDIR/q"
  compare
  grep -q 'many.* SRV: NOERROR qr+aa+tc' "$BATS_TEST_TMPDIR/laptop"
  compare --edns 512
  compare --edns 4096
  run ! grep '+tc' "$BATS_TEST_TMPDIR/laptop"
  compare --tcp
  # the letters' case comes back as it was sent (0x20)
  run ! grep 'asked:' "$BATS_TEST_TMPDIR/laptop"
}

# for each name: what dig finds, and in a second file what programs find
# shellcheck disable=SC2016 # for another shell
SHORT='for name; do
  echo "$name: $(dig +search +short "$name" | sort | tr "\n" " ")"
done'
# shellcheck disable=SC2016
PROGRAMS='for name; do
  echo "$name: $(getent ahostsv4 "$name" | cut -d" " -f1 | sort -u | tr "\n" " ")"
done'

@test "short names are those of a Pod, for dig and for programs" {
  names=(web webh net db-0.db "web.$NS" "far.$OTHER" "web.$NS.svc" far nope
    "nope.$NS" web.nope "outside.$NS")
  toolbox sh -c "$SHORT" sh "${names[@]}" >"$BATS_TEST_TMPDIR/pod"
  laptop alice sh -c "$SHORT" sh "${names[@]}" >"$BATS_TEST_TMPDIR/laptop"
  diff "$BATS_TEST_TMPDIR/pod" "$BATS_TEST_TMPDIR/laptop"
  grep -q '^web: [0-9.]* $' "$BATS_TEST_TMPDIR/laptop"
  grep -q '^far: $' "$BATS_TEST_TMPDIR/laptop"
  laptop alice sh -c "$PROGRAMS" sh "${names[@]}" >"$BATS_TEST_TMPDIR/programs"
  diff <(sed 's/ far[^ ]*//' "$BATS_TEST_TMPDIR/pod") \
    "$BATS_TEST_TMPDIR/programs"
}

@test "the office's names: each reply is what its server says, to the byte" {
  skip_on_foreign "the office's name server"
  # not the names of Services: SERVICE.corp.test is what a program asks that
  # looks for SERVICE
  printf '%s\n' {,www.,intra.,v6only.,alias.,chain.,api.,big.,huge.,mail.,_ldap._tcp.,nope.,a.b.c.,servfail.,refused.}corp.test \
    {,www.,nope.}example.com 80.0.77.10.in-addr.arpa 81.0.77.10.in-addr.arpa \
    nothing.test WwW.CoRp.TeSt localhost.corp.test . |
    questions A AAAA SRV PTR TXT MX CNAME NS SOA HTTPS TYPE999 \
      >"$BATS_TEST_TMPDIR/q"
  for how in "" --tcp "--edns 1232" "--edns 4096"; do
    # shellcheck disable=SC2086
    "$CLUSTER/laptop" --office "$PYTHON" "$TOOLS/dnsask.py" --raw $how \
      10.77.0.53 <"$BATS_TEST_TMPDIR/q" >"$BATS_TEST_TMPDIR/office"
    # shellcheck disable=SC2086
    from_laptop --raw $how 10.77.0.53 <"$BATS_TEST_TMPDIR/q" \
      >"$BATS_TEST_TMPDIR/laptop"
    diff "$BATS_TEST_TMPDIR/office" "$BATS_TEST_TMPDIR/laptop" |
      cut -c-200 | head -20 >&2
    cmp "$BATS_TEST_TMPDIR/office" "$BATS_TEST_TMPDIR/laptop"
  done
}

@test "another name server than resolv.conf's is asked when a program asks it" {
  skip_on_foreign "the office's name server"
  run -0 laptop alice dig +short www.corp.test @fd77::53
  [ "$output" = 10.77.0.80 ]
  # cluster names are found there too: one does not have to know
  run -0 laptop alice dig +short "web.$NS.svc.cluster.local" @fd77::53
  [ "$output" = "$(service_ip web)" ]
  # a server that is not there is not there
  run laptop alice dig +tries=1 +time=2 www.corp.test @10.77.0.99
  [ "$status" -ne 0 ]
}

@test "cluster names do not leave for the office, the office's not for the cluster" {
  skip_on_foreign "the office's log"
  log=$KTCTL_TEST_STATE/office/dns.log
  ip=$(laptop alice ip -4 -o addr show dev eth0 | awk '{print $4}')
  before=$(wc -l <"$log")
  for name in web "web.$NS" "web.$NS.svc" "web.$NS.svc.cluster.local" \
    "far.$OTHER" db-0.db webh; do
    laptop alice getent ahosts "$name" || true
  done
  # SERVICE.corp.test may be a host of the office: its server is asked
  tail -n +$((before + 1)) "$log" | grep "^${ip%/*} " |
    grep -vE ' (web|webh|far|db-0.db)(\.[^ ]*)?\.corp\.test' \
      >"$BATS_TEST_TMPDIR/log" || true
  run ! grep 'cluster\.local\| web\| far\| db-0' "$BATS_TEST_TMPDIR/log"
  before=$(wc -l <"$log")
  laptop alice getent ahosts www.corp.test
  laptop alice getent ahosts www.example.com
  tail -n +$((before + 1)) "$log" | grep -c 'www.corp.test'
  # with the cluster out of reach they are found as quickly
  cut_off alice
  # shellcheck disable=SC2016
  took=$(laptop alice bash -c 'start=${EPOCHREALTIME/./}
    getent ahosts intra.corp.test >&2 && echo $((${EPOCHREALTIME/./} - start))')
  no_cut alice
  echo "$took us"
  [ "$took" -lt 700000 ]
}

@test "a host of the office with the name of a Service stays what it was" {
  skip_on_foreign "the office's name server"
  kc -n "$NS" create service clusterip www --tcp=80:8080 >&2
  for _ in $(seq 50); do
    run laptop alice dig +short www
    [ "$output" != "$(service_ip www)" ] || break
    sleep 0.1
  done
  # in full, and as the library completes the short form
  run -0 laptop alice dig +short www.corp.test
  [ "$output" = 10.77.0.80 ]
  run -0 laptop alice getent ahostsv4 www
  [[ $output == "10.77.0.80 "* ]]
  run -0 laptop alice dig +short "www.$NS"
  [ "$output" = "$(service_ip www)" ]
  # an alias of the office, a Service of type ExternalName
  run -0 laptop alice dig +search +short outside
  [[ $output == *www.example.com.* ]]
  kc -n "$NS" delete service www >&2
  # said once
  [ "$(grep -c 'www.corp.test is a name of this machine' "$CONNECT_LOG")" = 1 ]
}

# a name server of the laptop's own at ADDRESS, which asks SERVER
own_server() { # ADDRESS SERVER
  laptop alice "$PYTHON" - "$@" >/dev/null 2>&1 3>&- <<'END' &
import signal, socket, sys
signal.alarm(30)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
while True:
    q, client = s.recvfrom(4096)
    up = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    up.settimeout(3)
    up.connect((sys.argv[2], 53))
    up.send(q)
    try:
        s.sendto(up.recv(4096), client)
    except OSError:
        pass
END
  OWN_SERVER=$!
}

resolv_conf() { # LINE...: by a rename, as most programs do
  laptop alice sh -c 'printf "%s\n" "$@" >/etc/resolv.conf.new &&
    mv /etc/resolv.conf.new /etc/resolv.conf' sh "$@"
  sleep 0.5
}

@test "a name server whose address is in a captured range: before and while" {
  skip_on_foreign "the office's name server"
  laptop alice cp /etc/resolv.conf /etc/resolv.conf.kept
  laptop bob cp /etc/resolv.conf /etc/resolv.conf.kept
  # dnsmasq's case: its own server is captured, and nobody knows of that
  local pid=$CONNECT_PID log=$CONNECT_LOG
  laptop bob sh -c 'echo nameserver 10.77.0.1 >/etc/resolv.conf'
  connect_start bob --includeIps 10.77.0.48/28
  routed=$(laptop bob ip route get 10.77.0.53)
  office=$(laptop bob dig +tries=1 +time=4 +short www.corp.test @10.77.0.53)
  cluster=$(laptop bob dig +tries=1 +time=4 +short "web.$NS" @10.77.0.53)
  # now it is the laptop's: the range has a hole for it
  laptop bob sh -c 'echo nameserver 10.77.0.53 >/etc/resolv.conf'
  sleep 0.5
  hole=$(laptop bob ip route get 10.77.0.53)
  beside=$(laptop bob ip route get 10.77.0.54)
  program=$(laptop bob getent ahostsv4 www.corp.test)
  laptop bob sh -c 'echo nameserver 10.77.0.1 >/etc/resolv.conf'
  sleep 0.5
  closed=$(laptop bob ip route get 10.77.0.53)
  laptop bob mv /etc/resolv.conf.kept /etc/resolv.conf
  connect_stop INT
  CONNECT_PID=$pid CONNECT_LOG=$log
  [[ $routed == *"dev kt0"* ]]
  [ "$office" = 10.77.0.80 ]
  [ "$cluster" = "$(service_ip web)" ]
  [[ $hole != *kt0* ]]
  [[ $beside == *"dev kt0"* ]]
  [[ $program == "10.77.0.80 "* ]]
  [[ $closed == *"dev kt0"* ]]
}

@test "resolv.conf is followed: another server, another search list" {
  skip_on_foreign "the office's name server"
  laptop alice cp /etc/resolv.conf /etc/resolv.conf.kept
  own_server 127.0.0.77 10.77.0.53
  resolv_conf "nameserver 127.0.0.77" "search other.test"
  run laptop alice getent ahostsv4 www.corp.test
  office=$output
  run laptop alice dig +short web.other.test
  completed=$output
  run laptop alice getent ahostsv4 web
  short=$output
  kill "$OWN_SERVER"
  laptop alice mv /etc/resolv.conf.kept /etc/resolv.conf
  [[ $office == "10.77.0.80 "* ]]
  [ "$completed" = "$(service_ip web)" ]
  [[ $short == "$(service_ip web) "* ]]
}

@test "a resolver on 127.0.0.53, as systemd-resolved has it" {
  skip_on_foreign "a resolver of the laptop"
  laptop alice "$PYTHON" - >"$BATS_TEST_TMPDIR/stub" 2>&1 3>&- <<'END' &
import signal, socket
signal.alarm(30)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
while True:
    q, client = s.recvfrom(4096)
    up = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    up.settimeout(3)
    up.connect(("10.77.0.53", 53))
    up.send(q)
    try:
        s.sendto(up.recv(4096), client)
    except OSError:
        pass
END
  stub=$!
  laptop alice cp /etc/resolv.conf /etc/resolv.conf.kept
  laptop alice sh -c 'printf "%s\n" "nameserver 127.0.0.53" "search corp.test" \
    "options edns0 trust-ad" >/etc/resolv.conf'
  run laptop alice getent ahostsv4 web
  cluster=$output
  run laptop alice getent ahostsv4 www
  office=$output
  run laptop alice dig +tcp +short "web.$NS.svc.cluster.local"
  tcp=$output
  laptop alice mv /etc/resolv.conf.kept /etc/resolv.conf
  kill "$stub"
  [[ $cluster == "$(service_ip web) "* ]]
  [[ $office == "10.77.0.80 "* ]]
  [ "$tcp" = "$(service_ip web)" ]
}

@test "a thousand lookups at once" {
  for i in $(seq 250); do
    printf '%s\n' "web.$NS.svc.cluster.local A" "missing-$i.$NS.svc.cluster.local A" \
      "far.$OTHER.svc.cluster.local AAAA" "webh.$NS.svc.cluster.local SRV"
  done >"$BATS_TEST_TMPDIR/q"
  pids=()
  for i in 1 2 3; do
    from_laptop "$(laptop_server)" <"$BATS_TEST_TMPDIR/q" \
      >"$BATS_TEST_TMPDIR/$i.out" 3>&- &
    pids+=($!)
  done
  for i in "${pids[@]}"; do
    wait "$i"
  done
  [ "$(cat "$BATS_TEST_TMPDIR"/*.out | wc -l)" -eq 3000 ]
  run ! grep -h 'no reply\|SERVFAIL' "$BATS_TEST_TMPDIR"/*.out
}
