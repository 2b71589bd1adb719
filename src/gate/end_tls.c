/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/end_tls.h"

#include "base/fdlimit.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/memlimit.h"
#include "base/print.h"
#include "base/str.h"
#include "gate/healthz.h"
#include "gate/secret.h"
#include "gate/way.h"
#include "net/listener.h"
#include "wire/rule.h"

#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

/**
 * DOC: Theory of operation
 *
 * Beside a router (wire/gatehead.h). Of each port it has
 *
 *     the Pod's addresses   callers: TLS ends here, with the Secret's
 *                           certificate, and their bytes go to the router
 *     127.0.0.2             the router: its bytes go on, and TLS begins here
 *
 * A connection is a way (way.h). It has no other state: what is asked of whom
 * is the router's.
 */

#define END_TLS_DRAIN (60 * NS_SEC) /* at most: the router ends them before */
#define END_TLS_LAST NS_SEC	    /* for what it has said last to go out */
#define END_TLS_LOOK (5 * NS_SEC)   /* at the Secret */
#define END_TLS_ADDRESSES 16
#define END_TLS_LISTENERS (SHADOW_PORTS_MAX * (END_TLS_ADDRESSES + 1))

struct end_tls_listener {
	struct end_tls *gate;
	struct listener listener;
	uint16_t port;
};

struct end_tls {
	struct loop *loop;
	uint16_t port[SHADOW_PORTS_MAX];
	size_t nports;
	const char *secret, *name;
	long health;
	struct secret *keys;
	struct healthz *healthz;
	struct ways ways;
	struct end_tls_listener *listeners[END_TLS_LISTENERS];
	size_t nlisteners;
	int64_t router_seen; /* when it was there last, told to end */
};

static const char end_tls_usage[] =
	"usage: gate tls --port PORT,... --secret DIR --name NAME [options]\n"
	"End TLS for the router of this Pod, and begin it again behind it.\n"
	"\n"
	"  --port PORT,...  ports that callers come to over TLS\n"
	"  --secret DIR     tls.crt and tls.key, and ca.crt if there is one; "
	"read\n"
	"                   again when they change\n"
	"  --name NAME      that those behind the router are asked for, where "
	"the\n"
	"                   certificate has no DNS name of one host\n"
	"  --health PORT    GET /healthz, on every address (0: none)\n"
	"  --debug          tell what happens\n";

/* --- connections ---------------------------------------------------------- */

static void end_tls_on_caller(void *user, int fd, const struct ipport *peer)
{
	struct end_tls_listener *l = user;

	way_in(&l->gate->ways, fd, peer, l->port);
}

static void end_tls_on_router(void *user, int fd, const struct ipport *peer)
{
	struct end_tls_listener *l = user;

	(void)peer;
	way_out(&l->gate->ways, fd, l->port);
}

static int end_tls_listen(struct end_tls *g, const struct ipaddr *addr,
			  uint16_t port, listener_fn fn, struct kt_error *err)
{
	struct end_tls_listener *l;
	struct ipport at = { *addr, port };
	int rc;

	if (g->nlisteners == END_TLS_LISTENERS)
		return kt_fail(err, E2BIG, "too many addresses");
	l = xcalloc(1, sizeof(*l));
	l->gate = g;
	l->port = port;
	rc = listener_open(&l->listener, g->loop, &at, fn, l, err);
	if (rc < 0)
		free(l);
	else
		g->listeners[g->nlisteners++] = l;
	return rc;
}

/* The router has 127.0.0.1, so the Pod's own are taken one by one */
static size_t end_tls_addresses(struct ipaddr addr[END_TLS_ADDRESSES])
{
	struct ifaddrs *all, *a;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (a = all; a && n < END_TLS_ADDRESSES; a = a->ifa_next) {
		struct ipport at;

		if (!a->ifa_addr || (a->ifa_flags & IFF_LOOPBACK) ||
		    ipport_from_sockaddr(&at, a->ifa_addr) < 0 ||
		    ipaddr_is_link_local(&at.addr))
			continue;
		addr[n++] = at.addr;
	}
	freeifaddrs(all);
	return n;
}

static int end_tls_open_port(struct end_tls *g, uint16_t port,
			     const struct ipaddr *addr, size_t n,
			     struct kt_error *err)
{
	static const uint8_t door[4] = { 127, 0, 0, 2 };
	const struct ipaddr inner = ipaddr_v4(door);
	int rc = end_tls_listen(g, &inner, port, end_tls_on_router, err);

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = end_tls_listen(g, &addr[i], port, end_tls_on_caller, err);
	return rc;
}

static int end_tls_open(struct end_tls *g, struct kt_error *err)
{
	struct ipaddr addr[END_TLS_ADDRESSES];
	size_t n = end_tls_addresses(addr);
	int rc = n ? 0 : kt_fail(err, EADDRNOTAVAIL, "this Pod has no address");

	g->keys = rc == 0 ? secret_new(g->loop, g->secret, END_TLS_LOOK, err)
			  : NULL;
	if (!g->keys)
		return -err->code;
	ways_init(&g->ways, g->loop, g->keys, g->name);
	ways_fit(&g->ways, memlimit_get());
	for (size_t i = 0; i < g->nports && rc == 0; i++)
		rc = end_tls_open_port(g, g->port[i], addr, n, err);
	if (rc == 0 && g->health) { /* last: now it is ready */
		g->healthz = healthz_new(g->loop, (uint16_t)g->health, err);
		rc = g->healthz ? 0 : -err->code;
	}
	return rc;
}

/* --- the mode ------------------------------------------------------------- */

static int end_tls_ports(struct end_tls *g, const char *text)
{
	auto_strv struct strv v = strv_split(text, ',');

	for (size_t i = 0; i < v.n; i++)
		if (g->nports == SHADOW_PORTS_MAX ||
		    str_to_port(v.v[i], &g->port[g->nports++]) < 0)
			return -EINVAL;
	return 0;
}

/* 0, 1: done, < 0: wrong usage */
static int end_tls_option(struct end_tls *g, int c)
{
	switch (c) {
	case 'p':
		return end_tls_ports(g, optarg);
	case 's':
		g->secret = optarg;
		return 0;
	case 'n':
		g->name = optarg;
		return 0;
	case 'H':
		return str_to_long(optarg, &g->health) < 0 || g->health < 0 ||
				       g->health > 65535
			       ? -EINVAL
			       : 0;
	case 'd':
		log_set_level(LOG_TRACE);
		return 0;
	case 'h':
		print_text(stdout, end_tls_usage, strlen(end_tls_usage));
		return 1;
	default:
		return -EINVAL;
	}
}

static int end_tls_parse(struct end_tls *g, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "secret", required_argument, NULL, 's' },
		{ "name", required_argument, NULL, 'n' },
		{ "health", required_argument, NULL, 'H' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc = 0;

	while (rc == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		rc = end_tls_option(g, c);
	if (rc == 0 && (optind < argc || !g->nports || !g->secret || !g->name))
		rc = -EINVAL;
	if (rc < 0)
		print_line(stderr, "gate: see gate tls --help");
	return rc;
}

static void end_tls_close_listeners(struct end_tls *g)
{
	for (size_t i = 0; i < g->nlisteners; i++) {
		listener_stop(&g->listeners[i]->listener);
		loop_defer_free(g->loop, g->listeners[i]);
	}
	g->nlisteners = 0;
}

static void end_tls_free(void *mode)
{
	struct end_tls *g = mode;

	end_tls_close_listeners(g);
	ways_fini(&g->ways);
	healthz_free(g->healthz);
	secret_free(g->keys);
	loop_defer_free(g->loop, g);
}

static int end_tls_start(struct loop *l, int argc, char **argv, void **mode,
			 struct kt_error *err)
{
	struct end_tls *g = xcalloc(1, sizeof(*g));
	int rc;

	g->loop = l;
	list_init(&g->ways.list);
	rc = end_tls_parse(g, argc, argv);
	fdlimit_raise();
	if (rc == 0 && end_tls_open(g, err) == 0) {
		log_info("gate %s: TLS ends here, of %zu ports", KT_VERSION,
			 g->nports);
		*mode = g;
		return 0;
	}
	end_tls_free(g);
	return rc > 0 ? 0 : rc < 0 ? 2 : 1;
}

/* The router goes on for its callers as long as it wants to (shadow/main.c), so
 * its doors stay open: who comes is the router's to refuse */
static int64_t end_tls_end(void *mode)
{
	struct end_tls *g = mode;

	g->router_seen = clock_ns();
	return END_TLS_DRAIN;
}

static bool end_tls_busy(void *mode)
{
	struct end_tls *g = mode;
	int64_t now = clock_ns();

	if (way_router_is_there(g->port[0]))
		g->router_seen = now;
	return now - g->router_seen < END_TLS_LAST;
}

const struct gate_mode end_tls = {
	.name = "tls",
	.summary = "end TLS for a router, and begin it again behind it",
	.start = end_tls_start,
	.end = end_tls_end,
	.busy = end_tls_busy,
	.free = end_tls_free,
};
