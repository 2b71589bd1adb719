#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 45
# run --vscode: each configuration of the launch.json that it prints is used as the
# IDE would: a breakpoint is met, a variable read, the program reaches the cluster.
# Laptop: gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load run

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  run_home
  local home cache=${KTCTL_CACHE:-/var/cache/ktctl-test}/go-debug
  home=$(<"$RUN/home")
  # Go's own library is compiled without optimization once per machine
  mkdir -p "$cache" "$home/bin" "$home/.cache"
  chown 1500:1500 "$cache"
  ln -s "$cache" "$home/.cache/go-build"
  ln -s "$KTCTL" "$home/bin/ktctl"
  cp "$TOP/test/e2e/tools/vscode.py" "$home/"
  cat >"$home/app.py" <<'END'
import os
import urllib.request
answer = urllib.request.urlopen("http://web/").status
print("got", answer, os.environ["SEEN"])
END
  (user_exec "$KTCTL" run web -n "$NS" -i "$KTCTL_IMAGE" --shareShadow \
    --envSet SEEN="by it" --vscode) \
    >"$home/launch.json" 2>"$home/first"
  chown -hR 1500:1500 "$home"
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
}

teardown_file() {
  run_home_over
}

# debug NAME FILE TEXT [FIRST]: stops in the line of FILE that has TEXT
debug() {
  local line
  line=$(grep -n "$3" "$home/$2" | head -n 1 | cut -d: -f1)
  chmod -R a+rX "$home"
  (user_exec env "PATH=$home/bin:/usr/lib/go-1.19/bin:$PATH" \
    timeout --foreground -k 5 150 \
    "$PYTHON" "$home/vscode.py" "$home/launch.json" "$1" "$home/$2" "$line" \
    ${4:+"$4"}) 3>&-
}

# first NAME: what is to be started before
first() {
  sed -n "s/^  $1: //p" "$home/first"
}

@test "run --vscode: Python, started by the IDE" {
  run -0 debug Python app.py '^print'
  [[ $output == *"answer=200"* && $output == *"got 200 by it"* ]]
}

@test "run --vscode: Python, attached to" {
  run -0 debug "Python, attach" app.py '^print' "$(first "Python, attach" |
    sed "s,python3,$PYTHON,; s,FILE,$home/app.py,")"
  [[ $output == *"answer=200"* && $output == *"got 200 by it"* ]]
}

@test "run --vscode: Node.js" {
  command -v node >/dev/null || skip "no node"
  cat >"$home/app.js" <<'END'
require('http').get('http://web/', (r) => {
  const answer = r.statusCode;
  console.log('got', answer);
  process.exit(0);
});
END
  run -0 debug Node.js app.js 'console'
  [[ $output == *"answer=200"* && $output == *"got 200"* ]]
}

@test "run --vscode: gdb" {
  command -v gdb >/dev/null || skip "no gdb"
  cat >"$home/app.c" <<'END'
#include <netdb.h>
#include <stdio.h>

int main(void)
{
	struct addrinfo *a;
	int answer = getaddrinfo("web", "80", 0, &a) + 200;

	printf("got %d\n", answer);
	return answer != 200;
}
END
  gcc -g -O0 -o "$home/a.out" "$home/app.c"
  run -0 debug "C, C++, Rust (gdb)" app.c 'printf'
  [[ $output == *"answer=200"* && $output == *"got 200"* ]]
}

# bats test_tags=long
@test "run --vscode: Go" {
  [ -x /usr/lib/go-1.19/bin/go ] || skip "no Go that Debian's Delve takes"
  mkdir "$home/code"
  printf 'module app\n\ngo 1.19\n' >"$home/code/go.mod"
  cat >"$home/code/app.go" <<'END'
package main

import "os"

func main() {
	text, _ := os.ReadFile("/etc/resolv.conf")
	answer := len(text)
	println("got", answer, os.Getenv("SEEN"))
}
END
  chown -R 1500 "$home/code"
  run -0 debug Go code/app.go 'println' "$(first Go)"
  [[ $output == *"answer="* && $output == *" by it"* ]]
}

@test "run --vscode: Java" {
  command -v javac >/dev/null || skip "no JDK"
  cat >"$home/App.java" <<'END'
public class App {
  public static void main(String[] a) throws Exception {
    System.out.println("got " + ((java.net.HttpURLConnection)
        new java.net.URL("http://web/").openConnection()).getResponseCode());
  }
}
END
  run -0 debug Java App.java got "$(first Java | sed "s,-jar FILE,$home/App.java,")"
  [[ $output == *"answer=jdwp"* && $output == *"got 200"* ]]
}
