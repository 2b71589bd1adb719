/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_SLEEP_API_H
#define KT_GATE_SLEEP_API_H

#include "base/ipaddr.h"
#include "base/loop.h"
#include "gate/sleep_reply.h"

struct pipe;
struct sleep_api;

/**
 * DOC: The sleeper's client of the API server
 *
 * HTTP/1.1, a connection for each request, one request at a time: it asks
 * seldom, and what it asks is small. The token is read anew for each, for the
 * kubelet renews it. It may do three things, and its Role names the objects:
 * get and patch the scale of one Deployment, get one Endpoints.
 */

/** struct sleep_api_config - all borrowed for good */
struct sleep_api_config {
	struct loop *loop;
	struct ipport at;
	const char *host; /* of the field Host */
	const char *token_file;
	const char *ns, *deployment, *endpoints;
	int64_t timeout_ns; /* of a request */
	/** open() - the pipe over connected @fd (taken); NULL with errno */
	struct pipe *(*open)(void *user, int fd);
	/** why() - from inside closed(): what was wrong, "": nothing is known;
	 *  may be NULL */
	const char *(*why)(void *user, struct pipe *p);
	void *user;
};

enum sleep_question { SLEEP_GET_SCALE, SLEEP_PATCH_SCALE, SLEEP_GET_ADDRESSES };

/** sleep_answered_fn - @r, borrowed, has the answer; NULL: there is none.
 *  @why: in words, what is wrong with it, "": nothing */
typedef void (*sleep_answered_fn)(void *user, const struct sleep_reply *r,
				  const char *why);

struct sleep_api *sleep_api_new(const struct sleep_api_config *c);
/** sleep_api_ask() - @body: of a patch, or NULL; only when it is not busy */
void sleep_api_ask(struct sleep_api *a, enum sleep_question q, const char *body,
		   sleep_answered_fn done, void *user);
bool sleep_api_is_busy(const struct sleep_api *a);
void sleep_api_free(struct sleep_api *a);

#endif
