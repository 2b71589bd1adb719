/* SPDX-License-Identifier: Apache-2.0 */
#include "router/http1_head.h"

#include "router/backend.h"
#include "router/copy.h"
#include "wire/envmark.h"

#include <string.h>
#include <strings.h>

/* of an absolute target (RFC 9112 section 3.2.2) the path */
static struct slice path(struct slice t)
{
	const char *p;

	if (t.n < 8 || strncasecmp(t.p, "http", 4) != 0)
		return t;
	p = memmem(t.p, t.n, "://", 3);
	if (!p)
		return t;
	p += 3;
	t.n -= (size_t)(p - t.p);
	t.p = p;
	p = memchr(t.p, '/', t.n);
	if (!p)
		return (struct slice){ "/", 1 };
	return (struct slice){ p, t.n - (size_t)(p - t.p) };
}

void http1_head_request(const struct http1_head *h, struct rule_field *field,
			struct rule_request *req)
{
	for (size_t i = 0; i < h->nfields; i++)
		field[i] = (struct rule_field){ h->fields[i].name,
						h->fields[i].value };
	*req = (struct rule_request){ h->method, path(h->target), field,
				      h->nfields };
}

void http1_head_unmark(struct rule_field *field, struct rule_request *req)
{
	size_t n = 0;

	for (size_t i = 0; i < req->nfields; i++)
		if (!envmark_is_field(field[i].name, req->env_header))
			field[n++] = field[i];
	req->nfields = n;
}

bool http1_head_persists(const struct http1_head *h)
{
	if (http1_has_token(h, "connection", "close"))
		return false;
	return h->minor || http1_has_token(h, "connection", "keep-alive");
}

static bool is_dropped(const struct http1_field *f)
{
	return slice_is_nocase(f->name, "upgrade") ||
	       slice_is_nocase(f->name, "http2-settings");
}

static int http1_head_put(struct buf *out, const char *from, const char *to)
{
	return buf_put(out, from, (size_t)(to - from));
}

/* the options of a Connection field that say nothing about its end */
static int http1_head_put_options(struct buf *out, struct slice v)
{
	int rc = 0;

	while (v.n && rc == 0) {
		struct slice s = slice_trim(slice_next(&v, ','));

		if (s.n && !slice_is_nocase(s, "close") &&
		    !slice_is_nocase(s, "keep-alive"))
			rc = buf_printf(out, ", %.*s", (int)s.n, s.p);
	}
	return rc;
}

int http1_head_closing(struct buf *out, const struct http1_head *h,
		       const char *start, const char *end)
{
	const char *done = start; /* the bytes before it are out */
	int rc = 0;

	for (size_t i = 0; i < h->nfields && rc == 0; i++) {
		const struct http1_field *f = &h->fields[i];

		if (!slice_is_nocase(f->name, "connection") &&
		    !slice_is_nocase(f->name, "keep-alive"))
			continue;
		rc = http1_head_put(out, done, f->name.p);
		done = i + 1 < h->nfields ? f[1].name.p : end - 2;
	}
	if (rc == 0)
		rc = http1_head_put(out, done, end - 2);
	if (rc == 0)
		rc = buf_printf(out, "Connection: close");
	for (size_t i = 0; i < h->nfields && rc == 0; i++)
		if (slice_is_nocase(h->fields[i].name, "connection"))
			rc = http1_head_put_options(out, h->fields[i].value);
	return rc ? rc : buf_put(out, "\r\n\r\n", 4);
}

int http1_head_answer(struct buf *out, const struct http1_head *h,
		      const char *start, const char *end, const char *by,
		      bool no_store)
{
	const char *done = start; /* the bytes before it are out */
	int rc = 0;

	for (size_t i = 0; i < h->nfields && rc == 0 && no_store; i++) {
		const struct http1_field *f = &h->fields[i];

		if (!slice_is_nocase(f->name, "cache-control"))
			continue;
		rc = http1_head_put(out, done, f->name.p);
		done = i + 1 < h->nfields ? f[1].name.p : end - 2;
	}
	if (rc == 0)
		rc = http1_head_put(out, done, end - 2);
	if (rc == 0 && by)
		rc = buf_printf(out, ROUTER_SERVED_BY ": %s\r\n", by);
	if (rc == 0 && no_store)
		rc = buf_printf(out, "Cache-Control: no-store\r\n");
	return rc ? rc : buf_put(out, "\r\n", 2);
}

int http1_head_copied(struct buf *out, const struct http1_head *h,
		      const char *start, const char *end)
{
	int rc = http1_head_closing(out, h, start, end);

	if (rc < 0)
		return rc;
	out->len -= 2; /* the empty line */
	return buf_printf(out, COPY_FIELD ": " COPY_FIELD_VALUE "\r\n\r\n");
}

int http1_head_forward(struct buf *out, const struct http1_head *h,
		       const char *end, const char *ip, const char *env,
		       const char *header, bool unmark)
{
	bool h2c = http1_has_token(h, "upgrade", "h2c");
	const char *done = h->method.p; /* the bytes before it are out */
	const struct http1_field *xff = NULL;
	int rc = 0;

	for (size_t i = 0; i < h->nfields && *ip; i++)
		if (slice_is_nocase(h->fields[i].name, "x-forwarded-for"))
			xff = &h->fields[i];
	for (size_t i = 0; i < h->nfields && rc == 0; i++) {
		const struct http1_field *f = &h->fields[i];
		const char *next = i + 1 < h->nfields ? f[1].name.p : end - 2;
		const char *value_end = f->value.p + f->value.n;

		if ((h2c && is_dropped(f)) ||
		    (unmark && envmark_is_field(f->name, header))) {
			rc = http1_head_put(out, done, f->name.p);
			done = next;
		} else if (f == xff) {
			rc = http1_head_put(out, done, value_end);
			if (rc == 0)
				rc = buf_printf(out, "%s%s",
						f->value.n ? ", " : " ", ip);
			done = value_end;
		}
	}
	if (rc == 0)
		rc = http1_head_put(out, done, end - 2);
	if (rc == 0 && !xff && *ip)
		rc = buf_printf(out, "X-Forwarded-For: %s\r\n", ip);
	if (rc == 0 && *env)
		rc = buf_printf(
			out, ENVMARK_FIELD ": " ENVMARK_MEMBER "=%s\r\n", env);
	if (rc == 0 && *env && header)
		rc = buf_printf(out, "%s: %s\r\n", header, env);
	return rc ? rc : buf_put(out, "\r\n", 2);
}
