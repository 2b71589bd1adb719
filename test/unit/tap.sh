# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For unit tests that are scripts and run the program itself. TAP.

tests=0

ok() { # STATUS NAME
  tests=$((tests + 1))
  if [ "$1" = 0 ]; then echo "ok $tests - $2"; else echo "not ok $tests - $2"; fi
}

# is GOT WANTED
is() {
  [ "$1" = "$2" ] && return 0
  printf '# got:    %s\n# wanted: %s\n' "$1" "$2"
  return 1
}

has() { # TEXT PART
  [[ $1 == *"$2"* ]] && return 0
  printf '# %s\n# is not in: %s\n' "$2" "$1"
  return 1
}

eventually() { # COMMAND...
  for _ in $(seq 300); do
    "$@" && return 0
    sleep 0.1
  done
  echo "# never: $*"
  return 1
}

# own_home NAME: a home directory, $work, that is removed at the end, and nothing
# of the caller's
own_home() {
  work=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-$1.XXXXXX")
  export HOME=$work
  unset SUDO_UID SUDO_GID SUDO_USER KUBECONFIG
  server=
  trap own_home_end EXIT
}

own_home_end() {
  [ -z "$server" ] || kill "$server"
  rm -rf "$work"
}

# api_start: an API server (fakeapi.py) that has the lists of $work/api, and a
# kubeconfig for it
api_start() {
  export KUBECONFIG=$work/kubeconfig
  "${BASH_SOURCE[0]%/*}/fakeapi.py" "$work/api" "$KUBECONFIG" 2>"$work/server.log" &
  server=$!
  eventually test -f "$KUBECONFIG"
}

# api_put PATH ITEMS: the list that it has there
api_put() {
  mkdir -p "$work/api/${1%/*}"
  printf '{"kind": "List", "apiVersion": "v1", "metadata": {}, "items": [%s]}' \
    "$2" >"$work/api/$1.json"
}
