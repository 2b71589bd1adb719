# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# How Kubernetes 1.20 is built: Debian 12's source package with Debian 12's
# Go 1.19, in the GOPATH mode that its time used. Sourced by ../../build.

# Raise it when the programs have to be built anew.
# shellcheck disable=SC2034 # read by lib.sh
BUILD_VERSION=1

DEBIAN_SUITE=bookworm
GO_DIR=/usr/lib/go-1.19/bin
PROGRAMS=(kube-proxy kube-scheduler kube-controller-manager kubelet
  kube-apiserver kubectl)

# Set the Go environment, and make the source tree unless it is there.
flavour_prepare() {
  go_environment
  fetch_source
  patch_source
  generate_openapi
}

# flavour_build DIR: put the programs into DIR
flavour_build() {
  local program
  for program in "${PROGRAMS[@]}"; do
    say "  $program"
    go_build "$1/" "./cmd/$program" >>"$LOG" 2>&1
  done
}

# flavour_build_dns FILE: Debian has no CoreDNS, so the cluster has a small
# DNS server of its own, made of libraries in the Kubernetes source.
flavour_build_dns() {
  mkdir -p "$tree/cmd/kt-dns"
  cp "$CLUSTER_DIR"/dns/*.go "$tree/cmd/kt-dns/"
  go_build "$1" ./cmd/kt-dns >>"$LOG" 2>&1
}

go_environment() {
  export GOPATH=$CACHE/gopath GOCACHE=$CACHE/gocache
  export GO111MODULE=off CGO_ENABLED=0 GOFLAGS='' GOTOOLCHAIN=local
  export PATH=$GO_DIR:$PATH
  tree=$GOPATH/src/k8s.io/kubernetes
}

# apt-get with sources and lists of its own: the machine may have no deb-src
# line, or another release of Debian, and is not to be changed.
own_apt() {
  local dir=$CACHE/apt mirror
  if [ ! -f "$dir/sources.list" ]; then
    # shellcheck disable=SC2016 # apt-get's own format, not the shell's
    mirror=$(apt-get indextargets --format '$(REPO_URI)' \
      "Codename: $DEBIAN_SUITE" "Created-By: Packages" | head -n 1)
    mirror=${mirror:-http://deb.debian.org/debian}
    mkdir -p "$dir/lists/partial"
    printf '%s [signed-by=%s] %s %s main\n' \
      deb /usr/share/keyrings/debian-archive-keyring.gpg \
      "$mirror" $DEBIAN_SUITE \
      deb-src /usr/share/keyrings/debian-archive-keyring.gpg \
      "$mirror" $DEBIAN_SUITE >"$dir/sources.list"
  fi
  apt-get -q -o Dir::Etc::SourceList="$dir/sources.list" \
    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$dir/lists" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Sandbox::User=root "$@"
}

fetch_source() {
  local dir=$CACHE/download
  [ ! -d "$tree" ] || return 0
  rm -rf "$dir"
  mkdir -p "$dir" "${tree%/*}"
  cd "$dir" || return
  own_apt update
  own_apt source --download-only kubernetes
  own_apt download golang-github-modern-go-reflect2-dev
  dpkg-deb -x golang-github-modern-go-reflect2-dev_*.deb reflect2
  rm -rf "$tree.new"
  dpkg-source -x kubernetes_*.dsc "$tree.new"
  mv "$tree.new" "$tree"
}

# reflect2 1.0.1 walks maps in a way that Go 1.18 broke: kube-apiserver would
# build, then die of a segmentation fault at the first custom resource.
# Debian's package of it has the corrected version.
patch_source() {
  local new=$CACHE/download/reflect2/usr/share/gocode/src
  local old=$tree/vendor/github.com/modern-go/reflect2
  new=$new/github.com/modern-go/reflect2
  [ ! -f "$old/go_above_118.go" ] || return 0
  rm -f "$old"/*.go "$old"/*.s
  cp "$new"/*.go "$new"/*.s "$old/"
}

# The only generated files which the source does not contain.
generate_openapi() {
  local gen=$CACHE/openapi-gen
  [ ! -f "$CACHE/.openapi-done" ] || return 0
  cd "$tree" || return
  go build -o "$gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  openapi_dirs | openapi pkg/generated/openapi
  printf 'vendor/k8s.io/%s\n' api/autoscaling/v1 apimachinery/pkg/apis/meta/v1 \
    apimachinery/pkg/runtime apimachinery/pkg/version |
    openapi staging/src/k8s.io/apiextensions-apiserver/pkg/generated/openapi
  touch "$CACHE/.openapi-done"
}

openapi_dirs() {
  grep -rlE --include='*.go' '\+k8s:openapi-gen=' \
    pkg cmd plugin vendor/k8s.io/*/ |
    grep -vE '_test.go|/testdata/|zz_generated' |
    grep -vE 'k8s.io/(code-generator|sample-|kube-openapi|gengo)' |
    xargs -n 1 dirname | LC_ALL=C sort -u
}

# openapi PACKAGE: generate into PACKAGE from the directories on stdin
openapi() {
  local inputs
  inputs=$(sed 's|^|k8s.io/kubernetes/|' | paste -sd,)
  "$gen" --logtostderr -i "$inputs" -p "k8s.io/kubernetes/$1" \
    -O zz_generated.openapi -r "$CACHE/openapi-violations" \
    -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt
}

go_build() {
  local flags='-s -w' package var
  for package in client-go/pkg/version component-base/version; do
    for var in gitVersion=v1.20.2 gitMajor=1 gitMinor=20 \
      gitCommit=faecb196815e248d3ecfb03c680a4507229c2a56 \
      gitTreeState=archive buildDate=2021-01-13T13:28:09Z; do
      flags="$flags -X k8s.io/kubernetes/vendor/k8s.io/$package.$var"
    done
  done
  cd "$tree" || return
  # without "dockerless" the kubelet waits 5 s for a docker at its start
  nice go build -tags dockerless -trimpath -ldflags "$flags" -o "$@"
}
