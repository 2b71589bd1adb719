# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every end-to-end test uses. A test plays one or several developers, each
# on a "laptop": network and mount namespaces of their own beside the cluster
# (test/cluster/laptop). On a foreign cluster there is one laptop, this machine.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
KTCTL=${KTCTL:-$TOP/build/src/ktctl/ktctl}
CLUSTER=${KTCTL_TEST_CLUSTER:-$TOP/test/cluster} # perhaps another checkout's
# Files run side by side in lanes: each has namespaces and laptops of its own.
LANE=${LANE:-}
NS=${NS:-t$LANE}
OTHER=${OTHER:-other$LANE}
RUN=${BATS_FILE_TMPDIR:-/tmp}
# set -u inside bats' own code is not safe; be strict in our functions instead

# a program that runs for a moment needs no garbage collection
kc() {
  GOGC=off kubectl "$@"
}

# long_or LONG SHORT: a size, for "make e2e-long" and for "make test"
long_or() {
  if [ -n "${E2E_LONG:-}" ]; then echo "$1"; else echo "$2"; fi
}

# short_or SHORT NORMAL: a size, on other versions of Kubernetes than the newest in
# "make test"
short_or() {
  if [ -n "${E2E_SHORT:-}" ]; then echo "$1"; else echo "$2"; fi
}

# VIA_RUN: connect's tests, but alice's programs are in the namespaces of a "ktctl
# run" as a user without a capability (run-truth.bats). inside CMD...: in place of
# this shell
inside() {
  # whose namespaces they are may enter them; exec drops what that gives
  exec setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs nsenter -t "$(<"$RUN/inside")" -U -n -m \
    --preserve-credentials --wdns="$PWD" env -u http_proxy -u https_proxy \
    -u HTTP_PROXY -u HTTPS_PROXY -u no_proxy -u NO_PROXY HOME=/tmp "$@"
}

# laptop NAME CMD...: run CMD on that developer's machine
laptop() {
  local name=$1
  shift
  if [ "${VIA_RUN:-}$name" = 1alice ] && [ -s "$RUN/inside" ]; then
    (inside "$@")
    return
  fi
  if [ -n "${KTCTL_TEST_FOREIGN:-}" ]; then
    "$@"
  else
    "$CLUSTER/laptop" "$name$LANE" -- "$@"
  fi
}

# laptop_exec NAME CMD...: the same in place of this shell; "laptop_exec ... &"
# is a background process whose pid is that of CMD
laptop_exec() {
  local name=$1
  shift
  if [ "${VIA_RUN:-}$name" = 1alice ] && [ -s "$RUN/inside" ]; then
    inside "$@"
  fi
  if [ -n "${KTCTL_TEST_FOREIGN:-}" ]; then
    exec "$@"
  else
    exec "$CLUSTER/laptop" "$name$LANE" -- "$@"
  fi
}

# eventually SECONDS CMD...: until CMD succeeds; fails when the time is over
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || { echo "not within the time: $*" >&2; return 1; }
    sleep 0.25 # kubectl costs a tenth of a second of processor time
  done
}

# nobody_with HOME: no process has that folder as its home; a number of a user is
# one of other tests as well
nobody_with() {
  ! grep -zsqxF "HOME=$1" /proc/[0-9]*/environ
}

# snapshot NAME FILE: all that `connect` could leave behind on a laptop
snapshot() {
  # shellcheck disable=SC2016
  laptop "$1" sh -c '
    ip -o link show | sed "s/^[0-9]*: //; s/ qlen.*//"
    ip rule; ip route show table all; ip -6 rule; ip -6 route show table all
    nft list ruleset
    md5sum /etc/resolv.conf /etc/hosts
    find "$HOME/.kt/pid" "$HOME/.kt/key" -type f 2>/dev/null || true
  ' >"$2" 2>&1
}

# no_objects [NAMESPACE]: nothing of ours is left in the cluster; what is being
# deleted does not count
no_objects() {
  local all left
  all=$(kc -n "${1:-$NS}" get pods,deployments,configmaps,services \
    -l control-by=kt -o json) || return 1
  left=$(jq -r '.items[] | select(.metadata.deletionTimestamp | not) |
    "\(.kind)/\(.metadata.name)"' <<<"$all") || return 1
  [ -z "$left" ] || { echo "left: ${left//$'\n'/ }" >&2; return 1; }
}

# connect_spawn LAPTOP FLAGS...: start `ktctl connect` in the background;
# sets CONNECT_PID and CONNECT_LOG; CONNECT_WRAP: a command that starts it
connect_spawn() {
  local name=$1 wrap=()
  [ -z "${CONNECT_WRAP:-}" ] || read -ra wrap <<<"$CONNECT_WRAP"
  shift
  CONNECT_LOG=$RUN/connect-$name.log
  : >"$CONNECT_LOG"
  if [ "${VIA_RUN:-}$name" = 1alice ]; then
    run_via "$@"
    return
  fi
  # fd 3 is bats' own; a child that holds it keeps bats from ending
  if [ -n "${KTCTL_TEST_FOREIGN:-}" ]; then
    "$KTCTL" connect -n "$NS" "$@" >"$CONNECT_LOG" 2>&1 3>&- &
  else
    "$CLUSTER/laptop" "$name$LANE" -- "${wrap[@]}" \
      "$KTCTL" connect -n "$NS" "$@" >"$CONNECT_LOG" 2>&1 3>&- &
  fi
  CONNECT_PID=$!
}

# run_via FLAGS...: connect_spawn where VIA_RUN is set
run_via() {
  local home
  home=$(mktemp -d /tmp/ktctl-run.XXXXXX) # where another user may go
  cp "$KUBECONFIG" "$home/config"
  chown -R 1500:1500 "$home"
  echo "$home" >"$RUN/via"
  rm -f "$RUN/inside"
  # shellcheck disable=SC2016 # the program's shell
  "$CLUSTER/laptop" "alice$LANE" -- env HOME="$home" \
    KUBECONFIG="$home/config" setpriv --reuid 1500 --regid 1500 \
    --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \
    "$KTCTL" run -n "$NS" "$@" -- sh -c 'echo "All looks good: $$"
      exec sleep 100000' >"$CONNECT_LOG" 2>&1 3>&- &
  CONNECT_PID=$!
}

connect_ready() {
  grep -q 'All looks good' "$CONNECT_LOG" || return
  [ -z "${VIA_RUN:-}" ] ||
    sed -n 's/^All looks good: //p' "$CONNECT_LOG" >"$RUN/inside"
}

# connect_start LAPTOP FLAGS...: as connect_spawn, and wait until it is ready
connect_start() {
  connect_spawn "$@"
  local end=$((SECONDS + 60))
  until connect_ready; do
    if [ $SECONDS -ge $end ] || ! kill -0 "$CONNECT_PID" 2>/dev/null; then
      echo "connect did not become ready:" >&2
      cat "$CONNECT_LOG" >&2
      return 1
    fi
    sleep 0.05
  done
}

# connect_stop [SIGNAL]: ask it to leave; returns its exit status
connect_stop() {
  local rc=0
  [ -n "${CONNECT_PID:-}" ] || return 0
  kill "-${1:-INT}" "$CONNECT_PID" 2>/dev/null || true
  wait "$CONNECT_PID" || rc=$?
  CONNECT_PID=
  return $rc
}

# connect_kill: the worst end, for tear-down; never fails
connect_kill() {
  [ ! -s "$RUN/via" ] || rm -rf "$(<"$RUN/via")"
  [ -n "${CONNECT_PID:-}" ] || return 0
  kill -TERM "$CONNECT_PID" 2>/dev/null || true
  for _ in $(seq 50); do
    kill -0 "$CONNECT_PID" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$CONNECT_PID" 2>/dev/null || true
  wait "$CONNECT_PID" 2>/dev/null || true
  CONNECT_PID=
}

pod_ip() { # POD [NAMESPACE]
  kc -n "${2:-$NS}" get pod "$1" -o 'jsonpath={.status.podIP}'
}

pod_of() { # LABEL [NAMESPACE]: the first Pod's name
  kc -n "${2:-$NS}" get pods -l "$1" -o 'jsonpath={.items[0].metadata.name}'
}

service_ip() { # SERVICE [NAMESPACE]
  kc -n "${2:-$NS}" get service "$1" -o 'jsonpath={.spec.clusterIP}'
}

# shadow_pod: the name of the one connect shadow
shadow_pod() {
  kc -n "$NS" get pods -l kt-role=shadow-connect \
    -o 'jsonpath={.items[0].metadata.name}'
}

# --- what went wrong, and how it was told -----------------------------------

# ktctl_run LAPTOP ARGUMENTS...: ktctl to its end, within TIME (30) seconds;
# sets status (124: it did not end) and output
ktctl_run() {
  local name=$1
  shift
  run laptop "$name" timeout -k 5 "${TIME:-30}" "$KTCTL" "$@"
}

# says TEXT...: each is part of $output
says() {
  local text
  for text; do
    # shellcheck disable=SC2154 # output comes from bats
    if [[ $output != *"$text"* ]]; then
      printf 'missing: %s\nin (status %s):\n%s\n' "$text" "${status:-}" \
        "$output" >&2
      return 1
    fi
  done
}

# ended_with STATUS [TEXT...]: the exit status, and what was said
ended_with() {
  if [ "$status" != "$1" ]; then
    printf 'status %s instead of %s:\n%s\n' "$status" "$1" "$output" >&2
    return 1
  fi
  shift
  says "$@"
}

# same FILE FILE: two snapshots are equal; shows how they differ
same() {
  diff "$1" "$2" >&2
}
