#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# makefile.sh: "make" installs what is needed to build, also in a build folder
# that is there already when the list of it changes. With programs that only say
# that they were called. TAP.
set -u

cd "$(dirname "$0")/../.." || exit
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tests=0
unset BUILD MAKEFLAGS MAKELEVEL MFLAGS

mkdir "$tmp/tools" "$tmp/bin"
cp Makefile "$tmp"
for program in tools/install-packages bin/meson bin/ninja; do
  cat >"$tmp/$program" <<'END'
#!/bin/sh
echo "${0##*/} $1" >>calls
[ "$1" != setup ] || { mkdir -p "$2" && : >"$2/build.ninja"; }
END
  chmod 755 "$tmp/$program"
done

# make_calls WHAT CALLS [TARGET]: these, in this order
make_calls() {
  tests=$((tests + 1))
  rm -f "$tmp/calls"
  (cd "$tmp" && PATH=$tmp/bin:$PATH make ${3:+"$3"}) >"$tmp/log" 2>&1
  if [ "$(paste -sd, "$tmp/calls")" = "$2" ]; then
    echo "ok $tests - $1"
  else
    echo "not ok $tests - $1: $(paste -sd, "$tmp/calls")"
    sed 's/^/# /' "$tmp/log"
  fi
}

make_calls "a new folder" "install-packages build,meson setup,ninja -C"
make_calls "nothing has changed" "ninja -C"
rm "$tmp/build/packages"
make_calls "a folder of an older version" "install-packages build,ninja -C"
touch -d 'now + 5 seconds' "$tmp/tools/install-packages"
make_calls "another list" "install-packages build,ninja -C"
rm "$tmp/build/packages"
make_calls "make install, too" \
  "install-packages build,meson configure,ninja -C,meson install" install
echo "1..$tests"
