# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What only Kubernetes 1.35 wants. Sourced by ../../daemons.sh.

# shellcheck disable=SC2034 # the variables are for those who source this
APISERVER_OPTIONS=()
CONTROLLER_MANAGER_OPTIONS=()
SCHEDULER_OPTIONS=()
KUBELET_OPTIONS=()
