#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 35
# every flavour
# What `doctor` says of a machine and a cluster where all is well, and of each
# thing that is not.
# shellcheck disable=SC2154 # status and output come from bats
# shellcheck disable=SC2016 # $HOME is the laptop's

setup_file() {
  load common
  laptop carol sh -c 'rm -rf "$HOME/.kt"'
  kc config view --raw --minify -o json >"$BATS_FILE_TMPDIR/good"
  chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
  chmod 644 "$BATS_FILE_TMPDIR/good"
}

setup() {
  load common
}

# line STATE CHECK TEXT: one of the lines is so
line() {
  grep -qE "^$1 +$2 .*$3" <<<"$output" ||
    { printf 'no line "%s %s ... %s" in (status %s):\n%s\n' "$@" "$status" \
      "$output" >&2; return 1; }
}

# doctor_with JQ-FILTER ARGUMENTS...: a kubeconfig that is changed
doctor_with() {
  jq "$1" "$BATS_FILE_TMPDIR/good" >"$BATS_TEST_TMPDIR/config"
  shift
  KUBECONFIG=$BATS_TEST_TMPDIR/config ktctl_run carol doctor "$@"
}

@test "doctor: all is well, and nothing is changed" {
  snapshot carol "$BATS_TEST_TMPDIR/before"
  ktctl_run carol doctor -n "$NS"
  ended_with 0 "checks: 0 failed"
  for check in privileges nftables names home connect kubeconfig credentials \
    'API server' clock namespace 'may connect' 'may exchange' 'may mesh' \
    'may preview' 'may forward' 'may run' 'may env-file' 'may recover' 'may clean' 'may birdseye' 'may map' \
    'may exchange-scale' 'may exchange-ephemeral' 'may connect-ingress' 'may connect-deployment' \
    'shadow Pod' carrier ranges; do
    line ok "$check" ""
  done
  snapshot carol "$BATS_TEST_TMPDIR/after"
  same "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
  laptop carol sh -c '[ ! -e "$HOME/.kt" ]'
  eventually 5 no_objects
}

@test "doctor run: as a user: namespaces, and where there is no TUN device system calls" {
  local home=$BATS_TEST_TMPDIR/home
  local user=(env HOME="$home" KUBECONFIG="$home/config" setpriv --reuid 1500 --regid 1500
    --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs timeout 30)
  mkdir "$home"
  cp "$KUBECONFIG" "$home/config"
  chown -R 1500:1500 "$home"
  chmod a+x "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
  run laptop carol "${user[@]}" "$KTCTL" doctor run -n "$NS"
  ended_with 0 "checks: 0 failed"
  line ok namespaces ""
  line ok seccomp ""
  line ok capture "run takes namespaces"
  line ok "may run-in-pod" ""
  run laptop carol unshare -m sh -c 'mount --bind /dev/null /dev/net/tun && exec "$@"' - \
    "${user[@]}" "$KTCTL" doctor run -n "$NS"
  ended_with 0 "checks: 0 failed"
  line warn namespaces ""
  line warn capture "run takes seccomp"
}

@test "doctor: -o json" {
  ktctl_run carol doctor connect -n "$NS" -o json
  [ "$status" = 0 ]
  [ "$(jq -r '.ok, (.checks | length > 10), .checks[0].state' <<<"$output")" = \
    $'true\ntrue\nok' ]
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$BATS_TEST_DIRNAME/../../docs/schema/doctor.json" <<<"$output"
  doctor_with '.clusters[0].cluster.server = "https://127.0.0.1:1"' -o json
  [ "$status" = 1 ]
  [ "$(jq -r '.ok, .checks[-1].check, .checks[-1].state' <<<"$output")" = \
    $'false\nAPI server\nfail' ]
}

@test "doctor: wrong words" {
  ktctl_run carol doctor backward
  ended_with 2 "'backward'" "hint: one of connect"
  ktctl_run carol doctor connect web
  ended_with 2 "doctor connect takes no target"
  ktctl_run carol doctor mesh web more
  [ "$status" = 2 ]
  ktctl_run carol doctor -o yaml
  [ "$status" = 2 ]
}

@test "doctor: the API server: not there, another program, not ours by its certificate" {
  doctor_with '.clusters[0].cluster.server = "https://127.0.0.1:1"'
  [ "$status" = 1 ]
  line fail 'API server' refused
  doctor_with 'del(.clusters[0].cluster["certificate-authority-data"])'
  [ "$status" = 1 ]
  line fail 'API server' ertificate
  doctor_with '.["current-context"] = "nobody"'
  [ "$status" = 1 ]
  line fail kubeconfig nobody
  doctor_with '.clusters[0].cluster["proxy-url"] = "http://127.0.0.1:1"'
  line ok proxy 127.0.0.1:1
  line fail 'API server' ""
}

@test "doctor: credentials: expired, refused, none" {
  # {"exp": 1700000000}
  doctor_with '.users[0].user = {"token": "e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"}'
  [ "$status" = 1 ]
  line fail credentials 'expired on 2023-11-14'
  line fail login ""
  doctor_with '.users[0].user = {}'
  [ "$status" = 1 ]
  line warn credentials "names none"
}

@test "doctor: the clock" {
  run laptop carol faketime -f +90m "$KTCTL" doctor -n "$NS"
  line warn clock "s ahead of the cluster"
}

@test "doctor: a developer without a Role is told which one, and has it then" {
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "needs the test cluster's identities"
  ktctl_run carol doctor exchange -n "$NS" -c "$KUBECONFIG_DEV"
  [ "$status" = 1 ]
  line fail 'may exchange' 'create pods'
  says "kubectl -n $NS apply -f -" "name: ktctl-exchange"
  # what it prints is what is needed
  printf '%s\n' "$output" | sed -n '/^# kubectl/,$p' | sed '$d' |
    kc -n "$NS" apply -f - >/dev/null
  kc -n "$NS" create rolebinding dev-doctor --role ktctl-exchange --user dev \
    >/dev/null
  ktctl_run carol doctor exchange -n "$NS" -c "$KUBECONFIG_DEV"
  kc -n "$NS" delete rolebinding/dev-doctor role/ktctl-exchange >/dev/null
  line ok 'may exchange' "all"
  line ok namespace "may not see"
  ended_with 0 "0 failed"
}

added_to_web() { # ephemeral containers of its Pods
  kc -n "$NS" get pods -l app=web -o 'jsonpath={.items[*].spec.ephemeralContainers[*].name}'
}

@test "doctor: a mode of exchange, with the Role of that mode only" {
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "needs the test cluster's identities"
  local minor before
  minor=$(kc version -o json | jq -r .serverVersion.minor)
  before=$(added_to_web) # others may have left some: they stay as long as the Pod
  kc -n "$NS" apply -f "$TOP/deploy/rbac/exchange-ephemeral.yaml" >/dev/null
  kc -n "$NS" create rolebinding dev-doctor --role ktctl-exchange-ephemeral \
    --user dev >/dev/null
  ktctl_run carol doctor exchange web -n "$NS" -c "$KUBECONFIG_DEV"
  local other=$output
  ktctl_run carol doctor exchange web --mode ephemeral -n "$NS" \
    -c "$KUBECONFIG_DEV" -i "${KTCTL_IMAGE:-none}"
  kc -n "$NS" delete rolebinding/dev-doctor role/ktctl-exchange-ephemeral >/dev/null
  grep -qE '^fail +may exchange +not allowed' <<<"$other"
  [[ $other == *"allowed is --mode ephemeral"* ]]
  line ok 'may exchange-ephemeral' all
  if [ "$minor" -lt 25 ]; then
    line fail 'shadow container' 'from Kubernetes 1.25 on'
  else # which the API server itself has looked at
    ended_with 0 "0 failed"
    line ok 'shadow container' 'would be admitted into Pod web-'
  fi
  [ "$(added_to_web)" = "$before" ]
}

@test "doctor: the namespace: missing, without quota, restricted" {
  ktctl_run carol doctor -n nowhere
  [ "$status" = 1 ]
  line fail namespace nowhere
  eventually 30 kc create namespace "$NS-doctor"
  kc -n "$NS-doctor" create quota none --hard=pods=0 >/dev/null
  local image=${KTCTL_IMAGE:-}
  eventually 10 doctor_pod_is fail 'exceeded quota'
  kc -n "$NS-doctor" delete quota none >/dev/null
  kc label namespace "$NS-doctor" \
    pod-security.kubernetes.io/enforce=restricted >/dev/null
  eventually 10 doctor_pod_is ok ''
  KTCTL_IMAGE="" doctor_pod_is fail '' || [ -z "$image" ]
  kc delete namespace "$NS-doctor" --wait=false >/dev/null
}

doctor_pod_is() { # STATE TEXT
  ktctl_run carol doctor connect -n "$NS-doctor"
  line "$1" '(shadow Pod|base image)' "$2" 2>/dev/null
}

@test "doctor: not root; one that may only change rules" {
  local nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env
    "HOME=$BATS_TEST_TMPDIR/home" "KUBECONFIG=$BATS_FILE_TMPDIR/good")
  chmod 755 "$BATS_TEST_TMPDIR"
  mkdir -m 755 "$BATS_TEST_TMPDIR/home" # not to be written by that user
  run laptop carol "${nobody[@]}" "$KTCTL" doctor connect -n "$NS"
  [ "$status" = 1 ]
  line fail privileges root
  line warn home ""
  run laptop carol "${nobody[@]}" "$KTCTL" doctor -n "$NS"
  [ "$status" = 0 ]
  line warn privileges root
  run laptop carol setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \
    "$KTCTL" doctor connect -n "$NS"
  line warn privileges "rules of nftables"
  line ok nftables ""
}

@test "doctor: another connect; who wins: a bridge, a VPN's rules" {
  local range
  connect_start carol
  ktctl_run carol doctor connect -n "$NS"
  line warn connect "pid $CONNECT_PID"
  line ok ranges "" # its own routes are no obstacle
  line ok carrier "to Pod $(shadow_pod) passes as spdy.*websocket"
  connect_stop
  range=$(service_ip kubernetes default)
  laptop carol ip link add docker0 type bridge
  laptop carol ip link set docker0 up
  laptop carol ip addr add "$range/28" dev docker0
  ktctl_run carol doctor connect -n "$NS"
  laptop carol ip link del docker0
  [ "$status" = 0 ]
  line warn ranges 'network of this machine.*docker0 .a bridge of Docker. wins'
  laptop carol ip link add doc0 type veth peer name doc1
  laptop carol ip link set doc0 up
  laptop carol ip route add "${range%%.*}.0.0.0/8" dev doc0 table 52
  laptop carol ip rule add lookup 52 priority 100
  ktctl_run carol doctor connect -n "$NS"
  line warn ranges "doc0 .a container's link. by table 52"
  # as wg-quick does it: main first, but for its default route
  laptop carol ip rule add lookup main suppress_prefixlength 0 priority 90
  ktctl_run carol doctor connect -n "$NS"
  laptop carol ip rule del priority 90
  laptop carol ip rule del priority 100
  laptop carol ip link del doc0
  line ok ranges "in the way"
}

@test "doctor: a Service: not there, managed by Argo CD, in use" {
  ktctl_run carol doctor exchange nothing -n "$NS"
  [ "$status" = 1 ]
  line fail Service nothing
  ktctl_run carol doctor exchange web -n "$NS"
  ended_with 0
  line ok Service 'web, ports 80'
  line ok GitOps ""
  line ok users nobody
  ktctl_run carol doctor exchange deployment/web -n "$NS"
  ended_with 0
  line ok Service 'web, ports 80'
  kc -n "$NS" annotate service web argocd.argoproj.io/tracking-id=x >/dev/null
  ktctl_run carol doctor mesh web."$NS"
  kc -n "$NS" annotate service web argocd.argoproj.io/tracking-id- >/dev/null
  ended_with 0 "ignoreDifferences"
  line warn GitOps 'Argo CD'
}
