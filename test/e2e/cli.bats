#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 8
# The command line itself: version, help, completion, configuration file.
# shellcheck disable=SC2154 # status and output come from bats
# shellcheck disable=SC2016 # $HOME is the laptop's

setup() {
  load common
  laptop carol sh -c 'rm -rf "$HOME/.kt"'
}

teardown() {
  laptop carol sh -c 'rm -rf "$HOME/.kt"'
}

k() { # ktctl on a laptop without a kubeconfig: nothing here may need one
  run laptop carol env -u KUBECONFIG "$KTCTL" "$@"
}

@test "cli: version and help" {
  k --version
  ended_with 0
  [[ $output =~ ^ktctl\ version\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
  k -v
  ended_with 0 "ktctl version"
  k
  ended_with 0 "Usage:" "connect" "config" "completion" "--kubeconfig"
  k connect --help
  ended_with 0 "--includeIps" "--namespace" "Ctrl-C"
}

@test "cli: every flag of KT Connect is in the help, with its default" {
  local flag default
  k connect -h
  while read -r flag default; do
    [[ $output =~ --${flag}[[:space:]] ]] ||
      { echo "--$flag is not in the help" >&2; return 1; }
    [ -z "$default" ] ||
      [[ ${output//$'\n'/ } =~ --${flag}\ .*default\ +$default ]] ||
      { echo "--$flag: the help does not say $default" >&2; return 1; }
  done <<'END'
namespace
kubeconfig
context
image
imagePullSecret
serviceAccount default
nodeSelector
debug
withLabel
withAnnotation
portForwardTimeout 10
carrier auto
podCreationTimeout 60
useShadowDeployment
useLocalTime
forceUpdate
podQuota
ipVersion 4
mode tun2socks
dnsMode localDNS
shareShadow
clusterDomain cluster.local
disablePodIp
skipCleanup
includeIps
excludeIps
ingressIp
disableTunDevice
disableTunRoute
proxyPort 2223
proxyAddr 127.0.0.1
dnsCacheTtl 60
END
}

@test "cli: wrong usage ends with 2 and says what is wrong" {
  k frobnicate
  ended_with 2 "unknown command: frobnicate" "hint:"
  k conect
  ended_with 2 "unknown command: conect" "connect"
  k help frobnicate
  ended_with 2 "frobnicate" "hint:"
  k connect --nope
  ended_with 2 "unknown flag: --nope"
  k connect extra
  ended_with 2 "connect takes no arguments: extra"
  k connect -n
  ended_with 2 "needs a value"
  k connect --debug=perhaps
  ended_with 2 "--debug" "perhaps"
  k config get connect.nope
  [ "$status" != 0 ]
  says "connect.nope" "hint:"
  k config get nope.nope
  says "nope.nope" "config show --all"
}

@test "cli: flags before and after the command, long and short" {
  k -n x -d --debug=false connect --help
  ended_with 0
  k connect -nx -dn y --namespace=z -f -l a=b -i img -c /nowhere --help
  ended_with 0
  # the last flag reaches the command: it is the file that is not there
  k -c /nowhere connect --skipCleanup
  ended_with 1 /nowhere
}

@test "cli: configuration file: set, get, unset, show" {
  k config set connect.exclude-ips 10.0.0.1
  ended_with 0
  k config set connect.dns-cache-ttl = 5
  ended_with 0
  k config set global.namespace=apps
  ended_with 0
  k config show
  ended_with 0 "connect.exclude-ips = 10.0.0.1" "connect.dns-cache-ttl = 5" \
    "global.namespace = apps"
  k config get global.namespace
  ended_with 0
  [ "$output" = "global.namespace = apps" ]
  k config get global.context
  ended_with 0 "global.context = <empty>"
  k config unset global.namespace
  ended_with 0
  k config show
  [[ $output != *namespace* ]]
  k config show --all
  ended_with 0 "connect.proxy-port" "global.pod-quota"
  k config unset --all
  k config show
  ended_with 0
  [ -z "$output" ]
}

@test "cli: configuration file: wrong items and values are refused" {
  k config set connect.excludeIps 1
  ended_with 2 "did you mean connect.exclude-ips"
  k config set connect.proxy-port abc
  ended_with 2 "connect.proxy-port" "abc"
  k config set connect.proxy-port
  ended_with 2
  laptop carol sh -c 'mkdir -p "$HOME/.kt"; echo "{[" >"$HOME/.kt/config"'
  k config show
  [ "$status" != 0 ]
  says ".kt/config"
}

@test "cli: configuration profiles" {
  k config set connect.dns-cache-ttl 5
  k config save-profile one
  ended_with 0
  k config list-profile
  ended_with 0
  [[ $output =~ [0-9]{4}-[0-9]{2}-[0-9]{2}\ [0-9:]{8}\ +one ]]
  k config unset --all
  k config load-profile one --dryRun
  ended_with 0 "dns-cache-ttl" "5"
  k config show
  [ -z "$output" ]
  k config load-profile one
  k config show
  ended_with 0 "connect.dns-cache-ttl = 5"
  k config drop-profile one
  ended_with 0
  k config load-profile one
  [ "$status" != 0 ]
  says one
  k config save-profile ../../evil
  [ "$status" != 0 ]
  run laptop carol sh -c 'ls -d "$HOME/evil" "$HOME/../evil"'
  [ "$status" != 0 ]
}

@test "cli: flag before environment before file before default" {
  k connect --help
  ended_with 0 "(default 60)"
  k config set connect.dns-cache-ttl 7
  k connect --help
  ended_with 0 "default 7, by ~/.kt/config"
  # what is used shows when it is wrong: each source names itself
  laptop carol sh -c 'printf "global:\n  kubeconfig: /from-file\n" \
    >"$HOME/.kt/config"'
  k connect
  ended_with 1 /from-file
  run laptop carol env -u KUBECONFIG KTCTL_KUBECONFIG=/from-env \
    "$KTCTL" connect
  ended_with 1 /from-env
  run laptop carol env -u KUBECONFIG KTCTL_KUBECONFIG=/from-env \
    "$KTCTL" connect --kubeconfig /from-flag
  ended_with 1 /from-flag
}

@test "cli: bash completes commands, flags, items and profiles" {
  k config save-profile work
  k config set global.namespace apps
  local script=$BATS_TEST_TMPDIR/complete.bash
  cat >"$script" <<'END'
export PATH=$(dirname "$KTCTL"):$PATH
source <(ktctl completion bash)
complete_line() {
  local COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMPREPLY=()
  _ktctl ktctl 2>/dev/null
  printf '%s\n' "${COMPREPLY[@]}"
}
for line; do
  echo "== $line"
  complete_line "$line"
done
END
  run laptop carol env KTCTL="$KTCTL" bash "$script" "ktctl con" \
    "ktctl connect --inc" "ktctl config sh" "ktctl config set connect.ex" \
    "ktctl config get glo" "ktctl config load-profile w"
  ended_with 0
  local got=${output//$'\n'/ }
  [[ $got =~ "== ktctl con "connect.*config ]]
  [[ $got =~ "== ktctl connect --inc "--include ]]
  [[ $got =~ "== ktctl config sh "show ]]
  [[ $got =~ "== ktctl config set connect.ex "connect.exclude-ips ]]
  [[ $got =~ "== ktctl config get glo "global.namespace ]]
  [[ $got =~ "== ktctl config load-profile w "work ]]
}

@test "cli: completion scripts of all shells" {
  local shell
  for shell in bash zsh fish powershell; do
    k completion $shell
    ended_with 0 ktctl
    k completion $shell --no-descriptions
    ended_with 0 __completeNoDesc
  done
  laptop carol sh -c "'$KTCTL' completion bash | bash -n"
  laptop carol sh -c "'$KTCTL' completion zsh | zsh -n"
  k completion tcsh
  ended_with 2
}
