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

teardown_file() { # the program of a release, which no other test looks for
  load ../e2e/common
  [ -z "${KUBECONFIG:-}" ] ||
    kc -n "$NS" delete configmaps -l kt-role=shadow-program >/dev/null
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
    # nft(8) is called, its library (GPL-2.0-only) not linked
    # shellcheck disable=SC2016 # of dpkg-query
    run in_root "$suite" sh -c 'dpkg-query -Wf "\${Depends}\n" ktctl; ldd /usr/bin/ktctl; nft --version'
    ended_with 0 ", nftables" "nftables v"
    [[ $output != *libnftables* ]]
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

# connected SUITE SCRIPT: connect in that root, on a laptop, with nothing but the
# package; SCRIPT runs while it is connected, and its status is the result
connected() {
  local root=$BATS_FILE_TMPDIR/$1
  cp "$KUBECONFIG" "$root/root/kubeconfig"
  # shellcheck disable=SC2016 # the inner shell's
  laptop dist unshare -m --propagation private sh -c '
    root=$1; shift
    mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
    mount --rbind /sys "$root/sys" && cp /etc/resolv.conf "$root/etc/" &&
    cp /etc/hosts "$root/etc/" && cd / && exec chroot "$root" "$@"' \
    sh "$root" env -i HOME=/root LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    bash -c '
      start=$(date +%s%N)
      ktctl connect -c /root/kubeconfig -n '"$NS"' >/root/log 2>&1 &
      for i in $(seq 300); do
        grep -q "All looks good" /root/log && break
        kill -0 $! || break
        sleep 0.1
      done
      '"$2"'
      status=$?
      kill $! && wait $! || status=$?
      cat /root/log
      exit $status' 3>&-
}

# how many times as long as alone anything takes here: programs that want to run,
# for each processor
busy() {
  awk -v n="$(nproc)" '{l = int($1 / n); print l < 1 ? 1 : l}' /proc/loadavg
}

@test "package: it connects to the cluster, with nothing but the package" {
  local suite took
  [ -n "${KUBECONFIG:-}" ] || skip "no test cluster: make cluster-env"
  for suite in $SUITES; do
    # cold: nobody has connected to this namespace with this version
    kc -n "$NS" delete configmaps -l kt-role=shadow-program >/dev/null
    # shellcheck disable=SC2016 # the inner shell's
    run connected "$suite" '
      curl -sS --max-time 5 http://web/ && curl -sS http://web.'"$NS"'.svc/ &&
      echo "two answers after $((($(date +%s%N) - start) / 1000000)) ms"'
    ended_with 0 "web" "All looks good"
    echo "# $suite: $(grep 'two answers' <<<"$output"), load $(cut -d' ' -f1 /proc/loadavg)" >&3
    took=$(sed -n 's/^two answers after \([0-9]*\) ms$/\1/p' <<<"$output")
    [ "$took" -lt $((10000 * $(busy))) ]
  done
}

# the same package with a higher version
next_version() { # OUT
  local tree=$BATS_TEST_TMPDIR/next
  rm -rf "$tree"
  dpkg-deb -R "$DEB" "$tree"
  sed -i 's/^Version: .*/&+next1/' "$tree/DEBIAN/control"
  dpkg-deb --root-owner-group -Znone --build "$tree" "$1" >/dev/null
}

no_shadow() { # the program, a ConfigMap, stays for the next one
  [ -z "$(kc -n "$NS" get pods -l control-by=kt -o name)" ]
}

@test "package: upgraded while a session runs, which goes on and cleans up" {
  local suite
  [ -n "${KUBECONFIG:-}" ] || skip "no test cluster: make cluster-env"
  for suite in $SUITES; do
    next_version "$BATS_FILE_TMPDIR/$suite/root/next.deb"
    # shellcheck disable=SC2016 # the inner shell's
    run connected "$suite" '
      before=$(stat -c %i /usr/bin/ktctl)
      curl -sS --max-time 5 http://web/ && dpkg -i /root/next.deb &&
      [ "$before" != "$(stat -c %i /usr/bin/ktctl)" ] && kill -0 $! &&
      curl -sS --max-time 5 http://web/ &&
      curl -sS --max-time 5 http://web.'"$NS"'.svc/'
    ended_with 0 "Unpacking ktctl" "All looks good"
    [ "$(grep -c '^web' <<<"$output")" = 3 ]
    # shellcheck disable=SC2016 # of dpkg-query
    run in_root "$suite" dpkg-query -Wf '${Version}' ktctl
    [[ $output == *+next1 ]]
    run laptop dist sh -c 'nft list tables; ip -o link show kt0'
    [[ $output != *ktctl* && $output == *"does not exist"* ]]
    eventually 20 no_shadow
  done
}

@test "package: removed, its files go; the users' own in ~/.kt stay" {
  local suite file
  for suite in $SUITES; do
    in_root "$suite" sh -c 'mkdir -p /root/.kt && echo mine >/root/.kt/config'
    in_root "$suite" dpkg -L ktctl >"$BATS_FILE_TMPDIR/$suite.files"
    in_root "$suite" apt-get -qq remove -y ktctl >"$BATS_FILE_TMPDIR/$suite.apt" 2>&1
    while read -r file; do
      [[ -d $BATS_FILE_TMPDIR/$suite$file && ${file##*/} != ktctl ]] ||
        [ ! -e "$BATS_FILE_TMPDIR/$suite$file" ] ||
        { echo "left: $file"; return 1; }
    done <"$BATS_FILE_TMPDIR/$suite.files"
    # no configuration of the system's is kept for a purge
    # shellcheck disable=SC2016 # of dpkg-query
    run in_root "$suite" dpkg-query -Wf '${db:Status-Status}' ktctl
    [[ $output != config-files && $output != installed ]]
    [ "$(cat "$BATS_FILE_TMPDIR/$suite/root/.kt/config")" = mine ]
    in_root "$suite" dpkg -i /root/ktctl.deb >"$BATS_FILE_TMPDIR/$suite.apt" 2>&1
  done
}

@test "package: purged, nothing is left but what users have in ~/.kt" {
  local suite
  for suite in $SUITES; do
    in_root "$suite" apt-get -qq purge -y --autoremove ktctl 3>&- \
      >"$BATS_FILE_TMPDIR/$suite.apt" 2>&1
    run in_root "$suite" dpkg-query -W ktctl
    [ "$status" != 0 ]
    [ "$(cat "$BATS_FILE_TMPDIR/$suite/root/.kt/config")" = mine ]
    rm -rf "$BATS_FILE_TMPDIR/$suite/root/"{.kt,log,kubeconfig,next.deb,.cache,.local,.config}
    listing "$suite" >"$BATS_FILE_TMPDIR/$suite.after"
    run diff "$BATS_FILE_TMPDIR/$suite.before" "$BATS_FILE_TMPDIR/$suite.after"
    ended_with 0
  done
}
