# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What only Kubernetes 1.20 wants. Sourced by ../../daemons.sh.

# shellcheck disable=SC2034 # the variables are for those who source this
APISERVER_OPTIONS=(--insecure-port=0 --feature-gates=IPv6DualStack=true)
CONTROLLER_MANAGER_OPTIONS=(--port=0 --feature-gates=IPv6DualStack=true)
SCHEDULER_OPTIONS=(--port=0)
KUBELET_OPTIONS=(--container-runtime=remote
  --container-runtime-endpoint=unix:///run/containerd/containerd.sock
  --pod-infra-container-image=kt.local/pause:1)
