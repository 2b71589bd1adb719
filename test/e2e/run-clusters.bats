#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 15
# run: programs in two clusters with the same address ranges at once, from one shell.
# They stand on this machine itself, which both clusters are reached from, as a user
# who may nothing. The other flavour's cluster has to be up, as in "make test".
# shellcheck disable=SC2154 # others come from bats

bats_require_minimum_version 1.5.0
load run

# other_env: of the other cluster, in this shell; fails where that is not up
other_env() {
  local flavour all
  for flavour in "$TOP"/test/cluster/flavours/*; do
    flavour=${flavour##*/}
    [ "${KUBE%.*}" != "$flavour" ] || continue
    all=$(KUBE=$flavour "$CLUSTER/env" 2>/dev/null) || continue
    eval "$all"
    kc version >/dev/null 2>&1 && return
  done
  return 1
}

# pods: of web, a line each
pods() {
  kc -n "$NS" get pods -l app=web -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'
}

# the fixture is there, too
other_suite() {
  # shellcheck source=test/e2e/setup_suite.bash
  . "$BATS_TEST_DIRNAME/setup_suite.bash"
  suite_images
  eventually 20 suite_apply
  suite_rollout "$NS" deployment/web
}

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "two clusters of our own"
  run_home
  local home
  home=$(<"$RUN/home")
  mknod -m 666 "$home/tun" c 10 200
  (
    other_env || exit 3
    other_suite >&2
    cp "$KUBECONFIG" "$home/other"
    pods >"$home/other.pods"
    service_ip web "$NS" >"$home/other.ip"
  ) || [ $? = 3 ]
  pods >"$home/config.pods"
  service_ip web "$NS" >"$home/config.ip"
  chown -R 1500:1500 "$home"
}

setup() {
  home=$(<"$RUN/home")
  [ -e "$home/other.ip" ] || skip "the other flavour's cluster is not up"
}

teardown_file() {
  run_home_over
}

# on_machine CMD...: with a /dev/net/tun that everybody may open, as Debian has it
on_machine() {
  # shellcheck disable=SC2016 # a shell inside
  unshare -m sh -c 'mount --bind "$0/tun" /dev/net/tun && cd "$0" && exec env -u KUBECONFIG \
    HOME="$0" setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs "$@"' "$home" "$@"
}

@test "run: two clusters with equal ranges in one shell, by name and by address" {
  cat >"$home/both" <<'END'
one() { # CLUSTER
  "$KTCTL" run -c "$HOME/$1" -n "$NS" -i "$KTCTL_IMAGE" -- sh -c '
    curl -sS --max-time 20 http://web/ && curl -sS --max-time 20 "http://$1/"
    touch "$HOME/ready.$2"
    for i in $(seq 300); do # until the other one has answered as well
      [ ! -e "$HOME/ready.$3" ] || break
      sleep 0.1
    done
    curl -sS --max-time 20 http://web/' - "$(cat "$1.ip")" "$1" "$2" >"$1.out" 2>"$1.err"
}
one config other &
one other config &
wait
[ -e ready.config ] && [ -e ready.other ]
END
  chmod a+r "$home/both"
  export KTCTL NS KTCTL_IMAGE
  ip route >"$RUN/before"
  run -0 on_machine bash "$home/both"
  ip route | diff "$RUN/before" -
  local c
  for c in config other; do # three answers, all of that cluster's Pods
    printf '%s\n' "$c: $(cat "$home/$c.out" "$home/$c.err")" >&2
    [ "$(wc -l <"$home/$c.out")" = 3 ]
    run ! grep -vxF -f "$home/$c.pods" "$home/$c.out"
  done
  run ! grep -qxF -f "$home/config.pods" "$home/other.pods"
}
