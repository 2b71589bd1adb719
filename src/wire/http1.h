/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_HTTP1_H
#define KT_WIRE_HTTP1_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

/**
 * DOC: HTTP/1 heads
 *
 * Start line and fields of a request or a response (RFC 9112), parsed in place:
 * every text is a slice of the caller's bytes. Strict where two readers could
 * differ (bare CR or LF, folded lines, blank before the colon, conflicting
 * lengths are all refused), because a router that reads otherwise than its
 * neighbour can be tricked. What a response may have wrong all the same, and
 * how a proxy puts it right, is in http1_repair.c.
 */

/* bytes of a head, and what they come to when each field counts 32 more, as it
 * does in HTTP/2 (RFC 9113 section 6.5.2) */
#define HTTP1_MAX_HEAD ((size_t)256 << 10)
#define HTTP1_MAX_FIELDS (HTTP1_MAX_HEAD / 32)

/* what a request may get on its way: X-Forwarded-For, a mark */
#define HTTP1_OWN_FIELDS 3
#define HTTP1_OWN_FIELD ((size_t)256)
#define HTTP1_PASSED_HEAD (HTTP1_MAX_HEAD + HTTP1_OWN_FIELDS * HTTP1_OWN_FIELD)

struct http1_field {
	struct slice name, value;
};

struct http1_head {
	/* a request has method and target, a response status and reason */
	struct slice method, target;
	unsigned int status;
	struct slice reason;
	unsigned int minor; /* HTTP/1.minor: 0 or 1 */
	size_t nfields;
	/* large: only those that are used cost memory */
	struct http1_field fields[HTTP1_MAX_FIELDS + HTTP1_OWN_FIELDS];
};

/**
 * http1_parse_response() - the head at the start of @data
 * Return: its length with the empty line; -EAGAIN when it is not all there;
 * -EBADMSG when it is no valid head; -E2BIG past a limit.
 */
KT_CHECK ssize_t http1_parse_response(struct http1_head *h, const void *data,
				      size_t len);
/** http1_parse_request() - likewise; empty lines before it are skipped and
 *  counted (RFC 9112 section 2.2) */
KT_CHECK ssize_t http1_parse_request(struct http1_head *h, const void *data,
				     size_t len);
/** http1_parse_passed() - likewise, a request that was taken and got up to
 *  HTTP1_OWN_FIELDS fields more, of up to HTTP1_OWN_FIELD bytes each */
KT_CHECK ssize_t http1_parse_passed(struct http1_head *h, const void *data,
				    size_t len);

/** http1_find() - the first field of that name, or NULL */
const struct http1_field *http1_find(const struct http1_head *h,
				     const char *name);
/** http1_has_token() - a comma list in any field of that name holds @token */
bool http1_has_token(const struct http1_head *h, const char *name,
		     const char *token);

enum http1_body {
	HTTP1_NO_BODY,
	HTTP1_LENGTH,	 /* exactly *length bytes */
	HTTP1_CHUNKED,	 /* struct http1_chunks */
	HTTP1_UNTIL_EOF, /* responses only */
};

/** http1_request_body(), http1_response_body() - how the body is framed
 *  (RFC 9112 section 6.3); enum http1_body, or -EBADMSG when it is ambiguous.
 *  @to_head: the response answers a HEAD request */
KT_CHECK int http1_request_body(const struct http1_head *h, uint64_t *length);
KT_CHECK int http1_response_body(const struct http1_head *h, bool to_head,
				 uint64_t *length);

/** http1_passed_body() - likewise, of a response that is passed on as it came:
 *  codings before the last one mean nothing to who does that */
KT_CHECK int http1_passed_body(const struct http1_head *h, bool to_head,
			       uint64_t *length);

/* --- http1_repair.c ------------------------------------------------------- */

/** http1_is_odd() - a response says in more than one way, or in none that is
 *  sure, where its body ends: http1_repair() first */
bool http1_is_odd(const struct http1_head *h);
/**
 * http1_repair() - append to @out the response head at the start of @data as it
 * should have been (RFC 9112 sections 2.2, 5.1, 5.2, 6.3)
 * Return: the bytes of @data that are the head; -EAGAIN; -EBADMSG: it is none;
 * -E2BIG, -ENOMEM, -ENOBUFS
 */
KT_CHECK ssize_t http1_repair(struct buf *out, const void *data, size_t len);

/** struct http1_chunks - decoder of the chunked coding; starts zeroed */
struct http1_chunks {
	uint64_t left; /* of the present chunk */
	unsigned int line, state;
	bool lenient; /* a bare LF ends a line (RFC 9112 section 2.2) */
	bool done;
};

/**
 * http1_chunks_next() - take the next bytes of a chunked body
 * @out: payload found, a slice of @data; may be empty
 * Return: bytes used (> 0 unless @len is 0 or @done), or -EBADMSG. Trailer
 * fields are skipped; @done is set behind the last empty line.
 */
KT_CHECK ssize_t http1_chunks_next(struct http1_chunks *c, const void *data,
				   size_t len, struct slice *out);

/** struct http1_flow - how far a body is; of bytes that are passed on as they
 *  are, framing included */
struct http1_flow {
	int kind;      /* enum http1_body */
	uint64_t left; /* HTTP1_LENGTH */
	struct http1_chunks chunks;
	bool done; /* never of HTTP1_UNTIL_EOF */
};

/** http1_flow_start() - a body of that @kind begins */
void http1_flow_start(struct http1_flow *f, int kind, uint64_t length);
/** http1_flow_next() - how many of the next bytes are the body's; they are
 *  checked and count as passed. Fewer than @len only when it is @done.
 *  -EBADMSG: the chunked coding is broken */
KT_CHECK ssize_t http1_flow_next(struct http1_flow *f, const void *data,
				 size_t len);

#endif
