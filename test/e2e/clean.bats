#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# clean: objects as KT Connect leaves them, in a namespace of their own. The
# Pods are never scheduled, so that nothing has to run.
# shellcheck disable=SC2154 # status and output come from bats

setup_file() {
  load common
  export CNS=$NS-clean
  kc create namespace "$CNS" --dry-run=client -o yaml | kc apply -f - >/dev/null
  eventually 20 kc -n "$CNS" get serviceaccount default >/dev/null 2>&1
  [ -z "${KUBECONFIG_DEV:-}" ] || may clean
}

# may ROLE: the developer has this Role of deploy/rbac in the namespace, and no
# other
may() {
  kc -n "$CNS" apply -f "$TOP/deploy/rbac/$1.yaml" >/dev/null
  kc -n "$CNS" delete rolebinding clean-test --ignore-not-found >/dev/null
  kc -n "$CNS" create rolebinding clean-test --role "ktctl-$1" \
    --user "$(kc --kubeconfig "$KUBECONFIG_DEV" config view -o \
      'jsonpath={.users[0].name}')" >/dev/null
}

teardown_file() {
  load common
  kc delete namespace "$CNS" --wait=false >/dev/null
}

setup() {
  load common
}

teardown() {
  kc -n "$CNS" delete pods,services,configmaps,deployments -l clean-test=1 \
    --grace-period=0 --wait=true >/dev/null 2>&1
}

# object KIND NAME ROLE SECONDS-AGO [ANNOTATIONS-JSON]: one of KT's
object() {
  local beat=$(($(date +%s) - $4)) spec
  case $1 in
    Pod) spec='"nodeSelector": {"none": "such"},
      "containers": [{"name": "standalone", "image": "none:1"}]' ;;
    Service) spec='"ports": [{"port": 80}], "selector": {"kt-target": "x"}' ;;
    *) spec= ;;
  esac
  kc -n "$CNS" apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "$1", "metadata": {"name": "$2",
  "labels": {"control-by": "kt", "kt-role": "$3", "kt-target": "T$2",
    "clean-test": "1"},
  "annotations": {"kt-last-heart-beat": "$beat"${5:+, $5}}},
  $([ "$1" = ConfigMap ] && echo '"data": {}' || echo "\"spec\": {$spec}")}
END
}

# taken NAME TARGET [ANNOTATIONS-JSON]: a user's Service that was exchanged
taken() {
  kc -n "$CNS" apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "$1",
  "labels": {"clean-test": "1"},
  "annotations": {"kt-selector": "{\"app\":\"$1\"}"${3:+, $3}}},
  "spec": {"ports": [{"port": 80}],
    "selector": {"kt-role": "shadow-exchange", "kt-target": "$2"}}}
END
}

# The published Role is enough for all of it
clean() {
  ktctl_run alice clean -n "$CNS" ${KUBECONFIG_DEV:+-c "$KUBECONFIG_DEV"} "$@"
}

exists() { # KIND/NAME
  kc -n "$CNS" get "$1" >/dev/null 2>&1
}

gone() { # KIND/NAME
  if exists "$1"; then return 1; fi
}

selector() { # SERVICE
  kc -n "$CNS" get service "$1" -o 'jsonpath={.spec.selector}'
}

@test "clean: what has no heartbeat any more goes, what has one stays" {
  object Pod kt-connect-shadow-old shadow-connect 400
  object ConfigMap kt-connect-shadow-old shadow-connect 400
  object Pod kt-connect-shadow-new shadow-connect 100
  object ConfigMap kt-connect-shadow-new shadow-connect 100
  clean --dryRun
  ended_with 0 "Pods to remove (1)" "ConfigMaps to remove (1)" kt-connect-shadow-old
  [[ $output != *shadow-new* ]]
  exists pod/kt-connect-shadow-old
  clean
  ended_with 0 "removed pods kt-connect-shadow-old"
  eventually 10 gone pod/kt-connect-shadow-old
  gone configmap/kt-connect-shadow-old
  exists pod/kt-connect-shadow-new
  exists configmap/kt-connect-shadow-new
  clean
  ended_with 0 "Nothing to clean"
  clean --thresholdInMinus 1
  ended_with 0 "removed pods kt-connect-shadow-new"
}

@test "clean: an exchanged Service gets its selector back before the shadow goes" {
  object Pod web-kt-exchange-abcde shadow-exchange 400 \
    '"kt-config": "service=web"'
  taken web Tweb-kt-exchange-abcde '"mine": "stays"'
  object Pod live-kt-exchange-abcde shadow-exchange 10
  taken live Tlive-kt-exchange-abcde
  taken orphan Tgone "\"kt-lock\": \"$(($(date +%s) - 200))\""
  clean
  ended_with 0 "recovered Service web" "recovered Service orphan" \
    "removed pods web-kt-exchange-abcde"
  [ "$(selector web)" = '{"app":"web"}' ]
  [ "$(selector orphan)" = '{"app":"orphan"}' ]
  [ "$(kc -n "$CNS" get service web -o \
    'jsonpath={.metadata.annotations.kt-selector}{.metadata.annotations.mine}')" = stays ]
  [ -z "$(kc -n "$CNS" get service orphan -o \
    'jsonpath={.metadata.annotations.kt-lock}')" ]
  [[ $(selector live) == *Tlive-kt-exchange-abcde* ]]
  exists pod/live-kt-exchange-abcde
}

@test "clean: a Deployment that an exchange scaled down comes back" {
  kc -n "$CNS" create deployment app --image=none:1 --replicas=0 >/dev/null
  kc -n "$CNS" label deployment app clean-test=1 >/dev/null
  object Pod app-kt-exchange-abcde shadow-exchange 400 \
    '"kt-config": "app=app,replicas=2"'
  clean
  ended_with 0 "scaled Deployment app back to 2"
  [ "$(kc -n "$CNS" get deployment app -o 'jsonpath={.spec.replicas}')" = 2 ]
}

@test "clean: a router that others use is left alone" {
  object Pod web-kt-router router 400 '"kt-config": "service=web"'
  object Pod web-kt-mesh-v2 shadow-mesh 10
  object Service web-kt-mesh-v1 shadow-mesh 400
  clean
  ended_with 0 "removed services web-kt-mesh-v1"
  exists pod/web-kt-router
}

@test "clean: without the right to list ConfigMaps the rest is done" {
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "no developer's kubeconfig"
  object Pod kt-connect-shadow-old shadow-connect 400
  may connect
  clean
  ended_with 0 "configmaps are left out" "removed pods kt-connect-shadow-old"
}

@test "clean: wrong cluster, wrong flag" {
  ktctl_run alice clean --context nonsense
  ended_with 1 nonsense
  ktctl_run alice clean --thresholdInMinus x
  ended_with 2 thresholdInMinus
  ktctl_run alice clean --localOnly -c /nonexistent
  ended_with 0
}

# What KT Connect leaves on a machine when it runs under sudo: root's home.
kt_leavings() {
  laptop alice sh -c '
    mkdir -p /root/.kt/pid /root/.kt/key && echo secret >/root/.kt/key/x.key
    iptables -w -t nat -A OUTPUT -p udp -d 127.0.0.1/32 --dport 53 \
      -j REDIRECT --to-ports 10053'
}

# under_sudo ARGUMENTS...: as sudo does it, for a user with a home of his own
under_sudo() {
  run laptop alice env HOME=/root SUDO_UID=12345 SUDO_GID=12345 "$KTCTL" "$@"
}

@test "clean: what KT Connect left in root's home and in iptables" {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "not on your machine"
  kt_leavings
  under_sudo clean --localOnly --dryRun
  ended_with 0 "would remove 1 key file" "would remove KT Connect's iptables rule"
  under_sudo clean --localOnly
  ended_with 0 "removed 1 key file" "removed KT Connect's iptables rule"
  ! laptop alice sh -c 'ls /root/.kt/key/x.key; iptables -t nat -S | grep 10053' ||
    false
  under_sudo clean --localOnly
  ended_with 0
  [[ $output != *removed* ]]
}

@test "clean: what belongs to a running KT Connect in root's home stays" {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "not on your machine"
  kt_leavings
  cp "$(command -v sleep)" "$RUN/ktctl-kt"
  laptop_exec alice "$RUN/ktctl-kt" 60 3>&- &
  local pid=$!
  laptop alice sh -c "echo $pid >/root/.kt/pid/connect-$pid.pid"
  eventually 5 grep -q ktctl-kt "/proc/$pid/comm"
  under_sudo clean --localOnly
  local rc=$status out=$output
  kill "$pid"
  laptop alice sh -c '
    test -e /root/.kt/key/x.key && iptables -t nat -S | grep 10053'
  [ "$rc" = 0 ]
  [[ $out != *removed* ]]
  laptop alice sh -c 'rm -r /root/.kt; iptables -w -t nat -D OUTPUT -p udp \
    -d 127.0.0.1/32 --dport 53 -j REDIRECT --to-ports 10053'
}
