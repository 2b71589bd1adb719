# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the tests of run: a user of gina's laptop who may nothing.

load common
load net

# run_home: for setup_file; where that user may go, with a kubeconfig
run_home() {
  local home
  home=$(mktemp -d /tmp/ktctl-run.XXXXXX)
  echo "$home" >"$RUN/home"
  cp "$KUBECONFIG" "$home/config"
  chmod 755 "$home"
  chown -R 1500:1500 "$home"
}

# run_home_over: for teardown_file; and the shadow that they shared, which would
# be there for a while, does not surprise the next file in this namespace
run_home_over() {
  [ -f "$RUN/home" ] || return 0
  rm -rf "$(<"$RUN/home")"
  kc -n "$NS" delete pod -l kt-role=shadow-connect --ignore-not-found \
    --grace-period=1 >/dev/null
}

# user_exec CMD...: in place of this shell; fd 3 is bats' own, and a program that
# holds it keeps bats from ending
user_exec() {
  local home
  home=$(<"$RUN/home")
  laptop_exec gina env HOME="$home" KUBECONFIG="$home/config" \
    setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs "$@" 3>&-
}

# run_in FLAGS... -- PROGRAM...: ktctl run to its end
run_in() {
  (user_exec timeout --foreground -k 5 120 "$KTCTL" run -n "$NS" \
    -i "$KTCTL_IMAGE" --shareShadow "$@")
}
