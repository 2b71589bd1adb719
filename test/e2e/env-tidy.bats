#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# every flavour
# deploy/tidy.yaml: an environment has ended, nobody's client is alive, and the
# namespace is as it was, Services and all. Laptop: alice.
# shellcheck disable=SC2154 # status and output come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  # the program with this machine's libraries; a release has a static one
  # shellcheck source=test/images/rootfs.bash
  . "$TOP/test/images/rootfs.bash"
  cp "$KTCTL" "$RUN/ktctl"
  add_program "$RUN/root" "$RUN/ktctl"
  mv "$RUN/root$RUN/ktctl" "$RUN/root/ktctl"
  "$TOP/tools/mkimage" --name kt.local/ktctl:1 --out "$RUN/ktctl.tar" \
    --rootfs "$RUN/root" --entrypoint /ktctl
  "$CLUSTER/load-image" "$RUN/ktctl.tar" kt.local/ktctl:1 >/dev/null
}

setup() {
  skip_on_foreign "an image of this machine's program"
  WEB=$(web web)
}

teardown() {
  kc -n "$NS" logs deployment/ktctl-tidy >&2 || true
  kc -n "$NS" delete deployment,serviceaccount,rolebinding ktctl-tidy --now \
    >/dev/null 2>&1
  kc -n "$NS" delete jobs -l 'kt-role in (env,env-hook)' --wait=false >/dev/null 2>&1
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete deployments,pods,services,configmaps -l control-by=kt \
    --now >/dev/null 2>&1
  eventually 20 nothing_left
}

tidy() { # as the file says, with the image that is there
  kc -n "$NS" apply -f "$TOP/deploy/rbac/clean.yaml" >/dev/null
  sed 's,registry.example/ktctl:v1,kt.local/ktctl:1,' "$TOP/deploy/tidy.yaml" |
    kc -n "$NS" apply -f - >/dev/null
  kc -n "$NS" rollout status deployment/ktctl-tidy --timeout=60s >/dev/null
}

# programs of shadows are not an environment's; tidy takes those that nobody uses
namespace_now() {
  kc -n "$NS" get jobs,services,configmaps,deployments -o name |
    grep -v '/ktctl-shadow-' | sort
  spec_of web
}

is_as_before() { [ "$(namespace_now)" = "$1" ]; }

minor() { # of the server's version
  kc version -o json | jq -r '.serverVersion.minor | sub("[^0-9].*"; "")'
}

@test "tidy: the time is over, nobody's client lives: within 60 s the namespace is as before" {
  local before begun
  tidy
  before=$(namespace_now)
  "$KTCTL" env create dev.a -n "$NS" --ttl 1h >/dev/null
  TIME=90 ktctl_run alice env join a web -n "$NS" --image kt.local/netsrv:1 \
    --set NAME=copy --onDelete 'kt.local/toolbox:1 true'
  ended_with 0
  asks copy "http://$WEB/" -H 'baggage: kt-env=dev.a'
  sleep "$(long_or 190 25)" # what lives is left alone
  asks copy "http://$WEB/" -H 'baggage: kt-env=dev.a'
  "$KTCTL" env extend a -n "$NS" --ttl 5s >/dev/null
  begun=$SECONDS
  eventually 65 is_as_before "$before"
  echo "# $((SECONDS - begun - 5)) s after the deadline" >&2
  is_own "$WEB" "${CONNECT_SOON[@]}"
  kc -n "$NS" logs deployment/ktctl-tidy | grep 'recovered Service web'
  kc -n "$NS" logs deployment/ktctl-tidy | grep 'runs onDelete .* environment dev.a'
}
