#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# run as a user without a capability: the program is in the cluster's network, the
# machine stays as it was. Laptop: gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load common

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
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

teardown_file() {
  [ ! -f "$RUN/home" ] || rm -rf "$(<"$RUN/home")"
}

# user CMD...: as a user of gina's laptop who may nothing
user() {
  laptop gina env HOME="$home" KUBECONFIG="$home/config" \
    setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs "$@"
}

# run_in FLAGS... -- PROGRAM...: ktctl run
run_in() {
  user timeout -k 5 60 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" "$@"
}

@test "run: names and addresses of the cluster, as the same user, without root" {
  run -0 --separate-stderr run_in -- sh -c '
    curl -sS --max-time 10 http://web/
    curl -sS --max-time 10 "http://$0/"
    dig +short +search web
    id -u; id -g
    grep CapEff /proc/self/status' "$(service_ip web)"
  echo "$output"
  echo "$stderr"
}
