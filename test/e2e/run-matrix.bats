#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 50
# run: whatever a program is made with, for a user without a capability: names, TCP, a
# refusal, UDP are what they are in a Pod; and psql, git and gRPC. Laptop: gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load run

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  run_home
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
}

teardown() {
  local file
  for file in "$RUN"/served.*; do # process ids of the node
    [ ! -e "$file" ] || node_exec kill "$(<"$file")" || true
    rm -f "$file"
  done
}

teardown_file() {
  run_home_over
}

# Each asks with the means of its own library: "name ADDRESS", "http 200", "refused",
# "udp hello", "no such name"
sources() {
  cat >"$1/reach.c" <<'END'
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int open_to(const char *host, const char *port, int type, char *text)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = type }, *a;
	struct timeval t = { .tv_sec = 10 };
	int fd;

	if (getaddrinfo(host, port, &hints, &a))
		return -2;
	if (text)
		inet_ntop(AF_INET, &((struct sockaddr_in *)a->ai_addr)->sin_addr, text, 64);
	fd = socket(AF_INET, type, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return connect(fd, a->ai_addr, a->ai_addrlen) ? -1 : fd;
}

int main(int argc, char **argv)
{
	char text[64] = "", line[16] = "";
	int fd = open_to("web", "80", SOCK_STREAM, text);

	printf("name %s\n", text);
	dprintf(fd, "GET / HTTP/1.0\r\nHost: web\r\n\r\n");
	read(fd, line, 12);
	printf("http %s\n", line + 9);
	fd = open_to(argv[argc - 1], "1", SOCK_STREAM, NULL);
	printf("%s\n", fd == -1 && errno == ECONNREFUSED ? "refused" : "not refused");
	fd = open_to("net", "7007", SOCK_DGRAM, NULL);
	send(fd, "hello", 5, 0);
	memset(line, 0, sizeof(line));
	recv(fd, line, 5, 0);
	printf("udp %s\n", line);
	printf("%s\n", open_to("nobody", "80", SOCK_STREAM, NULL) == -2 ? "no such name" : "a name");
	return 0;
}
END
  cat >"$1/reach.go" <<'END'
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

func main() {
	addrs, _ := net.LookupHost("web")
	fmt.Println("name", addrs[0])
	c, _ := net.Dial("tcp", "web:80")
	fmt.Fprintf(c, "GET / HTTP/1.0\r\nHost: web\r\n\r\n")
	b := make([]byte, 12)
	c.Read(b)
	fmt.Println("http", string(b[9:12]))
	_, err := net.Dial("tcp", os.Args[1]+":1")
	if errors.Is(err, syscall.ECONNREFUSED) {
		fmt.Println("refused")
	}
	u, _ := net.Dial("udp", "net:7007")
	u.SetDeadline(time.Now().Add(10 * time.Second))
	u.Write([]byte("hello"))
	n, _ := u.Read(b)
	fmt.Println("udp", string(b[:n]))
	var e *net.DNSError
	_, err = net.LookupHost("nobody")
	if errors.As(err, &e) && e.IsNotFound {
		fmt.Println("no such name")
	}
}
END
  cat >"$1/reach.py" <<'END'
import socket
import sys
import urllib.request
print("name", socket.gethostbyname("web"))
print("http", urllib.request.urlopen("http://web/", timeout=10).status)
try:
    socket.create_connection((sys.argv[1], 1), 10)
except ConnectionRefusedError:
    print("refused")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(10)
u.connect(("net", 7007))
u.send(b"hello")
print("udp", u.recv(10).decode())
try:
    socket.gethostbyname("nobody")
except socket.gaierror:
    print("no such name")
END
  cat >"$1/reach.js" <<'END'
const dns = require('dns'), net = require('net'), http = require('http');
const dgram = require('dgram');
dns.lookup('web', 4, (_, address) => {
  console.log('name', address);
  http.get('http://web/', (r) => {
    console.log('http', r.statusCode);
    r.destroy();
    net.connect(1, process.argv[2]).on('error', (e) => {
      console.log(e.code === 'ECONNREFUSED' ? 'refused' : e.code);
      const u = dgram.createSocket('udp4');
      u.on('message', (m) => {
        console.log('udp', m.toString());
        u.close();
        dns.lookup('nobody', (e2) => {
          console.log(e2.code === 'ENOTFOUND' ? 'no such name' : e2.code);
        });
      });
      u.send('hello', 7007, 'net');
    });
  });
});
END
  cat >"$1/Reach.java" <<'END'
import java.net.*;

public class Reach {
  public static void main(String[] a) throws Exception {
    System.out.println("name " + InetAddress.getByName("web").getHostAddress());
    System.out.println("http " + ((HttpURLConnection)
        new URL("http://web/").openConnection()).getResponseCode());
    try {
      new Socket(a[0], 1);
    } catch (ConnectException e) {
      System.out.println("refused");
    }
    DatagramSocket u = new DatagramSocket();
    u.setSoTimeout(10000);
    byte[] b = "hello".getBytes();
    u.send(new DatagramPacket(b, 5, InetAddress.getByName("net"), 7007));
    DatagramPacket p = new DatagramPacket(new byte[10], 10);
    u.receive(p);
    System.out.println("udp " + new String(p.getData(), 0, p.getLength()));
    try {
      InetAddress.getByName("nobody");
    } catch (UnknownHostException e) {
      System.out.println("no such name");
    }
  }
}
END
}

@test "run: static and dynamic C, Go, the JVM, node and Python reach what a Pod does" {
  local pod go=/usr/lib/go-1.19/bin/go f
  [ -x "$go" ] || go=$(command -v go) || true
  sources "$home"
  pod=$(pod_ip toolbox)
  gcc -O0 -o "$home/reach-glibc" "$home/reach.c"
  musl-gcc -static -o "$home/reach-musl" "$home/reach.c"
  if [ -n "$go" ]; then
    # of the machine alone: nothing is fetched
    export GOTOOLCHAIN=local GOPROXY=off
    export GOCACHE="${KTCTL_CACHE:-/var/cache/ktctl-test}/go-matrix" GOPATH=$home/none
    CGO_ENABLED=0 "$go" build -o "$home/reach-go" "$home/reach.go"
    CGO_ENABLED=1 "$go" build -o "$home/reach-cgo" "$home/reach.go"
  fi
  cat >"$home/all" <<'END'
cd "${0%/*}" || exit
export GODEBUG=netdns=cgo # of the one that has it
for f in ./reach-*; do "$f" "$1" >"out.${f##*-}" 2>&1; done
/usr/bin/python3 reach.py "$1" >out.python 2>&1
command -v node >/dev/null && node reach.js "$1" >out.node 2>&1
# a source file needs the compiler, which a JRE has not got
command -v javac >/dev/null && java -Xint Reach.java "$1" >out.java 2>&1
[ "$(curl -sS -o /dev/null -w '%{http_code}' --max-time 10 http://web/)" = 200 ] &&
  [ -n "$(dig +short +time=5 +search web)" ] && ping -c 1 -W 5 "$1" >/dev/null &&
  echo others
END
  chmod -R a+rwX "$home"
  # what a Pod gets
  kc -n "$NS" exec -i toolbox -- sh -c 'cat >/tmp/reach && chmod +x /tmp/reach &&
    exec /tmp/reach "$1"' - "$pod" <"$home/reach-musl" >"$RUN/pod"
  [ "$(wc -l <"$RUN/pod")" = 5 ]
  grep -qx refused "$RUN/pod"
  run -0 --separate-stderr run_in -- bash "$home/all" "$pod"
  [ "$output" = others ]
  for f in "$home"/out.*; do
    diff "$RUN/pod" "$f" || { echo "that was $f"; return 1; }
  done
  [ -e "$home/out.glibc" ] && [ -e "$home/out.musl" ] && [ -e "$home/out.python" ]
  for f in go cgo node java; do
    [ -e "$home/out.$f" ] || echo "# not on this machine: $f" >&3
  done
}

# serve CMD...: a program of this machine in the toolbox's network
serve() {
  (in_pod toolbox sh -c 'echo $$ >"$0"; exec "$@"' "$(mktemp "$RUN/served.XXXXXX")" \
    "$@") >"$RUN/serve.log" 2>&1 3>&- &
}

@test "run: git clones by its own protocol and over HTTP" {
  local pod dir=$RUN/git
  pod=$(pod_ip toolbox)
  git init -q -b main "$dir/work"
  git -C "$dir/work" -c user.name=x -c user.email=x@x commit -q --allow-empty -m "in the cluster"
  git clone -q --bare "$dir/work" "$dir/it.git"
  git -C "$dir/it.git" update-server-info
  serve git -c safe.directory='*' daemon --base-path="$dir" --export-all --listen="$pod" --port=7103
  serve "$PYTHON" -m http.server -d "$dir" -b "$pod" 7104
  eventually 10 in_pod toolbox nc -z "$pod" 7103
  eventually 10 in_pod toolbox nc -z "$pod" 7104
  run -0 --separate-stderr run_in -- sh -ec 'cd "$HOME"
    git clone -q "git://$1:7103/it.git" by-git
    git clone -q "http://$1:7104/it.git" by-http
    git -C by-git log --format=%s; git -C by-http log --format=%s' - "$pod"
  [ "$output" = $'in the cluster\nin the cluster' ]
}

@test "run: psql, against a real PostgreSQL" {
  local bin pod dir
  bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
  [ -n "$bin" ] || skip "no PostgreSQL (tools/install-packages storm)"
  pod=$(pod_ip toolbox)
  dir=$(mktemp -d "$home/postgres.XXXXXX")
  chown postgres "$dir"
  setpriv --reuid postgres --regid postgres --clear-groups \
    "$bin/initdb" -D "$dir" -A trust --no-sync >"$RUN/initdb.log"
  echo "host all all all trust" >>"$dir/pg_hba.conf"
  serve setpriv --reuid postgres --regid postgres --clear-groups \
    "$bin/postgres" -D "$dir" -h "$pod" -p 5432 -k '' -F
  eventually 20 in_pod toolbox nc -z "$pod" 5432
  run -0 --separate-stderr run_in -- psql -X -A -t -h "$pod" -U postgres -c \
    'SELECT inet_client_addr() IS NOT NULL, sum(n) FROM generate_series(1, 100000) n'
  [ "$output" = "t|5000050000" ]
}

@test "run: a gRPC client: calls, a stream of both ways, an error" {
  local pod
  pod=$(pod_ip toolbox)
  cp "$TOP/test/e2e/tools/streams.py" "$home/"
  serve "$PYTHON" "$home/streams.py" grpc-serve 7105 "$pod"
  eventually 20 in_pod toolbox nc -z "$pod" 7105
  run -0 --separate-stderr run_in -- "$PYTHON" "$home/streams.py" grpc "$pod" 7105
  [ "$output" = ok ]
}
