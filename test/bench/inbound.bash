# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Parts "router" and "exchange": the callers of a Service.

ROUTER_PORT=18081 ORIGIN=18082 NGINX=18083
ROUTER_BENCH=$TOP/build/test/bench/router-bench

# nginx_start DIR: as configured in DIR/nginx.conf; its pid is in DIR/pid
nginx_start() {
  ip netns exec "$ROUTER_NS" nginx -p "$1" -e "$1/error.log" \
    -c "$1/nginx.conf" || {
    cat "$1/error.log" >&2
    return 1
  }
}

nginx_stop() {
  [ ! -s "$1/pid" ] || kill "$(cat "$1/pid")" 2>/dev/null || true
}

# The origin: one worker, HTTP/1.1 and, ten ports on, h2c; that one without
# sendfile, with which nginx gives head and body of an HTTP/2 response away in two
# writes, and the second waits 40 ms for a delayed acknowledgement.
nginx_origin() {
  local dir=$RUN/origin
  mkdir -p "$dir/html"
  chmod 755 "$RUN" "$dir" "$dir/html"
  head -c 1024 /dev/zero >"$dir/html/1k"
  head -c 1048576 /dev/zero >"$dir/html/1m"
  cat >"$dir/nginx.conf" <<END
worker_processes 1;
pid $dir/pid;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  server { listen 127.0.0.1:$ORIGIN; root $dir/html; }
  server {
    listen 127.0.0.1:$((ORIGIN + 10)) http2;
    root $dir/html;
    sendfile off;
    output_buffers 2 64k;
  }
}
END
  nginx_start "$dir"
}

# nginx as a router of KT Connect has it: a worker per processor, an upstream
# per version, "if" on the header, HTTP/1.1 to the upstream, nothing kept open
# there; but no access log, and more connections than 1024.
nginx_router() {
  local dir=$RUN/nginx
  mkdir -p "$dir"
  cat >"$dir/nginx.conf" <<END
worker_processes auto;
pid $dir/pid;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  keepalive_timeout 65;
  keepalive_requests 100000000;
  underscores_in_headers on;
  upstream marked { server 127.0.0.1:$ORIGIN; }
  upstream stuntman { server 127.0.0.1:$ORIGIN; }
  server {
    listen 127.0.0.1:$NGINX;
    listen 127.0.0.1:$((NGINX + 10)) http2;
    location / {
      proxy_http_version 1.1;
      if (\$http_x_mark = "1") { proxy_pass http://marked; }
      if (\$http_x_mark != "1") { proxy_pass http://stuntman; }
    }
  }
}
END
  nginx_start "$dir"
}

router_start() { # PORT ORIGINPORT [ENVIRONMENTS]
  ip netns exec "$ROUTER_NS" "$ROUTER_BENCH" "$1" "$2" "$2" "${3:-0}" &
  ROUTERS+=("$!")
}

# members_table ENVIRONMENTS SERVICES: what the shadow reads; the member is the
# origin itself. The name server is silent: whose Pods callers are is not known.
members_table() {
  local e s
  for ((e = 50 - $1 / 2; e < 50 + ($1 + 1) / 2; e++)); do
    echo "env dev.e$e kt-env-dev--e$e 0 -"
    for ((s = 1; s < $2; s++)); do
      echo "member dev.e$e service-$s service-$s-kt-mesh-dev-e$e.bench.svc.cluster.local. 0 -"
    done
    echo "member dev.e$e web 127.0.0.1 0 -"
  done
}

shadow_start() { # PORT ENVIRONMENTS SERVICES
  members_table "$2" "$3" >"$RUN/members.$1"
  ip netns exec "$ROUTER_NS" "$TOP/build/src/shadow/shadow" --listen "$((10 + $1))" \
    --health 0 --serve "$1=127.0.0.1:$ORIGIN" --env-service web.bench \
    --env-table "$RUN/members.$1" --nameserver 127.0.0.1:9 2>"$RUN/shadow.$1.log" &
  ROUTERS+=("$!")
}

router_end() {
  local pid
  nginx_stop "$RUN/origin"
  [ ! -d "$RUN/nginx" ] || nginx_stop "$RUN/nginx"
  for pid in "${ROUTERS[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  ip netns del "$ROUTER_NS" 2>/dev/null || true
}

# A namespace of its own: the ports are nobody else's.
router_begin() {
  ROUTER_NS=ktbench-$ID ROUTERS=()
  ip netns add "$ROUTER_NS"
  ip -n "$ROUTER_NS" link set lo up
  trap 'router_end; bench_end' EXIT
  nginx_origin
}

part_router() {
  router_begin
  nginx_router
  router_start "$ROUTER_PORT" "$ORIGIN"
  router_start "$((ROUTER_PORT + 10))" "$((ORIGIN + 10))"
  sleep 0.5
  say "router"
  ip netns exec "$ROUTER_NS" "$PYTHON" "$BENCH/router.py" "$ORIGIN" \
    "$NGINX" "tree:$(cat "$RUN/nginx/pid")" \
    "$ROUTER_PORT" "tree:${ROUTERS[0]}" "tree:${ROUTERS[1]}" \
    >"$RUN/router.1.1.json"
  router_end
  trap bench_end EXIT
  "$PYTHON" "$BENCH/table.py" router "$RUN/router.1.1.json"
}

# A Service whose ports both ways carry: HTTP, and a byte back and forth.
exchange_service() {
  kc -n "$NS" apply -f - >/dev/null <<'END'
apiVersion: v1
kind: Service
metadata: {name: bench}
spec:
  selector: {app: web}
  ports:
  - {name: http, port: 8080}
  - {name: tcp-ping, port: 7004, appProtocol: tcp}
END
}

# from_pod FILE NAME HOST PORT-OF-HTTP PORT-OF-ECHO
from_pod() {
  in_pod toolbox env BENCH_BYTES="${BENCH_BYTES:-536870912}" \
    BENCH_SECONDS="${BENCH_SECONDS:-3}" "$PYTHON" "$BENCH/measure.py" "$2" \
    "8080=$3:$4,7004=$3:$5" down up rtt beside >"$1"
}

laptop_serves() { # HOST:PORT
  [ "$(in_pod toolbox curl -s "http://$1/")" = laptop ]
}

part_exchange() {
  local ip
  say "exchange"
  exchange_service
  in_pod toolbox true
  gcc -O1 -pthread -o "$RUN/netsrv" "$TOP/test/images/netsrv.c"
  way_start alice env NAME=laptop "$RUN/netsrv" -l 7000
  way_start alice "$KTCTL" exchange bench -n "$NS" --expose 8080,7004
  ready_when 60 'All looks good'
  ip=$(service_ip bench)
  eventually 10 laptop_serves "$ip:8080" # every node knows it
  from_pod "$RUN/exchange.1.1.json" "ktctl exchange" "$ip" 8080 7004
  way_end "$WAY"
  sshd_up
  ssh_start alice -R "0.0.0.0:18080:127.0.0.1:8080" \
    -R "0.0.0.0:17004:127.0.0.1:7004"
  ip=$(pod_ip sshd)
  eventually 60 in_pod toolbox nc -z -w 2 "$ip" 17004
  from_pod "$RUN/exchange.2.1.json" "ssh -R" "$ip" 18080 17004
  way_end "$WAY"
  sshd_down
  kc -n "$NS" delete service bench >/dev/null
  "$PYTHON" "$BENCH/table.py" exchange "$RUN"/exchange.*.json
}
