#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 55
# every flavour
# What a program of the laptop sees of the network is what it would see in a
# Pod: where the cluster is our own, the same program is run in a Pod's network
# and has to say the same. Laptop: alice.

bats_require_minimum_version 1.5.0
load common
load net

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  . "$BATS_TEST_DIRNAME/net.bash"
  if kc -n "$NS" apply -f "$BATS_TEST_DIRNAME/fixture6.yaml" >&2; then
    export HAVE_IPV6=1
  fi
  POD=$(pod_ip "$(pod_of app=web)")
  TOOLBOX=$(pod_ip toolbox)
  NET=$(service_ip net)
  [ -n "${KTCTL_TEST_FOREIGN:-}" ] || PID_OF_toolbox=$(pod_pid toolbox)
  export POD TOOLBOX NET PID_OF_toolbox
  connect_start alice
  export CONNECT_PID CONNECT_LOG
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  connect_kill
}

# sees WORDS PROBE...: what alice sees begins with WORDS, and so it does in a Pod
sees() {
  local want=$1 got
  shift
  got=$(probe alice "$@")
  [[ $got == "$want"* ]] || {
    echo "$*: the laptop sees '$got', not '$want'" >&2
    return 1
  }
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  got=$(in_pod toolbox "$PYTHON" "$TOOLS/probe.py" "$@")
  [[ $got == "$want"* ]] || {
    echo "$*: a Pod sees '$got', not '$want'" >&2
    return 1
  }
}

pings() { # ADDRESS [OPTIONS]
  laptop alice ping -n -c 1 -W 3 "${@:2}" "$1"
}

# address6 NAME-OF-POD: its IPv6 address
address6() {
  kc -n "$NS" get pod "$1" -o 'jsonpath={.status.podIPs[*].ip}' |
    tr ' ' '\n' | grep :
}

need_ipv6() {
  [ -n "${HAVE_IPV6:-}" ] || skip "the cluster has no IPv6"
}

# pod_peer COMMAND...: tools/peer.py in toolbox's network, ready when this ends
pod_peer() {
  PEER_LOG=$BATS_TEST_TMPDIR/peer
  in_pod toolbox "$PYTHON" "$TOOLS/peer.py" "$@" >"$PEER_LOG" 2>&1 3>&- &
  PEER=$!
  eventually 10 grep -q ready "$PEER_LOG"
}

peer_saw() { # WORDS
  wait "$PEER" || true
  grep -qx "$1" "$PEER_LOG" || {
    echo "the server saw: $(tail -n +2 "$PEER_LOG")" >&2
    return 1
  }
}

@test "TCP: a closed port is refused" {
  sees ECONNREFUSED connect "$POD" 9
  sees ECONNREFUSED connect "$TOOLBOX" 7007
  took=$(probe alice connect "$POD" 9)
  [ "${took#* }" -lt 2000 ]
}

@test "TCP: a refused connection harms no other one" {
  laptop alice "$PYTHON" - "$POD" <<'END'
import socket, sys
live = socket.create_connection((sys.argv[1], 7007), 10)
for i in range(50):
    try:
        socket.create_connection((sys.argv[1], 9), 10)
        sys.exit("connected to a closed port")
    except ConnectionRefusedError:
        pass
    live.sendall(b"x")
    assert live.recv(1) == b"x"
END
}

@test "TCP: an address that nobody has: time-out or unreachable" {
  unused=${POD%.*}.251
  got=$(probe alice connect "$unused" 80 5)
  echo "$got"
  [[ $got == EHOSTUNREACH* || $got == TIMEOUT* || $got == ENETUNREACH* ]]
}

@test "TCP: a port that a Service does not have is as in a Pod" {
  skip_on_foreign "a Pod to compare with"
  for at in "$NET 99" "$(service_ip web) 8080" "10.111.200.200 80"; do
    # shellcheck disable=SC2086
    want=$(in_pod toolbox "$PYTHON" "$TOOLS/probe.py" connect $at 4)
    # shellcheck disable=SC2086
    got=$(probe alice connect $at 4)
    echo "$at: in a Pod $want, here $got"
    [ "${want% *}" = "${got% *}" ]
  done
}

@test "TCP: connect() succeeds when the far side has connected, not before" {
  skip_on_foreign "a server with a full queue"
  pod_peer busy 9100 2
  got=$(probe alice connect "$TOOLBOX" 9100)
  echo "$got"
  [[ $got == connected* ]]
  [ "${got#* }" -ge 1500 ]
  peer_saw accepted
}

@test "TCP: a connect() given up is taken back" {
  skip_on_foreign "a server with a full queue"
  pod_peer busy 9101 4
  # given up before the second SYN, which comes after a second and says that
  # somebody is waiting still
  got=$(probe alice connect "$TOOLBOX" 9101 0.5)
  [[ $got == TIMEOUT* ]]
  # what is left of it does not get in the way
  got=$(probe alice connect "$TOOLBOX" 9101)
  [[ $got == connected* ]]
  wait "$PEER" || true
}

@test "TCP: a server that speaks first" {
  sees "hello from web-" greet "$POD" 7006
  sees "hello from web-" greet "$NET" 7006
}

@test "TCP half-close: a server that answers after the end of the request" {
  sees "0 ok" half-close "$NET" 7001 0
  sees "1 ok" half-close "$NET" 7001 1
  sees "3000000 ok" half-close "$NET" 7001 3000000
}

@test "TCP half-close: a server that ends first still hears" {
  skip_on_foreign "a server that ends first"
  pod_peer half 9102
  [ "$(probe alice read-then-write "$TOOLBOX" 9102 2000000)" = "bye EOF ok" ]
  peer_saw "2000000 EOF"
}

@test "TCP: the server's close is an end, not a reset" {
  got=$(probe alice read "$NET" 7005)
  [[ $got == web-*EOF ]]
}

@test "TCP: the server's reset is a reset" {
  # the byte before it may be overtaken, as on any network
  got=$(probe alice read "$NET" 7002)
  [[ $got == *ECONNRESET ]]
  got=$(probe alice abort "$NET" 7002)
  echo "abort: $got"
  [[ $got == ECONNRESET || $got == EPIPE ]]
}

@test "TCP: the program's reset is a reset, its end an end" {
  skip_on_foreign "a server that tells"
  pod_peer watch 9103
  [ "$(probe alice reset "$TOOLBOX" 9103)" = ok ]
  peer_saw "1 ECONNRESET"
  pod_peer watch 9104
  [ "$(probe alice connect "$TOOLBOX" 9104 | cut -d' ' -f1)" = connected ]
  peer_saw "0 EOF"
}

@test "TCP: a program that is killed is an end or a reset to the server" {
  skip_on_foreign "a server that tells"
  pod_peer watch 9105
  (laptop_exec alice nc -d "$TOOLBOX" 9105) >/dev/null 2>&1 3>&- &
  client=$!
  sleep 0.7
  kill -9 "$client"
  wait "$PEER" || true
  grep -q '^0 ' "$PEER_LOG"
}

@test "UDP: echo of 0 bytes to 60 KB, to a Pod and to a Service" {
  sizes=(0 1 2 511 1280 1472 1473 8192 30000 60000 65507)
  sees "ok ${sizes[*]}" udp-echo "$POD" 7007 "${sizes[@]}"
  sees "ok ${sizes[*]}" udp-echo "$NET" 7007 "${sizes[@]}"
}

@test "UDP: a closed port is refused, an address that nobody has is silent" {
  sees ECONNREFUSED udp-error "$POD" 9
  got=$(probe alice udp-error "${POD%.*}.251" 9)
  [[ $got == TIMEOUT || $got == EHOSTUNREACH ]]
}

@test "UDP: many sockets at once, each gets its own answers" {
  laptop alice "$PYTHON" - "$NET" <<'END'
import select, socket, sys
socks = []
for i in range(300):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((sys.argv[1], 7007))
    s.setblocking(False)
    socks.append(s)
left = dict(enumerate(socks))
for turn in range(5):
    for i, s in left.items():
        s.send(b"%d" % i)
    while left:
        ready, _, _ = select.select(list(left.values()), [], [], 2)
        if not ready:
            break
        for i, s in list(left.items()):
            if s in ready:
                got = s.recv(100)
                assert got == b"%d" % i, (i, got)
                del left[i]
    if not left:
        sys.exit(0)
sys.exit("%d without an answer" % len(left))
END
}

@test "ping: a live Pod answers, an address that nobody has does not" {
  pings "$POD"
  pings "$TOOLBOX"
  run ! pings "${POD%.*}.251"
  # with data, and more than one
  run -0 laptop alice ping -n -q -c 20 -i 0.05 -W 3 -s 1400 "$POD"
  [[ $output == *"20 received"* ]]
  run -0 laptop alice ping -n -q -c 3 -i 0.2 -W 3 -s 20000 "$POD"
}

@test "ping: of a ClusterIP as in a Pod" {
  skip_on_foreign "a Pod to compare with"
  run in_pod toolbox ping -n -c 1 -W 2 "$NET"
  want=$status
  run pings "$NET"
  [ "$status" -eq "$want" ]
}

@test "IPv6: TCP, UDP and ping to Pods" {
  need_ipv6
  six=$(address6 "$(pod_of app=web)")
  sees connected connect "$six" 7007
  sees ECONNREFUSED connect "$six" 9
  sees "hello from web-" greet "$six" 7006
  sees "100000 ok" half-close "$six" 7001 100000
  sees "ok 1 1472 60000" udp-echo "$six" 7007 1 1472 60000
  sees ECONNREFUSED udp-error "$six" 9
  got=$(probe alice read "$six" 7002)
  [[ $got == *ECONNRESET ]]
  pings "$six"
  got=$(probe alice connect "${six%:*}:fff1" 80 3)
  [[ $got == EHOSTUNREACH* || $got == TIMEOUT* || $got == ENETUNREACH* ]]
  run ! pings "${six%:*}:fff1"
}

@test "IPv6: Services of one and of both families, by address and name" {
  need_ipv6
  six=$(service_ip net6)
  [[ $six == *:* ]]
  sees "hello from web-" greet "$six" 7006
  [[ $(probe alice greet net6 7006) == "hello from web-"* ]]
  [ "$(probe alice udp-echo net6 7007 10)" = "ok 10" ]
  both=$(kc -n "$NS" get service dual -o 'jsonpath={.spec.clusterIPs[*]}')
  for ip in $both; do
    sees connected connect "$ip" 7007
    sees "ok 10 1400" udp-echo "$ip" 7007 10 1400
  done
  [ "$(laptop alice getent ahosts dual | awk '{print $1}' | sort -u |
    wc -l)" -eq 2 ]
  run -0 laptop alice curl -sS -6 --max-time 10 http://dual:8080/
  run -0 laptop alice curl -sS -4 --max-time 10 http://dual:8080/
}
