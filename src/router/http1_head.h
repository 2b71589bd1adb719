/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_HTTP1_HEAD_H
#define KT_ROUTER_HTTP1_HEAD_H

#include "base/buf.h"
#include "wire/http1.h"
#include "wire/rule.h"

/** http1_head_request() - @h as the rules see it; it has no env_header
 *  @field: room for all its fields; @req borrows it and the head's bytes */
void http1_head_request(const struct http1_head *h, struct rule_field *field,
			struct rule_request *req);
/** http1_head_unmark() - without marks, of whatever kind. @field: as above */
void http1_head_unmark(struct rule_field *field, struct rule_request *req);

/**
 * http1_head_forward() - append the request head to @out, as it is but for
 * X-Forwarded-For, to which @ip is appended (unless it is empty), and the mark
 * of @env, unless that is empty, also in the field @header, unless that is
 * NULL. @unmark: the marks that it has are left out. So is an offer to upgrade
 * to h2c: behind it no request could be seen (RFC 9113 section 3.1).
 * @end: of the bytes @h was parsed from. Return: 0, -ENOBUFS or -ENOMEM
 */
KT_CHECK int http1_head_forward(struct buf *out, const struct http1_head *h,
				const char *end, const char *ip,
				const char *env, const char *header,
				bool unmark);

/**
 * http1_head_answer() - append the response head to @out with ROUTER_SERVED_BY
 * @by (NULL: none); @no_store: nobody may keep it, whatever it says
 * @start, @end: of the bytes @h was parsed from. Return: 0, -ENOBUFS or -ENOMEM
 */
KT_CHECK int http1_head_answer(struct buf *out, const struct http1_head *h,
			       const char *start, const char *end,
			       const char *by, bool no_store);

/**
 * http1_head_closing() - append the response head to @out, as it is but for the
 * fields of the connection: "close" is among its options, "keep-alive" is not
 * @start, @end: of the bytes @h was parsed from. Return: 0, -ENOBUFS or -ENOMEM
 */
KT_CHECK int http1_head_closing(struct buf *out, const struct http1_head *h,
				const char *start, const char *end);

/**
 * http1_head_copied() - append the request head of a copy to @out: as it is but
 * for the fields of the connection, which ends with the answer, and COPY_FIELD
 * @start, @end: of the bytes @h was parsed from. Return: 0, -ENOBUFS or -ENOMEM
 */
KT_CHECK int http1_head_copied(struct buf *out, const struct http1_head *h,
			       const char *start, const char *end);

/** http1_head_persists() - the sender means to keep the connection
 *  (RFC 9112 section 9.3) */
bool http1_head_persists(const struct http1_head *h);

#endif
