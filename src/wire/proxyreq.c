/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/proxyreq.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static const char proxyreq_scheme[] = "http://";

/** struct proxyreq_text - a part of the head; borrowed */
struct proxyreq_text {
	const char *p;
	size_t n;
};

static bool proxyreq_is(struct proxyreq_text t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

/* The next line, without its end; false: there is none */
static bool proxyreq_line(struct proxyreq_text *rest,
			  struct proxyreq_text *line)
{
	const char *end = memmem(rest->p, rest->n, "\r\n", 2);

	if (!end)
		return false;
	line->p = rest->p;
	line->n = (size_t)(end - rest->p);
	rest->n -= line->n + 2;
	rest->p = end + 2;
	return true;
}

static struct proxyreq_text proxyreq_name(struct proxyreq_text line)
{
	const char *colon = memchr(line.p, ':', line.n);

	return (struct proxyreq_text){ line.p,
				       colon ? (size_t)(colon - line.p) : 0 };
}

/* --- the fields ----------------------------------------------------------- */

/* What a server could read in another way than we do is not passed on */
static bool proxyreq_is_field(struct proxyreq_text line)
{
	struct proxyreq_text name = proxyreq_name(line);

	if (!name.n)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!isgraph((unsigned char)name.p[i]))
			return false;
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == '\0' || line.p[i] == '\r' || line.p[i] == '\n')
			return false;
	return true;
}

/* Is @name a word of the value of @line ("Connection: one, two")? */
static bool proxyreq_lists(struct proxyreq_text line, struct proxyreq_text name)
{
	size_t at = proxyreq_name(line).n + 1;

	while (at < line.n) {
		size_t n = 0;

		while (at < line.n && strchr(", \t", line.p[at]))
			at++;
		while (at + n < line.n && !strchr(", \t", line.p[at + n]))
			n++;
		if (n == name.n && strncasecmp(line.p + at, name.p, n) == 0)
			return true;
		at += n;
	}
	return false;
}

/* Of the connection to us, by RFC 9110 or by its own word */
static bool proxyreq_is_ours(struct proxyreq_text name,
			     struct proxyreq_text fields)
{
	static const char *const names[] = {
		"Connection",
		"Host",
		"HTTP2-Settings",
		"Keep-Alive",
		"Proxy-Authenticate",
		"Proxy-Authorization",
		"TE",
		"Proxy-Connection",
		"Upgrade",
	};
	/* without them nobody knows where the request ends */
	static const char *const kept[] = { "Content-Length",
					    "Transfer-Encoding" };
	struct proxyreq_text line;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (proxyreq_is(name, names[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (proxyreq_is(name, kept[i]))
			return false;
	while (proxyreq_line(&fields, &line))
		if (proxyreq_is(proxyreq_name(line), "Connection") &&
		    proxyreq_lists(line, name))
			return true;
	return false;
}

static int proxyreq_put_fields(struct buf *head, struct proxyreq_text fields)
{
	struct proxyreq_text rest = fields, line;
	int rc = 0;

	while (rc == 0 && proxyreq_line(&rest, &line)) {
		if (!proxyreq_is_field(line))
			return -EPROTO;
		if (!proxyreq_is_ours(proxyreq_name(line), fields))
			rc = buf_printf(head, "%.*s\r\n", (int)line.n, line.p);
	}
	return rc;
}

/* --- the request line ----------------------------------------------------- */

/** struct proxyreq_start - the request line */
struct proxyreq_start {
	struct proxyreq_text method, authority, path, version;
};

static int proxyreq_start(struct proxyreq_start *s, struct proxyreq_text line)
{
	const char *a = memchr(line.p, ' ', line.n), *b, *end;
	size_t skip = strlen(proxyreq_scheme);

	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ' ' && !isgraph((unsigned char)line.p[i]))
			return -EPROTO;
	b = a ? memchr(a + 1, ' ', line.n - (size_t)(a + 1 - line.p)) : NULL;
	if (!b)
		return -EPROTO;
	s->method = (struct proxyreq_text){ line.p, (size_t)(a - line.p) };
	s->version = (struct proxyreq_text){ b + 1, line.n - (size_t)(b + 1 -
								      line.p) };
	if (s->version.n != 8 || memcmp(s->version.p, "HTTP/1.", 7) != 0 ||
	    !isdigit((unsigned char)s->version.p[7]))
		return -EPROTO;
	a++;
	if ((size_t)(b - a) < skip ||
	    strncasecmp(a, proxyreq_scheme, skip) != 0)
		return -EOPNOTSUPP;
	a += skip;
	for (end = a; end < b && !strchr("/?#", *end); end++)
		;
	s->authority = (struct proxyreq_text){ a, (size_t)(end - a) };
	s->path = (struct proxyreq_text){ end, (size_t)(b - end) };
	return 0;
}

/* The port of an address is behind its last colon, but not within "[::1]" */
static int proxyreq_dst(struct proxyreq_text authority, struct socks_dst *dst)
{
	char text[sizeof(dst->host) + 16];
	const char *colon = memrchr(authority.p, ':', authority.n);
	bool port =
		colon && !memchr(colon, ']',
				 authority.n - (size_t)(colon - authority.p));

	if (authority.n >= sizeof(dst->host) + 6 || !authority.n ||
	    memchr(authority.p, '@', authority.n))
		return -EPROTO;
	snprintf(text, sizeof(text), "%.*s%s", (int)authority.n, authority.p,
		 port ? "" : ":80");
	return socks_parse_authority(text, strlen(text), dst);
}

static int proxyreq_put_start(struct buf *head, const struct proxyreq_start *s)
{
	const char *before = "/";

	if (s->path.n && *s->path.p == '/')
		before = "";
	else if (!s->path.n && proxyreq_is(s->method, "OPTIONS"))
		before = "*";
	return buf_printf(head, "%.*s %s%.*s %.*s\r\nHost: %.*s\r\n",
			  (int)s->method.n, s->method.p, before, (int)s->path.n,
			  s->path.p, (int)s->version.n, s->version.p,
			  (int)s->authority.n, s->authority.p);
}

int proxyreq_parse(const uint8_t *data, size_t len, struct socks_dst *dst,
		   struct buf *head)
{
	const uint8_t *end = memmem(data, len, "\r\n\r\n", 4);
	struct proxyreq_text rest = { (const char *)data, 0 }, line;
	struct proxyreq_start s;
	int rc;

	*dst = (struct socks_dst){ 0 };
	if (!end)
		return len >= SOCKS_HTTP_MAX ? -EPROTO : 0;
	rest.n = (size_t)(end - data) + 2;
	rc = proxyreq_line(&rest, &line) ? proxyreq_start(&s, line) : -EPROTO;
	if (rc == 0)
		rc = proxyreq_dst(s.authority, dst);
	if (rc == 0)
		rc = proxyreq_put_start(head, &s);
	if (rc == 0)
		rc = proxyreq_put_fields(head, rest);
	if (rc == 0)
		rc = buf_printf(head, "Connection: close\r\n\r\n");
	return rc < 0 ? rc : (int)(end + 4 - data);
}
