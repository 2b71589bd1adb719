#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Debian package on fresh roots of the Debians that it is for. SUITE picks
# one. With a test cluster up, the installed program connects to it from there.
# shellcheck disable=SC2154 # status and output come from bats

setup_file() {
  local suite
  load ../e2e/common
  DEB=$(echo "${DIST:-$TOP/dist}"/ktctl_*_"$(dpkg --print-architecture)".deb)
  [ -f "$DEB" ] || { echo "no package: make dist" >&2; return 1; }
  export DEB SUITES=${SUITE:-bookworm trixie}
  for suite in $SUITES; do
    mkdir -p "$BATS_FILE_TMPDIR/$suite"
    tar -C "$BATS_FILE_TMPDIR/$suite" -xf "$("$TOP/test/dist/roots" "$suite")" \
      --exclude=./dev 3>&-
    mkdir -p "$BATS_FILE_TMPDIR/$suite/dev"
    cp /etc/resolv.conf /etc/hosts "$BATS_FILE_TMPDIR/$suite/etc/"
    cp "$DEB" "$BATS_FILE_TMPDIR/$suite/root/ktctl.deb"
  done
}

setup() {
  load ../e2e/common
}

# in_root SUITE COMMAND...: as root of that root; its mounts end with it
in_root() {
  local root=$BATS_FILE_TMPDIR/$1
  shift
  # shellcheck disable=SC2016 # the inner shell's
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C \
    DEBIAN_FRONTEND=noninteractive KUBECONFIG="${KUBECONFIG:-}" \
    unshare -m --propagation private sh -c '
      root=$1; shift
      mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
      mount --rbind /sys "$root/sys" && exec chroot "$root" "$@"' \
    sh "$root" "$@" 3>&-
}

# what is in the root, without what apt and man keep of their own
listing() { # SUITE
  (cd "$BATS_FILE_TMPDIR/$1" && find . -xdev ! -path './proc/*' \
    ! -path './var/lib/apt/*' ! -path './var/cache/*' ! -path './var/log/*' \
    ! -path './var/lib/dpkg/*' ! -path './tmp/*' ! -path './run/*' \
    ! -path './etc/ld.so.cache' | sort)
}

@test "package: installed by apt, with what it needs and nothing of development" {
  local suite
  for suite in $SUITES; do
    listing "$suite" >"$BATS_FILE_TMPDIR/$suite.before"
    in_root "$suite" apt-get -qq update
    in_root "$suite" apt-get -qq install -y --no-install-recommends \
      /root/ktctl.deb >"$BATS_FILE_TMPDIR/$suite.apt" 2>&1 ||
      { tail -n 20 "$BATS_FILE_TMPDIR/$suite.apt"; return 1; }
    run in_root "$suite" ktctl version
    ended_with 0 "ktctl version" "libcurl"
    run in_root "$suite" kubectl-kt --version
    ended_with 0 "ktctl version"
    run in_root "$suite" sh -c "dpkg-query -Wf '\${Package}\n' | grep -e '-dev'"
    [ "$status" != 0 ]
    run in_root "$suite" dpkg --verify ktctl
    ended_with 0
    [ -z "$output" ]
  done
}

@test "package: manual pages and completion are found" {
  local suite
  for suite in $SUITES; do
    run in_root "$suite" man ktctl
    ended_with 0 "join this machine and a Kubernetes cluster"
    run in_root "$suite" man ktctl-connect
    ended_with 0 "--includeIps"
    run in_root "$suite" bash -ic '
      . /usr/share/bash-completion/bash_completion
      _completion_loader ktctl || __load_completion ktctl
      complete -p ktctl'
    ended_with 0 "complete" "ktctl"
    # shellcheck disable=SC2016 # of zsh
    run in_root "$suite" zsh -fc 'autoload -U compinit; compinit -u -D
      print -r -- "$_comps[ktctl]"'
    ended_with 0 "_ktctl"
    run in_root "$suite" kubectl_complete-kt exch # what kubectl runs
    ended_with 0 "exchange" ":4"
    run in_root "$suite" fish -c 'complete -C "ktctl conn"'
    ended_with 0 "connect"
  done
}

@test "package: it connects to the cluster, with nothing but the package" {
  local suite root
  [ -n "${KUBECONFIG:-}" ] || skip "no test cluster: make cluster-env"
  for suite in $SUITES; do
    root=$BATS_FILE_TMPDIR/$suite
    cp "$KUBECONFIG" "$root/root/kubeconfig"
    # shellcheck disable=SC2016 # the inner shell's
    run laptop dist unshare -m --propagation private sh -c '
      root=$1; shift
      mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
      mount --rbind /sys "$root/sys" && cp /etc/resolv.conf "$root/etc/" &&
      cp /etc/hosts "$root/etc/" && cd / && exec chroot "$root" "$@"' \
      sh "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -c '
        start=$(date +%s%N)
        ktctl connect -c /root/kubeconfig -n '"$NS"' >/root/log 2>&1 &
        for i in $(seq 300); do
          grep -q "All looks good" /root/log && break
          kill -0 $! || break
          sleep 0.1
        done
        curl -sS --max-time 5 http://web/ && curl -sS http://web."'"$NS"'".svc/
        status=$?
        echo "two answers after $((($(date +%s%N) - start) / 1000000)) ms"
        kill $! && wait $! || status=$?
        cat /root/log
        exit $status'
    ended_with 0 "web" "All looks good"
    echo "# $suite: $(grep 'two answers' <<<"$output")" >&3
  done
}

@test "package: removed and purged, nothing is left" {
  local suite
  for suite in $SUITES; do
    rm -rf "$BATS_FILE_TMPDIR/$suite/root/"{.kt,log,kubeconfig,.cache,.local,.config}
    in_root "$suite" apt-get -qq purge -y --autoremove ktctl 3>&- \
      >"$BATS_FILE_TMPDIR/$suite.apt" 2>&1
    run in_root "$suite" dpkg-query -W ktctl
    [ "$status" != 0 ]
    listing "$suite" >"$BATS_FILE_TMPDIR/$suite.after"
    run diff "$BATS_FILE_TMPDIR/$suite.before" "$BATS_FILE_TMPDIR/$suite.after"
    ended_with 0
  done
}
