#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 90
# preview: a local program is a new Service. Laptop: alice.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare
}

setup() {
  skip_on_foreign "callers in the node's network"
}

teardown() {
  background_end
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  eventually 15 no_objects
}

@test "preview: a new Service is the local program, and is gone after" {
  serve alice local
  start preview alice preview new --expose 8080:80,14007:7007/udp \
    --skipPortChecking
  # what was typed, not what the Pod listens on
  grep -qF '80 to localhost:8080, 7007/udp to localhost:14007' "$RUN/preview.log"
  serve alice peer 7000
  local ip
  ip=$(web new)
  [ "$(kc -n "$NS" get service new -o \
    'jsonpath={.metadata.labels.control-by} {.spec.type} {.spec.ports[0].name}')" = \
    "kt ClusterIP kt-80" ]
  [[ $(selector_of new) == *'"kt-role":"shadow-preview"'* ]]
  [[ $(shadows shadow-preview) == new-kt-* ]]
  eventually 5 asks local "http://$ip/"
  [ "$(toolbox curl -sS --max-time 5 http://new/)" = local ]
  [ "$(in_pod toolbox "$PYTHON" "$TOOLS/probe.py" udp-echo "$ip" 7007 1 1400)" = \
    "ok 1 1400" ]
  leave preview
  run kc -n "$NS" get service new
  [ "$status" != 0 ]
}

@test "preview: killed, and started again at once" {
  serve alice local
  start preview alice preview new --expose 8080:80
  murder preview
  start preview alice preview new --expose 8080:80
  grep -q 'left by a ktctl that is gone' "$RUN/preview.log"
  eventually 5 asks local "http://$(web new)/"
  [ "$(shadows shadow-preview | wc -w)" = 1 ]
  leave preview
}

@test "preview: the shadow Pod is replaced under constant requests: none fails" {
  local WEB
  serve alice local
  start p alice preview fresh --expose 8080
  # shellcheck disable=SC2034 # for replace_under
  WEB=$(web fresh)
  eventually 5 asks local "http://$WEB:8080/"
  PORT=8080 replace_under 200 shadow-preview local evict
  leave p
}

@test "preview: --external; the Service is made for the world outside" {
  serve alice local
  start preview alice preview new --expose 8080 --external
  [ "$(kc -n "$NS" get service new -o 'jsonpath={.spec.type}')" = LoadBalancer ]
  leave preview
}

@test "preview: a name that exists is an error, and stays as it is" {
  local before
  before=$(spec_of web)
  ktctl_run alice preview web -n "$NS" --expose 8080 --skipPortChecking
  ended_with 1 "Service $NS/web exists already" "ktctl exchange web"
  [ "$(spec_of web)" = "$before" ]
  ktctl_run alice preview new -n "$NS" --expose abc
  ended_with 2 "'abc'"
  ktctl_run alice preview new -n "$NS" --expose 8080:80,8081:80 \
    --skipPortChecking
  ended_with 2 "'8081:80': this remote port was named before"
  ktctl_run alice preview new -n "$NS" --expose 8080:http --skipPortChecking
  ended_with 2 "needs the number of its port"
  ktctl_run alice preview deployment/web -n "$NS" --expose 8080
  ended_with 2 "preview makes a Service"
  ktctl_run alice preview new -n "$NS" --expose 8080
  ended_with 1 "nothing listens on port 8080"
}

@test "preview: the published Role is enough" {
  serve carol local
  kc -n "$NS" apply -f "$TOP/deploy/rbac/preview.yaml" >/dev/null
  kc -n "$NS" create rolebinding dev-preview --role ktctl-preview --user dev \
    >/dev/null
  start preview carol preview new --expose 8080 -c "$KUBECONFIG_DEV"
  eventually 5 asks local "http://$(web new):8080/"
  leave preview
  [[ $(cat "$RUN/preview.log") != *orbidden* ]]
  kc -n "$NS" delete rolebinding/dev-preview role/ktctl-preview >/dev/null
}
