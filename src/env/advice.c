/* SPDX-License-Identifier: Apache-2.0 */
#include "env/advice.h"

#include "base/mem.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define ADVICE_NAMES 4 /* of variables; then "..." */

/* --- queues --------------------------------------------------------------- */

/* A whole word of a variable's name, between '_' */
static bool advice_has_word(const char *name, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = name; p; p = strchr(p, '_')) {
		p += *p == '_';
		if (strncasecmp(p, word, n) == 0 && (!p[n] || p[n] == '_'))
			return true;
	}
	return false;
}

/* Where work comes from, by its name or by the scheme of its address. Redis and
 * databases are left out: most who use them take no work from there. */
static bool advice_is_queue(const char *name, const char *value)
{
	static const char *const words[] = {
		"TOPIC",      "TOPICS", "QUEUE",     "QUEUES",
		"KAFKA",      "AMQP",	"RABBITMQ",  "SQS",
		"SERVICEBUS", "PULSAR", "JETSTREAM",
	};
	static const char *const schemes[] = { "amqp://", "amqps://",
					       "kafka://", "pulsar://",
					       "pulsar+ssl://" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (advice_has_word(name, words[i]))
			return true;
	for (size_t i = 0; value && i < ARRAY_SIZE(schemes); i++)
		if (str_starts(value, schemes[i]))
			return true;
	return false;
}

static bool advice_is_set(const struct pairs *set, const char *name)
{
	for (size_t i = 0; set && i < set->n; i++)
		if (strcmp(set->v[i].key, name) == 0)
			return true;
	return false;
}

char *advice_queue(const json_t *template, const struct pairs *set)
{
	struct strv names = { 0 };
	char *text = NULL;
	const json_t *c, *v;
	size_t i, k;

	json_array_foreach (json_at(template, "spec", "containers", NULL), i, c)
		json_array_foreach (json_object_get(c, "env"), k, v) {
			const char *name = json_str(v, "name", NULL);

			if (!name || strv_has(&names, name) ||
			    names.n > ADVICE_NAMES ||
			    !advice_is_queue(name,
					     json_str(v, "value", NULL)) ||
			    advice_is_set(set, name))
				continue;
			strv_add(&names, names.n < ADVICE_NAMES ? name : "...");
		}
	if (names.n)
		text = strv_join(&names, ", ");
	strv_fini(&names);
	return text;
}

/* --- ports ---------------------------------------------------------------- */

static bool advice_is_meant(const struct advice_of *a,
			    const struct service_port *p)
{
	return !a->port || p->port == a->port;
}

static char *advice_port(const struct service_port *p)
{
	return p->name[0] ? xasprintf("port %u (%s)", p->port, p->name)
			  : xasprintf("port %u", p->port);
}

static int advice_refuse(const struct advice_of *a, const char *ports,
			 struct kt_error *err)
{
	kt_hint(err,
		"where a port speaks plain HTTP, say so by the appProtocol of "
		"the Service's port (or by its name: http, grpc); where it "
		"speaks TLS, its router can end it: --tlsSecret");
	return kt_fail(err, EOPNOTSUPP,
		       "Service %s/%s: %s, so no request can be told to be of "
		       "an environment",
		       a->ns, object_name(a->service), ports);
}

/* What the Service says about it: appProtocol goes before the name */
static const char *advice_said(const json_t *service,
			       const struct service_port *p)
{
	const json_t *port;
	size_t i;

	json_array_foreach (json_at(service, "spec", "ports", NULL), i, port) {
		const char *app = json_str(port, "appProtocol", NULL);
		const char *proto = json_str(port, "protocol", NULL);

		if (json_integer_value(json_object_get(port, "port")) ==
			    p->port &&
		    str_eq(proto, "UDP") == p->udp)
			return app ? app : p->name;
	}
	return p->name;
}

bool advice_says_tls(const json_t *service, const struct service_port *p)
{
	static const char *const words[] = { "https", "tls", "wss",
					     "kubernetes.io/wss" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_starts(advice_said(service, p), words[i]))
			return true;
	return false;
}

/* NULL: it can be looked into. @sure: it is said so; a number alone says
 * little, and the router sees what comes */
static const char *advice_why(const struct advice_of *a,
			      const struct service_port *p, bool *sure)
{
	bool number = p->port == 443 || p->port == 8443 || p->target == 443 ||
		      p->target == 8443;

	*sure = true;
	if (p->ended)
		return NULL;
	if (p->udp || (!p->tls && strcmp(p->proto, "tcp") == 0))
		return service_port_unmarked(p);
	if (strcmp(p->proto, "http") == 0)
		return NULL;
	if (p->tls && (p->port != 443 || advice_says_tls(a->service, p)))
		return service_port_unmarked(p);
	*sure = false;
	return number ? "speaks TLS, going by its number" : NULL;
}

/* -EOPNOTSUPP: there is none that can be looked into */
static int advice_ports(const struct advice_of *a, struct strv *warnings,
			struct kt_error *err)
{
	struct strv closed = { 0 };
	auto_free char *text = NULL;
	bool open = false;

	for (size_t i = 0; i < a->ports->n; i++) {
		const struct service_port *p = &a->ports->v[i];
		auto_free char *name = advice_port(p);
		bool sure;
		const char *why = advice_why(a, p, &sure);

		if (!advice_is_meant(a, p))
			continue;
		open = open || !why || !sure;
		if (why)
			strv_take(&closed, xasprintf("%s %s", name, why));
	}
	text = closed.n ? strv_join(&closed, ", ") : NULL;
	if (text && open)
		strv_take(warnings,
			  xasprintf("%s: what comes there goes to the "
				    "trunk, with or without a mark%s",
				    text,
				    strstr(text, "TLS")
					    ? " (unless the router ends TLS: "
					      "--tlsSecret)"
					    : ""));
	strv_fini(&closed);
	return text && !open ? advice_refuse(a, text, err) : 0;
}

int advice_make(const struct advice_of *a, struct strv *warnings,
		struct kt_error *err)
{
	int rc = advice_ports(a, warnings, err);
	auto_free char *queue =
		rc == 0 ? advice_queue(a->template, a->set) : NULL;

	if (rc < 0)
		return rc;
	if (str_eq(json_str(a->service, "spec", "clusterIP", NULL), "None"))
		strv_add(warnings,
			 "the Service is headless: callers that have chosen a "
			 "Pod by its address, by DNS or by an API of their "
			 "own, reach it past the router");
	if (queue)
		strv_take(warnings,
			  xasprintf("it may take its work from a queue (%s): "
				    "the member then competes with the trunk "
				    "for every message; give it one of its "
				    "own, as by --set TOPIC=NAME-{{env}}",
				    queue));
	return 0;
}

/* The first one that is @tls, or has nothing against it; @why: what the last
 * one has */
static int advice_first(const json_t *service, bool tls, uint16_t *port,
			const char **why, struct kt_error *err)
{
	struct service_ports ports = { 0 };
	int rc = service_ports_make(&ports, service, NULL, err);

	*port = 0;
	for (size_t i = 0; rc == 0 && i < ports.n && !*port; i++) {
		const struct service_port *p = &ports.v[i];

		*why = service_port_unmarked(p);
		if (tls ? p->tls : !*why)
			*port = p->port;
	}
	service_ports_fini(&ports);
	return rc;
}

int advice_markable(const char *ns, const json_t *service, uint16_t *port,
		    struct kt_error *err)
{
	const char *why = NULL;
	int rc = advice_first(service, false, port, &why, err);

	if (rc < 0 || *port)
		return rc;
	return kt_fail(err, EOPNOTSUPP, "Service %s/%s %s: no mark can be seen",
		       ns, object_name(service), why);
}

int advice_askable(const char *ns, const json_t *service, uint16_t *port,
		   bool *tls, struct kt_error *err)
{
	const char *why = NULL;
	int rc = advice_first(service, false, port, &why, err);

	*tls = false;
	if (rc < 0 || *port)
		return rc;
	*tls = true;
	rc = advice_first(service, true, port, &why, err);
	if (rc < 0 || *port)
		return rc;
	return advice_markable(ns, service, port, err);
}
