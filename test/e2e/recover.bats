#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 120
# recover: a Service is as before, whatever was done to it and by whom.
# Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  background_end
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" scale deployment web --replicas=2 >/dev/null
  kc -n "$NS" annotate deployment web kt-replicas- >/dev/null
  kc -n "$NS" delete pods,services,configmaps -l control-by=kt --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

recover() { # ARGUMENTS...
  ktctl_run bob recover "$@" -n "$NS"
}

@test "recover: an exchange whose client was killed" {
  serve alice local
  start x alice exchange web --expose 8080
  eventually 5 asks local "http://$WEB/"
  murder x
  recover web
  ended_with 0 "recovered Service web" "removed pods web-kt-exchange-" \
    "removed services web-kt-stuntman"
  eventually 5 is_own "$WEB"
  eventually 15 nothing_left
}

@test "recover: a running exchange says so and ends" {
  serve alice local
  start x alice exchange web --expose 8080
  recover svc/web
  ended_with 0 "recovered Service web"
  ended() { ! kill -0 "$(pid_of x)" 2>/dev/null; }
  eventually 20 ended
  grep -q "was recovered by somebody else" "$RUN/x.log"
  eventually 5 is_own "$WEB"
  eventually 15 nothing_left
}

@test "recover: replicas after mode scale, without the shadow too" {
  serve alice local
  start x alice exchange web --expose 8080 --mode scale
  murder x
  kc -n "$NS" delete pod "$(shadows shadow-exchange)" --now >/dev/null
  recover web
  ended_with 0 "scaled Deployment web back to 2"
  eventually 30 is_own "$WEB"
  eventually 15 nothing_left
}

@test "recover: objects as KT Connect leaves them" {
  kc -n "$NS" apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-kt-router",
  "labels": {"control-by": "kt", "kt-role": "router", "kt-target": "R"},
  "annotations": {"kt-config": "service=web", "kt-ref-count": "2"}},
  "spec": {"nodeSelector": {"none": "such"},
    "containers": [{"name": "standalone", "image": "none:1"}]}},
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-kt-mesh-v1",
  "labels": {"control-by": "kt", "kt-role": "shadow-mesh", "kt-target": "A"},
  "annotations": {"kt-config": "service=web-kt-mesh-v1"}},
  "spec": {"nodeSelector": {"none": "such"},
    "containers": [{"name": "standalone", "image": "none:1"}]}},
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-kt-mesh-v1",
  "labels": {"control-by": "kt", "kt-role": "shadow-mesh"}}, "data": {}},
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-kt-mesh-v1",
  "labels": {"control-by": "kt"}}, "spec": {"ports": [{"port": 80}],
  "selector": {"kt-role": "shadow-mesh", "kt-target": "A"}}},
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-kt-stuntman",
  "labels": {"control-by": "kt"}}, "spec": {"ports": [{"port": 80}],
  "selector": {"app": "web"}}}]}
END
  kc -n "$NS" annotate service web 'kt-selector={"app":"web"}' kt-lock=5 >/dev/null
  kc -n "$NS" patch service web --type merge -p \
    '{"spec": {"selector": {"app": null, "kt-role": "router", "kt-target": "R"}}}' >/dev/null
  recover web
  ended_with 0 "recovered Service web" "removed pods web-kt-router" \
    "removed pods web-kt-mesh-v1" "removed services web-kt-mesh-v1" \
    "removed services web-kt-stuntman" "removed configmaps web-kt-mesh-v1"
  eventually 5 is_own "$WEB"
  eventually 15 nothing_left
}

@test "recover: nothing to do, no such Service, no way to know" {
  recover web
  ended_with 0 "Nothing to recover"
  recover nosuch
  ended_with 1 "Service $NS/nosuch" "not found"
  recover deployment/web
  ended_with 2 "recover is for a Service"
  kc -n "$NS" annotate service web "kt-lock=$(date +%s)" >/dev/null
  recover web
  ended_with 0 "unlocked Service web"
  kc -n "$NS" patch service web -p '{"spec": {"selector": {"kt-role": "router"}}}' >/dev/null
  recover web
  ended_with 1 "nothing says what its own selector was"
  kc -n "$NS" patch service web --type merge -p \
    '{"spec": {"selector": {"kt-role": null}}}' >/dev/null
}

@test "recover: the published Role is enough" {
  kc -n "$NS" apply -f "$TOP/deploy/rbac/recover.yaml" >/dev/null
  kc -n "$NS" create rolebinding dev-recover --role ktctl-recover --user dev \
    >/dev/null
  serve alice local
  start x alice exchange web --expose 8080
  murder x
  recover web -c "$KUBECONFIG_DEV"
  ended_with 0 "recovered Service web"
  [[ $output != *"left out"* ]]
  kc -n "$NS" delete rolebinding/dev-recover role/ktctl-recover >/dev/null
}

@test "clean: an exchange and a scaled Deployment whose client is long gone" {
  serve alice local
  start x alice exchange web --expose 8080
  murder x
  kc -n "$NS" annotate --overwrite pod "$(shadows shadow-exchange)" \
    kt-last-heart-beat=5 >/dev/null
  kc -n "$NS" annotate --overwrite service web-kt-stuntman \
    kt-last-heart-beat=5 >/dev/null
  kc -n "$NS" annotate deployment web kt-replicas=2 >/dev/null
  kc -n "$NS" scale deployment web --replicas=0 >/dev/null
  ktctl_run bob clean -n "$NS" --dryRun
  ended_with 0 "Services to recover (1)" "Workloads to scale back (1)"
  ktctl_run bob clean -n "$NS"
  ended_with 0 "recovered Service web" "scaled Deployment web back to 2" \
    "removed pods web-kt-exchange-"
  ktctl_run bob clean -n "$NS"
  eventually 30 is_own "$WEB"
}
