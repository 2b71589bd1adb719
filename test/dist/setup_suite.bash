# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The fixture of the end-to-end tests, where a test cluster is up; the shadow's
# image is that of the release.

setup_suite() {
  [ -n "${KUBECONFIG:-}" ] || return 0
  load ../e2e/common
  SHADOW_TAR=$(echo "${DIST:-$TOP/dist}"/ktctl-shadow-*-"$(dpkg --print-architecture)".oci.tar)
  # shellcheck source=test/e2e/setup_suite.bash
  . "$TOP/test/e2e/setup_suite.bash"
  BATS_VERSION='' setup_suite
}
