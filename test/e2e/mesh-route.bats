#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 255
# mesh --route: the routes of a service mesh lead a mark to the developer's
# machine, and the user's own routes stay in force. The API server checks every
# object against the real schemas; no service mesh runs here, so what a route
# would do is read from it, and the ways that it names are tried one by one.
# Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load common
load net
load inbound

VS=virtualservices.networking.istio.io
HR=httproutes.gateway.networking.k8s.io

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  # shellcheck source=test/e2e/inbound.bash
  . "$BATS_TEST_DIRNAME/inbound.bash"
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  netsrv_build
  spec_of web >"$RUN/web.json"
  "$CLUSTER/crds/fetch" >"$RUN/crds"
}

# The cluster is again one that has none
teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  kc delete crd $VS $HR --ignore-not-found >/dev/null
}

setup() {
  skip_on_foreign "it installs CustomResourceDefinitions"
  WEB=$(web web)
}

teardown() {
  background_end
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete $VS,$HR --all >/dev/null 2>&1
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  kc -n "$NS" delete jobs -l 'kt-role in (env,env-ended)' --wait=false >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

# "kubectl wait" gives up where there is no condition at all yet
established() {
  kc wait --for=condition=Established crd/$VS crd/$HR --timeout=5s >/dev/null
}

install() {
  kc apply --server-side -f "$(cat "$RUN/crds")" >/dev/null
  eventually 30 established
}

mesh() { # TAG LAPTOP API MARK [FLAGS...]
  local tag=$1 name=$2 api=$3 mark=$4
  shift 4
  start "$tag" "$name" mesh web --mode manual --route "$api" --expose 8080 \
    --versionMark "$mark" "$@"
}

# The user's own objects: names as in the Service's namespace
apply() {
  sed "s/NS/$NS/g" | kc -n "$NS" apply -f - >/dev/null
}

spec() { # RESOURCE NAME: all that its owner has written
  kc -n "$NS" get "$1" "$2" -o json | "$PYTHON" -c 'import json, sys
o = json.load(sys.stdin)
a = o["metadata"].get("annotations", {})
a.pop("kubectl.kubernetes.io/last-applied-configuration", None)
print(json.dumps([o["spec"], a, o["metadata"].get("labels", {})],
                 sort_keys=True))'
}

# routes NAME: of a VirtualService, a line each: name, matches, destination
routes() {
  kc -n "$NS" get $VS "$1" -o json | "$PYTHON" -c 'import json, sys
for r in json.load(sys.stdin)["spec"]["http"]:
    to = r["route"][0]["destination"] if "route" in r else {"host": "-"}
    print(r.get("name", "-"), json.dumps(r.get("match", []), sort_keys=True),
          to["host"], to.get("subset", "-"), r.get("timeout", "-"))'
}

# rules NAME: of an HTTPRoute
rules() {
  kc -n "$NS" get $HR "$1" -o json | "$PYTHON" -c 'import json, sys
s = json.load(sys.stdin)["spec"]
print(*(p.get("kind") + "/" + p["name"] for p in s["parentRefs"]),
      *s.get("hostnames", []))
for r in s["rules"]:
    print(json.dumps(r["matches"], sort_keys=True),
          *("%s:%s" % (b["name"], b["port"]) for b in r["backendRefs"]))'
}

names() { # RESOURCE
  kc -n "$NS" get "$1" -o 'jsonpath={.items[*].metadata.name}'
}

ended() { # TAG
  ! kill -0 "$(pid_of "$1")" 2>/dev/null
}

# age_records: as if their users were gone for long
age_records() {
  kc -n "$NS" annotate --overwrite services,pods -l kt-role=shadow-mesh \
    kt-last-heart-beat=5 >/dev/null
}

user_routes() {
  apply <<'END'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-routes}
spec:
  hosts: [web.NS.svc.cluster.local]
  http:
  - name: old-users
    match:
    - headers: {cookie: {regex: ".*old.*"}}
    - uri: {prefix: /old}
    rewrite: {uri: /}
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {prefix: /moved}}]
    redirect: {uri: /new}
  - route:
    - {destination: {host: web, subset: v1}, weight: 90}
    - {destination: {host: web, subset: v2}, weight: 10}
    timeout: 5s
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  gateways: [ingress]
  http:
  - match: [{uri: {prefix: /api}}]
    route: [{destination: {host: api, port: {number: 80}}}]
  - route: [{destination: {host: web, port: {number: 80}}}]
END
}

@test "mesh: --route: a cluster without that API, and what cannot be, is told before anything is changed" {
  kc delete crd $VS $HR --ignore-not-found >/dev/null
  ktctl_run alice mesh web -n "$NS" --mode manual --route istio --expose 8080 \
    --skipPortChecking
  ended_with 1 "--route istio: the cluster has no VirtualServices" \
    "CustomResourceDefinitions"
  ktctl_run alice mesh web -n "$NS" --mode manual --route gateway \
    --expose 8080 --skipPortChecking
  ended_with 1 "--route gateway: the cluster has no HTTPRoutes"
  ktctl_run alice mesh web -n "$NS" --route istio --expose 8080
  ended_with 2 "--route is for --mode manual"
  ktctl_run alice mesh web -n "$NS" --mode manual --route linkerd --expose 8080
  ended_with 2 "linkerd"
  ktctl_run bob recover web -n "$NS"
  ended_with 0 "Nothing to recover"
  ktctl_run bob clean -n "$NS"
  ended_with 0
  nothing_left
  install
  apply <<'END'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-routes}
spec:
  hosts: [web]
  tcp: [{route: [{destination: {host: web}}]}]
END
  ktctl_run alice mesh web -n "$NS" --mode manual --route istio --expose 8080 \
    --skipPortChecking
  ended_with 1 "VirtualService $NS/web-routes decides about Service web"
  nothing_left
}

@test "mesh: --route istio: one of ours where the user has none; both ways work" {
  install
  serve alice local
  serve bob of-bob
  mesh a alice istio Blue
  local to
  to=$(names services | tr ' ' '\n' | grep '^web-kt-mesh-blue')
  diff - <(routes web-kt-mesh) <<END
$to [{"headers": {"version": {"exact": "Blue"}}}] $to - -
- [] web - -
END
  mesh b bob istio red
  [ "$(routes web-kt-mesh | wc -l)" = 3 ]
  eventually 5 asks local "http://$(web "$to")/"
  asks of-bob "http://$(web web-kt-mesh-red)/"
  # nobody else comes here: the Pods are not behind the Service
  [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
  [[ $(kc -n "$NS" get endpoints web -o yaml) != *"$(pod_ip web-kt-mesh-red)"* ]]
  is_own "$WEB" -H 'version: red'
  leave a
  [ "$(routes web-kt-mesh | awk '{print $1}' | xargs)" = 'web-kt-mesh-red -' ]
  leave b
  [ -z "$(names $VS)" ]
  eventually 20 nothing_left
}

@test "mesh: --route istio: before each of the user's routes; foreign edits are kept" {
  install
  user_routes
  spec $VS web-routes >"$RUN/routes.json"
  spec $VS shop >"$RUN/shop.json"
  serve alice local
  serve bob of-bob
  mesh a alice istio user:ann
  local ann
  ann=$(names services | tr ' ' '\n' | grep '^web-kt-mesh-ann')
  mesh b bob istio blue
  diff - <(routes web-routes) <<END
$ann [{"headers": {"cookie": {"regex": ".*old.*"}, "user": {"exact": "ann"}}}, {"headers": {"user": {"exact": "ann"}}, "uri": {"prefix": "/old"}}] $ann - -
web-kt-mesh-blue [{"headers": {"cookie": {"regex": ".*old.*"}, "version": {"exact": "blue"}}}, {"headers": {"version": {"exact": "blue"}}, "uri": {"prefix": "/old"}}] web-kt-mesh-blue - -
old-users [{"headers": {"cookie": {"regex": ".*old.*"}}}, {"uri": {"prefix": "/old"}}] web v1 -
- [{"uri": {"prefix": "/moved"}}] - - -
$ann [{"headers": {"user": {"exact": "ann"}}}] $ann - 5s
web-kt-mesh-blue [{"headers": {"version": {"exact": "blue"}}}] web-kt-mesh-blue - 5s
- [] web v1 5s
END
  diff - <(routes shop) <<END
- [{"uri": {"prefix": "/api"}}] api - -
$ann [{"headers": {"user": {"exact": "ann"}}}] $ann - -
web-kt-mesh-blue [{"headers": {"version": {"exact": "blue"}}}] web-kt-mesh-blue - -
- [] web - -
END
  [ "$(names $VS)" = "shop web-routes" ]
  # somebody adds a route, and somebody else writes over all of it
  kc -n "$NS" patch $VS shop --type json -p '[{"op": "add", "path": "/spec/http/0",
    "value": {"match": [{"uri": {"exact": "/new"}}],
              "route": [{"destination": {"host": "web", "port": {"number": 80}}}]}}]' >/dev/null
  both() { [ "$(routes shop | grep -c '^web-kt-mesh')" = 4 ]; }
  eventually 10 both
  user_routes
  kc -n "$NS" patch $VS web-routes --type merge -p \
    '{"spec": {"http": [{"route": [{"destination": {"host": "web"}}]}]}}' >/dev/null
  replaced() {
    [ "$(routes web-routes | awk '{print $1}' | xargs)" = "$ann web-kt-mesh-blue -" ]
  }
  eventually 10 replaced
  grep -q "were changed by somebody" "$RUN/a.log"
  # the Service for the origin is made again, where it was
  local origin ip
  origin=$(names services | tr ' ' '\n' | grep 'kt-origin.*blue')
  ip=$(web "$origin")
  kc -n "$NS" delete service "$origin" >/dev/null
  again() { [ "$(web "$origin" 2>/dev/null)" = "$ip" ]; }
  eventually 3 again
  leave a
  [ "$(routes web-routes | awk '{print $1}' | xargs)" = "web-kt-mesh-blue -" ]
  user_routes
  leave b
  [ "$(spec $VS web-routes)" = "$(cat "$RUN/routes.json")" ]
  [ "$(spec $VS shop)" = "$(cat "$RUN/shop.json")" ]
  eventually 20 nothing_left
}

@test "mesh: --route istio: kill -9: the origin answers; clean gives the routes back, recover too" {
  install
  user_routes
  spec $VS web-routes >"$RUN/routes.json"
  serve alice local
  serve bob of-bob
  mesh a alice istio blue --graceTime 2
  mesh b bob istio red
  local blue
  blue=$(web web-kt-mesh-blue)
  eventually 5 asks local "http://$blue/"
  murder a
  eventually 12 is_own "$blue"
  # not yet: its heartbeat is fresh
  ktctl_run bob clean -n "$NS"
  ended_with 0
  routes web-routes | grep -q web-kt-mesh-blue
  kc -n "$NS" annotate --overwrite service/web-kt-mesh-blue \
    pod/web-kt-mesh-blue kt-last-heart-beat=5 >/dev/null
  ktctl_run bob clean -n "$NS" --dryRun
  ended_with 0 "put right virtualservices web-routes (dry run)"
  routes web-routes | grep -q web-kt-mesh-blue
  ktctl_run bob clean -n "$NS"
  ended_with 0 "put right virtualservices web-routes" \
    "removed services web-kt-mesh-blue"
  routes web-routes | grep -q web-kt-mesh-red
  run ! grep -q web-kt-mesh-blue <(routes web-routes)
  asks of-bob "http://$(web web-kt-mesh-red)/"
  # recover: whoever still runs says so and ends. It is held meanwhile: it
  # would put its own routes right, too, and either may be first.
  kill -STOP "$(pid_of b)"
  ktctl_run alice recover web -n "$NS"
  kill -CONT "$(pid_of b)"
  ended_with 0 "removed services web-kt-mesh-red" \
    "put right virtualservices web-routes"
  eventually 20 ended b
  grep -q "was recovered by somebody else" "$RUN/b.log"
  [ "$(spec $VS web-routes)" = "$(cat "$RUN/routes.json")" ]
  eventually 60 nothing_left # the origins go with their records
}

@test "mesh: --route gateway: the user's routes are left alone, ours are more specific" {
  install
  serve alice local
  mesh a alice gateway blue
  diff - <(rules web-kt-mesh-blue.80) <<'END'
Service/web
[{"headers": [{"name": "version", "type": "Exact", "value": "blue"}], "path": {"type": "PathPrefix", "value": "/"}}] web-kt-mesh-blue:80
[{"path": {"type": "PathPrefix", "value": "/"}}] web:80
END
  eventually 5 asks local "http://$(web web-kt-mesh-blue)/"
  is_own "$WEB" -H 'version: blue'
  # from now on the user has some
  apply <<'END'
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: mesh}
spec:
  parentRefs: [{group: "", kind: Service, name: web}]
  rules:
  - matches:
    - {path: {type: Exact, value: /status}, method: GET}
    - {path: {value: /api}, headers: [{name: X-Beta, value: "1"}]}
    backendRefs: [{name: web, port: 80, weight: 9}, {name: webn, port: 80}]
  - backendRefs: [{name: web, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  hostnames: [shop.example.com]
  parentRefs: [{name: ingress}]
  rules:
  - matches: [{path: {value: /other}}]
    backendRefs: [{name: webn, port: 80}]
  - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: a, value: b}]}}]
    backendRefs: [{name: web, port: 80}]
END
  spec $HR mesh >"$RUN/mesh.json"
  copied() {
    [ "$(names $HR)" = \
      "mesh shop web-kt-mesh-blue.gateway.shop web-kt-mesh-blue.service.mesh" ]
  }
  eventually 10 copied
  diff - <(rules web-kt-mesh-blue.service.mesh) <<'END'
Service/web
[{"headers": [{"name": "version", "type": "Exact", "value": "blue"}], "method": "GET", "path": {"type": "Exact", "value": "/status"}}, {"headers": [{"name": "X-Beta", "type": "Exact", "value": "1"}, {"name": "version", "type": "Exact", "value": "blue"}], "path": {"type": "PathPrefix", "value": "/api"}}] web-kt-mesh-blue:80
[{"headers": [{"name": "version", "type": "Exact", "value": "blue"}], "path": {"type": "PathPrefix", "value": "/"}}] web-kt-mesh-blue:80
END
  diff - <(rules web-kt-mesh-blue.gateway.shop) <<'END'
Gateway/ingress shop.example.com
[{"headers": [{"name": "version", "type": "Exact", "value": "blue"}], "path": {"type": "PathPrefix", "value": "/"}}] web-kt-mesh-blue:80
END
  serve bob of-bob
  mesh b bob gateway red
  [ "$(names $HR | wc -w)" = 6 ]
  leave a
  [ "$(names $HR)" = \
    "mesh shop web-kt-mesh-red.gateway.shop web-kt-mesh-red.service.mesh" ]
  # gone with their record, whoever removes it
  murder b
  age_records
  ktctl_run alice clean -n "$NS"
  ended_with 0 "removed services web-kt-mesh-red"
  alone() { [ "$(names $HR)" = "mesh shop" ]; }
  eventually 60 alone
  [ "$(spec $HR mesh)" = "$(cat "$RUN/mesh.json")" ]
  eventually 60 nothing_left
}

@test "mesh: --route: the published Roles are enough, and the one that is missing is printed" {
  install
  user_routes
  serve carol local
  kc -n "$NS" apply -f "$TOP/deploy/rbac/mesh.yaml" -f "$TOP/deploy/rbac/recover.yaml" >/dev/null
  kc -n "$NS" create rolebinding dev-mesh --role ktctl-mesh --user dev >/dev/null
  ktctl_run carol mesh web -n "$NS" --mode manual --route istio --expose 8080 \
    -c "$KUBECONFIG_DEV"
  ended_with 1 'cannot list resource "virtualservices"' \
    "name: ktctl-mesh-istio" "create rolebinding 'ktctl-mesh-istio-dev'"
  nothing_left
  ktctl_run carol recover web -n "$NS" -c "$KUBECONFIG_DEV"
  ended_with 0 "Nothing to recover"
  local api
  for api in istio gateway; do
    kc -n "$NS" apply -f "$TOP/deploy/rbac/mesh-$api.yaml" >/dev/null
    kc -n "$NS" create rolebinding "dev-$api" --role "ktctl-mesh-$api" --user dev >/dev/null
    mesh c carol "$api" blue -c "$KUBECONFIG_DEV"
    eventually 5 asks local "http://$(web web-kt-mesh-blue)/"
    leave c
    [[ $(cat "$RUN/c.log") != *orbidden* ]]
    kc -n "$NS" delete "rolebinding/dev-$api" "role/ktctl-mesh-$api" >/dev/null
  done
  kc -n "$NS" delete rolebinding/dev-mesh role/ktctl-mesh role/ktctl-recover >/dev/null
  eventually 60 nothing_left
}

@test "env share: a host name is an environment's, and goes with it" {
  kc delete crd $HR --ignore-not-found >/dev/null
  eventually 20 not_served
  env_cli create dev.a
  run -0 env_cli share a a.example web # there is an Ingress for it (env-share.bats)
  [ "$(names ingress)" = kt-env-dev.a.a.example ]
  run -0 env_cli share a a.example --stop
  [ -z "$(names ingress)" ]
  install
  apply <<'END'
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: gate, namespace: edge}]
  hostnames: [shop.example]
  rules: [{backendRefs: [{name: web, port: 80}]}]
END
  run -1 env_cli share a shop.example web
  [[ $output == *"host shop.example is that of HTTPRoute $NS/shop already"* ]]
  run -1 env_cli share a a.example webn
  [[ $output == *"--gateway"* ]]
  run -0 env_cli share a a.example web
  [[ $output == *"Requests for host a.example are environment dev.a's, at Service $NS/web"* ]]
  [ "$(kc -n "$NS" get $HR kt-env-dev.a.a.example -o json | jq -c '.spec |
    [.parentRefs[0].name, .hostnames[0], .rules[0].filters[0].requestHeaderModifier.set[0].value,
     .rules[0].backendRefs[0].name]')" = '["gate","a.example","kt-env=dev.a","web"]' ]
  run -0 env_cli share a a.example webn --gateway front # in its place
  [ "$(kc -n "$NS" get $HR kt-env-dev.a.a.example -o \
    'jsonpath={.spec.parentRefs[0].name} {.spec.rules[0].backendRefs[0].name}')" = "front webn" ]
  run -0 env_cli share a b.example web
  run -0 env_cli share a b.example --stop
  [ "$(names $HR)" = "kt-env-dev.a.a.example kt-env-dev.a.a.example.ended shop" ]
  env_cli delete a
  # a kind that has just come is known to the garbage collector within 30 s
  eventually 90 only_shop
}

not_served() { # the server notices a moment later that the kind is gone
  local version
  for version in v1 v1beta1; do
    ! kc get --raw "/apis/${HR#*.}/$version/namespaces/$NS/httproutes" \
      >/dev/null 2>&1 || return 1
  done
}

only_shop() {
  [ "$(names $HR)" = shop ]
}

@test "env share by an HTTPRoute: a second one says that the environment has ended" {
  local entry
  install
  "$KTCTL" env create dev.r -n "$NS"
  run -0 "$KTCTL" env share dev.r red.example web --gateway gate -n "$NS" \
    --endedFor 25s
  # of two with one host the older counts, or the first by name
  [ "$(names $HR)" = 'kt-env-dev.r.red.example kt-env-dev.r.red.example.ended' ]
  [ "$(kc -n "$NS" get $HR -o json | jq -c '[.items[] | .spec.hostnames[0],
    .spec.parentRefs[0].name, .metadata.ownerReferences[0].name]')" = \
    "[\"red.example\",\"gate\",\"kt-env-dev.r\",\"red.example\",\"gate\",\"$(kc -n "$NS" \
      get jobs -l kt-role=env-ended -o 'jsonpath={.items[0].metadata.name}')\"]" ]
  [ "$(kc -n "$NS" get $HR kt-env-dev.r.red.example \
    -o 'jsonpath={.spec.rules[0].backendRefs[0].name}')" = web ]
  entry=$(kc -n "$NS" get $HR kt-env-dev.r.red.example.ended \
    -o 'jsonpath={.spec.rules[0].backendRefs[0].name}')
  "$KTCTL" env extend dev.r --ttl 5s -n "$NS"
  eventually 60 only_ended_route
  run -0 ask "http://$(web "$entry")/" -i -H 'Host: red.example'
  [[ $output == *" 404 "*"environment dev.r has ended"* ]]
  eventually 60 no_routes
  # once more, and away at once
  "$KTCTL" env create dev.r -n "$NS"
  "$KTCTL" env share dev.r red.example web --gateway gate -n "$NS"
  "$KTCTL" env share dev.r red.example web --gateway gate -n "$NS" --endedFor 0
  eventually 20 one_route
  "$KTCTL" env share dev.r red.example web --gateway gate -n "$NS"
  "$KTCTL" env share dev.r red.example --stop -n "$NS"
  eventually 20 no_routes
  "$KTCTL" env delete dev.r -n "$NS"
}

only_ended_route() { [ "$(names $HR)" = kt-env-dev.r.red.example.ended ]; }

one_route() {
  [ "$(names $HR)" = kt-env-dev.r.red.example ] &&
    [ -z "$(kc -n "$NS" get jobs,deployments -l 'kt-role in (env-share,env-ended)' -o name)" ]
}

no_routes() {
  [ -z "$(names $HR)" ] &&
    [ -z "$(kc -n "$NS" get jobs,deployments -l 'kt-role in (env-share,env-ended)' -o name)" ]
}
