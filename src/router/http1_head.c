/* SPDX-License-Identifier: Apache-2.0 */
#include "router/http1_head.h"

#include <string.h>
#include <strings.h>

static struct rule_str text(struct http1_str s)
{
	return (struct rule_str){ s.p, s.n };
}

/* of an absolute target (RFC 9112 section 3.2.2) the path */
static struct rule_str path(struct http1_str t)
{
	const char *p;

	if (t.n < 8 || strncasecmp(t.p, "http", 4) != 0)
		return text(t);
	p = memmem(t.p, t.n, "://", 3);
	if (!p)
		return text(t);
	p += 3;
	t.n -= (size_t)(p - t.p);
	t.p = p;
	p = memchr(t.p, '/', t.n);
	if (!p)
		return (struct rule_str){ "/", 1 };
	return (struct rule_str){ p, t.n - (size_t)(p - t.p) };
}

void http1_head_request(const struct http1_head *h, struct rule_field *field,
			struct rule_request *req)
{
	for (size_t i = 0; i < h->nfields; i++)
		field[i] = (struct rule_field){ text(h->fields[i].name),
						text(h->fields[i].value) };
	*req = (struct rule_request){ text(h->method), path(h->target), field,
				      h->nfields };
}

bool http1_head_persists(const struct http1_head *h)
{
	if (http1_has_token(h, "connection", "close"))
		return false;
	return h->minor || http1_has_token(h, "connection", "keep-alive");
}

static bool is_dropped(const struct http1_field *f)
{
	return http1_str_eq(f->name, "upgrade") ||
	       http1_str_eq(f->name, "http2-settings");
}

static int http1_head_put(struct buf *out, const char *from, const char *to)
{
	return buf_put(out, from, (size_t)(to - from));
}

/* the options of a Connection field that say nothing about its end */
static int http1_head_put_options(struct buf *out, struct http1_str v)
{
	const char *p = v.p, *end = v.p + v.n;
	int rc = 0;

	while (p < end && rc == 0) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *next = comma ? comma + 1 : end;
		struct http1_str s = { p, (size_t)((comma ? comma : end) - p) };

		for (; s.n && strchr(" \t", *s.p); s.n--)
			s.p++;
		while (s.n && strchr(" \t", s.p[s.n - 1]))
			s.n--;
		if (s.n && !http1_str_eq(s, "close") &&
		    !http1_str_eq(s, "keep-alive"))
			rc = buf_printf(out, ", %.*s", (int)s.n, s.p);
		p = next;
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

		if (!http1_str_eq(f->name, "connection") &&
		    !http1_str_eq(f->name, "keep-alive"))
			continue;
		rc = http1_head_put(out, done, f->name.p);
		done = i + 1 < h->nfields ? f[1].name.p : end - 2;
	}
	if (rc == 0)
		rc = http1_head_put(out, done, end - 2);
	if (rc == 0)
		rc = buf_printf(out, "Connection: close");
	for (size_t i = 0; i < h->nfields && rc == 0; i++)
		if (http1_str_eq(h->fields[i].name, "connection"))
			rc = http1_head_put_options(out, h->fields[i].value);
	return rc ? rc : buf_put(out, "\r\n\r\n", 4);
}

int http1_head_forward(struct buf *out, const struct http1_head *h,
		       const char *end, const char *ip)
{
	bool h2c = http1_has_token(h, "upgrade", "h2c");
	const char *done = h->method.p; /* the bytes before it are out */
	const struct http1_field *xff = NULL;
	int rc = 0;

	for (size_t i = 0; i < h->nfields; i++)
		if (http1_str_eq(h->fields[i].name, "x-forwarded-for"))
			xff = &h->fields[i];
	for (size_t i = 0; i < h->nfields && rc == 0; i++) {
		const struct http1_field *f = &h->fields[i];
		const char *next = i + 1 < h->nfields ? f[1].name.p : end - 2;
		const char *value_end = f->value.p + f->value.n;

		if (h2c && is_dropped(f)) {
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
	if (rc == 0 && !xff)
		rc = buf_printf(out, "X-Forwarded-For: %s\r\n", ip);
	return rc ? rc : buf_put(out, "\r\n", 2);
}
