#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 205
# every flavour
# Services of every kind that Kubernetes allows: names, ports, owners. Laptops:
# alice, bob.
# shellcheck disable=SC2154 # status and output are bats'

bats_require_minimum_version 1.5.0
load inbound

LONG=a234567890b234567890c234567890d234567890e234567890f234567890abc

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
}

teardown() {
  background_end
  kc -n "$NS" delete pods,services -l control-by=kt --now --wait=false \
    >/dev/null 2>&1
  kc -n "$NS" delete pods,services,deployments -l test=services --now \
    --wait=false >/dev/null 2>&1
}

# service NAME APP FIELDS: fields of its spec, in JSON
service() {
  cat <<END
{"apiVersion": "v1", "kind": "Service",
 "metadata": {"name": "$1", "namespace": "$NS", "labels": {"test": "services"}},
 "spec": {"selector": {"app": "$2"}, $3}}
END
}

HTTP='"ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]'

# deployment REPLICAS: "fields"
deployment() {
  cat <<END
{"apiVersion": "apps/v1", "kind": "Deployment",
 "metadata": {"name": "fields", "namespace": "$NS", "labels": {"test": "services"}},
 "spec": {"replicas": $1, "selector": {"matchLabels": {"app": "fields"}},
  "template": {"metadata": {"labels": {"app": "fields"}},
   "spec": {"terminationGracePeriodSeconds": 1, "containers": [
    {"name": "netsrv", $IMAGE, "args": ["-l", "7000"],
     "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}]}}}}
END
}

IMAGE="\"image\": \"${KTCTL_TEST_REGISTRY:-kt.local}/netsrv:1\", \"imagePullPolicy\": \"IfNotPresent\""

# pod NAME CONTAINERS: a Pod with the label app=NAME
pod() {
  cat <<END
{"apiVersion": "v1", "kind": "Pod",
 "metadata": {"namespace": "$NS", "labels": {"app": "$1", "test": "services"},
              "name": "$1"},
 "spec": {"terminationGracePeriodSeconds": 1, "containers": [$2]}}
END
}

apply() {
  kc apply --server-side -f - 2>&1
}

# selector_changes: whoever owns the manifest may change it
selector_changes() {
  service fields web2 "$HTTP" | apply
  [ "$(selector_of fields)" = '{"app":"web2"}' ]
  service fields web "$HTTP" | apply
}

# owned RESOURCE: the fields that ktctl is said to manage, but for annotations;
# notes RESOURCE: and these
owned() {
  kc get --raw "$1" | jq -r '[.metadata.managedFields[]? |
    select(.manager == "ktctl") | .fieldsV1 |
    del(.["f:metadata"]["f:annotations"]) | paths | join(".") |
    select(. != "f:metadata")] | join(" ")'
}
notes() {
  kc get --raw "$1" | jq -r '[.metadata.managedFields[]? |
    select(.manager == "ktctl") | .fieldsV1["f:metadata"]["f:annotations"] |
    keys[] | select(. != ".")] | sort | join(" ")'
}

@test "services: the fields are their manager's again: no conflict for kubectl apply --server-side" {
  serve alice local
  service fields web "$HTTP" | apply
  start exchange alice exchange fields --expose 8080
  # meanwhile ours is what we added: the selector stays its manager's, who may
  # apply it at any time
  local at=/api/v1/namespaces/$NS/services/fields
  [ "$(owned "$at")" = "" ]
  [ "$(notes "$at")" = f:kt-selector ]
  service fields web "$HTTP" | apply
  eventually 10 asks local "http://$(service_ip fields)/"
  leave exchange
  [ "$(kc get --raw "$at" | grep -c '"manager":"ktctl"')" = 0 ]
  selector_changes
  start exchange alice exchange fields --expose 8080
  murder exchange
  ktctl_run alice recover fields -n "$NS"
  [ "$status" = 0 ]
  selector_changes
  start mesh alice mesh fields --expose 8080 --versionMark a
  murder mesh
  ktctl_run alice clean -n "$NS" --thresholdInMinus 0
  [ "$status" = 0 ]
  selector_changes
  [[ $(kc get --raw "/api/v1/namespaces/$NS/services/fields") != *'"kt-'* ]]
}

@test "services: who puts the selector back each time gets the Service, and is named" {
  local pid rc=0
  gitops() {
    service fields web "$HTTP" | kc apply --server-side --force-conflicts \
      --field-manager kustomize-controller -f - >/dev/null
  }
  stopped() {
    gitops
    ! kill -0 "$pid" 2>/dev/null
  }
  serve alice local
  gitops
  start exchange alice exchange fields --expose 8080
  pid=$(pid_of exchange)
  eventually 60 stopped
  wait "$pid" || rc=$?
  [ $rc = 1 ]
  grep -q "Service $NS/fields was put back 3 times within a minute by 'kustomize-controller'" \
    "$RUN/exchange.log"
  grep -q -- "hint: .*--mode ephemeral.*reconcile=disabled.*ignoreDifferences" \
    "$RUN/exchange.log"
  [ "$(selector_of fields)" = '{"app":"web"}' ]
  [[ $(kc get --raw "/api/v1/namespaces/$NS/services/fields") != *'"kt-'* ]]
  eventually 15 no_objects
}

@test "services: replicas are their manager's again after --mode scale" {
  serve alice local
  service fields fields "$HTTP" | apply
  deployment 1 | apply
  kc -n "$NS" rollout status deployment/fields --timeout=30s
  start exchange alice exchange fields --expose 8080 --mode scale
  [ "$(kc -n "$NS" get deployment fields -o 'jsonpath={.spec.replicas}')" = 0 ]
  leave exchange
  deployment 2 | apply
  [ "$(kc -n "$NS" get deployment fields -o 'jsonpath={.spec.replicas}')" = 2 ]
  start exchange alice exchange fields --expose 8080 --mode scale
  murder exchange
  ktctl_run alice recover fields -n "$NS"
  [ "$status" = 0 ]
  deployment 1 | apply
  [ "$(kc -n "$NS" get deployment fields -o 'jsonpath={.spec.replicas}')" = 1 ]
}

minor() {
  kc version -o json | "$PYTHON" -c 'import json, sys
print(json.load(sys.stdin)["serverVersion"]["minor"].rstrip("+"))'
}

# many_ports N: two to one name, the others to numbers
many_ports() {
  local i
  printf '"ports": [{"name": "a", "port": 80, "targetPort": "http", '
  printf '"protocol": "TCP"}, {"name": "b", "port": 443, "targetPort": "http", '
  printf '"protocol": "TCP"}'
  for i in $(seq 3 "$1"); do
    printf ', {"name": "p%d", "port": %d, "protocol": "TCP"}' "$i" $((30000 + i))
  done
  printf ']'
}

@test "services: many ports, and two to one name" {
  local ip most=256
  # the endpoints of an old one end at 100, whoever is behind
  [ "$(minor)" -ge 25 ] || most=100
  serve alice local
  service many-ports web "$(many_ports 257)" | apply
  ktctl_run alice exchange many-ports -n "$NS" --expose 8080:http
  ended_with 1 "257 ports" "256"
  no_objects
  kc -n "$NS" delete service many-ports >/dev/null
  service many-ports web "$(many_ports $most)" | apply
  ip=$(service_ip many-ports)
  start exchange alice exchange many-ports --expose 8080:http
  eventually 5 asks local "http://$ip/"
  asks local "http://$ip:443/"
  for _ in $(seq 10); do # served, and by nobody: never accepted and reset
    run ask "http://$ip:$((30000 + most))/"
    [[ $output == *refused* || $output == *"Couldn't connect"* ]]
  done
  leave exchange
  eventually 15 no_objects
}

@test "services: two containers with a port of one name, TCP and UDP" {
  local found
  serve alice local
  pod names "{\"name\": \"a\", $IMAGE, \"args\": [\"-l\", \"7000\"],
      \"ports\": [{\"name\": \"dns\", \"containerPort\": 7007,
        \"protocol\": \"UDP\"}]},
    {\"name\": \"b\", $IMAGE, \"args\": [\"-l\", \"17000\", \"-o\", \"1000\"],
      \"ports\": [{\"name\": \"dns\", \"containerPort\": 7007}]}" | apply
  service names names '"ports": [
    {"name": "u", "port": 53, "targetPort": "dns", "protocol": "UDP"},
    {"name": "t", "port": 53, "targetPort": "dns", "protocol": "TCP"}]' | apply
  start exchange alice exchange names --expose 7007:53/tcp,7007:53/udp
  found=$(kc -n "$NS" get endpoints names -o \
    'jsonpath={.subsets[*].addresses[*].targetRef.name} {.subsets[*].ports[*].port}')
  [[ $found == names-kt-exchange-*" 7007 7007" ]]
  leave exchange
  eventually 15 no_objects
}

@test "services: a StatefulSet's Pods keep their names, unless --force" {
  serve alice local
  ktctl_run alice exchange db -n "$NS" --expose 8080
  ended_with 1 "db-0.db" "--force" "ephemeral"
  ktctl_run alice mesh db -n "$NS" --expose 8080 --versionMark a
  ended_with 1 "db-0.db" "--force"
  [ "$(selector_of db)" = '{"app":"db"}' ]
  no_objects
  start exchange alice exchange db --expose 8080 --force
  [[ $(cat "$RUN/exchange.log") == *"nobody can resolve db-"* ]]
  leave exchange
  [ "$(selector_of db)" = '{"app":"db"}' ]
}

# labelled N: so many objects carry the user's label, and each of them the
# user's annotation; what is being deleted does not count
labelled() {
  [ "$(kc -n "$NS" get pods,services -l team=x,control-by=kt -o json |
    "$PYTHON" -c '
import json, sys
for o in json.load(sys.stdin)["items"]:
    if "deletionTimestamp" not in o["metadata"]:
        print(o["metadata"]["annotations"].get("note"))' | sort | uniq -c |
    tr -s ' ')" = " $1 y" ]
}

@test "services: a name of 63 letters: exchange, mesh by two, recover; the user's labels are everywhere" {
  local ip
  serve alice local
  serve bob other
  service "$LONG" web "$HTTP" | apply
  ip=$(service_ip "$LONG")
  start exchange alice exchange "$LONG" --expose 8080 --withLabel team=x \
    --withAnnotation note=y
  eventually 5 asks local "http://$ip/"
  eventually 15 labelled 2
  leave exchange
  eventually 15 no_objects
  start one alice mesh "$LONG" --expose 8080 --versionMark a --withLabel team=x \
    --withAnnotation note=y
  start two bob mesh "$LONG" --expose 8080 --versionMark b
  eventually 5 asks local "http://$ip/" -H 'VERSION: a'
  asks other "http://$ip/" -H 'VERSION: b'
  eventually 5 is_own "$ip"
  # router, origin, record
  eventually 15 labelled 3
  leave one
  asks other "http://$ip/" -H 'VERSION: b'
  murder two
  ktctl_run alice recover "$LONG" -n "$NS"
  [ "$status" = 0 ]
  [ "$(selector_of "$LONG")" = '{"app":"web"}' ]
  eventually 15 no_objects
}

@test "services: mesh: Pods that are published though they are not ready answer who has no mark" {
  local ip
  serve alice local
  pod unready "{\"name\": \"a\", $IMAGE, \"args\": [\"-l\", \"7000\"],
      \"env\": [{\"name\": \"NAME\", \"value\": \"unready\"}],
      \"readinessProbe\": {\"tcpSocket\": {\"port\": 1}}}" | apply
  service unready unready "\"publishNotReadyAddresses\": true,
    \"sessionAffinity\": \"ClientIP\", $HTTP" | apply
  ip=$(service_ip unready)
  eventually 20 asks unready "http://$ip/"
  start mesh alice mesh unready --expose 8080 --versionMark a
  [[ $(cat "$RUN/mesh.log") == *"sessionAffinity is ClientIP"* ]]
  eventually 5 asks local "http://$ip/" -H 'VERSION: a'
  for _ in 1 2 3 4 5; do asks unready "http://$ip/"; done
  leave mesh
  eventually 15 no_objects
}

@test "services: ports 7070 and 7071, which the shadow has for itself elsewhere" {
  serve alice local
  service fields web '"ports": [
    {"name": "a", "port": 80, "targetPort": 7070, "protocol": "TCP"},
    {"name": "b", "port": 81, "targetPort": 7071, "protocol": "TCP"}]' | apply
  start exchange alice exchange fields --expose 8080:7070,8080:7071
  eventually 5 asks local "http://$(web fields)/"
  asks local "http://$(web fields):81/"
  leave exchange
}
