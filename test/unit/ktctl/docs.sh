#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs.sh KTCTL MAN-FOLDER KT-ROWS KT-COMPAT: --help and the manual pages tell of the same
# commands and flags (both ways), with the same short forms and defaults. TAP.
set -u

ktctl=$1
man=$2
rows=$3   # KT Connect's flags: command, flag, short form, type, default, meaning
compat=$4 # what differs, and why
HOME=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-docs.XXXXXX")
export HOME
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

same() { # HELP PAGE
  [ "$1" = "$2" ] && return 0
  diff <(echo "$1") <(echo "$2") | sed 's/^</# only in --help:/
    s/^>/# only in the page:/' | grep '^#'
  return 1
}

same "$(help_flags 'Global flags')" "$(page_flags "$man/ktctl.1.scd")"
ok $? "ktctl(1): the global flags"

for c in $(words); do
  page=$man/ktctl-$c.1.scd
  [ -f "$page" ] && grep -q "^\*$c\*\$" "$man/ktctl.1.scd"
  ok $? "$c has a page, and ktctl(1) names it"
  flags=$(help_flags Flags "$c")
  # the words behind help are commands, those behind disconnect what runs here
  for sub in $([ "$c" = help ] || [ "$c" = disconnect ] || words "$c"); do
    flags+=$'\n'$(help_flags Flags "$c" "$sub")
    grep -q "\*$sub\*" "$page" || ok 1 "ktctl-$c(1) tells of $sub"
  done
  same "$(sed '/^$/d' <<<"$flags" | sort -u)" "$(page_flags "$page")"
  ok $? "ktctl-$c(1): the flags"
done

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
