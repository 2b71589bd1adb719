// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package krew names the program that is built here, for go.mod.
package krew

import _ "sigs.k8s.io/krew/cmd/krew"
