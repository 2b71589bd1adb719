#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# complete.sh KTCTL: names of a cluster (an API server of files) in the
# completion of the three shells. TAP.
set -u

here=$(cd "$(dirname "$0")" && pwd)
ktctl=$(realpath "$1")
# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"
own_home complete
export PATH=${ktctl%/*}:$PATH

# candidates WORDS...: in one line, without descriptions; nothing on stderr
candidates() {
  "$ktctl" __completeNoDesc "$@" 2>"$work/stderr" | grep -v '^:' | paste -sd ' '
  [ ! -s "$work/stderr" ] || echo "stderr: $(cat "$work/stderr")"
}

list() { # PATH NAME...
  local path=$1 name items=
  shift
  for name; do
    items+="${items:+,}{\"metadata\": {\"name\": \"$name\"}}"
  done
  api_put "$path" "$items"
}

list api/v1/namespaces shop shop-test other
list api/v1/namespaces/shop/services web worker db
list api/v1/namespaces/other/services far
list apis/apps/v1/namespaces/shop/deployments web worker
list apis/apps/v1/namespaces/shop/statefulsets db
mkdir -p "$work/api/api/v1/namespaces/shop/services"
cat >"$work/api/api/v1/namespaces/shop/services/web.json" <<END
{"metadata": {"name": "web"}, "spec": {"ports": [
  {"name": "http", "port": 80, "targetPort": 8080},
  {"name": "admin", "port": 9000, "targetPort": "adm"}, {"port": 443}]}}
END
job() { # NAME
  printf '{"metadata": {"name": "kt-env-%s", "uid": "u", "creationTimestamp": "2026-01-31T12:00:00Z",
    "labels": {"kt-role": "env", "kt-env": "%s"}, "annotations": {"kt-expires": "%s"}}}' "$1" "$1" "${2:-0}"
}
record() { # ENV SERVICE
  printf '{"metadata": {"name": "%s-kt-mesh-x", "labels": {"control-by": "kt", "kt-role": "shadow-mesh",
    "kt-env": "%s"}, "annotations": {"kt-config": "service=%s"}}}' "$2" "$1" "$2"
}
api_put apis/batch/v1/namespaces/envs/jobs "$(job dev.pr-42), $(job dev), $(job old 5)"
api_put api/v1/namespaces/envs/services "$(record dev.pr-42 web), $(record dev api)"
api_put apis/gateway.networking.k8s.io/v1/namespaces/envs/httproutes '{"metadata": {"name": "r",
  "labels": {"kt-role": "env-share", "kt-env": "dev.pr-42"}}, "spec": {"hostnames": ["pr.example"],
  "rules": [{"backendRefs": [{"name": "web"}]}]}}'
api_start

# A loaded machine may be too slow for the second there is: asked again
eventually_is() { # WANTED WORDS...
  local want=$1 got
  shift
  for _ in $(seq 15); do
    got=$(candidates "$@")
    [ "$got" = "$want" ] && return 0
  done
  is "$got" "$want"
}

eventually_is "shop shop-test" connect -n sh && eventually_is "other" connect --namespace o &&
  eventually_is "--namespace=shop --namespace=shop-test" connect --namespace=sh
ok $? "namespaces"
eventually_is "web worker" exchange w && eventually_is "far" exchange -n other "" &&
  eventually_is "web worker db" mesh --mode auto "" && eventually_is db recover d &&
  eventually_is "web worker" doctor exchange w
ok $? "Services, of the namespace of the line"
eventually_is "deployment/web deployment/worker" exchange deployment/w &&
  eventually_is "statefulset/db" mesh statefulset/
ok $? "workloads"
eventually_is "8080 9000:adm 443" exchange web --expose "" &&
  eventually_is "7000,8080" exchange web --expose 7000,80 &&
  eventually_is "--expose=1:2,9000:adm" mesh svc/web --expose=1:2,9 && is "$(candidates exchange --expose "")" ""
ok $? "ports of the Service"
eventually_is "fake other" connect --context "" && eventually_is other --context o
ok $? "contexts"
eventually_is "dev.pr-42 dev" env show -n envs "" && eventually_is "dev.pr-42" env run -n envs dev.p &&
  eventually_is "dev.pr-42 dev" connect -n envs --env "" && eventually_is "--env=dev.pr-42" run -n envs --env=dev.p &&
  eventually_is "dev.pr-42 dev" env create x -n envs --parent d
ok $? "environments that live"
eventually_is "web" env leave -n envs pr-42 "" && eventually_is "api" env leave -n envs dev "" &&
  eventually_is "pr.example" env share -n envs pr-42 "" && eventually_is "web worker db" env join pr-42 "" &&
  eventually_is "web worker" env share pr-42 pr.example w && eventually_is "web worker" env join a b --service w &&
  eventually_is "web worker" env init db w && is "$(candidates env create "")$(candidates env list "")" "" &&
  is "$(candidates env run pr-42 "")$(candidates env leave pr-42 web "")" ""
ok $? "their members and host names, and Services"
mkdir -p "$work/.kt" && mkdir -m 700 "$work/.kt/run"
/usr/bin/python3 -c 'import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
os.chdir(sys.argv[1])
s.bind(f"exchange-{os.getpid()}.sock")
s.listen()
time.sleep(600)' "$work/.kt/run" &
session=$!
for _ in $(seq 100); do
  [ ! -S "$work/.kt/run/exchange-$session.sock" ] || break
  sleep 0.1
done
# root sees those of the whole machine
[[ " $(candidates disconnect "") " == *" exchange-$session "* ]] &&
  [[ " $(candidates events "") " == *" exchange-$session "* ]]
ok $? "sessions that live"
kill $session
wait $session 2>/dev/null
[[ " $(candidates disconnect "") " != *" exchange-$session "* ]]
ok $? "and none that does not"
rm -r "$work/.kt"

# nothing is better than late, loud, or something that stays
echo 5 >"$work/api/delay"
begin=$(date +%s%N)
is "$(candidates exchange w)" "" && [ $(($(date +%s%N) - begin)) -lt 3000000000 ]
ok $? "a slow server: no names, and not after its five seconds"
rm "$work/api/delay"
is "$(candidates connect -c /nonexistent -n "")" "" && is "$(KUBECONFIG=/dev/null candidates exchange "")" "" &&
  is "$(candidates exchange -n forbidden "")" ""
ok $? "no kubeconfig, no permission: no names, and no word"
[ ! -e "$work/.kt" ]
ok $? "nothing was made"

# --- the shells -----------------------------------------------------------------

bash_try() { # LINE
  # shellcheck disable=SC2016
  COMP_LINE=$1 bash --norc -c '
    source <(ktctl completion bash --no-descriptions) || exit
    COMP_POINT=${#COMP_LINE} COMP_TYPE=9
    _ktctl
    echo "${COMPREPLY[*]}"'
}

zsh_try() { # LINE PATTERN: what Tab makes of the line in a real terminal
  # shellcheck disable=SC2016
  zsh -f -c 'zmodload zsh/zpty; zpty z zsh -f -i
    zpty -w z "PS1=; autoload -Uz compinit; compinit -u -D
      source '"$work/_ktctl"'; print READY"
    zpty -r -m z x "*READY*"; sleep 0.3
    zpty -n -w z "$1"$'"'\t'"'
    zpty -r -m z x "$2" && print found; zpty -d z' zsh "$1" "$2"
}

fish_try() { # LINE
  # shellcheck disable=SC2016
  LINE=$1 fish -N -c 'ktctl completion fish --no-descriptions | source
    complete -C "$LINE"' | sort | paste -sd ' '
}

eventually_shell() { # WANTED COMMAND...
  local want=$1 got
  shift
  for _ in $(seq 10); do
    got=$("$@" 2>"$work/stderr")
    [ "$got" = "$want" ] && [ ! -s "$work/stderr" ] && return 0
  done
  is "$got$(cat "$work/stderr")" "$want"
}

eventually_shell "web worker" bash_try "ktctl exchange w" &&
  eventually_shell "adm" bash_try "ktctl exchange web --expose 9000:" &&
  eventually_shell "far" bash_try "ktctl mesh -n other "
ok $? "bash"
if command -v zsh >/dev/null; then
  "$ktctl" completion zsh >"$work/_ktctl"
  eventually_shell found zsh_try "ktctl exchange d" "*exchange db*" &&
    eventually_shell found zsh_try "ktctl connect -n o" "*-n other*"
  ok $? "zsh"
else
  ok 0 "zsh # SKIP no zsh"
fi
if command -v fish >/dev/null; then
  eventually_shell "web worker" fish_try "ktctl exchange w" &&
    eventually_shell "shop shop-test" fish_try "ktctl connect -n sh"
  ok $? "fish"
else
  ok 0 "fish # SKIP no fish"
fi

echo "1..$tests"
