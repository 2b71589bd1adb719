/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_BACKEND_H
#define KT_ROUTER_BACKEND_H

#include "base/ipaddr.h"
#include "base/loop.h"
#include "wire/envmark.h"
#include "wire/rule.h"

#include <stdint.h>

/**
 * DOC: Where requests go
 *
 * What the router asks of its surroundings: whose a request is, and a pipe to
 * that backend. So it knows neither tunnel nor sockets.
 */

struct copier;
struct event;
struct pipe;
struct router_env;

enum backend_kind {
	BACKEND_NONE,	/* nobody: refuse it (502, reset) */
	BACKEND_ORIGIN, /* the Service's own Pods */
	BACKEND_CLIENT, /* a laptop */
	BACKEND_MEMBER, /* of an environment, in the cluster */
	BACKEND_DOWN,	/* nobody may answer in its place: refuse it (503) */
};

/** struct backend_ref - one backend; two that are equal are the same one */
struct backend_ref {
	enum backend_kind kind;
	uint64_t id; /* CLIENT, MEMBER: which; never used again for another */
};

static inline bool backend_same(struct backend_ref a, struct backend_ref b)
{
	return a.kind == b.kind && a.id == b.id;
}

/* told to drain: how long a caller's connection may stay without a request, and
 * from the announcement that an HTTP/2 connection ends to its last request */
#define ROUTER_DRAIN_NS (2 * NS_SEC)
#define ROUTER_GOAWAY_NS NS_SEC

/* how long a caller may take from the first byte of a request's head to its
 * last, and keep a connection without any request; a caller that has said a few
 * bytes, and nothing that would be HTTP, speaks something else */
#define ROUTER_HEAD_NS (60 * NS_SEC)
#define ROUTER_IDLE_NS (3600 * NS_SEC)
#define ROUTER_DETECT_NS (3 * NS_SEC)

/**
 * struct router_said - what there is to say of a choice besides, "" otherwise
 */
struct router_said {
	/* who answers in the place of a member that is down: the answer says
	 * so, in the field ROUTER_SERVED_BY */
	char served_by[ENVMARK_MAX];
	char text[2 * ENVMARK_MAX + 128]; /* of a refusal, BACKEND_DOWN */
	bool absent;			  /* which is 404 then, not 503 */
	/* by which it is the missing member's (wire/rule.h): for whose() */
	char mark[ENVMARK_MAX + 8];
};

#define ROUTER_SERVED_BY "kt-served-by"

/** struct router_env - embed it; no operation may be NULL but report(),
 *  mark(), header() and again() */
struct router_env {
	struct loop *loop;
	int64_t hurry;	       /* time-outs are shorter by this factor; 0: 1 */
	struct copier *copier; /* NULL: nothing is copied (copy.h) */
	/* it stands in one connection to one backend, unseen: who calls is not
	 * added (X-Forwarded-For), the caller's connection ends with that
	 * one, and what is no good HTTP goes on as it came */
	bool transparent;
	/* callers come from outside, and have no say in whose they are: all
	 * marks of theirs go, mark() is asked for each request, and nobody may
	 * keep an answer (Cache-Control: no-store) */
	bool outside;
	struct router_said said; /* of the last choose(), or again() */
	/** choose() - who gets the request @req that came to @port, now; asked
	 *  for each. @req NULL: a connection nobody looks into */
	struct backend_ref (*choose)(struct router_env *env, uint16_t port,
				     const struct rule_request *req);
	/** again() - likewise, behind @was, which was not reached: what leads
	 *  there again ends somewhere. NULL: choose() */
	struct backend_ref (*again)(struct router_env *env, uint16_t port,
				    const struct rule_request *req,
				    struct backend_ref was);
	/** open() - a new connection there, on behalf of the caller at @from;
	 *  it is opening still, its handler's opened() or closed() tells.
	 *  Return: the pipe (taken by the asker), or NULL with errno. */
	struct pipe *(*open)(struct router_env *env, uint16_t port,
			     struct backend_ref ref, const struct ipport *from);
	/** serves() - a later request may go there; else its idle connections
	 *  are of no use */
	bool (*serves)(struct router_env *env, struct backend_ref ref);
	/** report() - what became of a request: @ref has answered, or nobody
	 *  (BACKEND_NONE). OTHER of @ev stands for every client. NULL: nobody
	 *  wants to know */
	void (*report)(struct router_env *env, struct backend_ref ref,
		       const struct event *ev);
	/** whose() - the mark by which @req (NULL: a connection nobody looks
	 *  into) is @ref's, and its user, into @ev; with report() */
	void (*whose)(struct router_env *env, uint16_t port,
		      struct backend_ref ref, const struct rule_request *req,
		      struct event *ev);
	/** mark() - the environment that @req of the caller at @from belongs
	 *  to, though it has no mark: it gets one before choose() sees it.
	 *  False: none. NULL: nobody adds marks */
	bool (*mark)(struct router_env *env, const struct ipport *from,
		     const struct rule_request *req, char name[ENVMARK_MAX]);
	/** header() - the field that names an environment besides those of
	 *  wire/envmark.h, as long as nothing else is called; NULL: none */
	const char *(*header)(struct router_env *env);
};

static inline const char *router_header(struct router_env *env)
{
	return env->header ? env->header(env) : NULL;
}

/** router_mark() - the mark that @req has to get; false: none */
static inline bool router_mark(struct router_env *env,
			       const struct ipport *from,
			       const struct rule_request *req,
			       char name[ENVMARK_MAX])
{
	return env->mark && envmark_is_missing(req) &&
	       env->mark(env, from, req, name);
}

static inline int64_t router_patience(const struct router_env *env, int64_t ns)
{
	return env->hurry ? ns / env->hurry : ns;
}

#endif
