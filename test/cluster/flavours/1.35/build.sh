# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# How Kubernetes 1.35 is built: from Go modules, whose versions go.mod and
# go.sum pin. Sourced by ../../build.

# Raise it when the programs have to be built anew.
# shellcheck disable=SC2034 # read by lib.sh
BUILD_VERSION=1

GO_MINOR=25 # what go.mod asks for
# a Go toolchain is a module, too: for machines without a Go of that age
TOOLCHAIN=https://proxy.golang.org/golang.org/toolchain/@v/v0.0.1-go1.25.8.linux-amd64.zip
PROGRAMS=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet
  kube-proxy kubectl)

flavour_prepare() {
  export GOPATH=$CACHE/gopath GOCACHE=$CACHE/gocache
  export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local GOWORK=off
  export GO111MODULE=on
  local go
  go=$(find_go) || { fetch_go; go=$(find_go); }
  export PATH=${go%/*}:$PATH
}

# the machine's Go if it is new enough, wherever it is
find_go() {
  local go version
  for go in "$(command -v go)" /usr/local/go/bin/go /usr/lib/go-1.*/bin/go \
    "$CACHE/go/bin/go"; do
    version=$("$go" env GOVERSION 2>/dev/null) || continue
    version=${version#go1.}
    [ "${version%%[.a-z ]*}" -lt $GO_MINOR ] || { echo "$go"; return; }
  done
  return 1
}

fetch_go() {
  local dir=$CACHE/go.new
  rm -rf "$dir" "$CACHE/go"
  mkdir "$dir"
  curl -fsS -o "$dir/go.zip" "$TOOLCHAIN"
  python3 -m zipfile -e "$dir/go.zip" "$dir"
  mv "$dir"/golang.org/toolchain@* "$CACHE/go"
  chmod -R +x "$CACHE/go/bin" "$CACHE/go/pkg/tool"
  rm -rf "$dir"
}

# Both programs in one go: they share most of their packages. With GOGC the
# compiler takes a third less time, and more memory.
build_all() {
  local flags='-s -w' package var
  for package in client-go/pkg/version component-base/version; do
    for var in "gitVersion=v$KUBE" gitMajor=1 gitMinor=35 gitTreeState=clean; do
      flags="$flags -X k8s.io/$package.$var"
    done
  done
  cd "$FLAVOUR_DIR" || return
  mkdir -p "$CACHE/out"
  GOGC=400 nice go build -trimpath -ldflags "$flags" -o "$CACHE/out/" \
    ./kube ./coredns || return
  # 6 GB of sources and objects
  rm -rf "$GOPATH" "$GOCACHE"
}

# flavour_build DIR: put the programs into DIR; they are one (kube/main.go)
flavour_build() {
  local program
  build_all >>"$LOG" 2>&1
  mv "$CACHE/out/kube" "$1/kube"
  for program in "${PROGRAMS[@]}"; do
    ln -s kube "$1/$program"
  done
}

# flavour_build_dns FILE: the cluster's DNS server
flavour_build_dns() {
  [ -x "$CACHE/out/coredns" ] || build_all >>"$LOG" 2>&1
  mv "$CACHE/out/coredns" "$1"
}
