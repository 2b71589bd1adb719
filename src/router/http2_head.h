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
 * a request's. What HTTP/2 forbids has been refused by wire/h2 already. Pure.
 */

#define HTTP2_FIELDS_MAX 128
#define HTTP2_HEAD_MAX ((size_t)64 << 10)

struct http2_head {
	struct buf text;
	struct http2_field {
		uint32_t name, nname, value, nvalue; /* into text */
		bool never;			     /* to be indexed */
	} field[HTTP2_FIELDS_MAX];
	size_t n;
};

struct http2_head *http2_head_new(void); /* NULL: memory */
void http2_head_free(struct http2_head *h);
/** http2_head_add() - 0, -E2BIG or -ENOMEM */
KT_CHECK int http2_head_add(struct http2_head *h, const struct hpack_field *f);
/** http2_head_forwarded() - append the caller to X-Forwarded-For */
KT_CHECK int http2_head_forwarded(struct http2_head *h,
				  const struct ipport *from);
/** http2_head_fields() - borrows from @h; returns how many */
size_t http2_head_fields(const struct http2_head *h,
			 struct hpack_field f[HTTP2_FIELDS_MAX]);
/** http2_head_status() - :status, or 0: these are trailers */
int http2_head_status(const struct http2_head *h);
/** http2_head_rule() - what the rules see; :authority is the field host.
 *  @field: HTTP2_FIELDS_MAX of them; borrows from @h */
void http2_head_rule(const struct http2_head *h, struct rule_field *field,
		     struct rule_request *req);

#endif
