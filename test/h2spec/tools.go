// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package h2spec names the program that is built here, for go.mod.
package h2spec

import _ "github.com/summerwind/h2spec/cmd/h2spec"
