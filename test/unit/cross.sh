#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cross.sh ARCH: unit tests of the codecs (src/wire) on another architecture,
# compiled by Debian's cross compiler and run by qemu-user: arm64, whose nodes
# the shadow is for, and s390x, which has the other byte order. TAP.
# cross.sh --prepare ARCH: can they be run here? Says what is missing. What
# comes over the network comes now, once, into a folder below KTCTL_CACHE.
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
prepare=
[ "${1:-}" != --prepare ] || { prepare=yes; shift; }
arch=${1:-}
case $arch in
  arm64) machine=aarch64 ;;
  s390x) machine=s390x ;;
  *) echo "usage: cross.sh [--prepare] arm64|s390x" >&2; exit 2 ;;
esac
triple=$machine-linux-gnu
cache=${KTCTL_CACHE:-/var/cache/ktctl-test}
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] ||
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/ktctl
root=$cache/cross-$arch-$(dpkg-query -Wf '${Version}' libcmocka-dev 2>/dev/null)
work=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-cross.XXXXXX")
trap 'rm -rf "$work"' EXIT

# apt's own lists and cache are left alone
fetch() {
  mkdir -p "$cache" "$work/lists/partial" "$work/cache/archives/partial" &&
    cd "$work" || return
  local apt=(apt-get -q -q -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch"
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache"
    -o Dir::State::status=/dev/null -o APT::Sandbox::User=root) deb
  "${apt[@]}" update &&
    "${apt[@]}" download libcmocka-dev libcmocka0 libnghttp2-dev zlib1g-dev &&
    mkdir root || return
  for deb in ./*.deb; do
    dpkg-deb -x "$deb" root || return
  done
  chmod 755 root
  rm -rf "$root"
  mv -T root "$root" 2>/dev/null || [ -d "$root/usr" ]
}

if [ -n "$prepare" ]; then
  command -v "$triple-gcc" >/dev/null || { echo "no $triple-gcc"; exit 1; }
  command -v "qemu-$machine" >/dev/null || { echo "no qemu-$machine"; exit 1; }
  [ -d "$root/usr" ] || (fetch) >"$work/log" 2>&1 ||
    { echo "no libraries for $arch: $(tail -n 1 "$work/log")"; exit 1; }
  exit 0
fi

cd "$top" || exit
lib=$root/usr/lib/$triple
export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache} CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1
compiler=("$triple-gcc")
! command -v ccache >/dev/null || compiler=(ccache "${compiler[@]}")
version=$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
flags=(-std=gnu11 -D_GNU_SOURCE "-DKT_VERSION=\"$version\"" -Isrc -Itest/unit
  -O1 -ffunction-sections -fdata-sections -isystem "$root/usr/include"
  -isystem "$root/usr/include/$triple")

compile() { # FILE...
  # shellcheck disable=SC2016 # for the inner shell
  printf '%s\n' "$@" | xargs -P 2 -I {} sh -c '
    f=$1 o=$2/$(echo "$1" | tr / _).o
    shift 2
    "$@" -c "$f" -o "$o"' sh {} "$work" "${compiler[@]}" "${flags[@]}"
}

names=()
for f in test/unit/wire/test_*.c; do
  f=${f##*/test_}
  names+=("${f%.c}")
done
echo "1..${#names[@]}"
if ! compile src/base/*.c src/wire/*.c test/unit/wire/test_*.c ||
  ! "$triple-ar" rcs "$work/all.a" "$work"/src_*.o; then
  echo "Bail out! not compiled for $arch"
  exit 1
fi
n=0
for name in "${names[@]}"; do
  n=$((n + 1))
  wrap=()
  [ "$name" != capsule ] || wrap=("-Wl,--wrap=malloc")
  if "$triple-gcc" "$work/test_unit_wire_test_$name.c.o" "${wrap[@]}" "$work/all.a" \
      -Wl,--gc-sections -L"$lib" -lcmocka -lnghttp2 -lz -lm -o "$work/test" >"$work/out" 2>&1 &&
    CMOCKA_MESSAGE_OUTPUT=TAP timeout 120 "qemu-$machine" -L "/usr/$triple" \
      -E "LD_LIBRARY_PATH=/usr/$triple/lib:$lib" "$work/test" >"$work/out" 2>&1; then
    echo "ok $n - $name on $arch"
  else
    sed 's/^/# /' "$work/out" | tail -n 40
    echo "not ok $n - $name on $arch"
  fi
done
