/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the router know its member, and can it reach it? It is asked, over a
 * tunnel of its own, which members it knows, and to connect to this one's
 * address and port, as it does for a request. Nothing is sent: no program is
 * told of it.
 */
#include "env/join.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "env/join_tls.h"
#include "inbound/probe.h"
#include "uplink/uplink.h"
#include "wire/envtable.h"

#include <errno.h>
#include <string.h>

#define PROVE_TABLE (75 * NS_SEC) /* a kubelet looks once a minute */
#define PROVE_ANSWER (30 * NS_SEC)
#define PROVE_TRY (2 * NS_SEC)
#define PROVE_AGAIN (200 * NS_MS)

struct prove {
	struct env_join *join;
	struct uplink *uplink;
	struct tunnel_tcp *tcp;
	char host[ENVTABLE_HOST];
	bool told, heard, known, dialed;
	int error;
};

/* The record's whole name: "NS.svc.DOMAIN" is among what the Pod searches */
static void prove_name(struct prove *p, const struct strv *search)
{
	const struct job *job = &p->join->mesh.job;
	auto_free char *svc = xasprintf("%s.svc.", job->ns);

	for (size_t i = 0; i < search->n; i++)
		if (str_starts(search->v[i], svc)) {
			snprintf(p->host, sizeof(p->host), "%s.%s.",
				 p->join->mesh.name, search->v[i]);
			return;
		}
}

static void prove_on_info(void *user, int error, const struct tunnel_info *info)
{
	struct prove *p = user;

	p->told = true;
	if (error)
		return;
	p->heard = true;
	if (!p->host[0])
		prove_name(p, &info->search);
	p->known = strv_has(&info->env_members, p->join->info.name);
}

static void prove_on_dialed(void *user, int error)
{
	struct prove *p = user;

	p->dialed = true;
	p->error = error;
	if (error)
		p->tcp = NULL; /* it is gone */
}

/* 1: it knows it */
static int prove_ask(struct prove *p)
{
	struct loop *l = p->join->mesh.job.app->loop;
	int rc;

	p->told = p->heard = p->known = false;
	rc = tunnel_info_get(uplink_tunnel(p->uplink), prove_on_info, p);
	if (rc == 0)
		rc = loop_run_until(l, &p->told, PROVE_TRY);
	return rc == -EINTR ? rc : p->known;
}

/* 1: it was connected */
static int prove_dial(struct prove *p, const struct ipport *at)
{
	struct loop *l = p->join->mesh.job.app->loop;
	int rc = 0;

	p->dialed = false;
	p->error = -ETIMEDOUT;
	p->tcp = tunnel_tcp_dial(uplink_tunnel(p->uplink), at, prove_on_dialed,
				 p);
	if (p->tcp)
		rc = loop_run_until(l, &p->dialed, PROVE_TRY);
	tunnel_tcp_cancel(steal_ptr(&p->tcp));
	return rc == -EINTR ? rc : p->dialed && !p->error;
}

/* What the Pod searches, whenever it says so: it may be busy */
static int prove_hear(struct prove *p, struct kt_error *err)
{
	const struct job *job = &p->join->mesh.job;
	int64_t end = clock_ns() + PROVE_ANSWER;

	for (;;) {
		int rc = prove_ask(p);

		if (rc >= 0 && p->heard)
			return 0;
		if (rc >= 0 && clock_ns() >= end)
			return kt_fail(err, ETIMEDOUT, "%s does not answer",
				       shadow_describe(job->shadow));
		if (rc >= 0)
			rc = loop_sleep(job->app->loop, PROVE_AGAIN);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

/* Where its name is not among what the Pod searches its address will do */
static int prove_put(struct prove *p, const char *ip, struct kt_error *err)
{
	int rc = prove_hear(p, err);

	if (rc < 0)
		return rc;
	if (!p->host[0])
		snprintf(p->host, sizeof(p->host), "%s", ip);
	return env_join_table(p->join, p->host, err);
}

static int prove_table(struct prove *p, struct kt_error *err)
{
	const struct job *job = &p->join->mesh.job;
	int64_t end = clock_ns() + PROVE_TABLE;

	progress_detail(job->app->progress, "until it has read its table");
	for (;;) {
		int rc = prove_ask(p);

		if (rc == 0 && clock_ns() < end)
			rc = loop_sleep(job->app->loop, PROVE_AGAIN);
		else if (rc >= 0)
			return rc > 0 ? 0
				      : kt_fail(err, ETIMEDOUT,
						"%s has not read the table of "
						"the environments",
						shadow_describe(job->shadow));
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

static int prove_answer(struct prove *p, const struct ipport *at,
			struct kt_error *err)
{
	const struct job *job = &p->join->mesh.job;
	int64_t end = clock_ns() + PROVE_ANSWER;
	char text[IPPORT_STRLEN];

	progress_detail(job->app->progress, "until the member answers");
	for (;;) {
		int rc = prove_dial(p, at);

		if (rc > 0)
			return 0;
		if (rc == 0 && clock_ns() >= end)
			return kt_fail(err, -p->error,
				       "the member does not answer: %s cannot "
				       "connect to it at %s: %s",
				       shadow_describe(job->shadow),
				       ipport_str(at, text),
				       strerror(-p->error));
		if (rc == 0)
			rc = loop_sleep(job->app->loop, PROVE_AGAIN);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

/* The port of a request; UDP has none */
static int prove_at(const struct env_join *j, const char *ip, struct ipport *at,
		    struct kt_error *err)
{
	const struct job *job = &j->mesh.job;
	size_t i = 0;

	while (i < job->ports.n && job->ports.v[i].udp)
		i++;
	if (i == job->ports.n)
		return kt_fail(err, EPROTO,
			       "Service %s/%s has no TCP port: requests with "
			       "a mark come over TCP",
			       job->ns, job->name);
	at->port = job->ports.v[i].port;
	if (ip && ipaddr_parse(&at->addr, ip) == 0)
		return 0;
	return kt_fail(err, EPROTO, "Service %s/%s has no address", job->ns,
		       j->mesh.name);
}

/* A busy node, or a router that is made anew at this moment */
static int prove_open(struct prove *p, struct kt_error *err)
{
	struct job *job = &p->join->mesh.job;
	int64_t end = clock_ns() + PROVE_ANSWER;
	int rc = 0;

	while (rc == 0) {
		p->uplink = probe_open(job, job->shadow);
		if (p->uplink)
			return 0;
		if (clock_ns() >= end)
			return kt_fail(err, ENOTCONN, "%s cannot be asked",
				       shadow_describe(job->shadow));
		rc = loop_sleep(job->app->loop, PROVE_AGAIN);
	}
	return kt_fail(err, -rc, "interrupted");
}

int env_join_prove(struct env_join *j, const char *ip, struct kt_error *err)
{
	struct prove p = { .join = j };
	struct ipport at = { 0 };
	int rc = prove_at(j, ip, &at, err);

	if (rc == 0)
		rc = prove_open(&p, err);
	if (rc == 0)
		rc = prove_put(&p, ip, err);
	if (rc == 0)
		rc = prove_table(&p, err);
	if (rc == 0)
		rc = prove_answer(&p, &at, err);
	if (rc == 0)
		rc = env_join_tls_member(j, p.uplink, ip, err);
	uplink_close(p.uplink);
	return rc;
}
