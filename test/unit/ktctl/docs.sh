#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs.sh KTCTL TOP KT-ROWS: --help, the manual pages and completion tell of the same commands and
# flags (both ways), with the same short forms and defaults; what README and docs/ say of
# them is there. TAP.
set -u

ktctl=$1
top=$2
rows=$3 # KT Connect's flags: command, flag, short form, type, default, meaning
man=$top/docs/man
compat=$top/docs/kt-compat.md # what differs, and why
HOME=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-docs.XXXXXX")
export HOME
unset KUBECONFIG # completion would offer what its cluster has
trap 'rm -rf "$HOME"' EXIT
tests=0

ok() {
  tests=$((tests + 1))
  if [ "$1" = 0 ]; then echo "ok $tests - $2"; else echo "not ok $tests - $2"; fi
}

words() { # WORDS...: sub-commands that completion offers
  "$ktctl" __completeNoDesc "$@" "" | grep -v '^:'
}

# The part of a help text below a heading: one "short long" a line
help_flags() { # HEADING COMMAND...
  local heading=$1
  shift
  "$ktctl" "$@" --help | sed -n "/^$heading:/,/^$/p" |
    sed -nE 's/^  (-.,|   ) (--[A-Za-z-]+).*/\1 \2/p' | tr -d ', ' |
    sed -E 's/^(-[a-zA-Z])?(--)/\1 \2/' | sort -u
}

# The flags that a page describes: "*-n*, *--namespace* ..." at a line's start
page_flags() { # PAGE
  sed -nE 's/^\t?\*(-[a-zA-Z])\*, \*(--[A-Za-z-]+)\*.*/\1 \2/p
    s/^\t?\*(--[A-Za-z-]+)\*.*/ \1/p' "$1" | sort -u
}

same() { # HELP OTHER [WHAT-THE-OTHER-IS]
  [ "$1" = "$2" ] && return 0
  diff <(echo "$1") <(echo "$2") | sed "s/^</# only in --help:/
    s/^>/# only in ${3:-the page}:/" | grep '^#'
  return 1
}

# Names of the flags that completion offers, and those of the help
completed_flags() { # COMMAND...
  "$ktctl" __completeNoDesc "$@" -- | grep '^--' | sort -u
}

all_help_flags() { # COMMAND...
  { help_flags Flags "$@"; help_flags 'Global flags' "$@"; } |
    grep -o -- '--.*' | sort -u
}

help_commands() { # COMMAND...
  "$ktctl" "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' | sort
}

same "$(help_flags 'Global flags')" "$(page_flags "$man/ktctl.1.scd")"
ok $? "ktctl(1): the global flags"

same "$(help_commands)" "$(words | sort)" completion &&
  same "$(all_help_flags)" "$(completed_flags)" completion
ok $? "completion: the commands"

for c in $(words); do
  page=$man/ktctl-$c.1.scd
  if [ ! -f "$page" ] || ! grep -q "^\*$c\*\$" "$man/ktctl.1.scd"; then
    echo "# $c: write docs/man/ktctl-$c.1.scd, name it in docs/man/meson.build and in ktctl.1.scd"
    ok 1 "$c has a page, and ktctl(1) names it"
    continue
  fi
  ok 0 "$c has a page, and ktctl(1) names it"
  flags=$(help_flags Flags "$c")
  # the words behind help are commands, those behind disconnect what runs here
  for sub in $([ "$c" = help ] || [ "$c" = disconnect ] || words "$c"); do
    # env run has those of run, whose page it names
    [ "$c $sub" = "env run" ] || flags+=$'\n'$(help_flags Flags "$c" "$sub")
    grep -q "\*$sub\*" "$page" || ok 1 "ktctl-$c(1) tells of $sub"
    same "$(all_help_flags "$c" "$sub")" "$(completed_flags "$c" "$sub")" completion ||
      ok 1 "completion: the flags of $c $sub"
  done
  same "$(all_help_flags "$c")" "$(completed_flags "$c")" completion
  ok $? "completion: the flags of $c"
  same "$(sed '/^$/d' <<<"$flags" | sort -u)" "$(page_flags "$page")"
  ok $? "ktctl-$c(1): the flags"
done

# What prints JSON says where that is described, and a test holds it against that
bad=0
for c in $(words); do
  for sub in "" $([ "$c" = env ] && words env); do
    # shellcheck disable=SC2086 # no sub-command is no word
    "$ktctl" "$c" $sub --help | grep -A3 -e '--output' | grep -qw json || continue
    grep -q "$c${sub:+-${sub%s}}[a-z-]*\.json" "$man/ktctl-$c.1.scd" && continue
    [ "$c" = events ] && grep -q 'schema/expect\.json' "$man/ktctl-events.1.scd" && continue
    echo "# $c $sub prints JSON: ktctl-$c(1) does not name its schema"
    bad=1
  done
done
for schema in "$top"/docs/schema/*.json; do
  name=${schema##*/}
  grep -rq "$name" "$top"/test/{unit,e2e} || { echo "# $name: no test holds anything against it"; bad=1; }
  grep -q "$name" "$man"/*.scd || { echo "# $name: no page names it"; bad=1; }
done
ok $bad "JSON that is printed has its schema"

# Default: *value* in the page of connect, (default value) in the help
bad=0
help=$("$ktctl" connect --help | tr -s ' \n' ' ')
while read -r flag value; do
  [[ $help == *"$flag "*"(default $value)"* ]] && continue
  echo "# $flag: the page says $value"
  bad=1
done < <(sed -nE '/^\*(-., )?\*?--/{s/.*\*(--[A-Za-z]+)\*.*/\1/;h}
  /Default: \*/{s/.*Default: \*([^*]+)\*.*/\1/;H;x;s/\n/ /p;x}' \
  "$man/ktctl.1.scd" "$man/ktctl-connect.1.scd")
ok $bad "defaults"

# KT Connect's flags: each is there with the same default, or a row of
# kt-compat.md says what is different, and of no other
different=$(sed -n '/^## Flags/,/^## /s/^| \(`--[^|]*\) |.*/\1/p' "$compat" | grep -o -- '--[A-Za-z-]*')
declare -A seen=()
bad=0
while IFS=$'\x1f' read -r command flag short _ default _; do
  [[ $command != \#* ]] || continue
  seen[$flag]=1
  case $command in '(global)' | '(root)') command= ;; esac
  # shellcheck disable=SC2086 # words
  if ! help=$("$ktctl" help $command 2>/dev/null); then
    echo "# there is no command $command"
    bad=1
    continue
  fi
  grep -qx -- "$flag" <<<"$different" && continue
  [ "$flag" != - ] || continue
  # the lines of this flag alone
  block=$(awk -v f="$flag" '/^  (-.,|   ) --/ {on = $0 ~ " " f "( |$)"} on' \
    <<<"$help" | tr -s ' \n' ' ')
  if [[ $block != *"${short:+$short, }$flag "* ]]; then
    echo "# $command: $flag is not there, and kt-compat.md does not say it"
    bad=1
  elif [ -n "$default" ] && [ "$default" != false ] && [[ $block != *"(default $default"[,\)]* ]]; then
    echo "# $command: the default of $flag is not $default, and kt-compat.md does not say it"
    bad=1
  fi
done < <(tr '\t' '\037' <"$rows")
for flag in $different; do
  [ -n "${seen[$flag]:-}" ] || { echo "# kt-compat.md: $flag is none of KT Connect's"; bad=1; }
done
ok $bad "KT Connect's flags mean the same, or kt-compat.md says why not"

# --- README: what a newcomer reads first ---------------------------------------

# line_of TEXT: where the README has it first
line_of() {
  grep -nF -m 1 -- "$1" "$top/README.md" | cut -d: -f1
}

places=()
for text in 'sudo apt install ./ktctl_' 'tar -C /usr/local ' 'sudo ktctl connect' \
  'apply -f deploy/rbac/connect.yaml' '## Everyday use' 'sudo make install' 'make demo'; do
  places+=("$(line_of "$text")")
done
[ "${#places[@]}" = 7 ] && [ "${places[2]}" -lt 15 ] &&
  [ "${places[*]}" = "$(printf '%s\n' "${places[@]}" | sort -n | tr '\n' ' ' | sed 's/ $//')" ]
ok $? "README: install, connect, one Role; then everyday use; building comes after (places ${places[*]})"

# --- what the documents say ----------------------------------------------------

docs=("$top"/README.md "$top"/docs/*.md "$man"/*.scd)
# those of programs that are not this one
declare -A known=([--flag]=1 [--preserve-env]=1 [--proxy]=1 [--role]=1
  [--strip-components]=1 [--user]=1 [--asWorker]=1 [--now]=1 [--soak]=1 [--kill]=1 [--storm]=1 [--connect-to]=1
  [--ready-clients]=1 [--wait]=1 [--env-service]=1 [--env-table]=1 [--share]=1 # of shadow
  [--env-file]=1 [--network]=1 [--env]=1 [--volume]=1) # of docker, podman
known[--internal]=1 # of kind
declare -A help_of=() # of each command and sub-command
for c in $(words); do
  help_of[$c]=$("$ktctl" "$c" --help)
  for sub in $(help_commands "$c"); do help_of["$c $sub"]=$("$ktctl" "$c" "$sub" --help); done
done
while read -r flag; do known[$flag]=1; done < <(
  { "$ktctl" --help; printf '%s\n' "${help_of[@]}"; } | grep -o -- '--[A-Za-z][A-Za-z-]*' | sort -u)

bad=0
while IFS=: read -r doc n flag; do
  [ -n "${known[$flag]:-}" ] && continue
  echo "# ${doc#"$top/"}:$n: no command has the flag $flag (of another program: add it to known in docs.sh)"
  bad=1
done < <(grep -onE -- '(^|[^-A-Za-z0-9])--[A-Za-z][A-Za-z-]*' "${docs[@]}" | sed -E 's/^([^:]*:[^:]*):.*--/\1:--/')
ok $bad "each flag that a document names is there"

# Command lines: in code blocks, in `backticks`, in *bold*
command_lines() { # DOCUMENT: LINE:WORDS
  grep -nE '^[[:space:]]+(\$ )?(sudo )?ktctl [a-z]|^(sudo )?ktctl [a-z].*(\+\+)?$' "$1" |
    sed -E 's/:[[:space:]]*(\$ )?(sudo )?ktctl /:/; s/[#|&;].*//; s/\+\+$//'
  # shellcheck disable=SC2016
  grep -noE '`(sudo )?ktctl [a-z][^`]*`|\*(sudo )?ktctl [a-z][^*]*\*' "$1" |
    sed -E "s/[\`*]//g; s/:(sudo )?ktctl /:/; s/[#|&;'].*//"
}

items=" $("$ktctl" config show --all | tr '\n' ' ') "

# check_line WORDS...: says what is not there
check_line() {
  local command=$1 item word
  [ -n "${help_of[$command]:-}" ] || { echo "there is no command $command"; return; }
  shift
  if [[ ${help_of[$command]} == *$'\nCommands:'* && ${1:-} =~ ^[a-z-]+$ ]]; then
    command+=" $1"
    [ -n "${help_of[$command]:-}" ] || { echo "there is no command $command"; return; }
    item=${2:-}
    if [ "$command" = "config set" ] && [[ $item == *.* && $items != *" ${item%%=*} "* ]]; then
      echo "there is no item ${item%%=*}"
    fi
  fi
  for word; do
    word=${word%%=*}
    [[ ! $word =~ ^(--[A-Za-z][A-Za-z-]*|-[a-zA-Z])$ || ${help_of[$command]} =~ [[:space:]]${word}[[:space:],] ]] ||
      echo "$command has no $word"
  done
}

bad=0
lines=0
for doc in "${docs[@]}" "$top/CONTRIBUTING.md"; do
  while IFS=: read -r n text; do
    lines=$((lines + 1))
    # shellcheck disable=SC2086 # words
    wrong=$(set -f; check_line $text)
    [ -z "$wrong" ] || { echo "# ${doc#"$top/"}:$n: ktctl $text: $wrong"; bad=1; }
  done < <(command_lines "$doc")
done
[ "$lines" -ge 60 ] || { echo "# only $lines command lines were found"; bad=1; }
ok $bad "each command line that a document shows is one"

if command -v scdoc >/dev/null; then
  bad=0
  for page in "$man"/*.scd; do
    scdoc <"$page" >"$HOME/page" || bad=1
    [ -z "$(MANWIDTH=80 man --warnings -l "$HOME/page" 2>&1 >/dev/null)" ] ||
      bad=1
  done
  ok $bad "scdoc and man accept every page"
else
  ok 0 "scdoc and man accept every page # SKIP no scdoc"
fi
echo "1..$tests"
