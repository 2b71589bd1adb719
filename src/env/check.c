/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env check: where does the mark get lost? A request with a trace of its
 * own goes through a Service, or through each that has a member, and the
 * routers tell what came to them.
 */
#include "base/grid.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/objects.h"
#include "control/eventjson.h"
#include "env/advice.h"
#include "env/check_routers.h"
#include "env/find.h"
#include "env/hops.h"
#include "env/probe.h"
#include "env/routers.h"
#include "kube/encode.h"
#include "kube/rest.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define CHECK_HEAR (10 * NS_SEC)
#define CHECK_SETTLE                                                           \
	NS_SEC /* calls that nobody waits for, events on the way               \
		*/
#define CHECK_SEEN_MAX 4096

struct env_check {
	struct env_command *c;
	struct env_info info;
	struct env_routers *routers;
	struct check_routers own; /* of --routers */
	struct uplink *uplink;
	json_t *services, *pods, *records;
	struct hops_seen *seen; /* since the probe was begun */
	size_t nseen;
	bool old; /* some router does not tell marks */
	json_t *probes, *without;
	const char *broken; /* what is wrong first; borrowed of @probes */
};

static void check_on_event(void *user, const struct env_router_event *e)
{
	struct env_check *k = user;
	struct hops_seen *s;

	k->old = k->old || e->event->old;
	if (k->nseen == CHECK_SEEN_MAX)
		return;
	k->seen = xrealloc(k->seen, (k->nseen + 1) * sizeof(*k->seen));
	s = &k->seen[k->nseen++];
	s->service = xstrdup(e->service);
	s->port = e->port;
	s->event = *e->event;
}

static void check_forget(struct env_check *k)
{
	for (size_t i = 0; i < k->nseen; i++)
		free(k->seen[i].service);
	free(k->seen);
	k->seen = NULL;
	k->nseen = 0;
}

/* --- one probe ------------------------------------------------------------ */

static const json_t *check_service(const struct env_check *k, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (k->services, i, one)
		if (str_eq(object_name(one), name))
			return one;
	return NULL;
}

/* The first port whose callers can be looked into, or could be, if somebody
 * ended TLS before it */
static int check_at(const struct env_check *k, const char *name,
		    struct ipport *at, bool *tls, struct kt_error *err)
{
	const json_t *service = check_service(k, name);
	const char *ip = json_str(service, "spec", "clusterIP", NULL);

	if (!service)
		return kt_fail(err, ENOENT, "Service %s/%s: not found",
			       k->c->ns, name);
	if (!ip || ipaddr_parse(&at->addr, ip) < 0)
		return kt_fail(err, EOPNOTSUPP,
			       "Service %s/%s has no address of its own: its "
			       "callers come past the router",
			       k->c->ns, name);
	return advice_askable(k->c->ns, service, &at->port, tls, err);
}

static void check_trace(char trace[EVENT_TRACE_LEN + 1])
{
	uint64_t id = 0;

	while (!id)
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = (uint64_t)clock_ns();
	snprintf(trace, EVENT_TRACE_LEN + 1, EVENT_TRACE_PROBE "%016llx",
		 (unsigned long long)id);
}

static int check_send(struct env_check *k, const char *service,
		      const char *trace, struct probe_answer *a,
		      struct kt_error *err)
{
	auto_free char *host = xasprintf("%s.%s", service, k->c->ns);
	struct probe_request req = {
		.host = host,
		.path = k->c->o->env.path,
		.env = k->info.name,
		.header = k->info.named_by[0] ? k->info.named_by : NULL,
		.trace = trace,
		.timeout = k->c->o->env.timeout,
	};
	struct ipport at = { 0 };
	int rc = check_at(k, service, &at, &req.tls, err);

	a->port = at.port;
	a->tls = req.tls;
	if (rc < 0)
		return rc;
	rc = env_probe_send(k->c->app->loop, uplink_tunnel(k->uplink), &at,
			    &req, a, err);
	return rc < 0 ? kt_wrap(err, rc, "Service %s/%s", k->c->ns, service)
		      : 0;
}

/* Takes @why; NULL: all is well */
static void check_keep_why(struct env_check *k, json_t *probe, char *why)
{
	json_object_set_new(probe, "why", why ? json_string(why) : json_null());
	free(why);
	if (!k->broken)
		k->broken = json_str(probe, "why", NULL);
}

/* Waits in the loop. What fails is said of this probe, the next goes on */
static int check_probe(struct env_check *k, const char *service)
{
	struct probe_answer a = { 0 };
	struct kt_error err = { 0 };
	char trace[EVENT_TRACE_LEN + 1];
	struct hops_of of = { .env = k->info.name,
			      .trace = trace,
			      .entry = service,
			      .begin = eventjson_now(),
			      .pods = k->pods,
			      .services = k->services };
	json_t *probe, *hops;
	int rc, waited = 0;

	check_trace(trace);
	check_forget(k);
	check_routers_hold(&k->own);
	rc = check_send(k, service, trace, &a, &err);
	if (rc == 0)
		waited = loop_sleep(k->c->app->loop, CHECK_SETTLE);
	if (rc == -EINTR || waited == -EINTR)
		return -EINTR;
	of.port = a.port;
	of.tls = a.tls;
	of.seen = k->seen;
	of.nseen = k->nseen;
	hops = hops_make(&of);
	probe = json_pack("{s:s,s:i,s:b,s:s,s:s,s:o,s:o}", "service", service,
			  "port", a.port, "tls", a.tls, "path",
			  k->c->o->env.path, "trace", trace, "status",
			  a.status ? json_integer(a.status) : json_null(),
			  "hops", hops);
	json_array_append_new(k->probes, probe);
	if (rc < 0)
		check_keep_why(k, probe, xstrdup(err.msg));
	else if (hops_broken(hops))
		check_keep_why(k, probe, hops_why(hops_broken(hops)));
	else if (!json_array_size(hops) && a.tls)
		check_keep_why(k, probe,
			       xasprintf("TLS of Service %s, port %u, ends in "
					 "its Pods: no router sees what comes "
					 "there (one can end it: --tlsSecret)",
					 service, a.port));
	else if (!json_array_size(hops))
		check_keep_why(k, probe,
			       xasprintf("no router has seen the probe of "
					 "Service %s, and no call with the "
					 "mark came of it",
					 service));
	else
		check_keep_why(k, probe, NULL);
	return 0;
}

/* --- what is told --------------------------------------------------------- */

static json_t *check_view(const struct env_check *k)
{
	char at[RFC3339_STRLEN];

	return json_pack("{s:i,s:s,s:s,s:s,s:b,s:O,s:O}", "version", 1, "time",
			 rfc3339_format(env_command_now(k->c), at), "namespace",
			 k->c->ns, "environment", k->info.name, "whole",
			 !k->broken, "probes", k->probes, "without_router",
			 k->without);
}

static void check_print_probe(const json_t *probe)
{
	static const char *const heads[] = { "  CALLER", "SERVICE", "MARK",
					     "ANSWERED", "STATUS" };
	struct grid g = { .columns = ARRAY_SIZE(heads) };
	const json_t *hops = json_object_get(probe, "hops"), *hop;
	json_int_t status =
		json_integer_value(json_object_get(probe, "status"));
	const char *why = json_str(probe, "why", NULL);
	char answer[32] = "no answer";
	size_t i;

	if (status)
		snprintf(answer, sizeof(answer), "answered with %d",
			 (int)status);
	print_line(stdout, "Probe of Service %s, %s: %s",
		   json_str(probe, "service", NULL),
		   json_str(probe, "path", NULL), answer);
	grid_add(&g, heads);
	json_array_foreach (hops, i, hop) {
		const char *caller = json_str(hop, "caller", NULL) ?:
				     json_str(hop, "from", NULL) ?: "-";
		const char *user = json_str(hop, "user", NULL);
		bool sure = json_is_true(json_object_get(hop, "sure"));
		auto_free char *who = xasprintf("  %s", caller);
		auto_free char *mark =
			xasprintf("%s%s", json_str(hop, "mark", NULL),
				  sure ? "" : " (perhaps another's)");
		auto_free char *by =
			xasprintf("%s%s%s", json_str(hop, "answered", NULL),
				  user ? " " : "", user ? user : "");
		char code[24] = "-"; /* no answer */
		const char *const cells[] = { who,
					      json_str(hop, "service", NULL),
					      mark, by, code };

		status = json_integer_value(json_object_get(hop, "status"));
		if (status)
			snprintf(code, sizeof(code), "%lld", (long long)status);
		grid_add(&g, cells);
	}
	if (json_array_size(hops))
		grid_print(&g);
	else
		free(g.cells);
	if (why)
		print_line(stdout, "  %s", why);
}

/* Nothing but TLS could be asked for there */
static bool check_is_tls(const struct env_check *k, const char *name)
{
	struct kt_error ignored = { 0 };
	uint16_t port;
	bool tls;

	return advice_askable(k->c->ns, check_service(k, name), &port, &tls,
			      &ignored) == 0 &&
	       tls;
}

static void check_print(const struct env_check *k)
{
	auto_strv struct strv names = { 0 };
	const json_t *one;
	size_t i;

	json_array_foreach (k->probes, i, one)
		check_print_probe(one);
	json_array_foreach (k->without, i, one)
		strv_take(&names,
			  xasprintf("%s%s", json_string_value(one),
				    check_is_tls(k, json_string_value(one))
					    ? " (TLS ends in its Pods)"
					    : ""));
	if (names.n) {
		auto_free char *all = strv_join(&names, ", ");

		print_line(stdout, "Not seen, as no router is there: %s", all);
	}
}

static int check_tell(struct env_check *k, struct kt_error *err)
{
	auto_json json_t *view = check_view(k);

	if (k->c->o->env.output == OUTPUT_JSON) {
		auto_free char *text = json_dumps(view, JSON_INDENT(2));

		print_text(stdout, text, strlen(text));
	} else {
		check_print(k);
	}
	if (k->old)
		print_line(stderr,
			   "ktctl: some router is of an older ktctl, which "
			   "does not tell of marks: it is a new one when all "
			   "members of its Service have left once");
	return k->broken ? kt_fail(err, ENOLINK, "environment %s: %s",
				   k->info.name, k->broken)
			 : 0;
}

/* --- the command ---------------------------------------------------------- */

static int check_list(const struct env_check *k, const char *kind, json_t **out,
		      struct kt_error *err)
{
	auto_free char *path = kube_path("v1", kind, k->c->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	int rc = kube_list(k->c->kube, path, NULL, &list, err);

	if (rc == 0)
		*out = json_incref(json_object_get(list, "items"));
	return rc;
}

static void check_unlook(struct env_check *k)
{
	json_decref(k->services);
	json_decref(k->pods);
	json_decref(k->without);
	k->services = k->pods = k->without = NULL;
}

static bool check_has_router(const void *user, const char *service)
{
	const struct env_check *k = user;

	return env_routers_has(k->routers, service);
}

static int check_look(struct env_check *k, struct kt_error *err)
{
	int rc = check_list(k, "services", &k->services, err);

	if (rc == 0)
		rc = check_list(k, "pods", &k->pods, err);
	if (rc == 0)
		rc = env_routers_look(k->routers, err);
	if (rc == 0)
		k->without =
			hops_without_router(k->services, check_has_router, k);
	return rc;
}

/* --routers: those that have none get one, and all is looked at again */
static int check_complete(struct env_check *k, struct kt_error *err)
{
	int rc;

	if (!k->c->o->env.routers)
		return 0;
	rc = check_routers_put(&k->own, k->without, k->services, err);
	if (rc < 0)
		return rc;
	check_unlook(k);
	return check_look(k, err);
}

static int check_prepare(struct env_check *k, struct kt_error *err)
{
	int rc =
		env_find(k->c->kube, k->c->ns, k->c->o->args[0], &k->info, err);

	if (rc == 0)
		rc = env_records(k->c->kube, k->c->ns, k->info.name,
				 &k->records, err);
	if (rc == 0 && k->c->o->nargs < 2 && !json_array_size(k->records))
		return kt_fail(err, ENOENT,
			       "environment %s has no member: name the Service "
			       "that the probe is to go to",
			       k->info.name);
	if (rc == 0)
		rc = check_look(k, err);
	if (rc == 0)
		rc = check_complete(k, err);
	if (rc < 0)
		return rc;
	if (!env_routers_count(k->routers)) {
		kt_hint(err, "--routers puts them there for the time of the "
			     "check");
		return kt_fail(err, ENOENT,
			       "namespace %s: no router tells what it sees",
			       k->c->ns);
	}
	rc = env_routers_hear(k->routers, CHECK_HEAR);
	if (rc == -EINTR)
		return kt_fail(err, EINTR, "interrupted");
	if (rc < 0)
		return kt_fail(err, ETIMEDOUT,
			       "namespace %s: %zu of its routers do not tell "
			       "what they see",
			       k->c->ns, env_routers_unheard(k->routers));
	k->uplink = env_routers_tunnel(k->routers, err);
	return k->uplink ? 0 : -ENOTCONN;
}

static int check_all(struct env_check *k)
{
	const json_t *record;
	size_t i;
	int rc = 0;

	if (k->c->o->nargs > 1)
		return check_probe(k, k->c->o->args[1]);
	json_array_foreach (k->records, i, record) {
		auto_free char *service = env_record_service(record);

		if (rc == 0 && service)
			rc = check_probe(k, service);
	}
	return rc;
}

static int env_check_run(struct env_command *c, struct kt_error *err)
{
	struct env_check k = { .c = c,
			       .own = { .c = c },
			       .probes = json_array() };
	int rc;

	k.routers = env_routers_new(c, check_on_event, &k);
	rc = check_prepare(&k, err);
	if (rc == 0 && check_all(&k) < 0)
		rc = kt_fail(err, EINTR, "interrupted");
	if (rc == 0)
		rc = check_tell(&k, err);
	uplink_close(k.uplink);
	env_routers_free(k.routers);
	check_routers_remove(&k.own);
	check_forget(&k);
	check_unlook(&k);
	json_decref(k.records);
	json_decref(k.probes);
	env_info_fini(&k.info);
	return rc;
}

/* It goes into the request's first line as it is (RFC 9112 section 3) */
static bool check_is_path(const char *path)
{
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '#')
			return false;
	return *path == '/';
}

int command_env_check(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };

	if (!check_is_path(o->env.path)) {
		kt_fail(&err, EINVAL,
			"--path %s: a path begins with '/', and what is no "
			"letter is percent-encoded",
			o->env.path);
		return app_usage(app, &err);
	}
	return env_command_read(app, o, env_check_run);
}
