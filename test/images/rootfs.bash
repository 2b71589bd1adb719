# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For what makes images of this machine's programs; sourced.

# add_program ROOT FILE...: copy programs and their libraries into ROOT
add_program() {
  local root=$1 file lib
  shift
  for file in "$@"; do
    install -D "$file" "$root$file"
    for lib in $(ldd "$file" | grep -o '/[^ ]*'); do
      [ -e "$root$lib" ] || install -D "$lib" "$root$lib"
    done
  done
}

# add_users ROOT LINE...: /etc/passwd with root and these lines, /etc/group
add_users() {
  local root=$1
  shift
  mkdir -p "$root"/{etc,root,tmp}
  chmod 1777 "$root/tmp"
  printf '%s\n' root:x:0:0:root:/root:/bin/sh \
    nobody:x:65534:65534:nobody:/tmp:/bin/sh "$@" >"$root/etc/passwd"
  printf '%s\n' root:x:0: nogroup:x:65534: >"$root/etc/group"
  echo "hosts: files dns" >"$root/etc/nsswitch.conf"
}
