/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_PROBE_H
#define KT_ENV_PROBE_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"

struct tunnel;

/** struct probe_request - borrowed */
struct probe_request {
	const char *host, *path;
	const char *header; /* also in this field; NULL: none */
	const char *env;    /* the mark */
	const char *trace;  /* the trace-id */
	bool tls;	    /* speak TLS with whoever is there */
	int64_t timeout;    /* ns, for all of it */
};

struct probe_answer {
	uint16_t port;
	bool tls;
	unsigned int status; /* of HTTP; 0: none */
};

/** env_probe_text() - the request, as it is sent (returned, caller frees) */
char *env_probe_text(const struct probe_request *req);
/** env_probe_send() - one GET to @at, by a connection of the shadow's, until
 *  the head of its answer is there; waits in the loop. 0 with @a->status, or
 *  -errno with @err */
KT_CHECK int env_probe_send(struct loop *loop, struct tunnel *t,
			    const struct ipport *at,
			    const struct probe_request *req,
			    struct probe_answer *a, struct kt_error *err);

#endif
