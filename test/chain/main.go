// SPDX-License-Identifier: Apache-2.0

// chain: services that call each other, and who asks them.
//
//	chain serve      one service: NAME, NEXT ("host:port", empty: the last one),
//	                 PORT (8080), PASS ("none": no field of a caller's is passed on)
//	chain load ...   see load.go
//
// A service is asked by HTTP/1.1, h2c, a stream of gRPC or a WebSocket, asks the
// next one in the same way, and answers "NAME>" and what that has said; the last
// one "NAME ID".
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve()
	} else if len(os.Args) > 1 && os.Args[1] == "load" {
		load(os.Args[2:])
	} else {
		fmt.Fprintln(os.Stderr, "usage: chain serve | load ...")
		os.Exit(2)
	}
}
