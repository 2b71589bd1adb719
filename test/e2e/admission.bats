#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# A policy of the cluster (a ValidatingAdmissionPolicy) that wants a label and an
# annotation on all that a developer makes. Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

load inbound

IMAGE=${KTCTL_IMAGE:-}
POLICY=kt-labels-$NS

policy() {
  kc apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: $POLICY}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["", apps], apiVersions: [v1], operations: [CREATE],
       resources: [pods, services, configmaps, deployments]}
  validations:
  - expression: >-
      has(object.metadata.labels) && 'team' in object.metadata.labels
      && has(object.metadata.annotations) && 'owner' in object.metadata.annotations
    messageExpression: "'team and owner are wanted on ' + object.kind"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: $POLICY}
spec:
  policyName: $POLICY
  validationActions: [Deny]
  matchResources:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $NS}}
END
}

in_force() {
  ! kc -n "$NS" create configmap probe --dry-run=server >/dev/null 2>&1
}

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  inbound_prepare web
  programs_gone
  policy >/dev/null
  eventually 30 in_force
}

teardown_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  kc delete validatingadmissionpolicy,validatingadmissionpolicybinding \
    "$POLICY" >/dev/null
  programs_gone
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "changes the cluster's policies"
  unset KTCTL_IMAGE # the program's ConfigMap, too
}

teardown() {
  connect_kill
  background_end
}

programs_gone() {
  kc -n "$NS" delete configmaps -l kt-role=shadow-program >/dev/null
}

# labelled NAME...: these objects of ours have both, each
labelled() {
  local got
  got=$(kc -n "$NS" get pods,services,configmaps,deployments -l control-by=kt \
    -o json | jq -r '.items[] | select(.metadata.labels.team == "blue" and
      .metadata.annotations.owner == "ann") | .kind' | sort | tr '\n' ' ')
  [ "$got" = "$* " ] || { echo "labelled: $got" >&2; return 1; }
}

@test "admission: a refusal in its own words, and nothing is left behind" {
  ktctl_run alice connect -n "$NS"
  ended_with 1 "team and owner are wanted on Pod"
  no_objects
  ktctl_run alice exchange web -n "$NS" --expose 8080 --skipPortChecking
  ended_with 1 "team and owner are wanted on"
  no_objects
  [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
  # labels are right, but not on what is made first
  ktctl_run alice preview mine -n "$NS" --expose 8080 --skipPortChecking \
    --withLabel team=blue
  ended_with 1 "team and owner are wanted on"
  no_objects
}

@test "admission: labels and annotations are on every object made; no user is named" {
  local with=(--withLabel team=blue --withAnnotation owner=ann) pod
  serve alice local
  serve bob other
  # nobody assigns one here: our own image has one, others may have root's
  connect_start alice "${with[@]}" --image "$IMAGE" --runAsUser none
  pod=$(shadow_pod)
  labelled Pod
  run kc -n "$NS" get pod "$pod" -o jsonpath='{.spec}'
  [[ $output != *'"runAs'[UG]* && $output == *'"runAsNonRoot":true'* ]]
  eventually 5 laptop alice curl -sS --max-time 5 -o /dev/null "http://web.$NS"
  connect_stop
  ktctl_run alice connect -n "$NS" "${with[@]}" --runAsUser none
  ended_with 1 "runAsNonRoot" "--runAsUser UID"
  connect_start alice "${with[@]}" --useShadowDeployment
  labelled ConfigMap Deployment
  connect_stop
  start exchange alice exchange web --expose 8080 "${with[@]}"
  start preview bob preview mine --expose 8080 "${with[@]}"
  # Pod and origin; Pod and Service
  labelled ConfigMap Pod Pod Service Service
  leave exchange
  leave preview
  start mesh alice mesh web --expose 8080 --versionMark a "${with[@]}"
  # router, origin, record
  labelled ConfigMap Pod Service Service
  leave mesh
  programs_gone
  eventually 15 no_objects
}
