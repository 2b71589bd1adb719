#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 75
# The network between the laptop and the cluster goes away and comes back:
# connections wait and go on, nothing has to be done. Laptops: alice, bob.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # a shell inside; output comes from bats

bats_require_minimum_version 1.5.0
load common
load net

SIZE=$((300 << 20))
MOVED=$((200 + ${LANE:-0} % 50)) # last byte of an address of the office's

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  POD=$(pod_ip "$(pod_of app=web)")
  export POD
  connect_start alice
  export CONNECT_PID CONNECT_LOG
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  connect_kill
}

setup() {
  skip_on_foreign "the network between"
}

teardown() {
  mend
}

mend() {
  no_cut alice
  no_cut bob
  "$CLUSTER/laptop" --office ip link set "lp-alice$LANE" up 2>/dev/null || true
  kill -CONT "$CONNECT_PID" 2>/dev/null || true
}

reachable() {
  laptop alice curl -sS --max-time 2 -o /dev/null "http://$POD:8080/" \
    2>/dev/null
}

# survives SECONDS BREAK...: a running download and an idle connection live
# through so long a break, and all works within 15 s of its end
survives() {
  local seconds=$1 start
  shift
  "$CLUSTER/laptop" "alice$LANE" "$PYTHON" "$TOOLS/idle.py" "$POD" "$SIZE" \
    $((seconds + 60)) >"$BATS_TEST_TMPDIR/idle" 2>&1 3>&- &
  client=$!
  eventually 10 grep -q running "$BATS_TEST_TMPDIR/idle"
  "$@"
  sleep "$seconds"
  mend
  start=${EPOCHREALTIME/./}
  eventually 15 reachable
  echo "again after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
  wait "$client" || {
    cat "$BATS_TEST_TMPDIR/idle" >&2
    return 1
  }
}

# brief_token N: a token of the account brief into its file
brief_token() {
  kc -n "$NS" create secret generic "brief$1" >/dev/null
  kc -n "$NS" create token brief --bound-object-kind Secret --bound-object-name "brief$1" \
    >"$RUN/brief.token"
}

@test "every packet lost for 18 s: streams survive, bytes are right" {
  survives 18 cut_off alice
}

@test "the cable pulled for 8 s: streams survive, bytes are right" {
  survives 8 "$CLUSTER/laptop" --office ip link set "lp-alice$LANE" down
}

# The pauses between two tries are 2 to 3 s long by then
@test "the cable is back: it is tried at once" {
  local pid=$CONNECT_PID log=$CONNECT_LOG
  connect_start bob --debug
  "$CLUSTER/laptop" --office ip link set "lp-bob$LANE" down
  sleep 15
  "$CLUSTER/laptop" --office ip link set "lp-bob$LANE" up
  local start=${EPOCHREALTIME/./}
  eventually 15 grep -q 'connected to the cluster again' "$CONNECT_LOG"
  echo "# again after $(((${EPOCHREALTIME/./} - start) / 1000)) ms" >&3
  back=$(sed -n '/no answer for\|connection to the cluster lost/,$p' "$CONNECT_LOG" |
    grep -c 'the network has changed: trying at once')
  connect_kill
  CONNECT_PID=$pid CONNECT_LOG=$log
  [ "$back" -ge 1 ]
}

# Another server: in the kubeconfig, and the old one is silent
@test "the API server is at another address, which the kubeconfig says: streams survive" {
  local api=${KTCTL_TEST_API#https://} conf=$RUN/elsewhere.conf
  local pid=$CONNECT_PID log=$CONNECT_LOG
  api=${api%:*}
  cp "$KUBECONFIG" "$conf"
  grep -q "https://$api:6443" "$conf"
  "$CLUSTER/laptop" --office ip addr add "10.77.0.$MOVED/24" dev lan0
  "$CLUSTER/laptop" --office socat "TCP-LISTEN:6443,bind=10.77.0.$MOVED,reuseaddr,fork" \
    "TCP:$api:6443" >/dev/null 2>&1 3>&- &
  local relay=$!
  KUBECONFIG=$conf connect_start bob
  laptop bob "$PYTHON" "$TOOLS/idle.py" "$POD" $((60 << 20)) 60 \
    >"$BATS_TEST_TMPDIR/idle" 2>&1 3>&- &
  local client=$!
  eventually 10 grep -q running "$BATS_TEST_TMPDIR/idle"
  laptop bob nft "add table ip gone; add chain ip gone o {
    type filter hook output priority 0; }
    add rule ip gone o ip daddr $api drop"
  sleep 5
  sed "s|https://$api:6443\"|https://10.77.0.$MOVED:6443\", tls-server-name: \"$api\"|" \
    "$KUBECONFIG" >"$conf.new"
  grep -q 'tls-server-name' "$conf.new"
  mv "$conf.new" "$conf"
  local start=${EPOCHREALTIME/./}
  run eventually 30 laptop bob curl -sS --max-time 2 -o /dev/null "http://$POD:8080/"
  echo "# again after $(((${EPOCHREALTIME/./} - start) / 1000)) ms" >&3
  local rc=0
  wait "$client" || rc=$?
  # and it leaves there
  kill -INT "$CONNECT_PID"
  wait "$CONNECT_PID" || rc=$((rc + $? * 10))
  cat "$CONNECT_LOG"
  grep -q "another server now, https://10.77.0.$MOVED:6443: it is followed" "$CONNECT_LOG" ||
    rc=100
  ! grep -q 'was not removed' "$CONNECT_LOG" || rc=101
  laptop bob nft delete table ip gone
  kill "$relay"
  "$CLUSTER/laptop" --office ip addr del "10.77.0.$MOVED/24" dev lan0
  CONNECT_PID=$pid CONNECT_LOG=$log
  [ "$status" = 0 ]
  [ "$rc" = 0 ] || { echo "$rc"; cat "$BATS_TEST_TMPDIR/idle"; false; } >&2
}

# --keep: a break that is longer ends what is open, and nothing else
@test "away for longer than --keep: open connections are reset, new ones work" {
  local pid=$CONNECT_PID log=$CONNECT_LOG
  connect_start bob --keep 4s
  laptop bob "$PYTHON" "$TOOLS/reset.py" "$POD" >"$BATS_TEST_TMPDIR/reset" 2>&1 3>&- &
  local client=$!
  eventually 10 grep -q running "$BATS_TEST_TMPDIR/reset"
  cut_off bob
  run eventually 30 grep -q 'open connections were reset: no connection for 4 s' \
    "$CONNECT_LOG"
  no_cut bob
  local rc=0
  wait "$client" || rc=$?
  again=$(eventually 20 laptop bob curl -sS --max-time 2 -o /dev/null \
    "http://$POD:8080/" 2>&1 && echo works)
  connect_kill
  CONNECT_PID=$pid CONNECT_LOG=$log
  [ "$status" = 0 ]
  [ "$rc" = 0 ] || { cat "$BATS_TEST_TMPDIR/reset" >&2; return 1; }
  [[ $again == *works ]]
}

# bats test_tags=long
@test "every packet lost for ten minutes: streams survive, bytes are right" {
  survives 595 cut_off alice
}

# bats test_tags=long
@test "ktctl stopped for 150 s: streams survive, bytes are right" {
  survives 150 kill -STOP "$CONNECT_PID"
}

# The token is one of a Secret: it is void when that is deleted
# bats test_tags=long
@test "the token expires during a break, and another comes later: streams survive" {
  local pid=$CONNECT_PID log=$CONNECT_LOG conf=$RUN/brief.conf
  kc -n "$NS" apply -f "$TOP/deploy/rbac/connect.yaml" >/dev/null
  kc -n "$NS" create serviceaccount brief
  kc -n "$NS" create rolebinding brief --role ktctl-connect --serviceaccount "$NS:brief"
  brief_token 1
  kubectl config view --raw --minify -o json |
    jq --arg file "$RUN/brief.token" '.users[0].user = {tokenFile: $file}' >"$conf"
  KUBECONFIG=$conf connect_start bob
  laptop bob "$PYTHON" "$TOOLS/idle.py" "$POD" "$SIZE" 120 \
    >"$BATS_TEST_TMPDIR/idle" 2>&1 3>&- &
  local client=$!
  eventually 10 grep -q running "$BATS_TEST_TMPDIR/idle"
  cut_off bob
  kc -n "$NS" delete secret brief1
  sleep 20 # what the API server keeps of it is kept for 10 s
  no_cut bob
  sleep 10
  run laptop bob curl -sS --max-time 2 -o /dev/null "http://$POD:8080/"
  brief_token 2
  local rc=0
  wait "$client" || rc=$?
  connect_kill
  CONNECT_PID=$pid CONNECT_LOG=$log
  kc -n "$NS" delete secret/brief2 serviceaccount/brief rolebinding/brief role/ktctl-connect
  [ "$status" != 0 ] # it was refused
  [ "$rc" = 0 ] || { cat "$BATS_TEST_TMPDIR/idle" >&2; return 1; }
}

# The API server's name gets another address, which is in a captured range: our own
# connections find it, and past the device.
# bats test_tags=long
@test "the API server moves to an address that is captured" {
  local api=${KTCTL_TEST_API#https://} conf=$RUN/moved.conf
  local pid=$CONNECT_PID log=$CONNECT_LOG
  api=${api%:*}
  sed "s|https://$api:6443\"|https://api.moved.test:6443\", tls-server-name: \"$api\"|" \
    "$KUBECONFIG" >"$conf"
  grep -q 'tls-server-name' "$conf"
  "$CLUSTER/laptop" --office ip addr add "10.77.0.$MOVED/24" dev lan0
  "$CLUSTER/laptop" --office socat "TCP-LISTEN:6443,bind=10.77.0.$MOVED,reuseaddr,fork" \
    "TCP:$api:6443" >/dev/null 2>&1 3>&- &
  local relay=$!
  laptop bob sh -c 'sed "/api.moved.test/d" /etc/hosts >/etc/hosts.new
    echo "$0 api.moved.test" >>/etc/hosts.new
    cat /etc/hosts.new >/etc/hosts' "$api"
  KUBECONFIG=$conf connect_start bob --includeIps "10.77.0.$MOVED/32"
  # before a connection of ours goes there: then it has a hole
  routed=$(laptop bob ip route get "10.77.0.$MOVED")
  laptop bob sh -c 'sed "s/^$0 api/$1 api/" /etc/hosts >/etc/hosts.new
    cat /etc/hosts.new >/etc/hosts' "$api" "10.77.0.$MOVED"
  laptop bob nft "add table ip gone; add chain ip gone o {
    type filter hook output priority 0; }
    add rule ip gone o ip daddr $api tcp dport 6443 reject with tcp reset"
  run eventually 20 laptop bob curl -sS --max-time 2 -o /dev/null "http://$POD:8080/"
  there=$(laptop bob ss -tnH state established dst "10.77.0.$MOVED")
  laptop bob nft delete table ip gone
  connect_kill
  kill "$relay"
  "$CLUSTER/laptop" --office ip addr del "10.77.0.$MOVED/24" dev lan0
  CONNECT_PID=$pid CONNECT_LOG=$log
  [ "$status" = 0 ] || { echo "$output" >&2; return 1; }
  [[ $routed == *"dev kt0"* ]]
  [[ $there == *:6443* ]]
}
