/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_WEB_H
#define KT_IMAGE_WEB_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

struct loop;

/**
 * DOC: HTTP for registries
 *
 * One request after the other over libcurl, with the proxies of the environment
 * and the machine's certificate authorities. Redirections are not followed:
 * who asks decides whom to trust with credentials.
 */

struct web;

/** struct web_call - one request; all borrowed */
struct web_call {
	const char *method, *url;
	const char *authorization; /* the field's value, or NULL */
	const char *type;	   /* of the body, or NULL: there is none */
	const void *body;
	size_t len;
	bool unverified; /* any certificate will do */
};

/** struct web_answer - web_answer_fini() */
struct web_answer {
	int status;
	char *location;		/* or NULL */
	struct strv challenges; /* values of WWW-Authenticate */
	struct buf body;
};

/** web_new() - 0 with *@out, or -errno with @err */
KT_CHECK int web_new(struct web **out, struct loop *loop, struct kt_error *err);
void web_free(struct web *w);
/** web_ask() - ask and wait in the loop: 0 with @a, whatever the status, or
 *  -errno with @err; -EPROTO: TLS failed, -EINTR: interrupted */
KT_CHECK int web_ask(struct web *w, const struct web_call *c,
		     struct web_answer *a, struct kt_error *err);
void web_answer_fini(struct web_answer *a);

/** web_url() - @to, which may be relative to @from, with @query added to it;
 *  NULL: it is no http or https URL. Returned, caller frees */
char *web_url(const char *from, const char *to, const char *query);
/** web_url_pair() - "name=value" for a query, @value escaped (returned, caller
 *  frees) */
char *web_url_pair(const char *name, const char *value);
/** web_same_origin() - scheme, host and port are the same */
bool web_same_origin(const char *a, const char *b);
/** web_same_host() - @a and @b are on one host, whatever scheme and port */
bool web_same_host(const char *a, const char *b);
/** web_is_plain() - not by TLS */
bool web_is_plain(const char *url);

#endif
