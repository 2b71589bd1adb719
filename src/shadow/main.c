/* SPDX-License-Identifier: Apache-2.0 */
#include "base/endsignals.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/memtrim.h"
#include "base/print.h"
#include "base/str.h"
#include "shadow/envs.h"
#include "shadow/info.h"
#include "shadow/server.h"
#include "shadow/share.h"
#include "shadow/volumes.h"
#include "tunnel/inbound.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <string.h>

/* A SYN that was lost is sent again after a second (RFC 6298), to this Pod even
 * when its node leads others elsewhere by now */
#define DRAIN_QUIET (1300 * NS_MS)

/*
 * Runs as pid 1 of a container (base/endsignals). No children but those of
 * volumes.c, no files but resolv.conf, no name service of libc's.
 */

static const char usage[] =
	"usage: shadow [options]\n"
	"The far end of ktctl's tunnel; runs in a Pod.\n"
	"\n"
	"  --listen PORT      the tunnel, on 127.0.0.1 (SHADOW_LISTEN, 18022)\n"
	"  --health PORT      GET /healthz, on every address (SHADOW_HEALTH,\n"
	"                     0: none)\n"
	"  --idle-exit SEC    exit when no client came back for so long\n"
	"                     (SHADOW_IDLE_EXIT, 600; 0: never)\n"
	"  --keep SEC         keep a lost client's session as long as it asks\n"
	"                     for, at most so long (SHADOW_KEEP, 86400); one\n"
	"                     that does not say: 120 s at most\n"
	"  --serve ITEM,...   ports served in the place of a Service's Pods:\n"
	"                     PORT[/udp][!|^][=ORIGIN:PORT][~PROTO]\n"
	"                     (SHADOW_SERVE); \"!\": of another program here,\n"
	"                     whose callers are led away (needs NET_ADMIN);\n"
	"                     \"^\": a gate here ends its TLS\n"
	"  --env-table FILE   members of environments in the cluster, one a\n"
	"                     line; read again when it changes\n"
	"  --env-service SERVICE.NAMESPACE\n"
	"                     the Service whose members these are\n"
	"  --share HOST,ENV,UNTIL[,HEADER]\n"
	"                     who comes to those ports is of the environment,\n"
	"                     with this host name, until then (Unix seconds)\n"
	"  --exempt ADDR,...  callers that are not led away\n"
	"  --volumes DIR=DIGEST\n"
	"                     what is mounted below the folder can be read by\n"
	"                     who knows the secret of that SHA-256\n"
	"                     (SHADOW_VOLUMES)\n"
	"  --once             exit when all clients have left\n"
	"  --drain SEC        told to end, serve those ports so long while\n"
	"                     somebody is connected (SHADOW_DRAIN, 8)\n"
	"  --wait SEC         the same while a client makes another shadow\n"
	"                     (SHADOW_WAIT, 55)\n"
	"  --buffers MIB      what all clients may hold (SHADOW_BUFFERS; 0:\n"
	"                     half of the memory it may have, 512 at most)\n"
	"  --ready-clients N  not ready before N clients have rules (0); "
	"after\n"
	"                     10 s in any case\n"
	"  --nameserver ADDR  IP:PORT instead of those of resolv.conf\n"
	"  --resolv-conf FILE (/etc/resolv.conf)\n"
	"  --debug            tell what happens (SHADOW_DEBUG=1)\n"
	"  --version, --help\n"
	"\n"
	"SHADOW_SERVICE_RANGES, SHADOW_POD_RANGES: address ranges of the\n"
	"cluster, comma-separated, for clients that may not ask for them\n";

struct shadow_options {
	long listen, health, idle, keep, drain, wait, ready, buffers;
	struct ipport nameserver;
	const char *resolv_conf, *serve, *exempt, *env_table, *env_service;
	struct share share; /* no host: none */
	struct volumes volumes;
	bool debug, once;
};

static int number(const char *name, const char *text, long max, long *v)
{
	if (!text)
		return 0;
	if (str_to_long(text, v) == 0 && *v >= 0 && *v <= max)
		return 0;
	print_line(stderr, "shadow: %s: '%s' is not a number from 0 to %ld",
		   name, text, max);
	return -EINVAL;
}

static int shadow_main_ranges(const char *name)
{
	const char *text = getenv(name);

	if (!text || info_ranges_good(text))
		return 0;
	print_line(stderr, "shadow: %s: '%s' is no list of address ranges",
		   name, text);
	return -EINVAL;
}

static int from_env(struct shadow_options *o)
{
	const char *debug = getenv("SHADOW_DEBUG");

	if (shadow_main_ranges(KT_ENV_SERVICE_RANGES) < 0 ||
	    shadow_main_ranges(KT_ENV_POD_RANGES) < 0)
		return -EINVAL;
	o->debug = debug && strcmp(debug, "1") == 0;
	o->serve = getenv("SHADOW_SERVE");
	if (number("SHADOW_LISTEN", getenv("SHADOW_LISTEN"), 65535,
		   &o->listen) < 0 ||
	    number("SHADOW_HEALTH", getenv("SHADOW_HEALTH"), 65535,
		   &o->health) < 0 ||
	    number("SHADOW_DRAIN", getenv("SHADOW_DRAIN"), 1 << 30, &o->drain) <
		    0 ||
	    number("SHADOW_BUFFERS", getenv("SHADOW_BUFFERS"), 1 << 16,
		   &o->buffers) < 0 ||
	    number("SHADOW_WAIT", getenv("SHADOW_WAIT"), 1 << 30, &o->wait) <
		    0 ||
	    number("SHADOW_IDLE_EXIT", getenv("SHADOW_IDLE_EXIT"), 1 << 30,
		   &o->idle) < 0)
		return -EINVAL;
	return number("SHADOW_KEEP", getenv("SHADOW_KEEP"), 1 << 30, &o->keep);
}

static int shadow_main_share(struct share *s, const char *text)
{
	struct kt_error err = { 0 };
	int rc = share_parse(s, text, &err);

	if (rc < 0)
		print_line(stderr, "shadow: --share: %s", err.msg);
	return rc;
}

static int shadow_main_volumes(struct volumes *v, char *text)
{
	struct kt_error err = { 0 };
	int rc = text ? volumes_parse(v, text, &err) : 0;

	if (rc < 0)
		print_line(stderr, "shadow: --volumes: %s", err.msg);
	return rc;
}

/* 0: go on, 1: done, < 0: wrong usage */
static int one_option(struct shadow_options *o, int c)
{
	switch (c) {
	case 'l':
		return number("--listen", optarg, 65535, &o->listen);
	case 'H':
		return number("--health", optarg, 65535, &o->health);
	case 'i':
		return number("--idle-exit", optarg, 1 << 30, &o->idle);
	case 'k':
		return number("--keep", optarg, 1 << 30, &o->keep);
	case 'D':
		return number("--drain", optarg, 1 << 30, &o->drain);
	case 'w':
		return number("--wait", optarg, 1 << 30, &o->wait);
	case 'b':
		return number("--buffers", optarg, 1 << 16, &o->buffers);
	case 'R':
		return number("--ready-clients", optarg, 1 << 16, &o->ready);
	case 'n':
		return ipport_parse(&o->nameserver, optarg);
	case 's':
		o->serve = optarg;
		return 0;
	case 'e':
		o->exempt = optarg;
		return 0;
	case 't':
		o->env_table = optarg;
		return 0;
	case 'S':
		o->env_service = optarg;
		return envs_service_good(optarg) ? 0 : -EINVAL;
	case 'C':
		return shadow_main_share(&o->share, optarg);
	case 'V':
		return shadow_main_volumes(&o->volumes, optarg);
	case 'o':
		o->once = true;
		return 0;
	case 'r':
		o->resolv_conf = optarg;
		return 0;
	case 'd':
		o->debug = true;
		return 0;
	case 'v':
		print_line(stdout, "shadow %s", KT_VERSION);
		return 1;
	case 'h':
		print_text(stdout, usage, strlen(usage));
		return 1;
	default:
		return -EINVAL;
	}
}

static int shadow_main_parse(struct shadow_options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "health", required_argument, NULL, 'H' },
		{ "idle-exit", required_argument, NULL, 'i' },
		{ "keep", required_argument, NULL, 'k' },
		{ "drain", required_argument, NULL, 'D' },
		{ "buffers", required_argument, NULL, 'b' },
		{ "wait", required_argument, NULL, 'w' },
		{ "ready-clients", required_argument, NULL, 'R' },
		{ "serve", required_argument, NULL, 's' },
		{ "exempt", required_argument, NULL, 'e' },
		{ "env-table", required_argument, NULL, 't' },
		{ "env-service", required_argument, NULL, 'S' },
		{ "share", required_argument, NULL, 'C' },
		{ "volumes", required_argument, NULL, 'V' },
		{ "once", no_argument, NULL, 'o' },
		{ "nameserver", required_argument, NULL, 'n' },
		{ "resolv-conf", required_argument, NULL, 'r' },
		{ "debug", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc = from_env(o);

	if (rc == 0)
		rc = shadow_main_volumes(&o->volumes, getenv("SHADOW_VOLUMES"));
	while (rc == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		rc = one_option(o, c);
	if (rc == 0 && (optind < argc || !o->env_table != !o->env_service))
		rc = -EINVAL;
	if (rc < 0)
		print_line(stderr, "shadow: see shadow --help");
	return rc;
}

static struct server_config config_of(struct shadow_options *o)
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };
	static const uint8_t any[16] = { 0 };

	return (struct server_config){
		.listen = { ipaddr_v4(loopback), (uint16_t)o->listen },
		.health = { ipaddr_v6(any), (uint16_t)o->health },
		.nameserver = o->nameserver,
		.resolv_conf = o->resolv_conf,
		.env_table = o->env_table,
		.env_service = o->env_service,
		.share = o->share.host[0] ? &o->share : NULL,
		.volumes = &o->volumes,
		.idle_ns = o->idle * NS_SEC,
		.keep_ns = MAX(o->keep, 1) * NS_SEC,
		.ready_clients = (size_t)o->ready,
		.buffers = (size_t)o->buffers << 20,
		.once = o->once,
	};
}

/* give the memory of a busy time back to the node when it is over */
static void shadow_main_trim(const struct server *sv, struct memtrim *m,
			     int64_t *looked)
{
	int64_t now = clock_ns();

	if (now - *looked < MEMTRIM_TICK)
		return;
	*looked = now;
	if (memtrim_due(m, server_bytes(sv)))
		malloc_trim(0);
}

static int shadow_main_serve(struct loop *loop, struct server *sv,
			     struct end_signals *sg)
{
	struct memtrim trim = { 0 };
	int64_t looked = 0;

	while (!sg->stop && !server_idle(sv)) {
		int rc = loop_once(loop, NS_SEC);

		shadow_main_trim(sv, &trim, &looked);

		if (rc < 0) {
			log_err("event loop: %s", strerror(-rc));
			return 1;
		}
	}
	log_info("%s", sg->stop ? "told to end" : "no client for long: ending");
	return 0;
}

/* Who is being removed gets callers still, from nodes that do not know yet, and
 * a client may want it to serve until another shadow is ready, or until what is
 * open has ended. It ends when nobody has come for a moment; --drain counts
 * from when no client waits any more. The second signal is obeyed at once. */
static void drain(struct loop *loop, struct server *sv, struct end_signals *sg,
		  const struct shadow_options *o)
{
	int64_t now = clock_ns(), begin = now, quiet = now, waited = now;
	int64_t most = MAX(o->wait, o->drain) * NS_SEC;
	uint64_t came = server_accepted(sv);
	size_t told = server_end(sv);

	if (!server_callers(sv) && !told && !(sg->stop && server_serves(sv)))
		return;
	sg->stop = false;
	log_info("%zu connections, %zu clients: waiting for their end",
		 server_callers(sv), told);
	do {
		if (loop_once(loop, 100 * NS_MS) < 0)
			return;
		now = clock_ns();
		if (server_waits(sv))
			waited = quiet = now;
		if (server_callers(sv) || server_accepted(sv) != came)
			quiet = now;
		came = server_accepted(sv);
	} while (!sg->stop && now - begin < most &&
		 now - waited < o->drain * NS_SEC && now - quiet < DRAIN_QUIET);
}

int main(int argc, char **argv)
{
	struct shadow_options o = { .listen = 18022,
				    .idle = SHADOW_IDLE_S,
				    .keep = 86400,
				    .drain = 8,
				    .wait = SHADOW_ENDING_S,
				    .resolv_conf = "/etc/resolv.conf" };
	struct kt_error err = { 0 };
	struct end_signals sg = { 0 };
	struct server_config cfg;
	struct server *sv = NULL;
	struct loop *loop;
	int rc = shadow_main_parse(&o, argc, argv);

	if (rc)
		return rc > 0 ? 0 : 2;
	if (o.debug)
		log_set_level(LOG_TRACE);
	cfg = config_of(&o);
	if (o.serve && servespec_parse(&cfg.serve, o.serve, &err) < 0) {
		print_line(stderr, "shadow: --serve: %s", err.msg);
		return 2;
	}
	if (o.exempt && exempt_parse(&cfg.exempt, o.exempt, &err) < 0) {
		print_line(stderr, "shadow: --exempt: %s", err.msg);
		return 2;
	}
	loop = loop_new();
	if (loop && end_signals_start(&sg, loop) == 0)
		sv = server_new(loop, &cfg, &err);
	if (!sv) {
		log_err("%s", err.code ? err.msg : strerror(errno));
		loop_free(loop);
		return 1;
	}
	log_info("shadow %s: tunnel on 127.0.0.1:%ld", KT_VERSION, o.listen);
	rc = shadow_main_serve(loop, sv, &sg);
	if (sg.stop || o.once)
		drain(loop, sv, &sg, &o);
	server_free(sv);
	loop_watch_stop(&sg.watch);
	close(sg.watch.fd);
	loop_free(loop);
	return rc;
}
