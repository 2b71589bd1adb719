#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# run without user namespaces: the program's system calls are supervised. As a user
# without a capability, on a machine that refuses namespaces. Laptop: gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load run

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  run_home
  cp "$TOOLS/probe.py" "$(<"$RUN/home")/"
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
}

teardown_file() {
  run_home_over
}

@test "run --capture seccomp: TCP, UDP and names of the cluster and of the office" {
  local pod net web
  pod=$(pod_ip "$(pod_of app=web)")
  net=$(service_ip net)
  web=$(service_ip web)
  snapshot gina "$RUN/before"
  run -0 --separate-stderr run_in --capture seccomp -- sh -c '
    probe() { "$python" "$tools/probe.py" "$@"; }
    pod=$0 net=$1 python=$2 tools=$3
    curl -sS --max-time 20 -o /dev/null -w "%{http_code}\n" http://web/
    dig +short web.$4; dig +short +tcp web.$4; dig +short www.corp.test
    probe connect "$pod" 9 | cut -d" " -f1
    probe greet "$net" 7006 | cut -d- -f1
    probe half-close "$net" 7001 3000000
    probe read "$net" 7002 | grep -o ECONNRESET
    probe udp-echo "$net" 7007 0 1 1472 30000
    probe udp-error "$pod" 9
    id -u; sed -n "s/^CapEff:\t//p" /proc/self/status
    [ "$(readlink /proc/self/ns/net)" = "$(readlink /proc/$PPID/ns/net)" ]
    exit 33' "$pod" "$net" "$PYTHON" "$home" "$NS.svc.cluster.local" || true
  [ "$status" = 33 ]
  echo "$output" >"$RUN/got"
  printf '%s\n' 200 "$web" "$web" 10.77.0.80 ECONNREFUSED 'hello from web' \
    '3000000 ok' ECONNRESET 'ok 0 1 1472 30000' ECONNREFUSED 1500 \
    0000000000000000 >"$RUN/wanted"
  same "$RUN/wanted" "$RUN/got"
  [[ $stderr == *"system calls are supervised"* ]]
  snapshot gina "$RUN/after"
  same "$RUN/before" "$RUN/after"
}

@test "run --capture auto: where namespaces are refused the other way is taken, and said" {
  # a namespace in which no further one is allowed, as a container's profile does it
  run --separate-stderr user_refused --capture auto -- \
    curl -sS --max-time 20 -o /dev/null -w '%{http_code}' http://web/
  echo "$stderr"
  [ "$status" = 0 ]
  [ "$output" = 200 ]
  [[ $stderr == *"make namespaces for the program"*"--capture seccomp"* ]]
  run --separate-stderr user_refused --capture namespace -- true
  [ "$status" = 125 ]
  [[ $stderr == *max_user_namespaces* ]]
}

# user_refused FLAGS...: run_in, below a user namespace that may have no other
user_refused() {
  (user_exec unshare --user --map-current-user --keep-caps sh -c '
    echo 0 >/proc/sys/user/max_user_namespaces
    exec setpriv --inh-caps=-all --ambient-caps=-all "$@"' sh \
    timeout -k 5 120 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" --shareShadow "$@")
}

@test "run --capture seccomp: a program within another is told; callers need namespaces" {
  run --separate-stderr run_in --capture seccomp -- \
    "$KTCTL" run -c "$home/config" -n "$NS" -i "$KTCTL_IMAGE" --shareShadow \
    --capture seccomp -- true
  [ "$status" = 125 ]
  [[ $stderr == *"supervises this shell already"* ]]
  run --separate-stderr run_in web --exchange --capture seccomp -- true
  [ "$status" = 125 ]
  [[ $stderr == *"need namespaces"* ]]
}

@test "run --capture auto: where neither is allowed the program is told of a proxy" {
  # supervised already, and no namespaces in that
  run --separate-stderr run_in --capture seccomp -- \
    "$KTCTL" run -c "$home/config" -n "$NS" -i "$KTCTL_IMAGE" --shareShadow -- sh -c '
      # two servers, by SOCKS, by HTTP, and by a library that knows no SOCKS
      curl -sS --max-time 20 -o /dev/null -w "%{http_code}\n" -x "$all_proxy" http://web/
      curl -sS --max-time 20 -o /dev/null -o /dev/null -w "%{http_code} %{num_connects}\n" http://web/ "http://web.$0/"
      /usr/bin/python3 -c "import urllib.request as u; print(u.urlopen(\"http://web/\", timeout=20).status)"
      curl -sS --max-time 20 --proxytunnel -x "$https_proxy" -o /dev/null -w "%{http_code}\n" http://web.$0.svc.cluster.local/
      [ "$ALL_PROXY" = "$all_proxy" ] && echo "${NO_PROXY%%,*}"; exit 3' "$NS"
  [ "$status" = 3 ]
  [ "$output" = $'200\n200 1\n200 1\n200\n200\nlocalhost' ]
  [[ $stderr == *"told of a proxy"*"--capture socks"* ]]
  run run_in --capture socks --noOutside -- true
  [ "$status" = 125 ]
  [[ $output == *"--noOutside needs namespaces"* ]]
  run run_in --capture socks --preview new -- true
  [ "$status" = 125 ]
  [[ $output == *"need namespaces"* ]]
}
