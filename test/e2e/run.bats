#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 30
# run as a user without a capability: the program is in the cluster's network, the
# machine stays as it was. Laptop: gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load common

# what is left after kill -9
sweep() {
  kc -n "$NS" delete pods,configmaps -l control-by=kt --ignore-not-found --wait=false >&2
}

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  sweep
  home=$(mktemp -d /tmp/ktctl-run.XXXXXX) # where another user may go
  echo "$home" >"$RUN/home"
  cp "$KUBECONFIG" "$home/config"
  chmod 755 "$home"
  chown -R 1500:1500 "$home"
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
}

teardown() {
  [ -z "${RUN_PID:-}" ] || kill -KILL "$RUN_PID" 2>/dev/null || true
}

teardown_file() {
  [ -f "$RUN/home" ] || return 0
  sweep
  rm -rf "$(<"$RUN/home")"
}

# user_exec CMD...: in place of this shell, as a user of gina's laptop who may
# nothing
user_exec() {
  laptop_exec gina env HOME="$home" KUBECONFIG="$home/config" \
    setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs "$@" 3>&-
}

# run_in FLAGS... -- PROGRAM...: ktctl run to its end, for bats' run
run_in() {
  (user_exec timeout -k 5 90 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" \
    --shareShadow "$@")
}

# the shared shadow is there to stay, or there is none: not one that ends
settled() {
  local pod
  pod=$(kc -n "$NS" get pod kt-connect-shadow-daemon --ignore-not-found -o json) || return
  [ -z "$pod" ] || jq -e '(.metadata.deletionTimestamp | not) and
    .status.phase == "Running"' >/dev/null <<<"$pod"
}

# run_spawn PROGRAM...: in the background; RUN_PID, its output in $RUN/log
run_spawn() {
  eventually 60 settled
  : >"$RUN/log"
  user_exec "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" --shareShadow -- "$@" \
    >"$RUN/log" 2>&1 3>&- &
  RUN_PID=$!
  eventually 60 grep -q '^up' "$RUN/log"
}

# run_wait: sets status
run_wait() {
  status=0
  wait "$RUN_PID" || status=$?
  RUN_PID=
}

# session: this run in "ktctl status", as its user sees it
session() {
  (user_exec "$KTCTL" status -o json) |
    jq -r --argjson pid "$RUN_PID" '.sessions[] | select(.pid == $pid) | "\(.state) \(.target)"'
}

is_up() {
  [ "$(session)" = "up -- sh" ]
}

@test "run: the cluster and the office, as the same user; the machine as before" {
  snapshot gina "$RUN/before"
  run_spawn sh -c 'echo up; exec sleep 1000'
  eventually 10 is_up
  snapshot gina "$RUN/during"
  sed -i '\,/\.kt/,d' "$RUN/during"
  same "$RUN/before" "$RUN/during"
  # a second one beside it
  run -0 --separate-stderr run_in -- sh -c '
    curl -sS --max-time 20 -o /dev/null -o /dev/null -w "%{http_code}\n" \
      http://web/ "http://$0/"
    dig +short +search web; dig +short +tcp +search web
    dig +short www.corp.test; dig +short +tcp www.corp.test
    curl -s --max-time 20 "http://$0:81/" || echo "status $?"
    nc -zvw 5 10.77.0.53 53 2>&1 | grep -c succeeded
    id -u; id -g; sed -n "s/^CapEff:\t//p" /proc/self/status
    ' "$(service_ip web)"
  echo "$output" >"$RUN/got"
  ip=$(service_ip web)
  printf '%s\n' 200 200 "$ip" "$ip" 10.77.0.80 10.77.0.80 'status 7' 1 1500 \
    1500 0000000000000000 >"$RUN/wanted"
  same "$RUN/wanted" "$RUN/got"
  kill -TERM "$RUN_PID"
  run_wait
  [ "$status" = 143 ]
  eventually 20 nobody_with "$home"
  snapshot gina "$RUN/after"
  same "$RUN/before" "$RUN/after"
}

@test "run: the exit is the program's, signals reach it, and kill -9 ends it" {
  run_spawn sh -c 'trap "echo got; exit 9" USR1
    echo up; while :; do sleep 0.1; done'
  run -37 run_in -- sh -c 'exit 37'
  # a shell that says whether it was a signal
  run run_in -- sh -c 'kill -SEGV $$'
  [ "$status" = 139 ]
  run -127 run_in -- no-such-program
  run -126 run_in -- /etc/passwd
  [ "$(run_in -- cat <<<stdin)" = stdin ]
  kill -USR1 "$RUN_PID"
  run_wait
  [ "$status" = 9 ]
  grep -q '^got' "$RUN/log"
  run_spawn sh -c 'trap "exit" TERM; echo up; while :; do sleep 0.1; done'
  kill -KILL "$RUN_PID"
  run_wait
  eventually 20 nobody_with "$home"
  snapshot gina "$RUN/killed"
  sed -i '\,/\.kt/,d' "$RUN/killed"
  same "$RUN/before" "$RUN/killed"
}
