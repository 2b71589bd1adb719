#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 22
# A laptop that runs the real systemd-resolved: programs that ask it over D-Bus
# (nss-resolve does the same by a socket of its own) never send to port 53.
# shellcheck disable=SC2154 # status and output come from bats

setup_file() {
  load common
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a laptop of our own is needed"
  local with=$TOP/test/unit/dns/with-resolved office
  # shellcheck disable=SC2016
  office=$(laptop rita awk '/^nameserver/ { print $2; exit }' /etc/resolv.conf)
  laptop rita sh -c "
    mkdir -p /run/systemd/resolved.conf.d
    printf '[Resolve]\nDNS=%s\nDomains=corp.test\n' $office \
      >/run/systemd/resolved.conf.d/office.conf
    printf 'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch corp.test\n' \
      >/etc/resolv.conf"
  # shellcheck disable=SC2016
  laptop rita "$with" --here sh -c '
    echo "$PATH" >/run/resolved.path; exec sleep 1000' \
    >"$BATS_FILE_TMPDIR/resolved" 2>&1 3>&- &
  echo $! >"$BATS_FILE_TMPDIR/pid"
  eventually 20 resolved_started
}

# it runs, or cannot run here
resolved_started() {
  grep -q SKIP "$BATS_FILE_TMPDIR/resolved" ||
    laptop rita test -s /run/resolved.path
}

teardown_file() {
  load common
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  kill "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || true
  "$CLUSTER/laptop" --down "rita$LANE"
  # one test kills connect: nobody else is to find its Pod
  kc -n "$NS" delete pods -l control-by=kt --now >/dev/null
}

setup() {
  load common
  ! grep SKIP "$BATS_FILE_TMPDIR/resolved" || skip "no systemd-resolved"
  CONNECT_PID=
}

teardown() {
  connect_kill
}

# rita CMD...: on her laptop, where resolvectl is found
rita() {
  # shellcheck disable=SC2016 # PATH is the laptop's
  laptop rita sh -c 'PATH=$(cat /run/resolved.path); exec "$@"' sh "$@"
}

connect_rita() {
  PATH=$(laptop rita cat /run/resolved.path):$PATH connect_start rita
}

resolves() { # NAME ADDRESS: over D-Bus
  run rita resolvectl query -4 "$1"
  says "$2"
}

@test "names of the cluster come through systemd-resolved" {
  connect_rita
  local web far
  web=$(service_ip web)
  far=$(service_ip far "$OTHER")
  resolves web "$web"
  resolves "web.$NS" "$web"
  resolves "web.$NS.svc.cluster.local" "$web"
  resolves "far.$OTHER" "$far"
  run rita resolvectl query "$web" # reverse
  says "web.$NS.svc.cluster.local"
  run rita resolvectl query -4 far
  [ "$status" -ne 0 ]
  # the C library, by the stub on 127.0.0.53
  for name in web "web.$NS" "web.$NS.svc.cluster.local"; do
    run laptop rita getent ahostsv4 "$name"
    says "$web"
  done
  run laptop rita curl -sS -m 5 "http://web/"
  [ "$status" = 0 ]
}

@test "other names are answered as before" {
  connect_rita
  resolves www.corp.test 10.77.
  resolves www 10.77.
  run laptop rita getent ahostsv4 www.corp.test
  says 10.77.
  run rita resolvectl query -4 nope.corp.test
  [ "$status" -ne 0 ]
}

@test "the settings go with connect, however it ends" {
  connect_rita
  run rita resolvectl domain kt0
  says "$NS.svc.cluster.local" '~cluster.local'
  connect_stop INT
  run rita resolvectl query -4 "web.$NS.svc.cluster.local"
  [ "$status" -ne 0 ]
  connect_rita
  kill -KILL "$CONNECT_PID"
  wait "$CONNECT_PID" || true
  CONNECT_PID=
  eventually 2 no_link
  run rita resolvectl query -4 "web.$NS.svc.cluster.local"
  [ "$status" -ne 0 ]
  resolves www.corp.test 10.77.
}

no_link() {
  ! rita resolvectl dns | grep -q kt0
}
