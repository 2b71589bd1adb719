#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# every flavour
# env run, run --env: the requests of one program get an environment's mark, as a
# user without a capability. Laptops: alice (a member), gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  inbound_prepare web
  home=$(mktemp -d /tmp/ktctl-env-run.XXXXXX) # where another user may go
  echo "$home" >"$RUN/home"
  cp "$KUBECONFIG" "$home/config"
  chmod 755 "$home"
  chown -R 1500:1500 "$home"
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
  env_cli create dev.pr-1
}

teardown() {
  background_end
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  env_cli delete dev.pr-1 --force >/dev/null 2>&1 || true
  eventually 30 nothing_left
}

teardown_file() {
  [ ! -f "$RUN/home" ] || rm -rf "$(<"$RUN/home")"
}

# user_ktctl ARGUMENTS...: as a user of gina's laptop who may nothing
user_ktctl() {
  (laptop_exec gina env HOME="$home" KUBECONFIG="$home/config" \
    setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs timeout -k 5 90 "$KTCTL" "$@")
}

@test "env run, run --env: a program's requests go to the member; its status is the program's" {
  local web
  web=$(web web)
  serve alice local
  start a alice env join pr-1 web --local 8080
  run -0 --separate-stderr user_ktctl env run pr-1 -n "$NS" -- \
    curl -sS --max-time 20 http://web/
  [ "$output" = local ]
  # a child's, too; by address; not one with a mark of its own
  run -37 --separate-stderr user_ktctl env run dev.pr-1 -n "$NS" -- sh -c '
    curl -sS --max-time 20 "http://$0/"
    curl -sS --max-time 20 -H "baggage: kt-env=dev.other" http://web/
    exit 37' "$web"
  [[ $output == local*web-* ]]
  run -0 --separate-stderr user_ktctl run --env pr-1 -n "$NS" -- \
    curl -sS --max-time 20 http://web/json
  [ "$(jq -r '.headers.baggage' <<<"$output")" = kt-env=dev.pr-1 ]
  # whoever is not in it
  run -0 --separate-stderr user_ktctl run -n "$NS" -- curl -sS --max-time 20 http://web/
  [[ $output == web-* ]]
  is_own "$web"
  run -125 user_ktctl env run nobody -n "$NS" -- true
  [[ $output == *"nobody"* ]]
}
