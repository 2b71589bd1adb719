/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_HTTP2_HEAD_H
#define KT_ROUTER_HTTP2_HEAD_H

#include "base/buf.h"
#include "base/ipaddr.h"
#include "wire/hpack.h"
#include "wire/rule.h"

/**
 * DOC: HTTP/2 heads on their way
 *
 * The fields of one head or trailer while they come in, of bounded size, and
 * as they go on: all of them, in their order, with X-Forwarded-For appended to
 * a request's, and perhaps a mark. What HTTP/2 forbids has been refused by
 * wire/h2 already. Pure.
 */

/* the list, as RFC 9113 section 6.5.2 counts it: 32 for each field; a cookie in
 * many crumbs (section 8.2.3) counts as one field */
#define HTTP2_HEAD_MAX ((size_t)256 << 10)
#define HTTP2_FIELDS_MAX (HTTP2_HEAD_MAX / 32)
#define HTTP2_FEW 24 /* fields that most heads have at most */

struct http2_field {
	uint32_t name, nname, value, nvalue; /* into text */
	bool never;			     /* to be indexed */
};

struct http2_head {
	struct buf text;
	struct http2_field few[HTTP2_FEW], *field; /* field: few, or heap */
	size_t n, room;
	size_t size; /* of the list */
	bool cookie; /* it has some */
};

struct http2_head *http2_head_new(void); /* NULL: memory */
void http2_head_free(struct http2_head *h);
/** http2_head_add() - 0, -E2BIG or -ENOMEM */
KT_CHECK int http2_head_add(struct http2_head *h, const struct hpack_field *f);
/** http2_head_forwarded() - append the caller to X-Forwarded-For, also where
 *  the head is as large as may be */
KT_CHECK int http2_head_forwarded(struct http2_head *h,
				  const struct ipport *from);
/** http2_head_put_own() - append a field of ours, of up to 256 bytes, also
 *  where the head is as large as may be; three at most, with that of
 *  http2_head_forwarded() */
KT_CHECK int http2_head_put_own(struct http2_head *h, const char *name,
				const char *value);
/** http2_head_unmark() - without marks; @header: the chosen field, or NULL */
void http2_head_unmark(struct http2_head *h, const char *header);
/** http2_head_no_store() - of an answer: nobody may keep it, whatever it says
 */
KT_CHECK int http2_head_no_store(struct http2_head *h);
/** http2_head_mark() - likewise, the mark of @env, also in the field @header,
 *  unless that is NULL */
KT_CHECK int http2_head_mark(struct http2_head *h, const char *env,
			     const char *header);
/** http2_head_fields() - all of them, valid until the next call; borrows from
 *  @h; @n: how many */
const struct hpack_field *http2_head_fields(const struct http2_head *h,
					    size_t *n);
/** http2_head_status() - :status, or 0: these are trailers */
int http2_head_status(const struct http2_head *h);
/** http2_head_is_extended() - a request with :protocol (RFC 8441) */
bool http2_head_is_extended(const struct http2_head *h);
/** http2_head_rule() - what the rules see, valid until the next call;
 * :authority is the field host, crumbs are one cookie */
void http2_head_rule(const struct http2_head *h, struct rule_request *req);

#endif
