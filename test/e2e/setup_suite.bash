# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Once before all end-to-end tests: the shadow's image is on the node, the
# fixture runs in the cluster. About 2 s when it is there already.

# On a foreign cluster the nodes pull both: KTCTL_IMAGE names the shadow's
# image, KTCTL_TEST_REGISTRY stands for "kt.local" in the fixture.
suite_images() {
  if [ -z "${KTCTL_TEST_FOREIGN:-}" ]; then
    "$CLUSTER/load-image" "${SHADOW_TAR:-$TOP/build/shadow.tar}" "$KTCTL_IMAGE"
  elif [ -z "${KTCTL_IMAGE:-}" ]; then
    echo "on a cluster of your own, KTCTL_IMAGE must name a shadow image" \
      "that its nodes can pull (build/shadow.tar)" >&2
    return 1
  fi
}

# the fixture with the namespaces' and images' real names
suite_fixture() {
  sed -e "s/namespace: t,/namespace: $NS,/; s/{name: t}/{name: $NS}/" \
    -e "s/namespace: t}/namespace: $NS}/" \
    -e "s/namespace: other/namespace: $OTHER/; s/{name: other}/{name: $OTHER}/" \
    -e "s/far\.other\.svc/far.$OTHER.svc/" \
    -e "s,kt\.local/,${KTCTL_TEST_REGISTRY:-kt.local}/," \
    "$TOP/test/e2e/fixture.yaml"
}

suite_rollout() { # NAMESPACE KIND/NAME
  kc -n "$1" rollout status "$2" --timeout=60s
}

# A bare Pod is refused until its new namespace has a service account: twice.
suite_apply() {
  suite_fixture | kc apply -f - >"$BATS_SUITE_TMPDIR/apply.log" 2>&1
}

setup_suite() {
  [ -z "${BATS_VERSION:-}" ] || load common
  if [ -z "${KUBECONFIG:-}" ]; then
    echo "no cluster: use make e2e, or load what make -s cluster-env says" >&2
    return 1
  fi
  local image pid pids=()
  suite_images >&2 &
  image=$!
  eventually 20 suite_apply || {
    cat "$BATS_SUITE_TMPDIR/apply.log" >&2
    return 1
  }
  suite_rollout "$NS" deployment/web >&2 & pids+=($!)
  suite_rollout "$NS" statefulset/db >&2 & pids+=($!)
  suite_rollout "$OTHER" deployment/far >&2 & pids+=($!)
  kc -n "$NS" wait --for=condition=Ready --timeout=60s pod/toolbox >&2 &
  pids+=($!)
  for pid in "$image" "${pids[@]}"; do
    wait "$pid"
  done
}

teardown_suite() {
  : # the fixture stays: the next run finds it
}
