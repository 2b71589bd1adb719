/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests a mesh is for, and what is told of it. */
#include "base/log.h"
#include "base/mem.h"
#include "inbound/mesh.h"

#include <errno.h>
#include <string.h>

int mesh_read_mark(struct mesh *m, struct kt_error *err)
{
	char term[320];
	int rc = mark_parse(&m->mark, m->opt->version_mark, err);

	if (rc < 0)
		return kt_wrap(err, rc, "--versionMark");
	if (m->mark.key_replaced)
		log_warn("--versionMark %s: the part before ':' cannot be the "
			 "name of a header, so it is '" MARK_KEY "'",
			 m->opt->version_mark);
	if (m->opt->match) {
		rc = rule_match_parse(&m->match, m->opt->match, err);
		if (rc < 0)
			return kt_wrap(err, rc, "--match");
	}
	/* both hold, where both were said; a share needs none */
	if (!m->opt->version_mark && (m->opt->match || m->opt->percent_given))
		return 0;
	snprintf(term, sizeof(term), "header:%s=%s", m->mark.key,
		 m->mark.value);
	rc = rule_match_add(&m->match, term, err);
	return rc < 0 ? kt_wrap(err, rc, "--versionMark") : 0;
}

const char *mesh_mark_text(const struct mesh *m, char *dst, size_t size)
{
	char header[256], match[RULE_MATCH_MAX];

	if (!m->opt->match && m->match.n)
		snprintf(dst, size, "the header '%s'",
			 mark_header(&m->mark, header, sizeof(header)));
	else
		snprintf(dst, size, "'%s'", rule_match_print(&m->match, match));
	return dst;
}

static bool mesh_exposes(const struct job *job, const struct service_port *p)
{
	for (size_t i = 0; i < job->nlocal; i++)
		if (job->local[i].remote == p->target &&
		    job->local[i].udp == p->udp)
			return true;
	return false;
}

char *mesh_unmarked(const struct mesh *m, const struct service_port *p)
{
	const char *why = service_port_unmarked(p);
	bool copy = m->job.copy;

	if (!why)
		return NULL;
	/* an environment's router can end TLS; a mesh's cannot */
	return xasprintf("port %u of Service %s %s, as it seems: no %s can be "
			 "seen there, and all of it goes to the Service's own "
			 "Pods%s%s",
			 p->port, m->job.name, why, copy ? "request" : "mark",
			 copy ? " alone" : "",
			 m->env && p->tls && !p->udp
				 ? " (unless the router ends TLS: --tlsSecret)"
				 : "");
}

void mesh_warn_unmarked(struct job *job)
{
	for (size_t i = 0; i < job->ports.n; i++) {
		const struct service_port *p = &job->ports.v[i];
		auto_free char *text = mesh_exposes(job, p)
					       ? mesh_unmarked(mesh_of(job), p)
					       : NULL;

		if (text)
			log_warn("%s", text);
	}
}

int mesh_look(struct mesh *m, struct kt_error *err)
{
	int rc = job_inspect(&m->job, err);

	if (rc == 0)
		mark_object_name(&m->mark, m->job.name, m->name);
	return rc;
}
