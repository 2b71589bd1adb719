/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/choose.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

static void choose_set(struct forward_choice *c, uint16_t local,
		       uint16_t number, const char *name, bool udp)
{
	*c = (struct forward_choice){ .local = local,
				      .number = number,
				      .udp = udp };
	snprintf(c->name, sizeof(c->name), "%s", name);
}

/* --- Services ------------------------------------------------------------- */

static size_t choose_count(const struct service_ports *p, bool udp)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].udp == udp;
	return n;
}

/* The only one of its protocol; NULL: there are more, or none */
static const struct service_port *choose_only(const struct service_ports *p,
					      bool udp)
{
	const struct service_port *found = NULL;

	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].udp != udp)
			continue;
		if (found)
			return NULL;
		found = &p->v[i];
	}
	return found;
}

const struct service_port *choose_service_port(const struct service_ports *p,
					       const struct forward_choice *c)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct service_port *sp = &p->v[i];

		if (sp->udp == c->udp &&
		    (c->number ? sp->port == c->number
			       : *c->name && strcmp(sp->name, c->name) == 0))
			return sp;
	}
	return NULL;
}

static int choose_several(const struct service_ports *p, const char *target,
			  struct kt_error *err)
{
	auto_free char *text = service_ports_text(p);

	kt_hint(err, "say which one, for instance: ktctl forward %s 8080:%u%s",
		target, p->v[0].port, p->v[0].udp ? "/udp" : "");
	return kt_fail(err, EINVAL, "%s has several ports: %s", target, text);
}

/* LOCAL alone, or nothing at all */
static int choose_without_remote(struct forward_choice *c,
				 const struct service_ports *p,
				 const struct forward_port *asked,
				 const char *target, struct kt_error *err)
{
	struct forward_choice same = { 0 };
	const struct service_port *sp;
	bool udp;

	if (!asked && p->n != 1)
		return choose_several(p, target, err);
	udp = asked && asked->proto != EXPOSE_ANY ? asked->proto == EXPOSE_UDP
						  : !choose_count(p, false);
	sp = choose_only(p, udp);
	if (!sp && asked && asked->local) {
		choose_set(&same, 0, asked->local, "", udp);
		sp = choose_service_port(p, &same);
	}
	if (!sp && asked && p->n == 1) {
		auto_free char *text = service_ports_text(p);

		return kt_fail(err, ENOENT,
			       "'%s': %s has no such port; it has %s",
			       asked->text, target, text);
	}
	if (!sp)
		return choose_several(p, target, err);
	choose_set(c, asked ? asked->local : sp->port, sp->port, "", sp->udp);
	return 0;
}

int choose_of_service(struct forward_choice *c, const struct service_ports *p,
		      const struct forward_port *asked, const char *target,
		      struct kt_error *err)
{
	auto_free char *text = NULL;

	if (!asked || !asked->has_remote)
		return choose_without_remote(c, p, asked, target, err);
	for (int udp = 0; udp < 2; udp++) {
		if (asked->proto == (udp ? EXPOSE_TCP : EXPOSE_UDP))
			continue;
		choose_set(c, asked->local, asked->number, asked->name, udp);
		if (choose_service_port(p, c))
			return 0;
	}
	text = service_ports_text(p);
	return kt_fail(err, ENOENT, "'%s': %s has no such port; it has %s",
		       asked->text, target, text);
}

/* --- Pods ----------------------------------------------------------------- */

/* One after the other, over all containers; NULL at the end */
static const json_t *choose_declared(const json_t *spec, size_t at)
{
	const json_t *container, *port;
	size_t i, k;

	json_array_foreach (json_object_get(spec, "containers"), i, container)
		json_array_foreach (json_object_get(container, "ports"), k,
				    port)
			if (at-- == 0)
				return port;
	return NULL;
}

static bool choose_is_udp(const json_t *port)
{
	return str_eq(json_str(port, "protocol", NULL), "UDP");
}

static uint16_t choose_number(const json_t *port)
{
	return (uint16_t)json_integer_value(
		json_object_get(port, "containerPort"));
}

uint16_t choose_pod_port(const json_t *spec, const char *name, bool udp)
{
	const json_t *port;

	for (size_t i = 0; (port = choose_declared(spec, i)); i++)
		if (choose_is_udp(port) == udp &&
		    str_eq(json_str(port, "name", NULL), name))
			return choose_number(port);
	return 0;
}

static int choose_only_declared(struct forward_choice *c, const json_t *spec,
				const char *target, struct kt_error *err)
{
	const json_t *port = choose_declared(spec, 0);

	if (!port || choose_declared(spec, 1)) {
		kt_hint(err, "for instance: ktctl forward %s 8080", target);
		return kt_fail(err, EINVAL,
			       "%s declares %s port: a port must be given",
			       target, port ? "more than one" : "no");
	}
	choose_set(c, choose_number(port), choose_number(port), "",
		   choose_is_udp(port));
	return 0;
}

int choose_of_pod(struct forward_choice *c, const json_t *spec,
		  const struct forward_port *asked, const char *target,
		  struct kt_error *err)
{
	if (!asked)
		return choose_only_declared(c, spec, target, err);
	if (!asked->name[0])
		return choose_of_host(c, asked, target, err);
	for (int udp = 0; udp < 2; udp++) {
		if (asked->proto == (udp ? EXPOSE_TCP : EXPOSE_UDP) ||
		    !choose_pod_port(spec, asked->name, udp))
			continue;
		choose_set(c, asked->local, 0, asked->name, udp);
		return 0;
	}
	return kt_fail(err, ENOENT, "'%s': %s declares no port of that name",
		       asked->text, target);
}

/* --- the others ----------------------------------------------------------- */

int choose_of_host(struct forward_choice *c, const struct forward_port *asked,
		   const char *target, struct kt_error *err)
{
	uint16_t number;

	if (!asked) {
		kt_hint(err, "for instance: ktctl forward %s 5432", target);
		return kt_fail(err, EINVAL, "%s: a port must be given", target);
	}
	if (asked->name[0])
		return kt_fail(err, EINVAL,
			       "'%s': only Services and Pods have ports with "
			       "names, %s is neither",
			       asked->text, target);
	number = asked->has_remote ? asked->number : asked->local;
	if (!number)
		return kt_fail(err, EINVAL, "'%s': which port of %s?",
			       asked->text, target);
	choose_set(c, asked->local, number, "", asked->proto == EXPOSE_UDP);
	return 0;
}
