#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# make install and make uninstall. Needs no cluster, but a build folder of its
# own: other tests run what is in build/ at the same time.
# shellcheck disable=SC2154 # status and output come from bats

setup() {
  load common
  export CCACHE_DIR=${KTCTL_CACHE:-/var/cache/ktctl-test}/ccache
  export CCACHE_BASEDIR=$TOP CCACHE_NOHASHDIR=1 CC="ccache gcc"
  BUILD=build-install$LANE # beside build/, so that ccache knows the files
  ROOT=$BATS_TEST_TMPDIR/root
}

teardown() {
  rm -rf "${TOP:?}/$BUILD"
}

m() { # make in that folder, without the fds and variables of a make above us
  env -u MAKEFLAGS -u MAKELEVEL make -s -C "$TOP" BUILD="$BUILD" \
    MESON_FLAGS=-Dtests=false "$@" 3>&- >"$RUN/make.log" 2>&1 ||
    { tail -n 30 "$RUN/make.log"; return 1; }
}

# every file and link below the root, a line each
files() {
  (cd "$ROOT" && find . ! -type d | sort)
}

@test "install: PREFIX and DESTDIR are obeyed, also after a build with others" {
  local page
  m all # as "make" does it, for /usr/local
  m install PREFIX=/opt/kt DESTDIR="$ROOT"
  run files
  # nothing outside of the prefix
  [ "$(ls "$ROOT")" = opt ] && [ "$(ls "$ROOT/opt")" = kt ]
  # bin/ has what people call, and nothing else
  [ "$(ls "$ROOT/opt/kt/bin")" = "$(printf '%s\n' kubectl-kt kubectl_complete-kt ktctl | sort)" ]
  [ -x "$ROOT/opt/kt/libexec/ktctl/shadow" ]
  [ -s "$ROOT/opt/kt/share/ktctl/shadow.tar" ]
  for page in "$TOP"/docs/man/*.scd; do
    [ -s "$ROOT/opt/kt/share/man/man1/$(basename "$page" .scd)" ] ||
      { echo "no manual page $page in: $output"; return 1; }
  done
  grep -q ktctl "$ROOT/opt/kt/share/bash-completion/completions/ktctl.bash"
  grep -q ktctl "$ROOT/opt/kt/share/zsh/site-functions/_ktctl"
  grep -q ktctl "$ROOT/opt/kt/share/fish/vendor_completions.d/ktctl.fish"
  # it runs from there, and as a plugin of kubectl
  run "$ROOT/opt/kt/bin/ktctl" --version
  ended_with 0 "ktctl version"
  # kubectl's own completion asks the plugin's
  PATH=$ROOT/opt/kt/bin:$PATH kubectl __complete kt exch 2>/dev/null |
    grep -q '^exchange'
  PATH=$ROOT/opt/kt/bin:$PATH kubectl __complete kt connect --excludeI \
    2>/dev/null | grep -q '^--excludeIps'
  PATH=$ROOT/opt/kt/bin:$PATH run kubectl kt --version
  ended_with 0 "ktctl version"

  # a second one goes elsewhere, and the first stays whole
  m install PREFIX=/usr DESTDIR="$ROOT"
  [ "$(cd "$ROOT/usr" && find . | sort)" = \
    "$(cd "$ROOT/opt/kt" && find . | sort)" ]

  # uninstall takes what it would install, and nothing of others
  touch "$ROOT/usr/bin/else" "$ROOT/usr/share/ktctl/else"
  m uninstall PREFIX=/usr DESTDIR="$ROOT"
  [ "$(cd "$ROOT/usr" && find . ! -type d | sort)" = \
    "$(printf '%s\n' ./bin/else ./share/ktctl/else)" ]
  m uninstall PREFIX=/opt/kt DESTDIR="$ROOT"
  run find "$ROOT/opt" ! -type d
  ended_with 0
  [ -z "$output" ] || { echo "left: $output"; return 1; }
  [ ! -e "$ROOT/opt/kt/libexec/ktctl" ]
}
