#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apparmor.sh SOURCE: the .deb's scripts, on a folder in the place of a machine
set -uo pipefail

deb=$1/tools/dist/deb
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
export DPKG_ROOT=$root
profile=$root/etc/apparmor.d/ktctl
n=0

ok() { # SAYS COMMAND...
  local says=$1
  shift
  n=$((n + 1))
  if "$@"; then echo "ok $n - $says"; else echo "not ok $n - $says"; fi
}

none() {
  [ ! -e "$profile" ]
}

is() {
  [ "$(cat "$profile")" = "$1" ]
}

echo 1..8
mkdir -p "$root/usr/share/ktctl" "$root/etc/apparmor.d/abi"
cp "$deb/apparmor" "$root/usr/share/ktctl/apparmor"
"$deb/postinst" configure
ok "an AppArmor that does not know the rule gets no profile" none
: >"$root/etc/apparmor.d/abi/4.0"
"$deb/postinst" abort-upgrade
ok "nothing but a configuration makes it" none
"$deb/postinst" configure
ok "one that does gets it" cmp -s "$deb/apparmor" "$profile"
ok "it allows user namespaces" grep -qx '  userns,' "$profile"
ok "it is for the package's program" grep -q '^profile ktctl /usr/bin/ktctl ' "$profile"
echo mine >"$profile"
"$deb/postinst" configure 0.1
ok "what was changed stays at an upgrade" is mine
"$deb/postrm" remove
ok "and when the package is removed" is mine
"$deb/postrm" purge
ok "a purge takes it away" none
