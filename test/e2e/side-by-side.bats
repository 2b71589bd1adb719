#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 355
# Others touch what a job stands on: each object is deleted, and changed, by
# somebody. Within three seconds all is as it shall be, or the job has ended and
# the Service is as before; and after kill -9 the origin answers. Laptop: alice.
# shellcheck disable=SC2154 # status, output, hammer come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  # "kubectl replace" would change it
  kc -n "$NS" annotate service web \
    kubectl.kubernetes.io/last-applied-configuration- >/dev/null
  inbound_prepare web
  kc -n "$NS" get service web -o json | "$PYTHON" -c 'import json, sys
o = json.load(sys.stdin)
for k in "managedFields", "uid", "resourceVersion", "creationTimestamp":
    o["metadata"].pop(k, None)
print(json.dumps(o))' >"$RUN/web.manifest"
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  background_end
  kc -n "$NS" get service web >/dev/null 2>&1 ||
    kc create -f "$RUN/web.manifest" >/dev/null
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  kc -n "$NS" delete pods -l kt-role --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

# picture: what the job stands on, without what changes by itself
picture() {
  kc -n "$NS" get services,pods -o json | "$PYTHON" -c '
import json, sys
skip = "kt-last-heart-beat", "kt-ref-count", "kt-managers"
for o in json.load(sys.stdin)["items"]:
    m, name = o["metadata"], o["metadata"]["name"]
    labels = m.get("labels", {})
    notes = {k: v for k, v in m.get("annotations", {}).items()
             if k.startswith("kt-") and k not in skip}
    if "deletionTimestamp" in m:
        continue
    if o["kind"] == "Pod" and "kt-role" in labels:
        print("Pod", labels, notes, [c["status"] for c in
              o["status"].get("conditions", []) if c["type"] == "Ready"])
    elif o["kind"] == "Service" and (name in ("web", "new") or "-kt-" in name):
        s = o["spec"]
        print(name, labels, notes, s.get("selector"), s["clusterIP"], s["ports"])
' | sort
}

# whole: all is as when the job was ready
whole() {
  [ "$(picture)" = "$WHOLE" ]
}

# begin: the job is ready, and somebody asks 50 times a second
begin() {
  WHOLE=$(picture)
  hammer_start "$@"
}

# touched COMMAND...: somebody does this; three seconds later all is right
touched() {
  local end at
  echo "# $*" >&2
  "$@" >/dev/null 2>&1
  end=$(($(date +%s%3N) + ${PATIENCE:-3}000))
  while
    at=$(date +%s%3N) # a look takes time, too
    ! whole
  do
    [ "$at" -lt "$end" ] || {
      diff <(echo "$WHOLE") <(picture) >&2
      return 1
    }
    sleep 0.2
  done
  sleep 0.6 # the next outage is another one
}

# the words of those who touch
patch() { # SERVICE PATCH
  kc -n "$NS" patch service "$1" --type merge -p "$2"
}

delete() {
  kc -n "$NS" delete --wait=false "$@"
}

note() { # SERVICE KEY[=VALUE]
  kc -n "$NS" annotate --overwrite service "$@"
}

label() { # ROLE KEY[=VALUE]
  kc -n "$NS" label --overwrite pod "$(shadows "$1")" "${@:2}"
}

as_before() { # [--force: deleted and made anew]
  kc replace "$@" -f "$RUN/web.manifest"
}

pod_killed() { # ROLE
  kc -n "$NS" delete pod "$(shadows "$1")" --force --grace-period=0
}

other='{"spec": {"selector": {"app": "db"}}}'

# what exchange and mesh have in common: they hold the Service. When it was as
# before and an object is deleted within 10 s, that would be a recover.
touch_service() { # ROLE
  local apart=$((SECONDS + 12))
  touched as_before
  touched patch web-kt-stuntman "$other"
  touched patch web-kt-stuntman '{"metadata": {"labels": null}}'
  touched patch web '{"spec": {"selector": {"app": "web"}}}'
  touched patch web '{"spec": {"selector": {"app": "web", "kt-role": null,
    "kt-target": null}}}'
  touched note web kt-selector-
  touched note web kt-selector=nonsense
  touched label "$1" kt-target=other
  touched label "$1" kt-role-
  while [ $SECONDS -lt $apart ]; do sleep 0.5; done
  touched delete service web-kt-stuntman
}

outage() { # TAG: no longer than that
  hammer_end "$1"
  [ "$(of outage_ms)" -le 3000 ]
}

# killed TAG: the origin answers within 10 s
killed() {
  local at=$SECONDS
  murder "$1"
  eventually 20 is_own "$WEB" --max-time 2
  [ $((SECONDS - at)) -le 11 ]
}

ended() { # TAG
  ! kill -0 "$(pid_of "$1")" 2>/dev/null
}

# given_back TAG WORDS: the job has ended, and said why; the Service is as before
given_back() {
  eventually 20 ended "$1"
  grep -q "$2" "$RUN/$1.log" || { cat "$RUN/$1.log" >&2; return 1; }
  eventually 5 is_own "$WEB"
  eventually 15 nothing_left
}

# restored: what KT Connect's recover writes: selector back, kt-selector removed
restored() {
  kc -n "$NS" get service web -o json | "$PYTHON" -c 'import json, sys
o = json.load(sys.stdin)
m = o["metadata"]
o["spec"]["selector"] = json.loads(m["annotations"].pop("kt-selector"))
del m["resourceVersion"]
print(json.dumps(o))'
}

@test "side by side: exchange: each object that it stands on" {
  serve alice local
  start job alice exchange web --expose 8080
  eventually 5 asks local "http://$WEB/"
  begin all -r 50 -t 120 "$WEB" 80
  touch_service shadow-exchange
  outage all
  asks local "http://$WEB/"
  PATIENCE=30 touched pod_killed shadow-exchange
  touched delete service web-kt-stuntman
  killed job
}

@test "side by side: mesh: each object that it stands on" {
  serve alice local
  start job alice mesh web --expose 8080 --versionMark blue
  eventually 5 asks local "http://$WEB/" -H 'version: blue'
  begin marked -r 50 -t 120 -H version:blue "$WEB" 80
  hammer_start plain -r 50 -t 120 "$WEB" 80
  touch_service router
  touched delete service web-kt-mesh-blue
  touched patch web-kt-mesh-blue "$other"
  touched note web-kt-mesh-blue kt-last-heart-beat-
  outage marked
  outage plain
  asks local "http://$WEB/" -H 'version: blue'
  is_own "$WEB"
  PATIENCE=30 touched pod_killed router
  touched delete service web-kt-stuntman
  killed job
}

@test "side by side: mesh, manual: its Pod, and the Service's selector" {
  serve alice local
  start job alice mesh web --mode manual --expose 8080 --versionMark blue
  begin all -r 50 -t 120 "$WEB" 80
  touched label shadow-mesh app-
  touched label shadow-mesh version=red
  outage all
  PATIENCE=30 touched pod_killed shadow-mesh
  patch web "$other" >/dev/null
  follows() {
    [ "$(kc -n "$NS" get pod -l app=db,version=blue -o name | wc -l)" = 1 ]
  }
  eventually 3 follows
  patch web '{"spec": {"selector": {"app": "web"}}}' >/dev/null
  eventually 3 whole
  leave job
}

# bats test_tags=long
@test "side by side: preview: each object that it stands on" {
  serve alice local
  start job alice preview new --expose 8080:80
  local ip
  ip=$(web new)
  eventually 5 asks local "http://$ip/"
  begin all -r 50 -t 120 "$ip" 80
  touched delete service new
  touched patch new "$other"
  touched patch new '{"metadata": {"labels": null}}'
  touched label shadow-preview kt-target=other
  touched label shadow-preview kt-role-
  outage all
  grep -q "Service $NS/new was deleted by somebody: it is made again" "$RUN/job.log"
  asks local "http://$ip/"
  PATIENCE=30 touched pod_killed shadow-preview
  eventually 5 asks local "http://$ip/"
  # both of them: somebody has cleaned up
  delete service/new pod/"$(shadows shadow-preview)" --grace-period=1 >/dev/null
  given_back job "Service $NS/new and its shadow were removed by somebody else"
}

@test "side by side: ephemeral: its Pods, and the Service's selector" {
  local minor
  minor=$(kc get --raw /version | sed -n 's/.*"minor": "\([0-9]*\).*/\1/p')
  [ "$minor" -ge 25 ] || skip "no ephemeral containers in Kubernetes 1.$minor"
  serve alice local
  start job alice exchange web --expose 8080 --mode ephemeral
  kc -n "$NS" delete pod "$(pod_of app=web)" --now >/dev/null
  here() {
    local ip
    for ip in $(kc -n "$NS" get pods -l app=web \
      -o 'jsonpath={.items[*].status.podIP}'); do
      asks local "http://$ip:8080/" || return 1
    done
  }
  eventually 15 here
  patch web "$other" >/dev/null
  eventually 10 ended job
  grep -q "Service $NS/web leads to other Pods" "$RUN/job.log"
  patch web '{"spec": {"selector": {"app": "web"}}}' >/dev/null
}

@test "side by side: KT Connect's recover of a mesh: it ends, and nobody is refused for long" {
  serve alice local
  start job alice mesh web --expose 8080 --versionMark blue
  is_own "$WEB"
  restored >"$RUN/restored.json"
  pod_killed router >/dev/null 2>&1
  sleep 1
  kc replace -f "$RUN/restored.json" >/dev/null
  hammer_start plain -r 50 -t 60 "$WEB" 80
  delete service web-kt-stuntman --ignore-not-found >/dev/null
  given_back job "was recovered by somebody else ('kubectl-replace')"
  outage plain
}

@test "side by side: the Service itself is deleted: made anew it is taken again, else whoever holds it ends" {
  local job
  serve alice local
  start job alice exchange web --expose 8080
  WHOLE=$(picture)
  touched as_before --force
  asks local "http://$WEB/"
  leave job
  eventually 15 nothing_left
  for job in "exchange web" "mesh web --versionMark blue" \
    "mesh web --mode manual --versionMark blue"; do
    # shellcheck disable=SC2086
    start job alice $job --expose 8080
    kc -n "$NS" delete service web >/dev/null
    eventually 20 ended job
    grep -q "Service $NS/web was deleted by somebody" "$RUN/job.log"
    kc create -f "$RUN/web.manifest" >/dev/null
    eventually 20 nothing_left
  done
}

@test "side by side: who joined the router and is gone does not keep it" {
  serve alice local
  start job alice mesh web --expose 8080 --versionMark blue
  # KT Connect's client counts itself before its exec fails
  kc -n "$NS" annotate --overwrite pod web-kt-router kt-ref-count=2 >/dev/null
  leave job
  eventually 5 is_own "$WEB"
  eventually 15 nothing_left
}
