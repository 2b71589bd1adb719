#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 25
# exchange is broken off in the moment of a write into an object of the user's,
# which is carried out all the same: it is taken back. Laptop: carol.

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "a proxy on the way"
  WEB=$(web web)
}

teardown() {
  background_end
  gate_end
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" scale deployment web --replicas=2 >/dev/null
  kc -n "$NS" annotate deployment web kt-replicas- >/dev/null
  eventually 30 is_own "$WEB"
}

# broken_off TAG FLAGS...: until the write has been carried out, then Ctrl-C
broken_off() {
  local tag=$1
  shift
  KUBECONFIG=$BATS_TEST_TMPDIR/kubeconfig spawn "$tag" carol exchange web \
    --expose 8080 --skipPortChecking "$@"
  eventually 120 grep -q "^held" "$BATS_TEST_TMPDIR/asked"
  kill -INT "$(pid_of "$tag")"
  wait "$(pid_of "$tag")" || true
  cat "$RUN/$tag.log"
}

@test "exchange: Ctrl-C while the Service is switched: it is given back" {
  gate exchange hold
  broken_off switch
  [ "$(selector_of web)" = '{"app":"web"}' ]
  [ -z "$(annotation web kt-selector)" ]
  eventually 15 nothing_left
}

@test "exchange: Ctrl-C while the Deployment is scaled: it is scaled back" {
  gate exchange-scale hold-replicas
  broken_off scale --mode scale
  [ "$(kc -n "$NS" get deployment web -o 'jsonpath={.spec.replicas}')" = 2 ]
  [ -z "$(kc -n "$NS" get deployment web -o \
    'jsonpath={.metadata.annotations.kt-replicas}')" ]
  eventually 15 nothing_left
}
