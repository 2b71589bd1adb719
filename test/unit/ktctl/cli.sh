#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cli.sh KTCTL SCHEMAS: the command line as a user meets it, without a cluster. TAP.
set -u

ktctl=$(realpath "$1")
schemas=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"
own_home cli
export PATH=${ktctl%/*}:$PATH

# run STATUS ARGS...: the output is in $out, stderr in $err
run() {
  local want=$1 got
  shift
  out=$("$ktctl" "$@" 2>"$work/stderr" </dev/null)
  got=$?
  err=$(cat "$work/stderr")
  [ "$got" = "$want" ] && return 0
  echo "# ktctl $*: status $got, not $want; $err"
  return 1
}

# --- help, version, errors (T-C02, T-C03) ------------------------------------

run 0 --version && [[ $out == "ktctl version "* ]]
ok $? "--version"
run 0 && has "$out" "Usage:" && has "$out" "connect" && is "$err" ""
ok $? "without arguments: help on stdout"
run 0 connect --help && has "$out" "--proxyPort PORT" && has "$out" "2223"
ok $? "help of a command"
run 0 version && [[ $out == "$("$ktctl" --version)"$'\n'* ]] &&
  has "$out" "libcurl" && is "$err" ""
ok $? "version: the first line is that of --version"
for c in "connect" "forward web"; do
  # shellcheck disable=SC2086 # words
  run 2 $c --fault 'db latencie=1s' && is "$err" "ktctl: --fault: 'latencie' is none of: latency=, jitter=, rate=, refuse, reset, drop, percent=
hint: did you mean latency?" &&
    run 2 $c --fault 'db refuse' --fault ' db  refuse' &&
    is "${err%%$'\n'*}" "ktctl: --fault: 'db refuse' is there twice" &&
    run 2 $c --fault 'db refuse drop' && run 2 $c --fault '' && run 2 $c --fault 'db percent=0 refuse'
  ok $? "$c: a wrong --fault is one line"
done
run 2 run && run 2 run true && run 2 run some other -- true &&
  run 2 run what/some -- true && run 2 run some -- && run 2 run --container a -- true &&
  run 2 run --env-file /nowhere -- true && run 2 env-file what/some &&
  run 127 run -- no-such-program && run 126 run -- /etc/passwd
ok $? "run: what can be said before the cluster is asked"
printf 'services: {web: {image: a}}\n' >"$work/compose.yaml"
run 2 compose web=a/b && run 1 compose -f "$work/nothing" && has "$err" "$work/nothing" &&
  run 1 compose nobody -f "$work/compose.yaml" && has "$err" "known: web" &&
  run 1 compose web web -f "$work/compose.yaml" && has "$err" "twice" &&
  run 1 compose -f - && has "$err" "stdin: not a compose file"
ok $? "compose: what can be said before the cluster is asked"
run 2 env run && run 2 env run a && run 2 env run -- true && run 2 env run a b c -- true &&
  run 2 env run a true && run 2 env run A_B -- true && has "$err" "no environment's name" &&
  run 2 env run a --env b -- true && has "$err" "unknown flag: --env" &&
  run 2 env run a b/c/d -- true &&
  run 2 env run a --container c -- true && has "$err" "which workload's" &&
  run 127 env run a b --container c -- no-such-program &&
  run 127 env run a -- no-such-program && run 126 env run a --noOutside -- /etc/passwd
ok $? "env run: likewise, and the environment is its first argument"
# an empty part of PATH is the present directory; a cluster is not there
cp "$(type -P true)" "$work/here"
run 127 run -- here && cd "$work" && PATH=$PATH: run 125 run -- here
ok $? "run: programs are found as exec finds them"
cd "$OLDPWD" || exit
ln -s "$ktctl" "$work/kubectl_complete-kt"
is "$("$work/kubectl_complete-kt" connect --exclude)" \
  "$("$ktctl" __complete connect --exclude)" &&
  has "$("$work/kubectl_complete-kt" ex)" exchange &&
  has "$("$work/kubectl_complete-kt")" :4
ok $? "completion of the plugin, as kubectl asks for it"
run 0 version -o json && is "$(jq -r .client.version <<<"$out")" \
  "$("$ktctl" --version | sed 's/.* //')" &&
  is "$(jq -r .client.platform <<<"$out")" \
    "linux/$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')" &&
  is "$(jq -r '.client.libraries | has("libcurl")' <<<"$out")" true
ok $? "version -o json"
cat >"$work/nobody" <<'END'
{"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
 "users": [], "contexts": [{"name": "c", "context": {"cluster": "c"}}],
 "current-context": "c"}
END
run 0 version && [[ $out != *shadow* ]] && is "$err" "" &&
  run 0 version -o json && is "$(jq -c keys <<<"$out")" '["client"]'
ok $? "version: no cluster is asked without a kubeconfig"
"$here/../schema.py" "$schemas/version.json" <<<"$out"
ok $? "version -o json is what its schema says"
pod() { # NAME ROLE PHASE
  printf '{"metadata": {"name": "%s", "labels": {"control-by": "kt", "kt-role": "%s"}},
    "spec": {"containers": [{"name": "standalone", "args": ["--listen", "18022"]}]},
    "status": {"phase": "%s"}}' "$1" "$2" "$3"
}
api_put api/v1/namespaces/shop/pods "$(pod a shadow-connect Running), $(pod b shadow-mesh Pending)"
api_start
run 0 version -o json && is "$(jq -c '.shadows | map([.pod, .role, has("version"), has("error")])' <<<"$out")" \
  '[["a","shadow-connect",false,true]]' && "$here/../schema.py" "$schemas/version.json" <<<"$out"
ok $? "version -o json: a shadow that cannot be asked is an error in it"
run 1 doctor forward -o json && is "$(jq -c '[.ok, .checks[0].check]' <<<"$out")" '[false,"kubeconfig"]' &&
  "$here/../schema.py" "$schemas/doctor.json" <<<"$out"
ok $? "doctor -o json is what its schema says"
! "$here/../schema.py" "$schemas/version.json" <<<'{"client": {}}' >/dev/null &&
  ! "$here/../schema.py" "$schemas/doctor.json" <<<'{"ok": true}' >/dev/null
ok $? "the schemas refuse what is wrong"
unset KUBECONFIG
run 0 version --kubeconfig "$work/nobody" && [[ $out == "ktctl version "* ]] &&
  has "$err" "the cluster's shadows were not asked: " && has "$err" "127.0.0.1:1"
ok $? "version: a cluster that is not there is a warning"
run 0 version --kubeconfig "$work/none" && has "$err" "$work/none"
ok $? "version: a kubeconfig that is named must be there"
run 0 version --client --kubeconfig "$work/nobody" && is "$err" "" &&
  [[ $out == "ktctl version "* ]]
ok $? "version --client asks no cluster"
run 2 version -o yaml && has "$err" "--output" && has "$err" "json"
ok $? "version in no other form"
bad=0
for c in "" connect "config set" config; do
  # shellcheck disable=SC2086 # words
  run 0 help $c && is "$out" "$("$ktctl" $c --help)" && is "$err" "" || bad=1
done
ok $bad "help COMMAND is COMMAND --help"
run 2 help conect && is "$out" "" && has "$err" "hint: did you mean connect?"
ok $? "help of an unknown command"
run 2 help config shw && has "$err" "unknown command: config shw"
ok $? "help of an unknown sub-command"
run 0 __completeNoDesc help con && is "$out" $'connect\nconfig\n:4'
ok $? "help: completion of a command"
run 0 __completeNoDesc help config s && is "$out" $'show\nset\nsave-profile\n:4'
ok $? "help: completion of a sub-command"
run 2 --nonsense && is "$out" "" && has "$err" "ktctl: unknown flag: --nonsense"
ok $? "unknown flag"
run 2 conect && has "$err" "hint: did you mean connect?"
ok $? "unknown command"
run 2 connect --proxyPort x && has "$err" "--proxyPort: 'x' is not a whole"
ok $? "wrong value"
KTCTL_CONNECT_PROXY_PORT=y run 2 connect &&
  has "$err" "environment variable KTCTL_CONNECT_PROXY_PORT: 'y'"
ok $? "wrong value in the environment"
"$ktctl" --help >/dev/full 2>/dev/null
is "$?" 1
ok $? "output that cannot be written is a failure"

# --- config (T-C04) ------------------------------------------------------------

run 0 config set connect.dns-mode hosts && run 0 config set global.debug = false &&
  run 0 config set connect.include-ips=10.0.0.0/8,1.2.3.4 &&
  run 0 config show &&
  is "$out" "connect.include-ips = 10.0.0.0/8,1.2.3.4
connect.dns-mode = hosts
global.debug = false"
ok $? "config set in three forms, show"
run 0 config get connect.dns-mode connect.mode &&
  is "$out" "connect.dns-mode = hosts
connect.mode = <empty>"
ok $? "config get"
run 0 config show --all && has "$out" "connect.dns-mode = hosts" &&
  has "$out" "
connect.mode
"
ok $? "config show --all"
run 0 connect --help && has "$out" "(default hosts,"
ok $? "help shows the configured default"
run 2 config set connect.excludeIps x && has "$err" "did you mean connect.exclude-ips?"
ok $? "config set: the flag's name is not the item's"
run 2 config set connect.proxy-port x && has "$err" "not a whole number"
ok $? "config set: wrong value"
run 2 config set connect.mode && has "$err" "there is no value"
ok $? "config set: no value"
run 1 config get nonsense && has "$err" "unknown item: nonsense"
ok $? "config get: unknown item"
run 0 config set clean.threshold-in-minus 7 &&
  run 0 config get clean.threshold-in-minus &&
  is "$out" "clean.threshold-in-minus = 7"
ok $? "clean.threshold-in-minus"

run 0 config save-profile one && run 0 config unset connect.dns-mode &&
  run 0 config get connect.dns-mode && is "$out" "connect.dns-mode = <empty>" &&
  run 0 config list-profile && [[ $out == 20*" one" ]] &&
  run 0 config load-profile one --dryRun && has "$out" '  dns-mode: "hosts"' &&
  run 0 config get connect.dns-mode && is "$out" "connect.dns-mode = <empty>" &&
  run 0 config load-profile one && run 0 config get connect.dns-mode &&
  is "$out" "connect.dns-mode = hosts" &&
  run 0 config drop-profile one && run 0 config list-profile && is "$out" ""
ok $? "profiles: save, list, load, drop"
run 1 config load-profile gone && run 1 config drop-profile gone &&
  run 2 config save-profile ../x
ok $? "profiles that are not there, or not named well"
run 0 config unset --all && run 0 config show && is "$out" ""
ok $? "config unset --all"

printf 'connect: [\n' >"$HOME/.kt/config"
run 1 config show && has "$err" "is damaged" && run 1 config set connect.mode sshuttle &&
  run 0 completion bash && has "$err" "warning:" && has "$err" "is damaged" &&
  run 0 config unset --all && run 0 config show
ok $? "a damaged file: config reports it, others warn"
is "$(stat -c %a "$HOME/.kt/config")" 644 && is "$(ls -A "$HOME/.kt")" "config
profile"
ok $? "no temporary files are left"

# --- clean, the local half ---------------------------------------------------------

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$HOME/.kt/pid" "$HOME/.kt/key"
  echo 4194999 >"$HOME/.kt/pid/connect-4194999.pid"
  : >"$HOME/.kt/key/kt-connect-shadow-abcde.key"
  printf '127.0.0.1 localhost\n# Kt Hosts Begin\n10.0.0.1 web\n# Kt Hosts End\n' \
    >"$work/hosts"
  export HOSTS_PATH=$work/hosts KUBECONFIG=/nonexistent
  run 0 clean --localOnly --dryRun && has "$out" "would remove 1 stale pid file" &&
    [ -e "$HOME/.kt/pid/connect-4194999.pid" ] && grep -q web "$work/hosts"
  ok $? "clean --localOnly --dryRun"
  run 0 clean --localOnly && has "$out" "removed 1 key file" &&
    is "$(find "$HOME/.kt/pid" "$HOME/.kt/key" -type f)" "" &&
    is "$(cat "$work/hosts")" "127.0.0.1 localhost"
  ok $? "clean --localOnly, without a cluster"
  run 0 clean --localOnly && is "$out" ""
  ok $? "clean --localOnly: nothing left to do"
  run 1 clean && has "$err" "ktctl: "
  ok $? "clean without a cluster"
  unset HOSTS_PATH KUBECONFIG
  rm -rf "$HOME/.kt/pid" "$HOME/.kt/key" "$HOME/.kt/lock"
fi

# --- completion (T-C05) -----------------------------------------------------------

run 0 __complete connect --mode= && is "$out" "--mode=tun2socks
--mode=sshuttle
:4"
ok $? "__complete: values"
run 0 __complete exchange --mode "" && has "$out" "selector" &&
  has "$out" "ephemeral" && run 0 __complete exchange --mode= &&
  has "$out" "--mode=scale" && run 0 __complete mesh web --mode "" &&
  has "$out" "manual" && run 0 __complete connect --mode "" &&
  has "$out" "sshuttle"
ok $? "__complete: a flag of one name has the values of its command"
run 0 __completeNoDesc "" && is "$out" "connect
run
env-file
compose
exchange
mesh
preview
forward
status
disconnect
apply
events
recover
clean
birdseye
env
map
doctor
image
config
completion
version
help
:4"
ok $? "__completeNoDesc: commands"
run 0 __complete config get "" && is "$out" ":4" &&
  "$ktctl" config set connect.mode sshuttle &&
  run 0 __complete config get "" && is "$out" "connect.mode	sshuttle
:4"
ok $? "__complete: items that are set"

bash_try() { # LINE: the candidates
  # shellcheck disable=SC2016
  COMP_LINE=$1 bash --norc -c '
    source <(ktctl completion bash --no-descriptions) || exit
    COMP_POINT=${#COMP_LINE} COMP_TYPE=9
    _ktctl
    echo "${COMPREPLY[*]}"'
}
is "$(bash_try "ktctl con")" "connect config" &&
  is "$(bash_try "ktctl connect --mode=s")" sshuttle &&
  is "$(bash_try "ktctl config set connect.mode ")" "tun2socks sshuttle" &&
  is "$(bash_try "ktctl -c $HOME/.k")" "$HOME/.kt"
ok $? "bash script"

if command -v zsh >/dev/null; then
  "$ktctl" completion zsh >"$work/_ktctl"
  # shellcheck disable=SC2016
  is "$(zsh -f -c 'zmodload zsh/zpty; zpty z zsh -f -i
    zpty -w z "PS1=; autoload -Uz compinit; compinit -u -D
      source '"$work/_ktctl"'; print READY"
    zpty -r -m z x "*READY*"; sleep 0.3; zpty -n -w z "ktctl connect --mode=s"$'"'\t'"'
    zpty -r -m z x "*sshuttle*" && print found; zpty -d z')" found
  ok $? "zsh script"
else
  ok 0 "zsh script # SKIP no zsh"
fi
if command -v fish >/dev/null; then
  is "$(fish -N -c 'ktctl completion fish --no-descriptions | source
    complete -C "ktctl connect --mode="')" "--mode=sshuttle
--mode=tun2socks"
  ok $? "fish script"
else
  ok 0 "fish script # SKIP no fish"
fi
run 0 completion powershell && has "$out" Register-ArgumentCompleter &&
  has "$out" "'__complete'"
ok $? "powershell script"

# --- what others wrote is shown, not obeyed ---------------------------------
forged=$'\nktctl: all is well\e[2J\xc2\x9b\xe2\x80\xae\xff'
run 2 "x$forged" &&
  ! grep -q -e $'\e' -e '^ktctl: all is' "$work/stderr" &&
  has "$err" ' ktctl: all is well\x1b[2J\u009b\u202e\xff'
ok $? "a word with controls is filtered in an error"

cat >"$work/plugin" <<'END'
#!/bin/sh
printf 'denied\033]0;title\007\rktctl: all is well\n' >&2
exit 1
END
chmod +x "$work/plugin"
cat >"$work/kubeconfig" <<END
{"apiVersion": "v1", "kind": "Config", "current-context": "c",
 "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
 "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
 "users": [{"name": "u", "user": {"exec": {"command": "$work/plugin",
   "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}}}]}
END
KUBECONFIG=$work/kubeconfig run 1 recover web &&
  has "$err" 'denied\x1b]0;title\x07 ktctl: all is well' &&
  ! grep -q $'\e' "$work/stderr"
ok $? "and the words of a plugin"

# --- sessions -----------------------------------------------------------------

run 0 status -o json && is "$(jq -c '[.version, (.sessions | type)]' <<<"$out")" \
  '[1,"array"]'
ok $? "status -o json"
run 1 disconnect nosuch-1 && has "$err" "nosuch-1: no session of this machine"
ok $? "disconnect: one that does not run"
run 2 disconnect --all connect && has "$err" "--all, and a session is named"
ok $? "disconnect: all, and one of them"
run 1 events && has "$err" "no session that sees requests runs on this machine"
ok $? "events: nothing runs"
run 1 events nosuch-1 && has "$err" "nosuch-1: no session of this machine"
ok $? "events: one that does not run"
run 2 events --expect 'servise=web' && has "$err" "--expect: 'servise=web': there is no such field; there are service," &&
  run 2 events -e 'service=web' -e 'status~5*' && has "$err" "status is a number" &&
  run 2 events -e 'service=web;' && has "$err" "--expect: no condition" &&
  run 2 events -e '' && has "$err" "the value is empty"
ok $? "events: bad expectations"
run 2 events --timeout 1x && has "$err" "'1x' is not a time of 0 to 86400 seconds"
ok $? "events: a bad time"
run 2 connect --with 1x && run 2 connect --with -1 && run 2 connect --with ""
ok $? "--with: no process id"
run 1 connect --disableTunDevice --with 4194304 &&
  has "$err" "--with 4194304: there is no such process"
ok $? "--with: a process that is not there"
KUBECONFIG=$work/missing run 1 connect --background --disableTunDevice \
  --proxyPort 1 && has "$err" "$work/missing"
ok $? "--background: what fails is told, and is the exit status"

# --- apply ----------------------------------------------------------------------

mkdir -p "$work/repo" && cd "$work/repo" || exit
run 1 apply && has "$err" "there is no ktctl.yaml and no .ktctl.yaml here"
ok $? "apply: no file"
cat >.ktctl.yaml <<'END'
apiVersion: ktctl/v1
connect: {disableTunDevice: true, proxyPort: 1}
forward: [web 80]
run: [nothing]
END
run 0 apply --dry-run && is "$out" $'+ connect\n+ forward web 80' && is "$err" "" &&
  run 0 apply --dryRun -f "$PWD/.ktctl.yaml" && is "$out" $'+ connect\n+ forward web 80' &&
  run 0 apply --delete --dry-run && is "$out" ""
ok $? "apply --dry-run: a line for each job"
run 0 apply --dry-run -o json -n shop && has "$out" '"--namespace=shop"' &&
  "$here/../schema.py" "$schemas/apply-plan.json" <<<"$out" &&
  run 0 apply --delete --dry-run -o json &&
  "$here/../schema.py" "$schemas/apply-plan.json" <<<"$out"
ok $? "apply --dry-run -o json is what its schema says"
out=$("$ktctl" apply --dry-run -f - <.ktctl.yaml 2>&1)
is "$?" 2 && has "$out" "stdin: a name is needed" &&
  out=$({ cat .ktctl.yaml; echo "name: x"; } | "$ktctl" apply --dry-run -f -) &&
  is "$out" $'+ connect\n+ forward web 80'
ok $? "apply: from stdin, with a name"
[ -z "$(find "$work/.kt" -name 'apply-*')" ]
ok $? "apply: what changes nothing leaves nothing"
KUBECONFIG=$work/missing run 1 apply && has "$out" "+ connect" && has "$err" "$work/missing" &&
  has "$err" "connect did not come up, for the reason above: all is as before"
ok $? "apply: the job's own error, and a failure"
sed -i 's/^forward.*/forwrd: [web 80]/' .ktctl.yaml
run 2 apply && has "$err" "ktctl: .ktctl.yaml:3: unknown key: forwrd" &&
  has "$err" "hint: did you mean forward?" && is "$out" "" &&
  run 0 apply --delete && has "$out" "Nothing of $PWD/.ktctl.yaml runs"
ok $? "apply: a wrong file is refused, but for --delete"
printf 'apiVersion: ktctl/v1\nrun: [sh, -c, "pwd; exit 9"]\n' >ktctl.yaml
run 9 apply && is "$out" "$PWD" && run 9 apply -f ../repo/ktctl.yaml
ok $? "apply: the command, in the file's directory, and its exit status"
out=$(timeout 20 python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$ktctl" apply </dev/null 2>&1)
is "$?" 9
ok $? "apply: by a caller who ignores SIGCHLD"
# shellcheck disable=SC2016 # of the shell that is run
printf 'apiVersion: ktctl/v1\nrun: [sh, -c, "kill -TERM $PPID; exec sleep 60"]\n' >ktctl.yaml
run 143 apply
ok $? "apply: a signal is the command's"
printf 'apiVersion: ktctl/v1\nrun: ["./nothing here"]\n' >ktctl.yaml
run 127 apply && has "$err" "run ./nothing here: No such file"
ok $? "apply: a command that is not there"
# shellcheck disable=SC2016 # likewise
printf 'apiVersion: ktctl/v1\nrun: [sh, -c, "exec \\"$0\\" apply", "%s"]\n' "$ktctl" >ktctl.yaml
run 1 apply && has "$err" "another ktctl apply of ktctl.yaml is at work (pid "
ok $? "apply: one at a time"
run 2 apply x && run 2 apply -f "" -o yaml && run 1 apply -f /nothing && has "$err" "/nothing" &&
  run 1 apply -f "$work" && has "$err" "Is a directory"
ok $? "apply: what is no file"
cd "$work" || exit

# --- standard streams that the caller has closed --------------------------------
# what is opened next would become one of them
(exec <&- >&- 2>&-; "$ktctl" status -o json)
is $? 0 && (exec <&- >&-; KUBECONFIG=$work/missing "$ktctl" connect --background \
  --disableTunDevice --proxyPort 1 2>"$work/stderr"; exit $?)
is $? 1 && has "$(cat "$work/stderr")" "$work/missing"
ok $? "closed standard streams are no descriptors of ours"

echo "1..$tests"
