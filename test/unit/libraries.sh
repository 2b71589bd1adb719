#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libraries.sh: a release can be made with what meson.build names. Each library
# comes from a package that tools/install-packages lists, and has a license that
# the SBOM knows as one that may be linked. Everything that it wants is there as
# an archive, for the static program, or its source package is pinned in
# tools/dist/sources. TAP.
set -u

cd "$(dirname "$0")/../.." || exit
listed=$(tools/install-packages --names libraries)
libdir=/usr/lib/$(gcc -dumpmachine)
tests=0

ok() {
  tests=$((tests + 1))
  if [ "$1" = 0 ]; then echo "ok $tests - $2"; else echo "not ok $tests - $2"; fi
}

package_of() { # NAME: of pkg-config
  local file
  file=$(pkg-config --variable=pcfiledir "$1")/$1.pc
  dpkg-query -S "$file" "$(realpath "$file")" 2>/dev/null | sed -n '1s/[:,].*//p'
}

# NAME: what of it Debian has no archive of
only_shared() {
  local flag
  for flag in $(pkg-config --static --libs-only-l "$1"); do
    [ -e "$libdir/lib${flag#-l}.a" ] || echo "${flag#-l}"
  done
}

source_of() { # PACKAGE
  # shellcheck disable=SC2016 # of dpkg-query
  dpkg-query -Wf '${source:Package}\n' "$1" | head -n 1
}

source_is_pinned() { # PACKAGE
  local source
  source=$(source_of "$1")
  grep -q "^$source " tools/dist/sources &&
    grep -q "^make_$source()" tools/dist/static-libs
}

while read -r name; do
  package=$(package_of "$name")
  grep -qx "${package:-unknown}" <<<"$listed"
  ok $? "$name: of a package in the list: $package"
  grep -q "^    \"$(source_of "$package")\": \"" tools/dist/sbom
  ok $? "$name: a license that is known: $(source_of "$package")"
  lacking=$(only_shared "$name")
  [ -z "$lacking" ] || source_is_pinned "$package"
  ok $? "$name: static by Debian or from source${lacking:+, for the lack of} ${lacking//$'\n'/ }"
done < <(sed -n "s/.*dependency('\([^']*\)'.*/\1/p" meson.build | grep -vx cmocka)

# what is downloaded is checked
! grep -v '^#' tools/dist/sources | grep -qvE '^[a-z0-9.+-]+ [^ ]+ [^ /]+ [0-9a-f]{64}$'
ok $? "each source has its SHA-256"
echo "1..$tests"
