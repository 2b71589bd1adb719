/* SPDX-License-Identifier: Apache-2.0 */
/* "gate sleep": the options of a sleeper, and its way to the API server */
#include "gate/sleep_mode.h"
#include "base/fdlimit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "gate/healthz.h"
#include "gate/sleep.h"
#include "gate/sleep_api.h"
#include "gate/tls.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#define MODE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
#define MODE_NAMESPACE_MAX 256
/* in every API server's certificate (kubeadm and all that follow it); the
 * address it is reached at is not asked for in one */
#define MODE_HOST "kubernetes.default.svc"
#define MODE_API_TIMEOUT (10 * NS_SEC)
#define MODE_END (25 * NS_SEC) /* of the Pod's 30 */

static const char mode_usage[] =
	"usage: gate sleep [options]\n"
	"Stands before the Pods of a Deployment, which is scaled to 0 while\n"
	"nobody asks for them, and back by the next request.\n"
	"\n"
	"  --deployment NAME  what is scaled\n"
	"  --endpoints NAME   where its Pods are ready\n"
	"  --serve PORT[=NAME],...\n"
	"                     ports here, and those of the Endpoints\n"
	"  --idle SEC         until it sleeps\n"
	"  --wake SEC         how long a request may wait\n"
	"  --replicas N       where nobody has said another number (1)\n"
	"  --member TEXT      whose it is, for messages\n"
	"  --health PORT      GET /healthz, on every address\n"
	"  --debug            tell what happens (SHADOW_DEBUG=1)\n"
	"\n"
	"The API server's address is in KUBERNETES_SERVICE_HOST and _PORT, "
	"its\n"
	"CA, the token and the namespace are the ServiceAccount's, in\n"
	"/var/run/secrets/kubernetes.io/serviceaccount.\n";

struct sleeper {
	struct loop *loop;
	struct sleep_serve serve[SLEEP_PORTS];
	size_t nserve;
	long idle, wake, replicas, health_port;
	const char *deployment, *endpoints, *member;
	char *ns;
	struct sleep_api *api;
	struct sleep *sleep;
	struct healthz *healthz;
};

/* --- the way to the API server -------------------------------------------- */

/* The CA is read each time, as the kubelet may write another */
static struct pipe *mode_open(void *user, int fd)
{
	const struct sleeper *m = user;
	const struct tls_rules rules = { .ca_file = MODE_ACCOUNT "ca.crt" };
	struct kt_error err = { 0 };
	struct tls_config *c = tls_config_new(TLS_CLIENT, &rules, &err);
	struct pipe *p;

	if (!c) {
		log_err("%s", err.msg);
		close(fd);
		errno = ENOENT;
		return NULL;
	}
	p = tls_pipe_new(m->loop, fd, c, MODE_HOST);
	tls_config_put(c);
	return p;
}

static const char *mode_why(void *user, struct pipe *p)
{
	(void)user;
	return tls_pipe_why(p);
}

static int mode_server(struct ipport *at, struct kt_error *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");

	*at = (struct ipport){ 0 };
	if (!host || ipaddr_parse(&at->addr, host) < 0 || !port ||
	    str_to_port(port, &at->port) < 0)
		return kt_fail(err, EINVAL,
			       "KUBERNETES_SERVICE_HOST and _PORT are no "
			       "address");
	return 0;
}

/* --- options -------------------------------------------------------------- */

static int mode_number(const char *name, const char *text, long min, long max,
		       long *v, struct kt_error *err)
{
	if (str_to_long(text, v) == 0 && *v >= min && *v <= max)
		return 0;
	return kt_fail(err, EINVAL, "--%s: '%s' is no number from %ld to %ld",
		       name, text, min, max);
}

/* "20000=http,20001" */
static int mode_serve(struct sleeper *m, const char *text, struct kt_error *err)
{
	auto_strv struct strv parts = strv_split(text, ',');

	for (size_t i = 0; i < parts.n; i++) {
		char *eq = strchr(parts.v[i], '=');
		struct sleep_serve *s = &m->serve[m->nserve];

		if (eq)
			*eq++ = '\0';
		if (m->nserve == SLEEP_PORTS ||
		    str_to_port(parts.v[i], &s->at.port) < 0 ||
		    strlen(eq ? eq : "") >= sizeof(s->name))
			return kt_fail(err, EINVAL,
				       "--serve: '%s' is not PORT[=NAME],... "
				       "of %d at most",
				       text, SLEEP_PORTS);
		s->at.addr.family = AF_INET6; /* [::] takes both */
		snprintf(s->name, sizeof(s->name), "%s", eq ? eq : "");
		m->nserve++;
	}
	return 0;
}

enum mode_option {
	MODE_DEPLOYMENT = 256,
	MODE_ENDPOINTS,
	MODE_SERVE,
	MODE_IDLE,
	MODE_WAKE,
	MODE_REPLICAS,
	MODE_MEMBER,
	MODE_HEALTH,
	MODE_DEBUG,
	MODE_HELP,
};

static const struct option mode_options[] = {
	{ "deployment", required_argument, NULL, MODE_DEPLOYMENT },
	{ "endpoints", required_argument, NULL, MODE_ENDPOINTS },
	{ "serve", required_argument, NULL, MODE_SERVE },
	{ "idle", required_argument, NULL, MODE_IDLE },
	{ "wake", required_argument, NULL, MODE_WAKE },
	{ "replicas", required_argument, NULL, MODE_REPLICAS },
	{ "member", required_argument, NULL, MODE_MEMBER },
	{ "health", required_argument, NULL, MODE_HEALTH },
	{ "debug", no_argument, NULL, MODE_DEBUG },
	{ "help", no_argument, NULL, MODE_HELP },
	{ 0 },
};

/* 1: it is all said (--help) */
static int mode_option(struct sleeper *m, int option, struct kt_error *err)
{
	switch (option) {
	case MODE_DEPLOYMENT:
		m->deployment = optarg;
		return 0;
	case MODE_ENDPOINTS:
		m->endpoints = optarg;
		return 0;
	case MODE_MEMBER:
		m->member = optarg;
		return 0;
	case MODE_SERVE:
		return mode_serve(m, optarg, err);
	case MODE_IDLE:
		return mode_number("idle", optarg, 1, 31536000, &m->idle, err);
	case MODE_WAKE:
		return mode_number("wake", optarg, 1, 3600, &m->wake, err);
	case MODE_REPLICAS:
		return mode_number("replicas", optarg, 1, 1000, &m->replicas,
				   err);
	case MODE_HEALTH:
		return mode_number("health", optarg, 1, 65535, &m->health_port,
				   err);
	case MODE_DEBUG:
		log_set_level(LOG_DEBUG);
		return 0;
	case MODE_HELP:
		print_text(stdout, mode_usage, strlen(mode_usage));
		return 1;
	default:
		return -EINVAL; /* getopt has said what */
	}
}

static int mode_parse(struct sleeper *m, int argc, char **argv,
		      struct kt_error *err)
{
	const char *debug = getenv("SHADOW_DEBUG");
	int option, rc = 0;

	if (debug && strcmp(debug, "1") == 0)
		log_set_level(LOG_DEBUG);
	optind = 1;
	while (rc == 0 &&
	       (option = getopt_long(argc, argv, "", mode_options, NULL)) != -1)
		rc = mode_option(m, option, err);
	if (rc)
		return rc;
	if (optind < argc)
		return kt_fail(err, EINVAL, "'%s' is too much", argv[optind]);
	if (!m->deployment || !m->endpoints || !m->nserve || !m->idle ||
	    !m->wake)
		return kt_fail(err, EINVAL,
			       "--deployment, --endpoints, --serve, --idle and "
			       "--wake are needed");
	return 0;
}

/* --- the mode ------------------------------------------------------------- */

static bool mode_is_ready(void *user)
{
	const struct sleeper *m = user;

	return sleep_is_ready(m->sleep);
}

static void mode_free(void *mode)
{
	struct sleeper *m = mode;

	healthz_free(m->healthz);
	sleep_free(m->sleep);
	sleep_api_free(m->api);
	free(m->ns);
	free(m);
}

static int mode_begin(struct sleeper *m, struct kt_error *err)
{
	struct sleep_api_config ac = { .loop = m->loop,
				       .host = MODE_HOST,
				       .token_file = MODE_ACCOUNT "token",
				       .deployment = m->deployment,
				       .endpoints = m->endpoints,
				       .timeout_ns = MODE_API_TIMEOUT,
				       .open = mode_open,
				       .why = mode_why,
				       .user = m };
	struct sleep_config c = { .loop = m->loop,
				  .member = m->member,
				  .idle_ns = m->idle * NS_SEC,
				  .wake_ns = m->wake * NS_SEC,
				  .replicas = (int)m->replicas,
				  .serve = m->serve,
				  .nserve = m->nserve };
	size_t n = 0;
	int rc = mode_server(&ac.at, err);

	if (rc < 0)
		return rc;
	ac.ns = m->ns =
		file_read(MODE_ACCOUNT "namespace", MODE_NAMESPACE_MAX, &n);
	if (!m->ns)
		return kt_fail(err, errno, MODE_ACCOUNT "namespace: %s",
			       strerror(errno));
	c.api = m->api = sleep_api_new(&ac);
	m->sleep = sleep_new(&c, err);
	if (!m->sleep)
		return -err->code;
	if (!m->health_port)
		return 0;
	m->healthz = healthz_new(m->loop, (uint16_t)m->health_port, err);
	if (!m->healthz)
		return -err->code;
	healthz_set_ready(m->healthz, mode_is_ready, m);
	return 0;
}

static int mode_start(struct loop *l, int argc, char **argv, void **mode,
		      struct kt_error *err)
{
	struct sleeper *m = xcalloc(1, sizeof(*m));
	int rc;

	m->loop = l;
	m->replicas = 1;
	m->member = "that is asked for";
	rc = mode_parse(m, argc, argv, err);
	if (rc == 0) {
		fdlimit_raise();
		rc = mode_begin(m, err);
	} else {
		mode_free(m);
		return rc > 0 ? 0 : err->code ? 1 : 2;
	}
	if (rc < 0) {
		mode_free(m);
		return 1;
	}
	*mode = m;
	return 0;
}

static int64_t mode_end(void *mode)
{
	(void)mode;
	return MODE_END;
}

static bool mode_is_busy(void *mode)
{
	const struct sleeper *m = mode;

	return sleep_is_busy(m->sleep);
}

const struct gate_mode sleep_mode = {
	.name = "sleep",
	.summary = "a member that goes to 0 Pods while nobody asks for it",
	.start = mode_start,
	.end = mode_end,
	.busy = mode_is_busy,
	.free = mode_free,
};
