/* SPDX-License-Identifier: Apache-2.0 */
#include "env/join_tls.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cluster/declared.h"
#include "env/router_secret.h"
#include "inbound/probe.h"
#include "kube/rest.h"
#include "uplink/uplink.h"
#include "wire/gatehead.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define JOIN_TLS_TRY (12 * NS_SEC) /* the gate's own limit is 10 s */
#define JOIN_TLS_ANSWER 512

/* --- the router that is there --------------------------------------------- */

static int join_tls_router(const struct env_join *j, char **secret,
			   struct kt_error *err)
{
	const struct job *job = &j->mesh.job;

	return env_router_secret(job->kube, job->ns, job->name,
				 j->mesh.declared, secret, err);
}

static int join_tls_other(const struct env_join *j, const char *has,
			  struct kt_error *err)
{
	const struct job *job = &j->mesh.job;

	if (j->mesh.declared)
		kt_hint(err,
			"'ktctl env init %s --tlsSecret %s' writes one that "
			"does",
			job->name, j->tls);
	else
		kt_hint(err,
			"it goes when the last member has left: 'ktctl env "
			"list' tells which there are");
	if (has)
		return kt_fail(err, EBUSY,
			       "the router of Service %s/%s ends TLS with "
			       "Secret %s, not %s",
			       job->ns, job->name, has, j->tls);
	return kt_fail(err, EBUSY,
		       "the router of Service %s/%s is there already, and ends "
		       "no TLS",
		       job->ns, job->name);
}

int env_join_tls_look(struct env_join *j, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	auto_free char *has = NULL;
	int rc;

	/* who may not see Deployments joins as before */
	rc = join_tls_router(j, &has, err);
	if (rc == -EPERM && !j->o->env.tls_secret) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	j->tls = j->o->env.tls_secret ? xstrdup(j->o->env.tls_secret)
				      : steal_ptr(&has);
	if (!j->tls)
		return 0;
	if (rc > 0 && j->o->env.tls_secret && !str_eq(has, j->tls))
		return join_tls_other(j, has, err);
	if (rc == 0 && j->mesh.declared)
		return kt_fail(err, ENOENT,
			       "Service %s/%s is declared, but its router is "
			       "not there",
			       job->ns, job->name);
	if (!service_ports_end_tls(&job->ports))
		return kt_fail(err, EOPNOTSUPP,
			       "Service %s/%s has no port that speaks TLS, "
			       "going by names, appProtocol and numbers",
			       job->ns, job->name);
	j->tls_name = xasprintf("%s.%s.svc", job->name, job->ns);
	job->face.tls_secret = j->tls;
	job->face.tls_name = j->tls_name;
	return 0;
}

int env_join_tls_held(struct env_join *j, struct kt_error *err)
{
	auto_free char *has = NULL;
	int rc = j->tls ? join_tls_router(j, &has, err) : 0;

	return rc > 0 && !str_eq(has, j->tls) ? join_tls_other(j, has, err)
					      : MIN(rc, 0);
}

/* --- does the gate believe those behind it? ------------------------------- */

struct join_tls_dial {
	bool done;
	int error;
	struct tunnel_tcp *tcp;
};

static void join_tls_on_dialed(void *user, int error)
{
	struct join_tls_dial *d = user;

	d->done = true;
	d->error = error;
	if (error)
		d->tcp = NULL; /* it is gone */
}

/* A socket that leads to the gate's door, or -errno */
static int join_tls_door(struct job *job, struct uplink *u, uint16_t port)
{
	static const uint8_t door[4] = { 127, 0, 0, 2 };
	const struct ipport at = { ipaddr_v4(door), port };
	struct join_tls_dial d = { .error = -ETIMEDOUT };
	int fd[2], rc;

	d.tcp = tunnel_tcp_dial(uplink_tunnel(u), &at, join_tls_on_dialed, &d);
	rc = d.tcp ? loop_run_until(job->app->loop, &d.done, JOIN_TLS_TRY)
		   : -ENOTCONN;
	if (rc == 0)
		rc = d.error;
	if (rc == 0 &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       fd) < 0)
		rc = -errno;
	if (rc < 0) {
		tunnel_tcp_cancel(d.tcp);
		return rc;
	}
	rc = tunnel_tcp_relay(d.tcp, fd[0], NULL, NULL);
	if (rc == 0)
		return fd[1];
	close(fd[1]);
	return rc;
}

/* What it says; the length, or -errno */
static int join_tls_hear(struct job *job, int fd, char *answer, size_t size)
{
	int64_t end = clock_ns() + JOIN_TLS_TRY;
	size_t n = 0;

	while (clock_ns() < end) {
		ssize_t got = recv(fd, answer + n, size - 1 - n, 0);

		if (got > 0)
			n += (size_t)got;
		answer[n] = '\0';
		if (got == 0 || (n && answer[0] == GATEHEAD_OPEN) ||
		    n == size - 1)
			return (int)n;
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return n ? (int)n : -errno;
		if (got < 0 && loop_sleep(job->app->loop, 20 * NS_MS) < 0)
			return -EINTR;
	}
	return -ETIMEDOUT;
}

/* 0: it is believed; 1: nobody can be connected to, @why; -errno with @err */
static int join_tls_try(struct job *job, struct uplink *u,
			const struct service_port *p, char kind, const char *ip,
			char why[JOIN_TLS_ANSWER], struct kt_error *err)
{
	uint8_t head[GATEHEAD_SIZE];
	struct ipport at = { .port = p->port };
	auto_close int fd = -1;
	int rc;

	why[0] = '\0';
	if (!ip || ipaddr_parse(&at.addr, ip) < 0)
		return 0; /* it has no address of its own */
	fd = join_tls_door(job, u, p->target);
	rc = fd < 0 ? fd : 0;
	gatehead_put(head, kind, &at);
	if (rc == 0 &&
	    send(fd, head, sizeof(head), MSG_NOSIGNAL) != sizeof(head))
		rc = -errno;
	if (rc == 0)
		rc = join_tls_hear(job, fd, why, JOIN_TLS_ANSWER);
	if (rc < 0 || !rc)
		return kt_fail(err, rc ? -rc : EPROTO,
			       "the router's gate does not answer: %s",
			       rc ? strerror(-rc) : "it has ended");
	if (why[0] == GATEHEAD_OPEN)
		return 0;
	if (why[0] == GATEHEAD_NOBODY)
		return 1;
	if (why[0] == GATEHEAD_NO_TLS)
		return -EPROTO;
	return kt_fail(err, EPROTO, "what answers is not the router's gate");
}

static int join_tls_disbelieved(const struct env_join *j, const char *who,
				uint16_t port, const char *why,
				struct kt_error *err)
{
	kt_hint(err,
		"they have to show the certificate of Secret %s, or one by its "
		"ca.crt for the same name",
		j->tls);
	return kt_fail(err, EPROTO, "TLS with %s, port %u: %s", who, port, why);
}

/* The address of the Service for the trunk (returned, caller frees) */
static char *join_tls_origin_ip(const struct job *job)
{
	auto_free char *name = declared_origin_name(job->name);
	auto_free char *path = kube_path("v1", "services", job->ns, name, NULL);
	auto_json json_t *obj = NULL;
	struct kt_error err = { 0 };
	const char *ip = NULL;

	if (job->origin)
		return xstrdup(job->origin);
	if (kube_get(job->kube, path, &obj, &err) == 0)
		ip = json_str(obj, "spec", "clusterIP", NULL);
	return ip ? xstrdup(ip) : NULL;
}

static int join_tls_each(struct env_join *j, struct uplink *u, char kind,
			 const char *who, const char *ip, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	char why[JOIN_TLS_ANSWER];
	int rc = 0;

	for (size_t i = 0; i < job->ports.n && rc == 0; i++) {
		const struct service_port *p = &job->ports.v[i];

		if (!p->ended)
			continue;
		rc = join_tls_try(job, u, p, kind, ip, why, err);
		if (rc == 1 && kind == GATEHEAD_TRY_ORIGIN) {
			log_warn("port %u of %s could not be tried: %s",
				 p->port, who, why + 1);
			rc = 0;
		} else if (rc == 1 || (rc < 0 && why[0] == GATEHEAD_NO_TLS)) {
			rc = join_tls_disbelieved(j, who, p->port, why + 1,
						  err);
		}
	}
	return rc;
}

int env_join_tls_origin(struct env_join *j, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	auto_free char *ip = j->tls ? join_tls_origin_ip(job) : NULL;
	auto_free char *who =
		xasprintf("the Pods of Service %s/%s", job->ns, job->name);
	struct uplink *u;
	int rc;

	if (!ip)
		return 0;
	u = probe_open(job, job->shadow);
	if (!u)
		return kt_fail(err, ENOTCONN, "the router cannot be asked");
	rc = join_tls_each(j, u, GATEHEAD_TRY_ORIGIN, who, ip, err);
	uplink_close(u);
	return rc;
}

int env_join_tls_member(struct env_join *j, struct uplink *u, const char *ip,
			struct kt_error *err)
{
	return j->tls ? join_tls_each(j, u, GATEHEAD_TRY_MEMBER, "the member",
				      ip, err)
		      : 0;
}
