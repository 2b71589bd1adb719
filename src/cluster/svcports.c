/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/svcports.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define MAX_TEXT (SHADOW_PORTS_MAX * 128)

/* --- what a port speaks --------------------------------------------------- */

/* appProtocol, else the beginning of the port's name ("http2-web"), as Istio
 * reads it. Where the server speaks first, nobody may wait for the caller's
 * first bytes.
 */

static bool is_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	return strncasecmp(text, word, n) == 0 && (!text[n] || text[n] == '-');
}

static bool svcports_is_any(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (is_word(text, *words))
			return true;
	return false;
}

static const char *speaks(const char *text)
{
	static const char *const http[] = { "http",
					    "http2",
					    "h2c",
					    "grpc",
					    "kubernetes.io/h2c",
					    "kubernetes.io/ws",
					    NULL };
	static const char *const tcp[] = { "tcp",   "mysql", "smtp", "ftp",
					   "ssh",   "imap",  "pop3", "amqp",
					   "mongo", "redis", NULL };

	if (svcports_is_any(text, http))
		return "http";
	if (svcports_is_any(text, tcp))
		return "tcp";
	return "auto";
}

static bool svcports_is_tls(const char *app, const char *name, long long port)
{
	static const char *const tls[] = { "tls", "wss", "kubernetes.io/wss",
					   NULL };
	const char *text = app ? app : name;

	return port == 443 || (text && (str_starts(text, "https") ||
					svcports_is_any(text, tls)));
}

const char *service_port_unmarked(const struct service_port *p)
{
	return p->ended			      ? NULL
	       : p->udp			      ? "is UDP"
	       : p->tls			      ? "speaks TLS"
	       : strcmp(p->proto, "tcp") == 0 ? "speaks no HTTP"
					      : NULL;
}

static bool svcports_may_be_tls(const struct service_port *p)
{
	return !p->udp && strcmp(p->proto, "http") != 0 &&
	       (p->tls || p->port == 8443 || p->target == 443 ||
		p->target == 8443);
}

/* All that lead to its target. What is in TLS nobody has said, unless it is
 * HTTP: the server may speak first. */
static void svcports_end(struct service_ports *p, const struct service_port *of)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->v[i].udp && p->v[i].target == of->target) {
			p->v[i].ended = true;
			if (strcmp(p->v[i].proto, "http") != 0)
				p->v[i].proto = "auto";
		}
}

size_t service_ports_end_tls(struct service_ports *p)
{
	struct service_port *only = NULL;
	size_t tcp = 0, n = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (!p->v[i].udp)
			tcp++;
		if (!p->v[i].udp)
			only = &p->v[i];
		if (svcports_may_be_tls(&p->v[i])) {
			svcports_end(p, &p->v[i]);
			n++;
		}
	}
	if (!n && tcp == 1) {
		svcports_end(p, only);
		n++;
	}
	return n;
}

/* --- targets -------------------------------------------------------------- */

static bool container_port(const json_t *container, const char *name,
			   const char *proto, uint16_t *number)
{
	const json_t *port;
	size_t i;

	json_array_foreach (json_object_get(container, "ports"), i, port) {
		const char *p = json_str(port, "protocol", NULL);

		if (!str_eq(json_str(port, "name", NULL), name) ||
		    strcmp(p ? p : "TCP", proto) != 0)
			continue;
		*number = (uint16_t)json_integer_value(
			json_object_get(port, "containerPort"));
		return *number != 0;
	}
	return false;
}

/* Init containers that stay come after all others, as in Kubernetes */
static bool svcports_pod_port(const json_t *pod, const char *name,
			      const char *proto, uint16_t *number)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(pod, "spec", "containers", NULL), i, c)
		if (container_port(c, name, proto, number))
			return true;
	json_array_foreach (json_at(pod, "spec", "initContainers", NULL), i, c)
		if (str_eq(json_str(c, "restartPolicy", NULL), "Always") &&
		    container_port(c, name, proto, number))
			return true;
	return false;
}

static bool named_port(const json_t *pods, const char *name, const char *proto,
		       uint16_t *number)
{
	const json_t *pod;
	size_t i;

	json_array_foreach (pods, i, pod)
		if (svcports_pod_port(pod, name, proto, number))
			return true;
	return false;
}

static void svcports_set_text(char dst[64], const char *text)
{
	snprintf(dst, 64, "%s", text ? text : "");
}

static void port_make(struct service_port *p, const json_t *port,
		      const char *proto, const json_t *pods)
{
	const json_t *target = json_object_get(port, "targetPort");
	const char *app = json_str(port, "appProtocol", NULL);

	svcports_set_text(p->name, json_str(port, "name", NULL));
	p->port = (uint16_t)json_integer_value(json_object_get(port, "port"));
	p->udp = strcmp(proto, "UDP") == 0;
	p->proto = p->udp ? NULL : speaks(app ? app : p->name);
	p->tls = !p->udp && svcports_is_tls(app, p->name, p->port);
	p->target = (uint16_t)json_integer_value(target);
	if (json_is_string(target))
		svcports_set_text(p->target_name, json_string_value(target));
	if (p->target_name[0])
		p->unknown =
			!named_port(pods, p->target_name, proto, &p->target);
	if (!p->target)
		p->target = p->port;
}

int service_ports_make(struct service_ports *out, const json_t *service,
		       const json_t *pods, struct kt_error *err)
{
	const json_t *ports = json_at(service, "spec", "ports", NULL), *port;
	struct service_ports p = { 0 };
	size_t i;

	if (json_array_size(ports))
		p.v = xcalloc(json_array_size(ports), sizeof(*p.v));
	json_array_foreach (ports, i, port) {
		const char *proto = json_str(port, "protocol", NULL);

		if (!proto)
			proto = "TCP";
		if (strcmp(proto, "TCP") == 0 || strcmp(proto, "UDP") == 0)
			port_make(&p.v[p.n++], port, proto, pods);
	}
	if (!p.n) {
		free(p.v);
		return kt_fail(err, EINVAL, "it has no TCP or UDP port");
	}
	if (p.n > SHADOW_PORTS_MAX) {
		kt_fail(err, E2BIG,
			"it has %zu ports; a shadow serves %d at most", p.n,
			SHADOW_PORTS_MAX);
		free(p.v);
		return -E2BIG;
	}
	*out = p;
	return 0;
}

void service_ports_fini(struct service_ports *p)
{
	free(p->v);
	*p = (struct service_ports){ 0 };
}

/* --- finding one ---------------------------------------------------------- */

static bool is_meant(const struct service_port *p, uint16_t number,
		     const char *name, bool by_target)
{
	if (number)
		return (by_target ? p->target : p->port) == number;
	return *name && strcmp(by_target ? p->target_name : p->name, name) == 0;
}

const struct service_port *service_ports_find(const struct service_ports *p,
					      uint16_t number, const char *name,
					      bool tcp, bool udp)
{
	for (int pass = 0; pass < 4; pass++) {
		bool want_udp = pass >= 2;

		if (want_udp ? !udp : !tcp)
			continue;
		for (size_t i = 0; i < p->n; i++)
			if (p->v[i].udp == want_udp &&
			    is_meant(&p->v[i], number, name, pass % 2 == 0))
				return &p->v[i];
	}
	return NULL;
}

/* --- texts ---------------------------------------------------------------- */

static bool is_first_of_target(const struct service_ports *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (p->v[k].target == p->v[i].target &&
		    p->v[k].udp == p->v[i].udp)
			return false;
	return true;
}

static char *svcports_take_text(struct buf *b)
{
	char *text = xstrndup(b->len ? (char *)buf_data(b) : "", b->len);

	buf_fini(b);
	return text;
}

char *service_ports_text(const struct service_ports *p)
{
	struct buf b;

	buf_init(&b, MAX_TEXT);
	for (size_t i = 0; i < p->n; i++) {
		const struct service_port *sp = &p->v[i];

		if (buf_printf(&b, "%s%u%s", i ? ", " : "", sp->port,
			       sp->udp ? "/udp" : "") < 0 ||
		    (sp->target != sp->port &&
		     buf_printf(&b, " (target %u)", sp->target) < 0) ||
		    (sp->name[0] && buf_printf(&b, " %s", sp->name) < 0))
			break;
	}
	return svcports_take_text(&b);
}

/* @beside: the origin is a program of the same Pod */
static char *serve_text(const struct service_ports *p, const char *origin,
			bool whole, bool beside)
{
	bool six = origin && strchr(origin, ':');
	struct buf b;

	buf_init(&b, MAX_TEXT);
	for (size_t i = 0; i < p->n; i++) {
		const struct service_port *sp = &p->v[i];
		const char *proto = whole && !sp->udp ? "tcp" : sp->proto;

		if (!is_first_of_target(p, i))
			continue;
		if (buf_printf(&b, "%s%u%s%s", b.len ? "," : "", sp->target,
			       sp->udp	   ? "/udp"
			       : sp->ended ? "^"
					   : "",
			       beside ? "!" : "") < 0 ||
		    (origin &&
		     buf_printf(&b, "=%s%s%s:%u", six ? "[" : "", origin,
				six ? "]" : "",
				beside ? sp->target : sp->port) < 0) ||
		    (proto && buf_printf(&b, "~%s", proto) < 0))
			break;
	}
	return svcports_take_text(&b);
}

char *service_ports_serve(const struct service_ports *p, const char *origin,
			  bool whole)
{
	return serve_text(p, origin, whole, false);
}

char *service_ports_serve_beside(const struct service_ports *p,
				 const char *address)
{
	return serve_text(p, address, true, true);
}

char *service_ports_ended(const struct service_ports *p)
{
	struct buf b;

	buf_init(&b, MAX_TEXT);
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].ended && is_first_of_target(p, i) &&
		    buf_printf(&b, "%s%u", b.len ? "," : "", p->v[i].target) <
			    0)
			break;
	return svcports_take_text(&b);
}

static bool svcports_lists(const json_t *list, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (str_eq(json_str(o, "name", NULL), name))
			return true;
	return false;
}

static bool is_target_name(const struct service_ports *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].target_name, name) == 0)
			return true;
	return false;
}

/* Several ports of the Service may lead to one target by its name */
static bool is_first_of_name(const struct service_ports *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (p->v[k].udp == p->v[i].udp &&
		    strcmp(p->v[k].target_name, p->v[i].target_name) == 0)
			return false;
	return true;
}

/* In the first container where that name is free */
static void svcports_declare(json_t *all, const char *name,
			     const struct service_port *sp)
{
	json_t *list = json_array_get(all, 0);

	if (svcports_lists(list, name)) {
		if (json_array_size(all) < 2)
			json_array_append_new(all, json_array());
		list = json_array_get(all, 1);
	}
	json_array_append_new(list,
			      json_pack("{s:s, s:i, s:s}", "name", name,
					"containerPort", (int)sp->target,
					"protocol", sp->udp ? "UDP" : "TCP"));
}

json_t *service_ports_containers(const struct service_ports *p)
{
	json_t *all = json_pack("[[]]");

	for (size_t i = 0; i < p->n; i++) {
		const struct service_port *sp = &p->v[i];
		char name[64];

		if (sp->target_name[0]) {
			if (is_first_of_name(p, i))
				svcports_declare(all, sp->target_name, sp);
			continue;
		}
		snprintf(name, sizeof(name), "kt-%u%s", sp->target,
			 sp->udp ? "-udp" : "");
		/* only for people: nothing asks for it by that name */
		if (is_first_of_target(p, i) && !is_target_name(p, name))
			svcports_declare(all, name, sp);
	}
	return all;
}

void service_ports_raise(struct service_ports *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].target < 1024 && p->v[i].target_name[0])
			p->v[i].target += SERVICE_PORT_RAISE;
}

bool service_ports_low(const struct service_ports *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].target < 1024)
			return true;
	return false;
}

/* --- selectors ------------------------------------------------------------ */

char *selector_query(const json_t *selector)
{
	auto_free char *text = NULL;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)selector, key, value) {
		char *more = xasprintf(
			"%s%s%s=%s", text ? text : "", text ? "," : "", key,
			json_string_value(value) ? json_string_value(value)
						 : "");

		free(text);
		text = more;
	}
	return text ? kube_query(NULL, "labelSelector", text) : NULL;
}

bool selector_matches(const json_t *selector, const json_t *labels)
{
	bool all = json_object_size(selector) > 0;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)selector, key, value)
		if (!json_equal(json_object_get(labels, key), value))
			all = false;
	return all;
}
