#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# env.sh KTCTL SCHEMAS: env list and show with an API server of files. TAP.
set -u

here=$(cd "$(dirname "$0")" && pwd)
ktctl=$(realpath "$1")
schemas=$(realpath "$2")
# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"
own_home env

run() { # STATUS ARGS...
  local want=$1 got
  shift
  out=$(timeout 30 "$ktctl" env "$@" 2>"$work/stderr" </dev/null)
  got=$?
  err=$(cat "$work/stderr")
  [ "$got" = "$want" ] && return 0
  echo "# env $*: status $got, not $want; $err"
  return 1
}

now=$(date +%s)
job() { # NAME EXPIRES [ANNOTATIONS]
  printf '{"metadata": {"name": "kt-env-%s", "namespace": "shop", "uid": "u-%s",
    "creationTimestamp": "2026-01-31T12:00:00Z", "labels": {"control-by": "kt",
    "kt-role": "env", "kt-env": "%s"}, "annotations": {"kt-since": "%s",
    "kt-expires": "%s"%s}}}' "$1" "$1" "$1" "$((now - 65))" "$2" "${3:-}"
}
record() { # NAME ENV SELECTOR ANNOTATIONS
  printf '{"metadata": {"name": "%s", "namespace": "shop",
    "creationTimestamp": "2026-01-31T12:00:00Z", "labels": {"control-by": "kt",
    "kt-role": "shadow-mesh", "kt-env": "%s"}, "annotations": {%s}},
    "spec": {"selector": {%s}}}' "$1" "$2" "$4" "$3"
}
pod() { # LABEL READY
  printf '{"metadata": {"name": "pod-%s", "labels": {"x": "%s"}}, "status":
    {"conditions": [{"type": "Ready", "status": "%s"}]}}' "$1" "$1" "$2"
}

hook() { # NAME ENVIRONMENT PARALLELISM [CONDITION]
  printf '{"metadata": {"name": "h-%s", "labels": {"kt-role": "env-hook", "kt-env": "%s",
    "kt-env-of": "db"}, "annotations": {"kt-env-uid": "u-%s", "kt-env-hook": "onDelete /drop"}},
    "spec": {"parallelism": %s}, "status": {"conditions": [{"type": "%s", "status": "True"}]}}' \
    "$1" "$2" "$2" "$3" "${4:-None}"
}

api_put apis/batch/v1/namespaces/shop/jobs "$(hook lives dev 0), $(hook waits gone 0),
  $(hook runs gone 1), $(hook "done" gone 1 Complete), $(hook failed old 1 Failed), $(job dev 0), $(job dev.pr-42 \
  $((now + 7300)) ', "kt-user": "ann\u001b[31m", "kt-machine": "box",
  "kt-strict": "true"'), $(job old $((now - 5)))"
api_put api/v1/namespaces/shop/services "$(record web-kt-mesh-x dev.pr-42 \
  '"x": "up"' '"kt-config": "service=web", "kt-user": "ann",
   "kt-env-member": "image registry/web:1"'),
  $(record api-kt-mesh-x dev.pr-42 '"x": "down"' '"kt-config": "service=api",
   "kt-env-member": "selector x=down"'),
  $(record db-kt-mesh-x dev.pr-42 '"x": "none"' "\"kt-config\": \"service=db\",
   \"kt-env-member\": \"local\", \"kt-machine\": \"box\",
   \"kt-last-heart-beat\": \"$((now - 10))\""),
  $(record mq-kt-mesh-x dev.pr-42 '"x": "none"' "\"kt-config\": \"service=mq\",
   \"kt-last-heart-beat\": \"$((now - 500))\"")"
api_put api/v1/namespaces/shop/pods "$(pod up True), $(pod down False)"
api_put apis/apps/v1/namespaces/shop/deployments ""
route() { # ROLE ENV HOST SERVICE
  printf '{"metadata": {"name": "r-%s", "labels": {"kt-role": "%s", "kt-env": "%s"},
    "annotations": {"kt-user": "ann"}}, "spec": {"hostnames": ["%s"],
    "rules": [{"backendRefs": [{"name": "%s"}]}]}}' "$3" "$1" "$2" "$3" "$4"
}
api_put apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes "$(route \
  env-share dev.pr-42 pr.example web), $(route env-share dev d.example web),
  $(route other dev.pr-42 x.example web)"

api_start

row() { # WORDS...: a row of the table
  local words=$*
  grep -qE "^${words// / +}" <<<"$out" && return 0
  echo "# no row '$*' in: $out"
  return 1
}

run 0 list && row "ENVIRONMENT USER AGE LEFT MEMBERS STRICT" &&
  row "dev - 1m never ends 0 no" && row "old - 1m ended 0 no" &&
  row 'dev.pr-42 ann\\x1b\[31m 1m 2h01m 4 yes' &&
  has "$out" "onDelete /drop of the member db of environment old, which is over: failed (Job h-failed)"
ok $? "list: a table, without the power of what others wrote"
run 0 list -o json && "$here/../schema.py" "$schemas/env-list.json" <<<"$out" &&
  is "$(jq -c '.environments[] | [.name, .parent, .state, .members, .asleep]' <<<"$out")" \
    '["dev",null,"alive",0,0]
["dev.pr-42","dev","alive",4,0]
["old",null,"ended",0,0]' &&
  is "$(jq -r '.hooks[] | .job + " " + .state' <<<"$out" | paste -sd,)" \
    "h-waits waits,h-runs runs,h-done done,h-failed failed"
ok $? "list -o json is what its schema says"
! "$here/../schema.py" "$schemas/env-list.json" >/dev/null \
  <<<'{"version": 1, "time": "now", "namespace": "n", "environments": []}'
ok $? "the schema refuses what is wrong"

run 0 show pr-42 && row "Environment dev.pr-42 of namespace shop" &&
  row "  otherwise  dev, the trunk" && row "  strict " &&
  row "web image registry/web:1 ann - .* answers" &&
  row "api selector x=down - - .* no ready Pod" &&
  row "db local - box .* answers" && row "mq local - - .* lost" &&
  row "  host pr.example: Service web" && [[ $out != *d.example* && $out != *x.example* ]]
ok $? "show: its members, and whether they answer"
run 0 show pr-42 -o json && "$here/../schema.py" "$schemas/env-show.json" <<<"$out" &&
  is "$(jq -c '.environment.members[] | [.service, .kind, .what, .state]' <<<"$out")" \
    '["web","image","registry/web:1","answers"]
["api","selector","x=down","no ready Pod"]
["db","local",null,"answers"]
["mq","local",null,"lost"]' &&
  is "$(jq -c .environment.hosts <<<"$out")" '[{"host":"pr.example","service":"web","user":"ann"}]'
ok $? "show -o json is what its schema says"
rm "$work/api/api/v1/namespaces/shop/pods.json"
rm "$work/api/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes.json"
run 0 show pr-42 -o json && "$here/../schema.py" "$schemas/env-show.json" <<<"$out" &&
  is "$(jq -r '.environment.members[].state' <<<"$out" | tr '\n' ,)" unknown,unknown,answers,lost, &&
  is "$(jq -c .environment.hosts <<<"$out")" null
ok $? "show: what may not be seen is unknown"
run 1 show old && has "$err" "environment 'old' of namespace shop has ended"
ok $? "show: one that has ended"
run 1 show nosuch && has "$err" "no environment 'nosuch' in namespace shop" &&
  has "$err" "hint: 'ktctl env list"
ok $? "show: one that is not there"

cat >"$work/fresh.yaml" <<'END'
apiVersion: ktctl/v1
environment: fresh
ttl: 1h
members:
  orders: {image: r/o:2, set: {A: "it's b, c", B: "{{env}}"}}
END
run 0 apply -f "$work/fresh.yaml" --dry-run -n shop && is "$out" \
  "ktctl env create fresh --ttl=1h --namespace=shop
ktctl env join fresh orders --image=r/o:2 '--set=A=it'\\''s b, c' '--set=B={{env}}' --namespace=shop"
ok $? "apply --dry-run: the commands, as a shell takes them, and none is run"

api_put apis/batch/v1/namespaces/shop/jobs ""
touch "$work/api/api/v1/namespaces/shop.404"
run 1 list && has "$err" "namespace shop: there is none of this name"
ok $? "list: a namespace that is not there"
rm "$work/api/apis/batch/v1/namespaces/shop/jobs.json"
run 1 list && has "$err" forbidden
ok $? "list: not allowed"

echo "1..$tests"
