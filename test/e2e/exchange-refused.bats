#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 10
# every flavour
# exchange --mode ephemeral where it cannot be: an older Kubernetes, or one that
# may, in a namespace that may not. Laptop: alice.
# shellcheck disable=SC2154 # status and output are bats'

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

teardown() {
  kc label namespace "$NS" pod-security.kubernetes.io/enforce- >/dev/null
  background_end
}

minor() {
  kc version -o json | "$PYTHON" -c 'import json, sys
print(json.load(sys.stdin)["serverVersion"]["minor"].rstrip("+"))'
}

@test "ephemeral: where the cluster does not allow it that is told, and nothing is changed" {
  kc label --overwrite namespace "$NS" \
    pod-security.kubernetes.io/enforce=baseline >/dev/null
  serve alice local
  ktctl_run alice exchange web -n "$NS" --expose 8080 --mode ephemeral
  if [ "$(minor)" -lt 25 ]; then
    ended_with 1 "from Kubernetes 1.25 on; this one is 1.$(minor)"
  else
    ended_with 1 "PodSecurity" "NET_ADMIN"
  fi
  says "--mode selector"
  nothing_left
  [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
}
