#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The archive with the static program: on a root whose C library is musl, as
# Alpine's (busybox, and no library else), and on Debian's, whose C library it
# must not touch. With a test cluster up, it connects from there.
# shellcheck disable=SC2154 # status and output come from bats

setup_file() {
  load ../e2e/common
  ARCHIVE=$(echo "${DIST:-$TOP/dist}"/ktctl-*-linux-"$(dpkg --print-architecture)".tar.gz)
  [ -f "$ARCHIVE" ] || { echo "no archive: make dist" >&2; return 1; }
  export ARCHIVE ROOT=$BATS_FILE_TMPDIR/bare
  bare_root
}

setup() {
  load ../e2e/common
}

# A root as small as Alpine's: busybox, musl, and what every system has in
# /etc; no other library, no nft
bare_root() {
  mkdir -p "$ROOT"/{bin,dev,etc/ssl,proc,sys,tmp,root,usr/local}
  cp -L "$(debian_file busybox-static bin/busybox)" "$ROOT/bin/busybox" 3>&-
  chroot "$ROOT" /bin/busybox --install -s /bin
  musl_root
  cp /etc/resolv.conf /etc/hosts "$ROOT/etc/"
  echo root:x:0:0:root:/root:/bin/sh >"$ROOT/etc/passwd"
  echo root:x:0: >"$ROOT/etc/group"
  # what a static program must not follow
  echo 'hosts: mdns4_minimal [NOTFOUND=return] resolve dns' \
    >"$ROOT/etc/nsswitch.conf"
  tar -C "$ROOT/usr/local" --strip-components 1 -xf "$ARCHIVE"
}

# musl where Alpine has it, and a program that is linked with it: it prints what
# the Service of a URL's host and port says, as musl finds it
musl_root() {
  local machine
  machine=$(uname -m)
  mkdir -p "$ROOT/lib"
  cp -L "$(debian_file musl "lib/ld-musl-$machine.so.1")" "$ROOT/lib/" 3>&-
  ln -s "ld-musl-$machine.so.1" "$ROOT/lib/libc.musl-$machine.so.1"
  musl-gcc -O1 -o "$ROOT/bin/musl-get" -xc - 3>&- <<'END'
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *a = NULL;
	char buf[4096];
	ssize_t n;
	int fd = -1;

	if (argc != 3 || getaddrinfo(argv[1], argv[2], &hints, &a) != 0)
		return 1;
	for (; a; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype, 0);
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
	}
	if (!a || dprintf(fd, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", argv[1]) < 0)
		return 1;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(1, buf, n) != n)
			return 1;
	return n < 0;
}
END
}

# debian_file PACKAGE FILE: of a package that is not installed for it
debian_file() {
  local dir=${KTCTL_CACHE:-/var/cache/ktctl-test}/dist/$1
  [ -e "$dir/$2" ] || {
    mkdir -p "$dir"
    (cd "$dir" && apt-get -qq -o APT::Sandbox::User=root download "$1" &&
      dpkg-deb -x "$1"_*.deb .) >&2
  }
  echo "$dir/$2"
}

# ROOT COMMAND...: what every root has, and the resolver of where we are
# shellcheck disable=SC2016 # the inner shell's
MOUNTED='root=$1; shift
  mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
  mount --rbind /sys "$root/sys" && cp /etc/resolv.conf "$root/etc/" &&
  cp /etc/hosts "$root/etc/" && cd / && exec chroot "$root" "$@"'

# at_root LAPTOP ROOT COMMAND...: there, on that laptop's network
at_root() {
  local name=$1 root=$2
  shift 2
  laptop "$name" unshare -m --propagation private sh -c "$MOUNTED" \
    sh "$root" env -i HOME=/root \
    PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" 3>&-
}

# connect_from ROOT FLAGS...: connect there, ask Service web, leave
connect_from() {
  local root=$1
  shift
  # shellcheck disable=SC2016 # the inner shell's
  at_root dist "$root" sh -c '
    ktctl connect -c /root/kubeconfig "$@" >/root/log 2>&1 &
    pid=$!
    for i in $(seq 300); do
      grep -q "All looks good" /root/log && break
      kill -0 $pid 2>/dev/null || break
      sleep 0.1
    done
    wget -q -T 5 -O - http://web/ || curl -sS --max-time 5 http://web/
    status=$?
    kill $pid && wait $pid || status=$?
    cat /root/log
    exit $status' sh "$@" -n "$NS" -i "$KTCTL_IMAGE"
}

# the cluster's authority is only where Red Hat keeps them
kubeconfig_without_ca() { # ROOT
  kubectl config view --raw --minify --flatten -o json >"$1/root/full.json"
  mkdir -p "$1/etc/pki/tls/certs"
  jq -r '.clusters[0].cluster."certificate-authority-data"' \
    "$1/root/full.json" | base64 -d >"$1/etc/pki/tls/certs/ca-bundle.crt"
  jq 'del(.clusters[0].cluster."certificate-authority-data")' \
    "$1/root/full.json" >"$1/root/kubeconfig"
}

@test "static: it runs where musl is, and no other library" {
  run chroot "$ROOT" /bin/musl-get # a program of that system's
  ended_with 1
  run chroot "$ROOT" /usr/local/bin/ktctl version
  ended_with 0 "ktctl version" "linked statically"
  run chroot "$ROOT" /usr/local/bin/kubectl-kt connect --help
  ended_with 0 "--includeIps"
  run readelf -lW "$ROOT/usr/local/bin/ktctl"
  [[ $output != *INTERP* ]] # no loader
  # nothing of the machine's is tried: neither a library nor a loader
  run strace -f -e trace=openat,execve -o "$BATS_TEST_TMPDIR/trace" \
    chroot "$ROOT" /usr/local/bin/ktctl clean -c /dev/null -n x
  run grep -E '\.so[."]' <(sed '1,/execve.*ktctl/d' "$BATS_TEST_TMPDIR/trace")
  [ -z "$output" ]
}

@test "static: names by files and DNS, authorities where Red Hat has them" {
  [ -n "${KUBECONFIG:-}" ] || skip "no test cluster: make cluster-env"
  kubeconfig_without_ca "$ROOT"
  run at_root dist "$ROOT" ktctl clean -c /root/kubeconfig -n "$NS" --dryRun
  ended_with 0
  rm "$ROOT/etc/pki/tls/certs/ca-bundle.crt"
  run at_root dist "$ROOT" ktctl clean -c /root/kubeconfig -n "$NS" --dryRun
  ended_with 1 "certificate"
  # a server by its name
  sed -i 's,"server": "https://[^:"]*,"server": "https://no.such.kt.invalid,' \
    "$ROOT/root/kubeconfig"
  run at_root dist "$ROOT" ktctl clean -c /root/kubeconfig -n "$NS" --dryRun
  ended_with 1 "no.such.kt.invalid"
}

@test "static: without nft it says so, and what works without" {
  [ -n "${KUBECONFIG:-}" ] || skip "no test cluster: make cluster-env"
  cp "$KUBECONFIG" "$ROOT/root/kubeconfig"
  run connect_from "$ROOT"
  [ "$status" != 0 ]
  says "the program nft is not on this machine" "install the package nftables" \
    "--disableTunDevice"
  # shellcheck disable=SC2016 # the inner shell's
  run at_root dist "$ROOT" sh -c '
    ktctl forward -c /root/kubeconfig "$@" web 18080:80 >/root/log 2>&1 &
    pid=$!
    for i in $(seq 300); do
      grep -q "All looks good" /root/log && break
      kill -0 $pid 2>/dev/null || break
      sleep 0.1
    done
    # the static busybox has a wget that crashes where no libnss is
    musl-get localhost 18080 && musl-get 127.0.0.1 18080
    status=$?
    kill $pid && wait $pid || status=$?
    cat /root/log
    exit $status' sh -n "$NS" -i "$KTCTL_IMAGE"
  ended_with 0 "200 OK" "All looks good"
  [ "$(grep -c '^web' <<<"$output")" = 2 ]
}

@test "static: on Debian it connects with that Debian's nft" {
  local suite root
  [ -n "${KUBECONFIG:-}" ] || skip "no test cluster: make cluster-env"
  for suite in ${SUITE:-bookworm trixie}; do
    root=$BATS_TEST_TMPDIR/$suite
    mkdir -p "$root/dev"
    tar -C "$root" -xf "$("$TOP/test/dist/roots" "$suite")" --exclude=./dev 3>&-
    mkdir -p "$root/dev"
    unshare -m --propagation private sh -c "$MOUNTED" sh "$root" sh -c 'apt-get -qq update &&
      DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
        --no-install-recommends nftables' >"$BATS_TEST_TMPDIR/apt" 2>&1 3>&- ||
      { tail -n 20 "$BATS_TEST_TMPDIR/apt"; return 1; }
    tar -C "$root/usr/local" --strip-components 1 -xf "$ARCHIVE"
    cp "$KUBECONFIG" "$root/root/kubeconfig"
    run connect_from "$root"
    ended_with 0 "web" "All looks good"
    # no history of nft's, no process, no table is left
    [ -z "$(find "$root" -xdev -name '.nft*')" ]
    run laptop dist nft list tables
    [[ $output != *ktctl* ]]
  done
}
